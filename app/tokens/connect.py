"""Jira's tokens (Atlassian Connect): three families, never interchangeable.

Source: "Understanding JWT for Connect apps", "Security for Connect apps".
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from app.crypto import Secret
from app.tokens import checks, compact
from app.tokens.checks import Reason, Refused, Unverified, Verified

CONTEXT_QSH = "context-qsh"
"""The fixed `qsh` of tokens that Jira hands to our pages for their own calls."""

_KEY_ID = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII
)
_KEY_ID_SIZE = 200


def key_id(token: Unverified) -> str:
    """Return the install token's `kid`, safe to be part of a URL (rule T0a).

    Attack: `kid` is the caller's text and becomes a path on the key host; `..`, `%2f`,
    a query or another host in it would fetch a key of his choice.
    """
    if len(token.key_id) > _KEY_ID_SIZE or not _KEY_ID.fullmatch(token.key_id):
        raise Refused(Reason.BAD_KEY_ID, token.key_id)
    return token.key_id


def precheck_install(
    token: Unverified,
    *,
    audiences: frozenset[str],
    hashes: frozenset[str],
    now: datetime,
) -> None:
    """Check what needs no key: a stranger must not make us fetch one for nothing."""
    checks.pin_algorithm(token, "RS256")
    checks.text_claim(token.claims, "iss")
    checks.check_audience(token.claims, audiences)
    checks.check_times(token.claims, now=now, longest=checks.MAX_LIFETIME)
    _check_binding(token, hashes)


def verify_install(token: Unverified, public_key: str) -> Verified:
    """Judge, after `precheck_install`, whether Atlassian signed an install token."""
    checks.pin_algorithm(token, "RS256")
    if not checks.check_signature(token, public_key, "RS256"):
        raise Refused(Reason.BAD_SIGNATURE)
    return _verified(token)


def verify_url_bound(
    token: Unverified,
    secrets: Iterable[tuple[Secret, int]],
    *,
    hashes: frozenset[str],
    now: datetime,
) -> Verified:
    """Judge a token that Jira made for exactly this request.

    The signature comes first: what follows is then the tenant's own mistake or a
    replay of his own token, and may be shown to him as such (`Refused.proven`).
    """
    generation = _signed_by(token, secrets)
    checks.refuse_old(token.claims, now=now)
    with checks.proven():
        _check_binding(token, hashes)
        checks.check_times(token.claims, now=now, longest=checks.MAX_LIFETIME)
        return _verified(token, generation)


def verify_context(
    token: Unverified, secrets: Iterable[tuple[Secret, int]], *, now: datetime
) -> Verified:
    """Judge a token that Jira gave to one of our pages for its calls to us.

    It binds no URL, so it opens only routes that ask for it (CVE-2021-26073).
    """
    generation = _signed_by(token, secrets)
    checks.refuse_old(token.claims, now=now)
    with checks.proven():
        if not checks.same(checks.text_claim(token.claims, "qsh"), CONTEXT_QSH):
            raise Refused(Reason.WRONG_FAMILY, "a URL-bound token")
        checks.check_times(token.claims, now=now, longest=checks.MAX_LIFETIME)
        return _verified(token, generation)


def _signed_by(token: Unverified, secrets: Iterable[tuple[Secret, int]]) -> int:
    checks.pin_algorithm(token, "HS256")
    for secret, generation in secrets:
        if compact.is_signed_with(token.text, secret):
            return generation
    raise Refused(Reason.BAD_SIGNATURE)


def _check_binding(token: Unverified, hashes: frozenset[str]) -> None:
    qsh = checks.text_claim(token.claims, "qsh")
    if checks.same(qsh, CONTEXT_QSH):
        raise Refused(Reason.WRONG_FAMILY, "a context token")
    # No short cut between the candidates: all of them are compared.
    if not any([checks.same(qsh, candidate) for candidate in hashes]):  # noqa: C419
        raise Refused(Reason.WRONG_QSH)


def _verified(token: Unverified, generation: int | None = None) -> Verified:
    claims = token.claims
    return Verified(
        issuer=checks.text_claim(claims, "iss"),
        # Attack: a tenant's own token whose subject no database takes.
        account_id=checks.text_claim(claims, "sub") if claims.get("sub") else None,
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        token_hash=token.fingerprint,
        generation=generation,
    )
