"""Sessions of people of a self-managed Jira on our own pages: tokens of our own.

No Jira frames our pages there and vouches for who looks at them, so we do, for some
minutes at a time: who came by a sign-in link of the operator's (docs/adr/0021).
"""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import jwt

from app.crypto import Secret
from app.tokens import checks
from app.tokens.checks import Reason, Refused, Unverified, Verified

ALGORITHM = "HS256"

LIFETIME = timedelta(minutes=15)
"""How long one is good; a page has it renewed while somebody looks."""

LONGEST = timedelta(hours=8)
"""How long after the sign-in it is renewed: then the operator is asked again."""

FAMILY = "session"
"""What `typ` says of it. Attack: a token of another family, signed with a secret that
became known, is tried here; and this one elsewhere."""


def mint(
    secret: Secret,
    *,
    tenant: str,
    person: str,
    audience: str,
    signed_in_at: datetime,
    now: datetime,
) -> tuple[str, datetime]:
    """Return a token for one person's session, and when it ends."""
    ends = min(now + LIFETIME, signed_in_at + LONGEST)
    claims = {
        "typ": FAMILY,
        "iss": tenant,
        "aud": audience,
        "sub": person,
        "iat": int(now.timestamp()),
        "exp": int(ends.timestamp()),
        "auth_time": int(signed_in_at.timestamp()),
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode(claims, secret.reveal(), algorithm=ALGORITHM), ends


def verify(
    token: Unverified,
    versions: Iterable[tuple[Secret, int]],
    *,
    audience: str,
    now: datetime,
) -> tuple[Verified, datetime]:
    """Judge a session's token; return what it says, and when its person signed in."""
    checks.pin_algorithm(token, ALGORITHM)
    generation = _signed_by(token, versions)
    claims = token.claims
    checks.refuse_old(claims, now=now)
    with checks.proven():
        if claims.get("typ") != FAMILY:
            raise Refused(Reason.WRONG_FAMILY, str(claims.get("typ", ""))[:20])
        if claims.get("aud") != audience:
            raise Refused(Reason.WRONG_AUDIENCE, str(claims.get("aud", ""))[:200])
        checks.check_times(claims, now=now, longest=LIFETIME)
        signed_in_at = checks.time_claim(claims, "auth_time")
        if now.timestamp() >= signed_in_at + LONGEST.total_seconds():
            raise Refused(Reason.EXPIRED, "the sign-in is too long ago")
        verified = Verified(
            issuer=token.issuer,
            account_id=checks.text_claim(claims, "sub"),
            issued_at=datetime.fromtimestamp(claims["iat"], UTC),
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            token_hash=token.fingerprint,
            generation=generation,
        )
        return verified, datetime.fromtimestamp(signed_in_at, UTC)


def _signed_by(token: Unverified, versions: Iterable[tuple[Secret, int]]) -> int:
    for secret, generation in versions:
        if checks.check_signature(token, secret.reveal(), ALGORITHM):
            return generation
    raise Refused(Reason.BAD_SIGNATURE)
