"""Checkpoints of a tenant's history: a family that we sign and that we alone read.

A checkpoint opens no door: its type, its algorithm and its key are used for nothing
else, and the key is in no key set that receivers are given.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import jwt

from app.crypto import Secret, read_signing_key

ALGORITHM = "EdDSA"

TYPE = "countersign-checkpoint+jws"

Jwk = Mapping[str, str]
"""The public half of the key: `kty` OKP, `crv` Ed25519, `x` (RFC 8037)."""


_UNREADABLE = (RecursionError, TypeError, KeyError, UnicodeError)
"""What text of anybody's making can raise beside the library's own errors."""


class UnknownKeyError(ValueError):
    """It names another key than the one it has to be signed with."""


class BadCheckpointError(ValueError):
    """It is not what was signed with the key that it names."""


def thumbprint(key: Jwk) -> str:
    """Return the fingerprint of a public key, which is also its `kid` (RFC 7638)."""
    named = {name: key[name] for name in ("crv", "kty", "x")}  # in this order
    text = json.dumps(named, separators=(",", ":"))
    return _base64url(hashlib.sha256(text.encode()).digest())


def sign(private: Secret, kid: str, payload: Mapping[str, Any]) -> str:
    """Return the JWS, compact (RFC 7515)."""
    return jwt.encode(
        dict(payload),
        read_signing_key(private),
        algorithm=ALGORITHM,
        headers={"typ": TYPE, "kid": kid},
    )


def read(jws: str, key: Jwk) -> Mapping[str, Any]:
    """Return what was signed; raise `UnknownKeyError` or `BadCheckpointError`.

    Attack: another spelling of one signature (the last character of base64 has bits
    that count for nothing) is another text with another hash. The library takes one.
    """
    try:
        header = jwt.get_unverified_header(jws)
        if header.get("kid") != thumbprint(key):
            raise UnknownKeyError
        whole = jwt.PyJWS().decode_complete(
            jws, jwt.PyJWK(dict(key), ALGORITHM), algorithms=[ALGORITHM]
        )
        payload = json.loads(whole["payload"])
    except (jwt.PyJWTError, json.JSONDecodeError, *_UNREADABLE) as error:
        raise BadCheckpointError from error
    if header.get("typ") != TYPE or not isinstance(payload, dict):
        raise BadCheckpointError
    return payload


def unverified(jws: str) -> Mapping[str, Any]:
    """Return what a checkpoint says, believed by nobody; raise `BadCheckpointError`."""
    try:
        whole = jwt.PyJWS().decode_complete(jws, options={"verify_signature": False})
        payload = json.loads(whole["payload"])
    except (jwt.PyJWTError, json.JSONDecodeError, *_UNREADABLE) as error:
        raise BadCheckpointError from error
    if not isinstance(payload, dict):
        raise BadCheckpointError
    return payload


def digest(jws: str) -> str:
    """Return what the next checkpoint says of this one, so that it has to be this."""
    return hashlib.sha256(jws.encode()).hexdigest()


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
