"""The token by which an App says that it is the App, judged as GitHub documents it."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import jwt

from sandbox.github.keys import Key
from sandbox.github.replies import Refused

Json = dict[str, Any]

LONGEST = timedelta(minutes=10)
DRIFT = timedelta(seconds=60)
_UNREADABLE = "A JSON web token could not be decoded"
_UNCHECKED = dict.fromkeys(
    ("verify_exp", "verify_iat", "verify_nbf", "verify_aud", "verify_iss"), False
)
"""PyJWT reads the machine's clock; we look at the claims by ourselves."""


def judge(token: str, app_id: int, keys: Iterable[Key], now: datetime) -> None:
    """Raise Refused for what does not prove the App."""
    claims = _proved(token, keys)
    today = now.timestamp()
    issued, expires = _moment(claims, "iat"), _moment(claims, "exp")
    if issued > today + DRIFT.total_seconds():
        raise _no(
            "'Issued at' claim ('iat') must be an Integer representing the time that "
            "the assertion was issued"
        )
    if expires <= today:
        raise _no(
            "'Expiration time' claim ('exp') must be a numeric value representing the "
            "future time at which the assertion expires"
        )
    if expires > today + LONGEST.total_seconds():
        raise _no("'Expiration time' claim ('exp') is too far in the future")
    # A number or its text: GitHub takes both.
    if isinstance(claims.get("iss"), bool) or str(claims.get("iss")) != str(app_id):
        raise _no("'Issuer' claim ('iss') must be the id of the App")


def _proved(token: str, keys: Iterable[Key]) -> Json:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise _no(_UNREADABLE) from None
    # Attack: a token that chooses its algorithm chooses its key as well.
    if header.get("alg") != "RS256":
        raise _no(_UNREADABLE)
    for key in keys:
        try:
            return dict(
                jwt.decode(token, key.public, algorithms=["RS256"], options=_UNCHECKED)  # type: ignore[arg-type] # a TypedDict there
            )
        except (jwt.PyJWTError, ValueError):
            continue
    raise _no(_UNREADABLE)


def _moment(claims: Json, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _no(f"Missing '{name}' claim in assertion, or it is no number")
    if not math.isfinite(value):
        raise _no(f"The claim '{name}' is no moment")
    return float(value)


def _no(message: str) -> Refused:
    return Refused(401, message)
