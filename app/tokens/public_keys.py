"""Public keys of others: which of them may check a token, and by which algorithm.

A key decides its algorithm, never the token: `none`, or a public key taken for a shared
secret, cannot be asked for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from app import crypto
from app.tokens.checks import Reason, Refused, Unverified

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
"""What public keys are checked with here: one algorithm for each type of key."""

MAX_KEYS = 100
"""Keys that are read of a key set."""

MAX_TEXT = 16 * 1024
"""Characters of one key as an admin pastes it."""

_KEY_ID = re.compile(r"[A-Za-z0-9_.:/+=-]{1,200}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """A key that may check tokens, and the only algorithm that it checks them by."""

    algorithm: str
    jwk: jwt.PyJWK


Keys = Mapping[str, PublicKey]
"""A key set, by `kid`."""


def key_id(token: Unverified) -> str:
    """Return the token's `kid`; it is only looked up, never made part of a URL."""
    if not _KEY_ID.fullmatch(token.key_id):
        raise Refused(Reason.BAD_KEY_ID, token.key_id)
    return token.key_id


def read_key(text: str) -> PublicKey:
    """Read one key, PEM or JWK; raise `ValueError`, for an admin, if it may not check.

    Attack: a private key that is pasted by mistake would be kept unsealed.
    """
    text = text.strip()
    if len(text) > MAX_TEXT:
        raise ValueError("this is too long for a public key")
    if "PRIVATE KEY" in text or (text.startswith("{") and '"d"' in text):
        raise ValueError("this is a private key: keep it, and paste the public one")
    try:
        key = _of_jwk(_object(text)) if text.startswith("{") else _of_pem(text)
    except ValueError:
        key = None
    if key is None:
        raise ValueError(_WANTED)
    return key


_WANTED = (
    "paste a public key (PEM or JWK): RSA of 2048 to 8192 bits, P-256 or Ed25519;"
    " tokens are then RS256, ES256 or EdDSA"
)


def read_keys(document: bytes) -> Keys:
    """Return the keys of a JWKS that may check tokens; skip every other.

    Raise `ValueError` if it is no key set at all.
    """
    keys = _object(document).get("keys")
    if not isinstance(keys, list):
        raise ValueError("no key set")  # noqa: TRY004 -- one error for one cause
    found = {}
    for each in keys[:MAX_KEYS]:
        if not (isinstance(each, dict) and isinstance(each.get("kid"), str)):
            continue
        if (key := _of_jwk(each)) is not None:
            found[each["kid"]] = key
    return found


def _object(text: str | bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 -- as above
    return value


def _of_pem(text: str) -> PublicKey | None:
    key = crypto.read_public_key(text)
    algorithm = crypto.algorithm_of(key)
    if algorithm is None:
        return None
    data = jwt.get_algorithm_by_name(algorithm).to_jwk(key, as_dict=True)
    return PublicKey(algorithm=algorithm, jwk=jwt.PyJWK(data, algorithm))


def _of_jwk(data: Mapping[str, Any]) -> PublicKey | None:
    # Attack: a symmetric key, or one for another use, that is published beside ours.
    operations = data.get("key_ops", ["verify"])
    if data.get("use", "sig") != "sig" or "d" in data:
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    kind = f"{data.get('kty')} {data.get('crv', '')}".strip()
    algorithm = _BY_KIND.get(kind)
    if algorithm is None or data.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(dict(data), algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if crypto.algorithm_of(key.key) != algorithm:
        return None
    return PublicKey(algorithm=algorithm, jwk=key)


_BY_KIND = {"RSA": "RS256", "EC P-256": "ES256", "OKP Ed25519": "EdDSA"}
