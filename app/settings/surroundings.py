"""What is around us: Jira, whom we let in, and where we may go."""

from typing import Annotated, Literal

from pydantic import Field

from app.settings.foundations import Foundations
from app.settings.kinds import (
    AP_JS_URL,
    BaseUrl,
    EgressException,
    ForgeAppId,
    Listed,
    Some,
)

FORGE_KEYS_URL = "https://forge.cdn.prod.atlassian-dev.net/.well-known/jwks.json"
FORGE_API_URL = "https://api.atlassian.com/ex/jira"


class Surroundings(Foundations):
    """The second part of the settings: what is around us, and whom we let in."""

    doors: Some[Literal["connect", "forge"]] = Field(
        ("connect", "forge"),
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
        (443,),
        description="Ports that our requests may go to",
        examples=["443,8443"],
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
