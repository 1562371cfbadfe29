"""Everything that an operator may choose, with its default and its words."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.settings import problems, production, ring
from app.settings.given import Given
from app.settings.kinds import (
    AP_JS_URL,
    DEVELOPMENT_KEY,
    BaseUrl,
    Contact,
    DatabaseUrl,
    EgressException,
    EncryptionKey,
    ForgeAppId,
    Listed,
    MailUrl,
    QueueUrl,
    Some,
)

PREFIX = "COUNTERSIGN_"
FORGE_KEYS_URL = "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json"
FORGE_API_URL = "https://api.atlassian.com/ex/jira"


class SettingsError(Exception):
    """The environment cannot configure the app; the message lists every problem."""


class Settings(BaseModel):
    """Everything an operator may choose; each is an environment variable."""

    # `hide_input_in_errors`: a malformed key must not be printed at start-up.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    mode: Literal["production", "development"] = Field(
        "production",
        description="`development` relaxes what docs/operate.md lists",
        examples=["production"],
    )
    base_url: BaseUrl = Field(
        description="Where Jira reaches this app, with its path prefix if it has one",
        examples=["https://countersign.example.com"],
    )
    accepted_base_urls: Annotated[tuple[BaseUrl, ...], Listed] = Field(
        (),
        description="Further base URLs that install tokens may name while you move",
        examples=["https://old.example.com"],
    )
    database_url: DatabaseUrl = Field(
        description="SQLite or PostgreSQL; everything that must not be lost is there",
        examples=["postgresql+psycopg://countersign@db/countersign"],
        repr=False,
    )
    queue_url: QueueUrl = Field(
        description="Wake-ups for workers: a SQLite file of its own, or Redis",
        examples=["redis://redis:6379/0"],
        repr=False,
    )
    encryption_keys: Some[EncryptionKey] = Field(
        description="Base64 of 32 random bytes each; the first seals, all of them open."
        " Or they come by one of the two that follow",
        examples=["$(head -c 32 /dev/urandom | base64)"],
        repr=False,
    )
    encryption_keys_file: str = Field(
        "",
        description="A file that has the encryption keys, which others may not write",
        examples=["/run/secrets/countersign-keys"],
    )
    encryption_keys_command: str = Field(
        "",
        description="A command, run without a shell, that prints the encryption keys",
        examples=["vault kv get -field=keys secret/countersign"],
        repr=False,
    )
    doors: Some[Literal["connect", "forge", "datacenter"]] = Field(
        ("connect", "forge", "datacenter"),
        description="Which ways in are open; the Forge door also needs an app id",
        examples=["forge"],
    )
    app_key: str = Field(
        "countersign",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="The add-on's key: `iss` of every token that we send to Jira",
        examples=["com.example.countersign"],
    )
    install_keys_url: BaseUrl = Field(
        "https://connect-install-keys.atlassian.com",
        description="Where Jira publishes the public keys of its install tokens",
        examples=["https://connect-install-keys.atlassian.com"],
    )
    forge_app_id: ForgeAppId = Field(
        "",
        description="The Forge app's id; without it the Forge door is shut",
        examples=["ari:cloud:ecosystem::app/5e5b7c1a-0000-4000-8000-000000000000"],
    )
    forge_environments: Some[Literal["PRODUCTION", "STAGING", "DEVELOPMENT"]] = Field(
        ("PRODUCTION",),
        description="Types of Forge environments whose calls are let in",
        examples=["PRODUCTION,STAGING"],
    )
    forge_keys_url: BaseUrl = Field(
        FORGE_KEYS_URL,
        description="Where Atlassian publishes the public keys of invocation tokens",
        examples=[FORGE_KEYS_URL],
    )
    forge_api_url: BaseUrl = Field(
        FORGE_API_URL,
        description="Below which the REST API of every site on Forge is",
        examples=[FORGE_API_URL],
    )
    site_suffixes: Annotated[tuple[str, ...], Listed] = Field(
        (".atlassian.net", ".jira.com"),
        description="A site's host is one of these or, after a leading dot, ends so",
        examples=[".atlassian.net,.jira.com"],
    )
    tenants: Some[str] = Field(
        ("approve",),
        description="Who may install: `approve` (each waits for the operator), `open`,"
        " or a list of site hosts",
        examples=["acme.atlassian.net,acme-test.atlassian.net"],
    )
    ap_js_url: str = Field(
        AP_JS_URL,
        description="Jira's script for add-on pages; production takes no other",
        examples=[AP_JS_URL],
    )
    egress_ports: Some[int] = Field(
        (443,), description="Ports that our requests may go to", examples=["443,8443"]
    )
    egress_mail_ports: Some[int] = Field(
        (465, 587),
        description="Ports of mail servers that a site's mail may be handed to",
        examples=["465,587,2465"],
    )
    egress_exceptions: Annotated[tuple[EgressException, ...], Listed] = Field(
        (),
        description="Private networks that one tenant may reach, `TENANT=NETWORK`;"
        " `TENANT=http+NETWORK` without TLS",
        examples=["01989f6e-7b1c-7000-8000-000000000000=10.1.0.0/16"],
    )
    listen: str = Field(
        "127.0.0.1:8040",
        pattern=r"^[^\s/]+:\d{1,5}$",
        description="Address and port of the web server, behind your TLS proxy",
        examples=["0.0.0.0:8040"],
    )
    web_threads: int = Field(
        8, ge=1, le=256, description="Requests served at a time", examples=["16"]
    )
    worker_threads: int = Field(
        4,
        ge=1,
        le=256,
        description="Runs carried out at a time by one worker process",
        examples=["8"],
    )
    secret_grace_minutes: int = Field(
        10,
        ge=0,
        le=60,
        description="How long a replaced shared secret is still accepted, once the new"
        " one is proven",
        examples=["10"],
    )
    secret_retention_days: int = Field(
        30,
        ge=0,
        le=365,
        description="How long an uninstalled site's sealed secret is kept",
        examples=["30"],
    )
    key_publish_hours: int = Field(
        24,
        ge=1,
        le=720,
        description="How long a signing key is published before it signs; longer than"
        " your receivers remember a key set",
        examples=["24"],
    )
    key_rotation_days: int = Field(
        90,
        ge=2,
        le=3650,
        description="How long a key signs before the next one takes over",
        examples=["90"],
    )
    runs_per_hour: int = Field(
        5000,
        ge=1,
        description="A site's budget of runs; what exceeds it fails and says so",
        examples=["5000"],
    )
    watch_seconds: int = Field(
        300,
        ge=5,
        le=3600,
        description="How often the watchdog looks for issues that are stuck in a hold",
        examples=["300"],
    )
    metrics_token: str = Field(
        "",
        description="Bearer token for `/metrics`; without it only this machine may read"
        " them",
        examples=["$(head -c 24 /dev/urandom | base64)"],
        repr=False,
    )
    smtp_url: MailUrl = Field(
        "",
        description="Mail server for alerts, `smtps://user:password@host` or"
        " `smtp://user:password@host?starttls`; empty: no mail",
        examples=["smtps://countersign:secret@mail.example.com:465"],
        repr=False,
    )
    alert_from: str = Field(
        "", description="Sender of alerts", examples=["countersign@example.com"]
    )
    alert_to: Annotated[tuple[str, ...], Listed] = Field(
        (),
        description="Who is told by mail when a site's Jira refuses us or tickets are"
        " stuck",
        examples=["oncall@example.com"],
    )
    security_contact: Annotated[tuple[Contact, ...], Listed] = Field(
        (),
        description="Whom to tell of a weakness: `mailto:` or `https:` addresses for"
        " `/.well-known/security.txt`",
        examples=["mailto:security@example.com"],
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="What is logged, to standard error", examples=["WARNING"]
    )

    @property
    def cautions(self) -> tuple[str, ...]:
        """What is careless about them, and no reason not to start."""
        found = ring.caution(self.encryption_keys_file)
        return (found,) if found else ()

    @property
    def development(self) -> bool:
        return self.mode == "development"

    @property
    def is_connect_open(self) -> bool:
        return "connect" in self.doors

    @property
    def is_forge_open(self) -> bool:
        return "forge" in self.doors and bool(self.forge_app_id)

    @property
    def is_datacenter_open(self) -> bool:
        return "datacenter" in self.doors

    @property
    def base_path(self) -> str:
        """The path prefix of `base_url`: empty, or `/prefix`."""
        return urlsplit(self.base_url).path

    @property
    def audiences(self) -> frozenset[str]:
        """Every base URL that an install token may be meant for."""
        return frozenset((self.base_url, *self.accepted_base_urls))

    @property
    def sealing_keys(self) -> tuple[str, ...]:
        """The encryption keys as plain base64, newest first."""
        return tuple(key.removeprefix(DEVELOPMENT_KEY) for key in self.encryption_keys)

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Self:
        if self.smtp_url and not (self.alert_from and self.alert_to):
            name = "alert_to" if self.alert_from else "alert_from"
            problem = problems.told(name, "needed where there is a mail server")
            raise ValidationError.from_exception_data("Settings", [problem])
        return self

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if not self.development and (unsafe := list(production.unsafe(self))):
            raise ValidationError.from_exception_data("Settings", unsafe)
        return self

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; raise `SettingsError` that names all problems at once."""
        given = Given.read(cls.model_fields, env, PREFIX)
        try:
            return cls.model_validate(given.values)
        except ValidationError as error:
            wrong = given.by_source(problems.found(error))
            lines = problems.lines(cls.model_fields, wrong, prefix=PREFIX)
            raise SettingsError("\n".join(lines)) from None
