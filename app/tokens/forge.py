"""Forge Invocation Tokens: what Forge sends with every call to our endpoints (T16).

They bind neither URL nor body, live for about 25 seconds, and are signed for one app by
Atlassian's own key set. What they do bind is the installation, the endpoint of our
manifest that is called, and, where a person is in session, that person.

Source: "Forge Remote essentials"; claims as in docs/adr/0011.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from app.tokens import checks
from app.tokens.checks import Reason, Refused, Unverified, Verified

ISSUER = "forge/invocation-token"

ALGORITHM = "RS256"

MAX_LIFETIME = timedelta(minutes=5)
"""The longest `exp - iat` that we accept; Forge's own tokens live for 25 seconds."""

LEAST_BITS = 2048
"""Of an RSA key that may sign for Atlassian."""

MAX_KEYS = 100
"""Keys that are read of a key set."""

LONGEST_ACCESS = timedelta(hours=4)
"""How long an app system token may open Jira, whatever it says of itself."""

PRESUMED_ACCESS = timedelta(hours=1)
"""How long it is used where it does not say; Forge hands out what is good for two."""

_UNREADABLE = (
    jwt.PyJWTError,
    ValueError,
    KeyError,
    TypeError,
    OverflowError,
    OSError,
    RecursionError,
)
"""What text of a stranger's making can raise where a token is read."""

_KEY_ID = re.compile(r"[A-Za-z0-9_.:/+=-]{1,200}", re.ASCII)
_INSTALLATION = re.compile(
    r"ari:cloud:ecosystem::installation/[A-Za-z0-9-]{1,64}", re.ASCII
)
_CLOUD_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)

Key = jwt.PyJWK
Keys = Mapping[str, Key]
"""Atlassian's public keys by `kid`."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a token has to fit: our app, and what of it the route is for."""

    app_id: str
    endpoints: frozenset[str]
    """What may be called: the route's endpoint; for a page, its module as well."""
    environments: frozenset[str]
    """Types of Forge environments that may call: a test version has its own data."""
    api_url: str
    """Below which every site's REST API is."""
    is_ui: bool
    """Whether the route is for a person's page, or for an event without one."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What a token says whose signature, times and binding are good."""

    verified: Verified
    """`issuer` is the installation: Forge's name for a tenant."""
    token_id: str
    """`jti`: an event's token is good once."""
    cloud_id: str
    environment: str
    api_base_url: str
    """Where this site's REST API is: below the operator's own setting, always."""

    @property
    def installation_id(self) -> str:
        return self.verified.issuer


def key_id(token: Unverified) -> str:
    """Return the token's `kid`; it is only looked up, never made part of a URL."""
    if not _KEY_ID.fullmatch(token.key_id):
        raise Refused(Reason.BAD_KEY_ID, token.key_id)
    return token.key_id


def precheck(token: Unverified, *, app_id: str, now: datetime) -> None:
    """Check what needs no key: a stranger must not make us fetch one for nothing."""
    checks.pin_algorithm(token, ALGORITHM)
    if token.issuer != ISSUER:
        # Attack: an install token is RS256 by Atlassian too, and no invocation.
        raise Refused(Reason.WRONG_FAMILY, "not an invocation token")
    checks.check_audience(token.claims, frozenset({app_id}))
    checks.check_times(token.claims, now=now, longest=MAX_LIFETIME)


def installation(token: Unverified) -> str:
    """Return which installation the token claims to be of; empty if it cannot be one.

    Attack: what no database takes, or a query by it, before anything is proven.
    """
    app = token.claims.get("app")
    claimed = str(app.get("installationId")) if isinstance(app, Mapping) else ""
    return claimed if _INSTALLATION.fullmatch(claimed) else ""


def verify(token: Unverified, key: jwt.PyJWK, expected: Expected) -> Invocation:
    """Judge, after `precheck`, whether Forge called this endpoint of our app."""
    checks.pin_algorithm(token, ALGORITHM)
    if not checks.check_signature(token, key, ALGORITHM):
        raise Refused(Reason.BAD_SIGNATURE)
    with checks.proven():
        app = _object(token.claims, "app")
        _check_app(app, expected)
        return _invocation(token, app, expected)


def _check_app(app: Mapping[str, Any], expected: Expected) -> None:
    if checks.text_claim(app, "id") != expected.app_id:
        raise Refused(Reason.WRONG_AUDIENCE, "app.id")
    environment = checks.text_claim(_object(app, "environment"), "type")
    if environment not in expected.environments:
        # Attack: who may deploy a development version of our app lets it install on a
        # site of his, and its calls are signed by Atlassian like any others.
        raise Refused(Reason.WRONG_ENVIRONMENT, environment)
    endpoint = checks.text_claim(_object(app, "module"), "key")
    if endpoint not in expected.endpoints:
        # Attack: a token that some person's page was given, at the door for events.
        raise Refused(Reason.WRONG_ENDPOINT, endpoint)


def _invocation(
    token: Unverified, app: Mapping[str, Any], expected: Expected
) -> Invocation:
    claims = token.claims
    person = checks.text_claim(claims, "principal") if claims.get("principal") else None
    if expected.is_ui and person is None:
        raise Refused(Reason.NO_SUBJECT)
    if not expected.is_ui and person is not None:
        raise Refused(Reason.HAS_PRINCIPAL)
    cloud_id, api_base_url = _place(app, expected.api_url)
    return Invocation(
        verified=Verified(
            issuer=_matching(app, "installationId", _INSTALLATION),
            account_id=person,
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            token_hash=token.fingerprint,
        ),
        token_id=checks.text_claim(claims, "jti")[:200],
        cloud_id=cloud_id,
        environment=checks.text_claim(_object(app, "environment"), "type"),
        api_base_url=api_base_url,
    )


def _place(app: Mapping[str, Any], api_url: str) -> tuple[str, str]:
    """Return the site's cloud id and where its API is.

    Attack: a signed claim is still text, and our calls with the site's token go to what
    it names; only one segment below the operator's own setting is a site's API.
    """
    claimed = checks.text_claim(app, "apiBaseUrl").rstrip("/")
    base, _, cloud_id = claimed.rpartition("/")
    if base != api_url or not _CLOUD_ID.fullmatch(cloud_id):
        raise Refused(Reason.API_NOT_ALLOWED, claimed)
    return cloud_id, claimed


def read_keys(document: bytes) -> Keys:
    """Return the keys of a JWKS that may sign invocation tokens; skip every other.

    Raise `ValueError` if it is no key set at all.
    """
    try:
        keys = json.loads(document)["keys"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise ValueError("no key set") from error
    if not isinstance(keys, list):
        raise ValueError("no key set")  # noqa: TRY004 -- one error for one cause
    found = {}
    for each in keys[:MAX_KEYS]:
        if isinstance(each, dict) and (key := _key(each)) is not None:
            found[str(each["kid"])] = key
    return found


def _key(data: Mapping[str, Any]) -> jwt.PyJWK | None:
    # Attack: a symmetric key, or one for another use, that is published beside ours.
    if data.get("kty") != "RSA" or not isinstance(data.get("kid"), str):
        return None
    if data.get("use", "sig") != "sig" or data.get("alg", ALGORITHM) != ALGORITHM:
        return None
    try:
        key = jwt.PyJWK(dict(data), algorithm=ALGORITHM)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    bits = getattr(key.key, "key_size", 0)
    is_private = hasattr(key.key, "private_numbers")
    return key if bits >= LEAST_BITS and not is_private else None


def access_ends(unverified_token: str, *, now: datetime) -> datetime:
    """Return until when an app system token may be used.

    It is Jira's to judge and opaque to us, but for its `exp`, which is read without
    being believed: it can only shorten the time.
    """
    try:
        claims = jwt.decode(unverified_token, options={"verify_signature": False})
        expires = datetime.fromtimestamp(float(claims["exp"]), UTC)
    except _UNREADABLE:
        return now + PRESUMED_ACCESS
    return min(expires, now + LONGEST_ACCESS)


def _object(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = claims.get(name)
    if value is None:
        raise Refused(Reason.MISSING_CLAIM, name)
    if not isinstance(value, Mapping):
        raise Refused(Reason.BAD_CLAIM, name)
    return value


def _matching(claims: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = checks.text_claim(claims, name)
    if not pattern.fullmatch(value):
        raise Refused(Reason.BAD_CLAIM, name)
    return value
