"""Secrets at rest: they open in their own context only, and print nowhere."""

import base64
import copy
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from app.crypto import (
    CannotOpenError,
    Keyring,
    Sealed,
    Secret,
    make_key_pair,
    read_private_key,
)

OLD, NEW = b"o" * 32, b"n" * 32


def test_sealed_secret_opens_in_its_context_only() -> None:
    keyring = Keyring([NEW])
    sealed = keyring.seal(Secret("s3cret"), context="a")

    assert keyring.open(sealed, context="a").reveal() == "s3cret"
    with pytest.raises(CannotOpenError):
        keyring.open(sealed, context="b")


def test_same_secret_seals_differently_each_time() -> None:
    keyring = Keyring([NEW])

    one, other = (keyring.seal(Secret("s3cret"), context="a") for _ in range(2))

    assert one != other


def test_older_keys_open_but_are_not_current() -> None:
    sealed = Keyring([OLD]).seal(Secret("s3cret"), context="a")
    keyring = Keyring([NEW, OLD])

    assert keyring.open(sealed, context="a").reveal() == "s3cret"
    assert not keyring.is_current(sealed)
    assert keyring.is_current(keyring.seal(Secret("s3cret"), context="a"))


@pytest.mark.parametrize("position", [0, 5, 15, -1])
def test_changed_ciphertext_does_not_open(position: int) -> None:
    keyring = Keyring([NEW])
    changed = bytearray(keyring.seal(Secret("s3cret"), context="a"))
    changed[position] ^= 1

    with pytest.raises(CannotOpenError):
        keyring.open(Sealed(bytes(changed)), context="a")


def test_foreign_key_does_not_open() -> None:
    sealed = Keyring([OLD]).seal(Secret("s3cret"), context="a")

    with pytest.raises(CannotOpenError):
        Keyring([NEW]).open(sealed, context="a")


def test_secret_hides_in_reprs_and_messages() -> None:
    secret = Secret("s3cret")

    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"


def test_secret_is_neither_pickled_nor_copied() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("s3cret"))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret("s3cret"))


def test_key_that_was_read_signs_for_its_public_half() -> None:
    pair = make_key_pair()

    key = read_private_key(pair.private)

    signature = key.sign(b"words", PKCS1v15(), SHA256())
    modulus, exponent = (
        int.from_bytes(base64.urlsafe_b64decode(pair.public[number] + "=="))
        for number in ("n", "e")
    )
    public = RSAPublicNumbers(exponent, modulus).public_key()
    public.verify(signature, b"words", PKCS1v15(), SHA256())
