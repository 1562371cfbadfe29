"""Every token the sandbox makes, and its judgement on those of the add-on.

Jira's side of Connect: RS256 for install and uninstall, HS256 bound to a URL for
the rest, HS256 context tokens for the browser. The judge looks at each check by
itself, so that a refusal can be named in the traffic log.
"""

import functools
import hmac
import math
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox import qsh

Json = dict[str, Any]

LIFETIME = timedelta(minutes=3)
CONTEXT_LIFETIME = timedelta(minutes=15)
LONGEST = timedelta(hours=1)
LEEWAY = timedelta(seconds=30)
"""What Jira forgives a clock."""
WRONG_SECRET = "the signature does not fit the current shared secret"  # noqa: S105 - words


@dataclass(frozen=True)
class InstallKey:
    """The key that signs install tokens: Atlassian's, not the site's."""

    kid: str
    private_pem: str = field(repr=False)

    @property
    def public_pem(self) -> str:
        return (
            read_key(self.private_pem)
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM,
                serialization.PublicFormat.SubjectPublicKeyInfo,
            )
            .decode()
        )


@functools.cache
def read_key(private_pem: str) -> rsa.RSAPrivateKey:
    """Read it once: its numbers are proved anew each time, a tenth of a second."""
    private = serialization.load_pem_private_key(private_pem.encode(), None)
    return cast("rsa.RSAPrivateKey", private)


@functools.cache
def install_key() -> InstallKey:
    """One for the process: in the real world all sites share it as well."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return InstallKey(str(uuid.uuid4()), pem.decode())


def times(now: datetime, lifetime: timedelta = LIFETIME) -> Json:
    issued = int(now.timestamp())
    return {"iat": issued, "exp": issued + int(lifetime.total_seconds())}


def sign(claims: Json, secret: str) -> str:
    return jwt.encode(claims, secret, algorithm="HS256")


def sign_install(claims: Json, key: InstallKey) -> str:
    return jwt.encode(
        claims, read_key(key.private_pem), algorithm="RS256", headers={"kid": key.kid}
    )


def peek(token: str) -> Json:
    """Claims for display only: nothing was verified. Empty if it is no JWT."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        return {}
    return dict(claims)


@dataclass(frozen=True)
class Question:
    """What a token has to fit."""

    app_key: str
    secret: str = field(repr=False)
    method: str
    target: str
    """Raw path and query as they were received."""
    base_path: str
    now: datetime


def judge(token: str, question: Question) -> str | None:
    """Why the token is refused, in plain words; None if it is good."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        return "not a JWT"
    if header.get("alg") != "HS256":
        return f"alg is {header.get('alg')!r}, only HS256 is taken"
    try:
        claims = jwt.decode(
            token,
            question.secret,
            algorithms=["HS256"],
            # PyJWT reads the machine's clock; times are judged below by ours
            options={
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
            },
        )
    except jwt.InvalidSignatureError:
        return WRONG_SECRET
    except (jwt.PyJWTError, ValueError) as error:
        return f"cannot be read: {error}"
    return (
        _issuer(claims, question)
        or _clock(claims, question.now)
        or _hash(claims, question)
    )


def _issuer(claims: Json, question: Question) -> str | None:
    if claims.get("iss") != question.app_key:
        return f"iss is {claims.get('iss')!r}, not the app key {question.app_key!r}"
    return None


def _clock(claims: Json, now: datetime) -> str | None:
    moments = []
    for name in ("iat", "exp"):
        value = claims.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name} is missing or no number"
        if not math.isfinite(value):
            return f"{name} is no moment"
        moments.append(float(value))
    issued, expires = moments
    today, leeway = now.timestamp(), LEEWAY.total_seconds()
    if issued > today + leeway:
        return f"issued {issued - today:.0f} s in the future: check the clocks"
    if expires <= today - leeway:
        return f"expired {today - expires:.0f} s ago: check the clocks"
    if expires - issued > LONGEST.total_seconds():
        return "lives longer than an hour"
    return None


def _hash(claims: Json, question: Question) -> str | None:
    given = claims.get("qsh")
    if not isinstance(given, str):
        return "qsh is missing"
    if given == qsh.CONTEXT:
        return "a context token does not open the REST API"
    expected = qsh.of(question.method, question.target, question.base_path)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        return "qsh does not fit the URL that was called"
    return None
