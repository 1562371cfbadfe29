"""What proves that a call comes from this site: an HMAC, or a token of a script's."""

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sandbox.datacenter.kept import Kept, Script, Webhook

Json = dict[str, Any]

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
LIFETIME = timedelta(minutes=2)
_RSA_BITS = 2048


@dataclass(frozen=True)
class Spoil:
    """What a mishap does to one call; the defaults leave it well."""

    note: str = ""
    shift: timedelta = timedelta()
    """Added to the moment at which it says it was made."""
    secret: str = field(default="", repr=False)
    """Signed with this one instead."""
    body: bytes | None = None
    """What is sent in place of what was signed."""


WELL = Spoil()


def webhook_headers(webhook: Webhook, body: bytes, spoil: Spoil) -> dict[str, str]:
    """The HMAC is over the body alone: neither the address nor the time is in it."""
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "User-Agent": "Atlassian HttpClient 3.0.4 / JIRA-10.3.2 (10030002) / Default",
        "X-Atlassian-Webhook-Identifier": str(uuid.uuid4()),
    }
    secret = spoil.secret or webhook.secret
    if secret:
        headers["X-Hub-Signature"] = signature(secret, body)
    return headers


def signature(secret: str, body: bytes) -> str:
    return f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"


def script_headers(
    script: Script, body: bytes, keys: Kept, spoil: Spoil, *, now: datetime
) -> dict[str, str]:
    """As the Groovy in examples/datacenter does it, bound to this body."""
    issued = int((now + spoil.shift).timestamp())
    claims = {
        "iss": script.issuer,
        "aud": script.url,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "jti": str(uuid.uuid4()),
        "body_sha256": hashlib.sha256(body).hexdigest(),
    }
    key = spoil.secret or script.secret
    algorithm = "HS256" if spoil.secret else script.algorithm
    if algorithm != "HS256":
        key = private_pem(keys, algorithm)
    token = jwt.encode(claims, key, algorithm=algorithm)
    return {
        "Content-Type": "application/json",
        "User-Agent": "ScriptRunner (sandbox)",
        "Authorization": f"Bearer {token}",
    }


def private_pem(keys: Kept, algorithm: str) -> str:
    """The site's key for this algorithm, made when it is first needed."""
    if algorithm not in keys.keys:
        made = _made(algorithm).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        keys.keys[algorithm] = made.decode()
    return keys.keys[algorithm]


def public_pem(keys: Kept, algorithm: str) -> str:
    """What the listener is to know the script by."""
    pem = private_pem(keys, algorithm).encode()
    public = serialization.load_pem_private_key(pem, None).public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def _made(
    algorithm: str,
) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    raise LookupError(f"there is no algorithm {algorithm!r} for a key pair")
