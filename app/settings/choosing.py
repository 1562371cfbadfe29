"""Everything that an operator may choose, with its default and its words."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from app.settings import problems, production, ring
from app.settings.given import Given
from app.settings.kinds import DEVELOPMENT_KEY, Contact, Listed, MailUrl
from app.settings.surroundings import Surroundings

PREFIX = "COUNTERSIGN_"


class SettingsError(Exception):
    """The environment cannot configure the app; the message lists every problem."""


class Settings(Surroundings):
    """Everything an operator may choose; each is an environment variable."""

    listen: str = Field(
        "127.0.0.1:8040",
        pattern=r"^[^\s/]+:\d{1,5}$",
        description="Address and port of the web server, behind your TLS proxy",
        examples=["0.0.0.0:8040"],
    )
    web_processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes of a web server: one for each core of its machine",
        examples=["2"],
    )
    web_threads: int = Field(
        8, ge=1, le=256, description="Requests served at a time", examples=["16"]
    )
    drain_seconds: int = Field(
        0,
        ge=0,
        le=300,
        description="How long a web server that is told to stop serves on, no longer"
        " ready, before it lets nobody in: longer than your load balancer looks away",
        examples=["15"],
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
    worker_metrics: str = Field(
        "",
        pattern=r"^$|^[^\s/]+:\d{1,5}$",
        description="Address and port at which `countersign worker` shows its metrics;"
        " `serve` shows them with its own",
        examples=["127.0.0.1:9102"],
    )
    smtp_url: MailUrl = Field(
        "",
        description="Mail server for alerts, `smtps://user:password@host` or"
        " `smtp://user:password@host?starttls`; empty: no mail",
        examples=["smtps://countersign:secret@mail.example.com:465"],
        repr=False,
    )
    alert_from: str = Field(
        "",
        description="Sender of alerts",
        examples=["countersign@example.com"],
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
    log: Literal["", "json", "text"] = Field(
        "",
        description="`json`, an object a line, or `text`; by default `json`, in"
        " development `text`",
        examples=["json"],
    )
    log_calls: Literal["off", "on"] = Field(
        "off",
        description="`on`: a line for each call of Jira's or of a listener's that was"
        " let in",
        examples=["on"],
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
    def log_form(self) -> Literal["json", "text"]:
        return self.log or ("text" if self.development else "json")

    @property
    def is_connect_open(self) -> bool:
        return "connect" in self.doors

    @property
    def is_forge_open(self) -> bool:
        return "forge" in self.doors and bool(self.forge_app_id)

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
