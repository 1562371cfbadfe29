"""Whether a delivery is proved, judged check by check so that a refusal has a name.

Three kinds of proof, and a receiver takes one: a bearer JWT signed by the add-on's
issuer (RS256), a bearer JWT signed with a shared secret (HS256), and the signature of
Standard Webhooks 1.0 (HMAC over `id.timestamp.body`).
"""

import base64
import binascii
import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt

from sandbox.receiver.issuers import IssuerError, Issuers

Json = dict[str, Any]

ISSUER, SHARED, WEBHOOK = "issuer", "hs256", "standard-webhooks"
PROOFS = {
    ISSUER: "JWT of the add-on's issuer (RS256, discovery)",
    SHARED: "JWT with a shared secret (HS256)",
    WEBHOOK: "Standard Webhooks signature (shared secret)",
}
LEEWAY = timedelta(seconds=30)
LONGEST = timedelta(minutes=5)
"""A token that lives longer is refused; a webhook's time stamp may be as far off."""
_SUBJECT = re.compile(
    r"tenant:(?P<tenant>[^:]+):project:[^:]+:destination:[^:]+(?P<test>:test)?"
)
_UNCHECKED = dict.fromkeys(
    ("verify_exp", "verify_iat", "verify_nbf", "verify_aud", "verify_iss"), False
)
"""PyJWT reads the machine's clock; we look at the claims by ourselves."""


class ProofError(Exception):
    """The delivery is refused; the text says why."""


@dataclass(frozen=True)
class Delivery:
    headers: Mapping[str, str]
    """By their names in small letters."""
    body: bytes

    @property
    def id(self) -> str:
        """What stays the same when it is sent again."""
        headers = self.headers
        return headers.get("webhook-id") or headers.get("idempotency-key") or ""


@dataclass(frozen=True)
class Expected:
    """What this receiver was told to expect."""

    proof: str
    audience: str
    now: datetime
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Verdict:
    why: str = ""
    """Why it is refused; empty when the delivery is proved."""
    claims: Json = field(default_factory=dict)
    """As the token has them; they prove nothing in a delivery that is refused."""

    @property
    def is_good(self) -> bool:
        return not self.why

    @property
    def is_test(self) -> bool:
        return str(self.claims.get("sub", "")).endswith(":test")


def judge(delivery: Delivery, expected: Expected, issuers: Issuers) -> Verdict:
    """May ask the issuer for its keys, over the network."""
    if expected.proof == WEBHOOK:
        return Verdict(_webhook_fault(delivery, expected))
    scheme, _, token = delivery.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return Verdict("no bearer token")
    claims = _peek(token)
    try:
        _signature(token.strip(), claims, expected, issuers)
        _issuer_and_subject(claims, issuers)
        _audience(claims, expected)
        _clock(claims, expected.now)
        _body(claims, delivery)
        _ids(claims, delivery)
    except (ProofError, IssuerError) as error:
        return Verdict(str(error), claims)
    return Verdict(claims=claims)


def _peek(token: str) -> Json:
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError):
        return {}


def _signature(token: str, claims: Json, expected: Expected, issuers: Issuers) -> None:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise ProofError("the bearer token is no JWT") from None
    wanted = "RS256" if expected.proof == ISSUER else "HS256"
    # Attack: a token that chooses its algorithm chooses its key as well.
    if header.get("alg") != wanted:
        raise ProofError(f"alg is {header.get('alg')!r}, only {wanted} is taken")
    key: Any = expected.secret
    if expected.proof == ISSUER:
        key = issuers.key(claims.get("iss"), header.get("kid"), expected.now)
    elif not key:
        raise ProofError("no secret was typed in here yet")
    try:
        jwt.decode(token, key, algorithms=[wanted], options=_UNCHECKED)  # type: ignore[arg-type] # a TypedDict there
    except (jwt.PyJWTError, ValueError):
        raise ProofError("the signature does not fit the key") from None


def _issuer_and_subject(claims: Json, issuers: Issuers) -> None:
    issuer = issuers.check(claims.get("iss"))
    subject = _SUBJECT.fullmatch(str(claims.get("sub")))
    if subject is None:
        raise ProofError(f"sub is {claims.get('sub')!r}, not tenant, project and so on")
    if issuer != issuers.trusted + subject["tenant"]:
        raise ProofError("sub belongs to another tenant than the issuer")


def _audience(claims: Json, expected: Expected) -> None:
    given = claims.get("aud")
    if expected.audience not in (given if isinstance(given, list) else [given]):
        raise ProofError(f"aud is {given!r}, not {expected.audience!r}")


def _clock(claims: Json, now: datetime) -> None:
    issued, expires = (_moment(claims, name) for name in ("iat", "exp"))
    today, leeway = now.timestamp(), LEEWAY.total_seconds()
    if issued > today + leeway:
        raise ProofError(f"issued {issued - today:.0f} s in the future")
    if expires <= today - leeway:
        raise ProofError(f"expired {today - expires:.0f} s ago")
    if expires - issued > LONGEST.total_seconds():
        raise ProofError("lives longer than five minutes")


def _moment(claims: Json, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProofError(f"{name} is missing or no number")
    if not math.isfinite(value):
        raise ProofError(f"{name} is no moment")
    return float(value)


def _body(claims: Json, delivery: Delivery) -> None:
    # Attack: a genuine token with another body behind it.
    given = str(claims.get("body_sha256", ""))
    if not hmac.compare_digest(
        given.encode(), hashlib.sha256(delivery.body).hexdigest().encode()
    ):
        raise ProofError("body_sha256 does not fit the body")


def _ids(claims: Json, delivery: Delivery) -> None:
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise ProofError("jti is missing")
    # Attack: a known delivery again, as a new one by its unsigned header.
    if delivery.id and claims.get("delivery_id") != delivery.id:
        raise ProofError("delivery_id is another than the header says")


def _webhook_fault(delivery: Delivery, expected: Expected) -> str:
    """Empty when the signature is good."""
    try:
        key = base64.b64decode(expected.secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return "the secret typed in here is none of Standard Webhooks"
    if not key:
        return "no secret was typed in here yet"
    headers = delivery.headers
    name, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not (moment.isascii() and moment.isdigit()):
        return "webhook-id or webhook-timestamp is missing"
    if abs(expected.now.timestamp() - int(moment)) > LONGEST.total_seconds():
        return "webhook-timestamp is more than five minutes off"
    signed = f"{name}.{moment}.".encode() + delivery.body
    wanted = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    for one in headers.get("webhook-signature", "").split():
        version, _, given = one.partition(",")
        if version == "v1" and hmac.compare_digest(given.encode(), wanted.encode()):
            return ""
    return "no v1 signature in webhook-signature fits"
