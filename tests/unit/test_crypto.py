"""Secrets at rest: they open in their own context only, and print nowhere."""

import base64
import copy
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from app.crypto import (
    CannotOpenError,
    Keyring,
    MissingKeyError,
    Sealed,
    Secret,
    algorithm_of,
    check_private_key,
    key_id_of,
    make_key_pair,
    make_signing_pair,
    public_half,
    read_private_key,
    read_public_key,
    read_signing_key,
)

STRANGE_PRIVATE = """-----BEGIN PRIVATE KEY-----
MAwCAQAwBQYDKgMEBAA=
-----END PRIVATE KEY-----"""
STRANGE_PUBLIC = """-----BEGIN PUBLIC KEY-----
MAwwBQYDKgMEAwMAAQI=
-----END PUBLIC KEY-----"""
"""Well-formed, and their algorithm is number 1.2.3.4."""

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


def test_missing_key_is_named_by_its_id() -> None:
    sealed = Keyring([OLD]).seal(Secret("s3cret"), context="a")

    with pytest.raises(MissingKeyError) as missing:
        Keyring([NEW]).open(sealed, context="a")

    assert [missing.value.key_id] == [*Keyring([OLD]).key_ids] == [key_id_of(sealed)]


@pytest.mark.parametrize(
    ("stored", "key_id"),
    [(b"", ""), (b"v2.01234567.", ""), (b"v1.\xff\xfe345678.", "\ufffd\ufffd345678")],
)
def test_what_we_did_not_seal_has_some_key_id_and_breaks_no_report(
    stored: bytes, key_id: str
) -> None:
    assert key_id_of(Sealed(stored)) == key_id


def test_pair_of_a_history_signs_for_its_public_half() -> None:
    """RFC 8037, section 2: the JWK of an Ed25519 key."""
    pair = make_signing_pair()

    assert pair.public == public_half(pair.private)
    assert (pair.public["kty"], pair.public["crv"]) == ("OKP", "Ed25519")
    octets = base64.urlsafe_b64decode(pair.public["x"] + "=")
    public = ed25519.Ed25519PublicKey.from_public_bytes(octets)
    public.verify(read_signing_key(pair.private).sign(b"it"), b"it")
    assert make_signing_pair().public != pair.public


def test_secret_hides_in_reprs_and_messages() -> None:
    secret = Secret("s3cret")

    assert f"{secret} {secret!r} {[secret]}" == "Secret(***) Secret(***) [Secret(***)]"


def test_keys_are_read_from_base64_and_from_nothing_else() -> None:
    keyring = Keyring.from_base64(
        [base64.b64encode(key).decode() for key in (NEW, OLD)]
    )

    sealed = Keyring([NEW]).seal(Secret("s3cret"), context="a")
    assert keyring.is_current(sealed)
    assert keyring.open(sealed, context="a").reveal() == "s3cret"
    with pytest.raises(ValueError, match="base64"):
        Keyring.from_base64(["bm5u\n" * 10 + "bm4="])


def test_secret_is_neither_pickled_nor_copied() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("s3cret"))
    with pytest.raises(TypeError):
        copy.deepcopy(Secret("s3cret"))


def test_key_that_was_read_signs_for_its_public_half() -> None:
    pair = make_key_pair()
    assert (pair.public["kty"], pair.public["e"]) == ("RSA", "AQAB")
    assert len(pair.public["n"]) == 342  # 256 bytes, unpadded

    key = read_private_key(pair.private)

    signature = key.sign(b"words", PKCS1v15(), SHA256())
    modulus, exponent = (
        int.from_bytes(base64.urlsafe_b64decode(pair.public[number] + "=="))
        for number in ("n", "e")
    )
    public = RSAPublicNumbers(exponent, modulus).public_key()
    public.verify(signature, b"words", PKCS1v15(), SHA256())


def pem(key: Any, password: bytes = b"") -> str:
    form: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        form = serialization.BestAvailableEncryption(password)
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form
    )
    return encoded.decode()


def test_anothers_private_key_is_rsa_and_long_enough() -> None:
    good = make_key_pair().private
    key = read_private_key(good)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 -- that is what is refused

    check_private_key(good.reveal())
    for wrong in (short, ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(ValueError, match="an RSA key of at least 2048 bits"):
            check_private_key(pem(wrong))
    odd = ("", "key", "ключ", pem(key, b"word"), good.reveal()[:-100], STRANGE_PRIVATE)
    for text in odd:
        with pytest.raises(ValueError, match="no private key in PEM"):
            check_private_key(text)


@pytest.mark.parametrize("text", ["", "key", "ключ", STRANGE_PUBLIC])
def test_what_is_no_public_key_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no public key$"):
        read_public_key(text)


@pytest.mark.parametrize(
    ("bits", "algorithm"),
    [(2047, None), (2048, "RS256"), (8192, "RS256"), (8193, None)],
)
def test_rsa_key_is_neither_weak_nor_a_burden(bits: int, algorithm: str | None) -> None:
    """Attack: a key of a million bits, which we check each token of his with."""
    key = RSAPublicNumbers(65537, (1 << bits - 1) + 1).public_key()

    assert algorithm_of(key) == algorithm


def test_what_is_no_public_key_checks_nothing() -> None:
    private = ed25519.Ed25519PrivateKey.generate()

    assert algorithm_of(private.public_key()) == "EdDSA"
    assert algorithm_of(private) is algorithm_of(b"secret") is None
