"""Secrets at rest: the only module that encrypts or decrypts."""

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import NewType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Sealed = NewType("Sealed", bytes)
"""Ciphertext of a secret, `v1.<key id>.<nonce and AES-256-GCM output>`."""

_VERSION = b"v1."
_KEY_ID = slice(3, 11)
_NONCE = slice(12, 24)
_CIPHERTEXT = slice(24, None)


class CannotOpenError(Exception):
    """No key in the ring opens this, or it was sealed for another context."""


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
        try:
            cipher = self._ciphers[sealed[_KEY_ID]]
            text = cipher.decrypt(sealed[_NONCE], sealed[_CIPHERTEXT], context.encode())
        except (KeyError, InvalidTag) as error:
            raise CannotOpenError from error
        return Secret(text.decode())

    def is_current(self, sealed: Sealed) -> bool:
        """Say whether the newest key sealed this."""
        return sealed[_KEY_ID] == self._newest


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).hexdigest()[:8].encode()
