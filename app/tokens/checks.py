"""What every incoming token must satisfy, in one place, against our own clock."""

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import jwt

from app.tokens import compact

LEEWAY = timedelta(seconds=30)
"""How far another's clock may be off: one number, for `iat`, `nbf` and `exp`."""

MAX_LIFETIME = timedelta(hours=1)
"""The longest `exp - iat` that we accept from Jira."""

OLD = timedelta(hours=1)
"""How long after its end a token still proves who may have sent it."""

MAX_SIZE = 8 * 1024
"""Bytes of a token. Jira's have about 500; more is somebody's experiment."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_HALF = re.compile("[\ud800-\udfff]")
LATEST = 2**40
"""Seconds since 1970; later times (and infinity) are not times but attacks."""


class Reason(StrEnum):
    """Why a call was refused: for the audit log, never for the caller (T0c)."""

    MISSING = "missing"
    TWO_PLACES = "two-places"
    TOO_LONG = "too-long"
    MALFORMED = "malformed"
    WRONG_ALGORITHM = "wrong-algorithm"
    MISSING_CLAIM = "missing-claim"
    BAD_CLAIM = "bad-claim"
    LIFETIME = "lifetime"
    EXPIRED = "expired"
    STALE = "stale"
    FROM_FUTURE = "from-future"
    CONFUSABLE_TARGET = "confusable-target"
    WRONG_QSH = "wrong-qsh"
    WRONG_FAMILY = "wrong-family"
    WRONG_AUDIENCE = "wrong-audience"
    WRONG_ISSUER = "wrong-issuer"
    WRONG_CLAIM = "wrong-claim"
    BAD_KEY_ID = "bad-key-id"
    KEY_UNAVAILABLE = "key-unavailable"
    BAD_SIGNATURE = "bad-signature"
    UNKNOWN_TENANT = "unknown-tenant"
    SECRET_UNPROVEN = "secret-unproven"  # noqa: S105 -- a reason, not a secret
    TENANT_PENDING = "tenant-pending"
    TENANT_UNINSTALLED = "tenant-uninstalled"
    TENANT_SUPERSEDED = "tenant-superseded"
    SITE_NOT_ALLOWED = "site-not-allowed"
    BODY_MISMATCH = "body-mismatch"
    TOKEN_REUSED = "token-reused"  # noqa: S105 -- a reason, not a token
    WRONG_ENVIRONMENT = "wrong-environment"
    WRONG_ENDPOINT = "wrong-endpoint"
    HAS_PRINCIPAL = "has-principal"
    API_NOT_ALLOWED = "api-not-allowed"
    UNKNOWN_LISTENER = "unknown-listener"
    LISTENER_PAUSED = "listener-paused"
    UNKNOWN_ANSWER = "unknown-answer"
    WRONG_LISTENER = "wrong-listener"
    WRONG_PROVIDER_RUN = "wrong-provider-run"
    NO_SUBJECT = "no-subject"
    NOT_PERMITTED = "not-permitted"


class Refused(Exception):  # noqa: N818 -- a verdict, not a malfunction
    """The call must not be served.

    `reason` and `detail` are for the audit log. `proven` says that the signature was
    good, so that the refusal may be shown to the tenant as a fact.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, proven: bool = False
    ) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.proven = proven


@dataclass(frozen=True, kw_only=True)
class Unverified:
    """A token that was read but not yet judged: believe nothing of it."""

    text: str
    algorithm: str
    key_id: str
    claims: Mapping[str, Any]

    def __repr__(self) -> str:
        return "Unverified(***)"

    @property
    def fingerprint(self) -> str:
        """Know the token again, whatever its unsigned rest looks like.

        Attack: libraries take `==` after the signature, so one captured token has
        several spellings. Only header and payload are signed; they are what counts.
        """
        signed = self.text.rpartition(".")[0]
        return hashlib.sha256(signed.encode()).hexdigest()

    @property
    def issuer(self) -> str:
        return text_claim(self.claims, "iss")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a token says whose signature, times and binding are good."""

    issuer: str
    account_id: str | None
    """The person in session, where Jira names one."""
    issued_at: datetime
    expires_at: datetime
    token_hash: str
    """Stands for the token, to know it again; the token itself is not kept."""
    generation: int | None = None
    """Which version of a shared secret signed it, where one did."""


def read(text: str) -> Unverified:
    """Take a token apart without trusting it; raise `Refused` for what is no JWT."""
    if len(text) > MAX_SIZE:
        raise Refused(Reason.TOO_LONG)
    if not _COMPACT.fullmatch(text):  # unpadded: what RFC 7515 calls compact
        raise Refused(Reason.MALFORMED, "not three parts")
    try:
        header, claims = compact.split(text)
    except (ValueError, RecursionError) as error:  # 8 kB of "[" is deep enough
        raise Refused(Reason.MALFORMED, "unreadable") from error
    return Unverified(
        text=text,
        algorithm=str(header.get("alg", "")),
        key_id=str(header.get("kid", "")),
        claims=claims,
    )


def pin_algorithm(token: Unverified, algorithm: str) -> None:
    """Refuse every algorithm but the route's own.

    Attacks: `none`; an RS256 public key used as an HS256 secret; a token of another
    family on this route (CVE-2021-26073).
    """
    if token.algorithm != algorithm:
        raise Refused(Reason.WRONG_ALGORITHM, token.algorithm)


def check_signature(token: Unverified, key: str | jwt.PyJWK, algorithm: str) -> bool:
    """Say whether the private half of `key` signed the token.

    Times and claims are checked elsewhere.
    """
    try:
        jwt.decode(
            token.text,
            key,
            algorithms=[algorithm],
            # Spelled out although some are defaults: each is checked by `check_times`
            # and the families, against a clock that is passed in; nothing is left out.
            options={
                "verify_signature": True,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
                "require": [],
            },
        )
    except jwt.PyJWTError:
        return False
    return True


def text_claim(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is None:
        raise Refused(Reason.MISSING_CLAIM, name)
    if not isinstance(value, str) or not value or not is_storable(value):
        raise Refused(Reason.BAD_CLAIM, name)
    return value


def is_storable(text: str) -> bool:
    """Say whether a database takes the text: no NUL, no half characters.

    Attack: JSON can carry both, and a query by such a claim ends in an error of the
    database's driver instead of a refusal.
    """
    # Most text is ASCII, which is known of it without a look at each character.
    is_whole = text.isascii() or _HALF.search(text) is None
    return is_whole and "\x00" not in text


def check_times(
    claims: Mapping[str, Any], *, now: datetime, longest: timedelta
) -> None:
    """Refuse what is too old, too early or lives too long, and say by how much.

    Attacks: a token without `exp`, or with one in 2099, is a password; a captured
    token is used later; `NaN`, infinity, `true` or text compare as nobody expects.
    """
    issued = time_claim(claims, "iat")
    expires = time_claim(claims, "exp")
    if not 0 < expires - issued <= longest.total_seconds():
        raise Refused(Reason.LIFETIME, f"{expires - issued:.0f} s")
    seconds, leeway = now.timestamp(), LEEWAY.total_seconds()
    if seconds >= expires + leeway:
        late = seconds - expires
        raise Refused(Reason.EXPIRED, f"expired by {late:.0f} s: check the clocks")
    starts = [issued]
    if "nbf" in claims:
        starts.append(time_claim(claims, "nbf"))
    if max(starts) > seconds + leeway:
        early = max(starts) - seconds
        raise Refused(Reason.FROM_FUTURE, f"early by {early:.0f} s: check the clocks")


def refuse_old(claims: Mapping[str, Any], *, now: datetime) -> None:
    """Refuse what expired long ago, as something that nobody proves (rule T13).

    Attack: who captured one token sends it for years. Its signature is good, and says
    nothing of who sends it today. Clocks that differ by less are the tenant's to see.
    """
    expires = claims.get("exp")
    if isinstance(expires, bool) or not isinstance(expires, int | float):
        return  # what follows says so, better
    if not 0 <= expires <= LATEST:
        return  # nor is it a time: an integer of 400 digits is no float
    late = now.timestamp() - expires
    if late >= OLD.total_seconds():
        raise Refused(Reason.EXPIRED, f"expired by {late:.0f} s: check the clocks")


def check_audience(claims: Mapping[str, Any], accepted: frozenset[str]) -> None:
    """Refuse a token meant for somebody else; `aud` is a string or a list."""
    value = claims.get("aud")
    if value is None:
        raise Refused(Reason.MISSING_CLAIM, "aud")
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(a, str) for a in named):
        raise Refused(Reason.BAD_CLAIM, "aud")
    if not accepted.intersection(audience.rstrip("/") for audience in named):
        raise Refused(Reason.WRONG_AUDIENCE, ", ".join(named))


def same(one: str, other: str) -> bool:
    """Compare in constant time; any text, also what is not ASCII."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def time_claim(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if value is None:
        raise Refused(Reason.MISSING_CLAIM, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(Reason.BAD_CLAIM, name)
    if not (0 <= value <= LATEST and math.isfinite(value)):
        raise Refused(Reason.BAD_CLAIM, name)
    return float(value)


class proven:  # noqa: N801 -- reads as a word in `with checks.proven():`
    """Mark refusals inside the block as proven by the signature."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, Refused):
            error.proven = True
