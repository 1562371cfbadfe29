"""What a setting may be: each kind reads its text, and says what is wrong with it."""

import base64
import binascii
import re
import uuid
from ipaddress import ip_network
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

AP_JS_URL = "https://connect-cdn.atl-paas.net/all.js"
"""Jira's own script for add-on pages."""

PLAIN_HTTP = "http+"
"""Marks a network that an operator lets a tenant reach without TLS: a lab."""

DEVELOPMENT_KEY = "dev:"
"""How `make run` marks the key it makes; production refuses such a key."""


_FORGE_APP = re.compile(
    r"ari:cloud:ecosystem::app/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


def _listed(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _base_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an absolute URL")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("only scheme, host, port and path")
    return value.rstrip("/")


def _database_url(value: object) -> object:
    if not str(value).startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("neither sqlite:///FILE nor postgresql+psycopg://…")
    return value


def _queue_url(value: object) -> object:
    if not str(value).startswith(("sqlite:///", "redis://", "rediss://")):
        raise ValueError("neither sqlite:///FILE nor redis://… nor rediss://…")
    return value


def _key(value: object) -> object:
    text = str(value).removeprefix(DEVELOPMENT_KEY)
    try:
        size = len(base64.b64decode(text, validate=True))
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if size != 32:  # noqa: PLR2004 -- AES-256
        raise ValueError(f"holds {size} bytes, not 32")
    return value


def _mail_url(value: object) -> object:
    parts = urlsplit(str(value))
    if not value:
        return value
    is_safe = parts.scheme == "smtps" or (
        parts.scheme == "smtp" and parts.query == "starttls"
    )
    if not is_safe or not parts.hostname or parts.path.strip("/") or parts.fragment:
        raise ValueError("not smtps://HOST, nor smtp://HOST?starttls")
    return value


def _forge_app_id(value: object) -> object:
    if value and not _FORGE_APP.fullmatch(str(value)):
        raise ValueError("not ari:cloud:ecosystem::app/ and a UUID")
    return value


def _exception(value: object) -> object:
    tenant, _, network = str(value).partition("=")
    try:
        uuid.UUID(tenant)
        ip_network(network.removeprefix(PLAIN_HTTP))
    except ValueError as error:
        raise ValueError("not TENANT=NETWORK, such as 0198…=10.1.0.0/16") from error
    return value


def _contact(value: object) -> object:
    if not re.fullmatch(r"(mailto:[!-~]+@|https://)[!-~]+", str(value)):
        raise ValueError("neither mailto:ADDRESS nor https://ADDRESS")
    return value


_T = TypeVar("_T")

Listed = BeforeValidator(_listed)
Some = Annotated[tuple[_T, ...], Listed, Field(min_length=1)]
"""A list, its members parted by commas; at least one."""
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
DatabaseUrl = Annotated[str, BeforeValidator(_database_url)]
QueueUrl = Annotated[str, BeforeValidator(_queue_url)]
EncryptionKey = Annotated[str, BeforeValidator(_key)]
ForgeAppId = Annotated[str, BeforeValidator(_forge_app_id)]
MailUrl = Annotated[str, BeforeValidator(_mail_url)]
EgressException = Annotated[str, BeforeValidator(_exception)]
Contact = Annotated[str, BeforeValidator(_contact)]
