"""RSA keys: the App's, which GitHub makes for its owner, and those of Actions."""

import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Json = dict[str, Any]

_BITS = 2048


@dataclass(frozen=True)
class Key:
    private: rsa.RSAPrivateKey = field(repr=False)

    @functools.cached_property
    def pem(self) -> str:
        """As GitHub hands it out: the traditional format."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()

    @property
    def public(self) -> rsa.RSAPublicKey:
        return self.private.public_key()

    @functools.cached_property
    def kid(self) -> str:
        numbers = self.public.public_numbers()
        return hashlib.sha256(str(numbers.n).encode()).hexdigest()[:40].upper()

    def jwk(self) -> Json:
        found = jwt.algorithms.RSAAlgorithm.to_jwk(self.public, as_dict=True)
        return {**found, "use": "sig", "alg": "RS256", "kid": self.kid}


def new() -> Key:
    return Key(rsa.generate_private_key(public_exponent=65537, key_size=_BITS))


@functools.cache
def first(owner: str) -> Key:
    """The first one of this owner, the same for the life of the process: it is slow."""
    del owner
    return new()


def kept(path: Path | None) -> Key:
    """The one in the file; the first App's, if there is none."""
    if path is None or not path.exists():
        keep(first("app"), path)
        return first("app")
    found = serialization.load_pem_private_key(path.read_bytes(), None)
    return Key(cast("rsa.RSAPrivateKey", found))


def keep(key: Key, path: Path | None) -> None:
    if path is not None:
        path.touch(mode=0o600)
        path.write_text(key.pem, encoding="ascii")
