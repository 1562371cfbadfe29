"""Webhooks of a self-managed Jira, whose bodies are signed with a secret (HMAC).

The signature covers the body, and neither the address nor the time. So a secret is one
listener's alone, which stands for the address; and the body says when it was made.

Source: "Managing webhooks" (Jira Data Center): `X-Hub-Signature: sha256=<hex>` of the
raw body; `timestamp` in it, in milliseconds.
"""

import hashlib
import hmac
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from app.crypto import Secret
from app.tokens import checks
from app.tokens.checks import Reason, Refused
from app.tokens.listener import Heard

WINDOW = timedelta(minutes=5)
"""How long after its time a webhook is believed; its leeway is that of all tokens."""

ISSUER = "jira"
"""Who made it, as far as it says: the secret says more."""

PREFIX = "sha256="
MILLISECONDS = 1000
_DIGITS = frozenset("0123456789abcdef")
_HEX_SIZE = 64


def sign(secret: Secret, body: bytes) -> str:
    """Return the header's value for a body."""
    return PREFIX + hmac.digest(secret.reveal().encode(), body, "sha256").hex()


def verify(
    signature: str,
    secrets: Iterable[tuple[Secret, int]],
    *,
    body: bytes,
    listener: str,
    now: datetime,
) -> Heard:
    """Judge a webhook by what its header says of its body; `listener` is its address.

    Attack: a captured one is sent again. Within its time it is known by its body, for
    it cannot be changed; after that it is too old, and stays so.
    """
    generation = _signed_by(signature, secrets, body)
    made_at = _made_at(body)
    late = (now - made_at) - WINDOW
    if late >= checks.OLD:
        # What was captured long ago proves nothing of who sends it today (rule T13).
        raise Refused(Reason.STALE, _stale(late))
    with checks.proven():
        if late >= checks.LEEWAY:
            raise Refused(Reason.STALE, _stale(late))
        if made_at - now > checks.LEEWAY:
            early = (made_at - now).total_seconds()
            words = f"early by {early:.0f} s: check the clocks"
            raise Refused(Reason.FROM_FUTURE, words)
    whole = hashlib.sha256(listener.encode() + b"\x00" + body).hexdigest()
    return Heard(
        issuer=ISSUER,
        subject=None,
        provider_run_id=None,
        issued_at=made_at,
        expires_at=made_at + WINDOW,
        token_hash=whole,
        claims={},
        generation=generation,
    )


def _stale(late: timedelta) -> str:
    return f"stale by {late.total_seconds():.0f} s: check the clocks"


def _signed_by(
    signature: str, secrets: Iterable[tuple[Secret, int]], body: bytes
) -> int:
    if not signature:
        raise Refused(Reason.MISSING)
    digest = signature.removeprefix(PREFIX)
    if digest == signature:
        # Attack: `sha1=…`, or whatever else somebody finds a collision of.
        raise Refused(Reason.WRONG_ALGORITHM, signature.partition("=")[0][:20])
    if len(digest) != _HEX_SIZE or not _DIGITS.issuperset(digest):
        raise Refused(Reason.MALFORMED, "not 64 digits of lower-case hex")
    for secret, generation in secrets:
        if checks.same(signature, sign(secret, body)):
            return generation
    raise Refused(Reason.BAD_SIGNATURE)


def _made_at(body: bytes) -> datetime:
    """Return the time that the body says; the signature is good by now."""
    with checks.proven():
        try:
            said = json.loads(body)["timestamp"]
        except KeyError as error:
            raise Refused(Reason.MISSING_CLAIM, "timestamp") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise Refused(Reason.BAD_CLAIM, "timestamp") from error
        if isinstance(said, bool) or not isinstance(said, int | float):
            raise Refused(Reason.BAD_CLAIM, "timestamp")
        if not (math.isfinite(said) and 0 <= said <= checks.LATEST * MILLISECONDS):
            raise Refused(Reason.BAD_CLAIM, "timestamp")
        try:
            return datetime.fromtimestamp(said / MILLISECONDS, UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise Refused(Reason.BAD_CLAIM, "timestamp") from error
