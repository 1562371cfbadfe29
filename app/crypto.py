"""Secrets at rest, and key pairs: the only module that knows ciphers."""

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple, NewType, cast

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Sealed = NewType("Sealed", bytes)
"""Ciphertext of a secret, `v1.<key id>.<nonce and AES-256-GCM output>`."""

_VERSION = b"v1."
_KEY_ID = slice(3, 11)
_NONCE = slice(12, 24)
_CIPHERTEXT = slice(24, None)

RSA_BITS = 2048

MOST_RSA_BITS = 8192
"""Of another's key: a longer one costs us time with every token that names it."""


class CannotOpenError(Exception):
    """No key in the ring opens this, or it was sealed for another context."""


class MissingKeyError(CannotOpenError):
    """The key that sealed this is not in the ring; `key_id` is its 8 characters."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key {key_id} in the ring")
        self.key_id = key_id


class Secret:
    """A plaintext secret that no log line, traceback or page can print by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        # A secret that can be pickled can land in a queue, a cache or a crash dump.
        raise TypeError("secrets are not serialised")


class Keyring:
    """Seals with the newest key and opens with any."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._newest = _key_id(keys[0])

    @classmethod
    def from_base64(cls, keys: Sequence[str]) -> "Keyring":
        return cls([base64.b64decode(key, validate=True) for key in keys])

    def seal(self, secret: Secret, *, context: str) -> Sealed:
        """Encrypt `secret` so that it opens only with the same `context`."""
        nonce = os.urandom(12)
        cipher = self._ciphers[self._newest]
        text = cipher.encrypt(nonce, secret.reveal().encode(), context.encode())
        return Sealed(_VERSION + self._newest + b"." + nonce + text)

    def open(self, sealed: Sealed, *, context: str) -> Secret:
        """Decrypt; raise `CannotOpenError` for a foreign key, context or format."""
        if not sealed.startswith(_VERSION):
            raise CannotOpenError
        cipher = self._ciphers.get(sealed[_KEY_ID])
        if cipher is None:
            raise MissingKeyError(key_id_of(sealed))
        try:
            text = cipher.decrypt(sealed[_NONCE], sealed[_CIPHERTEXT], context.encode())
        except InvalidTag as error:
            raise CannotOpenError from error
        return Secret(text.decode())

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of its keys, the one that seals first; they tell nothing of them."""
        return tuple(key_id.decode() for key_id in self._ciphers)

    def is_current(self, sealed: Sealed) -> bool:
        """Say whether the newest key sealed this."""
        return sealed[_KEY_ID] == self._newest


def key_id_of(sealed: Sealed) -> str:
    """Return which key sealed this; empty for what no keyring of ours sealed."""
    if not sealed.startswith(_VERSION):
        return ""
    return sealed[_KEY_ID].decode("ascii", "replace")


class KeyPair(NamedTuple):
    """A pair for RS256: what signs, and what anybody may check with."""

    private: Secret
    """PKCS #8, PEM."""
    public: dict[str, str]
    """The numbers of a JSON Web Key (RFC 7518, section 6.3.1)."""


def make_key_pair() -> KeyPair:
    """Make a new pair; takes a tenth of a second, so never inside a transaction."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    numbers = key.public_key().public_numbers()
    public = {"kty": "RSA", "n": _base64url(numbers.n), "e": _base64url(numbers.e)}
    return KeyPair(Secret(pem.decode()), public)


def make_signing_pair() -> KeyPair:
    """Make a new Ed25519 pair, whose public half is a JWK of RFC 8037."""
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    private = Secret(pem.decode())
    return KeyPair(private, public_half(private))


def public_half(private: Secret) -> dict[str, str]:
    """Return the public JWK of an Ed25519 key of ours."""
    octets = read_signing_key(private).public_key().public_bytes_raw()
    x = base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
    return {"crv": "Ed25519", "kty": "OKP", "x": x}


def read_signing_key(private: Secret) -> ed25519.Ed25519PrivateKey:
    """Read an Ed25519 key of ours, to sign with."""
    key = serialization.load_pem_private_key(private.reveal().encode(), None)
    return cast("ed25519.Ed25519PrivateKey", key)


def read_private_key(private: Secret) -> rsa.RSAPrivateKey:
    """Read the private half of a pair of ours, to sign with.

    Its numbers are not proved anew, which takes fifty times as long as to sign: we made
    them, and its seal opens for the very bytes that we sealed.
    """
    key = serialization.load_pem_private_key(
        private.reveal().encode(), None, unsafe_skip_rsa_key_validation=True
    )
    return cast("rsa.RSAPrivateKey", key)


def check_private_key(pem: str) -> None:
    """Raise `ValueError` unless this is an RSA key of a size that still counts.

    Somebody else made it, so its numbers are proved, once.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(
            "this is no private key in PEM, or it has a password"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < RSA_BITS:
        raise ValueError(f"it must be an RSA key of at least {RSA_BITS} bits")


def read_public_key(pem: str) -> object:
    """Read another's public key; raise `ValueError` for what is none."""
    try:
        return serialization.load_pem_public_key(pem.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("no public key") from error


def algorithm_of(key: object) -> str | None:
    """Return the one JWS algorithm that we check with this public key.

    None for a private or a symmetric key, a weak one, and kinds that nobody needs.
    """
    match key:
        case rsa.RSAPublicKey():
            return "RS256" if RSA_BITS <= key.key_size <= MOST_RSA_BITS else None
        case ec.EllipticCurvePublicKey():
            return "ES256" if isinstance(key.curve, ec.SECP256R1) else None
        case ed25519.Ed25519PublicKey():
            return "EdDSA"
        case _:
            return None


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).hexdigest()[:8].encode()
