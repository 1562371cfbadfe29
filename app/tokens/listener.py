"""Tokens of listeners: callers other than Jira, each with a proof of its own (T17).

They bind no URL. What they do bind is one listener, by `aud`; what the caller is, by
claims that its admin pinned; and, where the caller makes them itself, the body.

Source: RFC 7519; "OpenID Connect Discovery 1.0"; GitHub's and GitLab's pages on the
tokens of their jobs.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.crypto import Secret
from app.tokens import checks, compact, public_keys
from app.tokens.checks import Reason, Refused, Unverified
from app.tokens.public_keys import PublicKey

SECRET_ALGORITHM = "HS256"  # noqa: S105 -- an algorithm

SHOWN = (
    "iss",
    "sub",
    "aud",
    "jti",
    "actor",
    "actor_id",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "ref",
    "workflow_ref",
    "event_name",
    "environment",
    "sha",
    "run_id",
    "run_attempt",
    "run_number",
    "user_login",
    "project_path",
    "project_id",
    "namespace_path",
    "namespace_id",
    "pipeline_source",
    "pipeline_id",
    "job_id",
)
"""Claims that may be kept and shown; of no other one do we know what it tells."""

SHOWN_SIZE = 200
"""Characters of such a claim."""

Pins = Mapping[str, frozenset[str]]
"""Which texts a claim may have."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a token has to say to be for this listener, and from whom it trusts."""

    issuer: str
    audience: str
    """The listener's own URL: no other listener's token opens this one."""
    longest: timedelta
    """The longest `exp - iat`."""
    identity: Pins = field(default_factory=dict)
    """Pins that say whose the token is. Attack: everybody has GitHub sign tokens, so a
    good signature alone proves nothing that may stand in a tenant's history (T13)."""
    pins: Pins = field(default_factory=dict)
    """Pins that say what of theirs may call."""
    is_own: bool = False
    """The caller makes its tokens itself, so each has a `jti` and binds the body."""
    run_claim: str | None = None
    """Which claim is the provider's own number of the run."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a token says whose signature, times and claims are good."""

    issuer: str
    subject: str | None
    provider_run_id: str | None
    """Which run of its own the caller speaks from, where its issuer says so."""
    issued_at: datetime
    expires_at: datetime
    token_hash: str
    """Stands for the token, to know it again; the token itself is not kept."""
    claims: Mapping[str, str]
    """Some of its claims, fit to be kept and shown."""
    generation: int | None = None
    """Which version of a shared secret signed it, where one did."""


def precheck(
    token: Unverified, expected: Expected, *, body: bytes, now: datetime
) -> None:
    """Check what needs no key: a stranger must not make us fetch one for nothing."""
    if token.algorithm not in public_keys.ALGORITHMS:
        raise Refused(Reason.WRONG_ALGORITHM, token.algorithm)
    _check_identity(token, expected)
    _check(token, expected, body=body, now=now)


def verify(
    token: Unverified, key: PublicKey, expected: Expected, *, body: bytes, now: datetime
) -> Heard:
    """Judge a token that was signed with a private key.

    Attack: the header asks for HS256, so that the public key is taken for a secret; or
    for an algorithm that is not this key's. Only the key says which one it is.
    """
    checks.pin_algorithm(token, key.algorithm)
    if not checks.check_signature(token, key.jwk, key.algorithm):
        raise Refused(Reason.BAD_SIGNATURE)
    _check_identity(token, expected)
    checks.refuse_old(token.claims, now=now)
    with checks.proven():
        _check(token, expected, body=body, now=now)
        return _heard(token, expected)


def verify_secret(
    token: Unverified,
    secrets: Iterable[tuple[Secret, int]],
    expected: Expected,
    *,
    body: bytes,
    now: datetime,
) -> Heard:
    """Judge a token that was signed with one of the secrets we share."""
    checks.pin_algorithm(token, SECRET_ALGORITHM)
    generation = _signed_by(token, secrets)
    checks.refuse_old(token.claims, now=now)
    with checks.proven():
        _check_identity(token, expected)
        _check(token, expected, body=body, now=now)
        return _heard(token, expected, generation)


def _signed_by(token: Unverified, secrets: Iterable[tuple[Secret, int]]) -> int:
    for secret, generation in secrets:
        if compact.is_signed_with(token.text, secret):
            return generation
    raise Refused(Reason.BAD_SIGNATURE)


def _check_identity(token: Unverified, expected: Expected) -> None:
    """Refuse whose token it is not: some issuers sign with one key for all of them."""
    if token.issuer != expected.issuer:
        # Byte for byte: an issuer that differs in a slash is another one.
        raise Refused(Reason.WRONG_ISSUER, token.issuer)
    _check_pins(token, expected.identity)


def _check(
    token: Unverified, expected: Expected, *, body: bytes, now: datetime
) -> None:
    claims = token.claims
    _check_audience(claims, expected.audience)
    checks.check_times(claims, now=now, longest=expected.longest)
    _check_pins(token, expected.pins)
    if expected.is_own:
        checks.text_claim(claims, "jti")
    if expected.run_claim is not None:
        _text(claims, expected.run_claim)
    _check_body(claims, body, is_required=expected.is_own)


def _check_audience(claims: Mapping[str, Any], audience: str) -> None:
    """Refuse a token that is not for this listener alone.

    Attack: who else a token is meant for can send it here as well.
    """
    value = claims.get("aud")
    if value is None:
        raise Refused(Reason.MISSING_CLAIM, "aud")
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(a, str) for a in named):
        raise Refused(Reason.BAD_CLAIM, "aud")
    if named != [audience]:
        raise Refused(Reason.WRONG_AUDIENCE, ", ".join(named))


def _check_pins(token: Unverified, pins: Pins) -> None:
    for name, allowed in pins.items():
        said = _text(token.claims, name)
        if said not in allowed:
            raise Refused(Reason.WRONG_CLAIM, f"{name}: {said}")


def _check_body(claims: Mapping[str, Any], body: bytes, *, is_required: bool) -> None:
    """Refuse a token that was made for other bytes.

    Attack: who captures a token sends it once more with a body of his own.
    """
    if not is_required and "body_sha256" not in claims:
        return
    said = checks.text_claim(claims, "body_sha256")
    if not checks.same(said, hashlib.sha256(body).hexdigest()):
        raise Refused(Reason.BODY_MISMATCH, "body_sha256")


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim's value as text: a number in decimal, a truth value in words.

    Attack: a list that holds the allowed value beside others; a number that reads as
    the allowed one only after it was rounded.
    """
    value = claims.get(name)
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            return repr(value)
        case list() | dict() | float():
            raise Refused(Reason.BAD_CLAIM, name)
        case _:
            return checks.text_claim(claims, name)


def _heard(
    token: Unverified, expected: Expected, generation: int | None = None
) -> Heard:
    claims = token.claims
    run_claim = expected.run_claim
    return Heard(
        issuer=token.issuer,
        subject=checks.text_claim(claims, "sub") if claims.get("sub") else None,
        provider_run_id=_text(claims, run_claim) if run_claim else None,
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        token_hash=token.fingerprint,
        claims=dict(_shown(claims)),
        generation=generation,
    )


def _shown(claims: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in SHOWN:
        value = claims.get(name)
        if isinstance(value, list) and len(value) == 1:  # `aud`
            value = value[0]
        if isinstance(value, bool):
            value = str(value).lower()
        if isinstance(value, str | int | float):
            yield name, _printable(str(value))


def _printable(text: str) -> str:
    """Escape what forges lines for who reads them, and cut the rest."""
    cut = text[:SHOWN_SIZE]
    safe = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)
    return safe[:SHOWN_SIZE]
