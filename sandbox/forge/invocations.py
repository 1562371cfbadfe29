"""The token that comes with every call Forge makes (FIT), and the keys behind it.

Claims as Atlassian's "Forge Remote essentials" lists them.
"""

import base64
import functools
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox import tokens
from sandbox.forge.installation import Installation, Key
from sandbox.forge.manifest import Endpoint

Json = dict[str, Any]

ISSUER = "forge/invocation-token"
LIFETIME = timedelta(seconds=25)
_STRANGER = "ari:cloud:ecosystem::app/00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Invocation:
    """What is called, for which module and, from a page, for whom."""

    endpoint: Endpoint
    module_key: str
    principal: str = ""
    """The account of who looks at the page; empty for an event."""
    extension: Json = field(default_factory=dict)
    """What the page shows, for a page only."""
    page_type: str = ""
    """If given, `app.module` is the page's module, and not the endpoint."""


@dataclass(frozen=True)
class Slip:
    """How one call goes wrong; as it is, it goes well."""

    note: str = ""
    shift: timedelta = timedelta()
    """Added to the moment the token is issued at."""
    is_for_stranger: bool = False
    """For another app: in `aud` and in `app.id`."""
    environment_type: str = ""
    endpoint: str = ""
    """The key of another endpoint than the one that is called."""
    principal: str = ""
    """Somebody, where an event has nobody."""
    has_stray_key: bool = False
    """Signed by a key that is published nowhere."""
    jti: str = ""
    is_token_refused: bool = False
    """The system token comes, but Jira does not take it."""


@dataclass(frozen=True)
class Place:
    """The site, as a token names it."""

    cloud_id: str
    site_url: str
    api_base_url: str


def claims(
    kept: Installation, place: Place, what: Invocation, now: datetime, slip: Slip
) -> Json:
    issued = int((now + slip.shift).timestamp())
    app = _app(kept, place, what, slip)
    context: Json = {"cloudId": place.cloud_id, "moduleKey": what.module_key}
    if what.principal:
        context |= {
            "siteUrl": place.site_url,
            "localId": kept.extension_id(what.module_key),
            "extension": what.extension,
        }
    principal = what.principal or slip.principal
    return {
        "iss": ISSUER,
        "aud": app["id"],
        "iat": issued,
        "nbf": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "jti": slip.jti or str(uuid.uuid4()),
        "app": app,
        "context": context,
        **({"principal": principal} if principal else {}),
    }


def _app(kept: Installation, place: Place, what: Invocation, slip: Slip) -> Json:
    where = {"cloudId": place.cloud_id, "apiBaseUrl": place.api_base_url}
    return {
        "id": _STRANGER if slip.is_for_stranger else kept.app.id,
        "appVersion": kept.app_version,
        "installationId": kept.id,
        "apiBaseUrl": place.api_base_url,
        "environment": {
            "type": slip.environment_type or kept.environment_type,
            "id": kept.environment_id,
        },
        "module": _module(what, slip),
        "installation": {"id": kept.id, "contexts": [{"name": "Jira", **where}]},
    }


def _module(what: Invocation, slip: Slip) -> Json:
    if what.page_type:
        return {"type": what.page_type, "key": what.module_key}
    return {"type": "core:endpoint", "key": slip.endpoint or what.endpoint.key}


def sign(made: Json, key: Key) -> str:
    private = tokens.read_key(key.private_pem)
    return jwt.encode(made, private, algorithm="RS256", headers={"kid": key.kid})


def new_key() -> Key:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Key(f"forge/invocation-token/{uuid.uuid4()}", pem.decode())


@functools.cache
def first_key() -> Key:
    """One for the process: in the real world all sites share it as well."""
    return new_key()


@functools.cache
def stray_key() -> Key:
    return new_key()


def published(keys: list[Key]) -> Json:
    """The key set, as Atlassian's CDN serves it."""
    return {"keys": [_public(key) for key in keys]}


def _public(key: Key) -> Json:
    numbers = tokens.read_key(key.private_pem).public_key().public_numbers()
    return {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": key.kid,
        "n": _base64(numbers.n),
        "e": _base64(numbers.e),
    }


def _base64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
