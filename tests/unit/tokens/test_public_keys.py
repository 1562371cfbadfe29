"""Which public keys may check a token, and by which algorithm (rules T0, T0a)."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

from app.tokens import checks, public_keys
from app.tokens.checks import Reason, Refused

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 -- that is what is refused
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
Json = dict[str, Any]


def pem(private: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    encoded: bytes = private.public_key().public_bytes(serialization.Encoding.PEM, form)
    return encoded.decode()


def private_pem(private: Any) -> str:
    encoded: bytes = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded.decode()


def jwk(key: Any = RSA, **changes: Any) -> Json:
    kinds: dict[type, Any] = {
        rsa.RSAPublicKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePublicKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PublicKey: jwt.algorithms.OKPAlgorithm,
    }
    public = key.public_key()
    [kind] = [kind for base, kind in kinds.items() if isinstance(public, base)]
    made = {**kind.to_jwk(public, as_dict=True), "kid": "k-1"} | changes
    return {name: value for name, value in made.items() if value is not None}


def key_set(*keys: object) -> public_keys.Keys:
    return public_keys.read_keys(json.dumps({"keys": list(keys)}).encode())


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (CURVE, "ES256"), (EDWARDS, "EdDSA")]
)
def test_key_is_read_from_either_form(key: Any, algorithm: str) -> None:
    as_json = json.dumps(jwk(key))
    for text in (pem(key), f"\n {pem(key)}\n", as_json, f"\n {as_json}\n"):
        assert public_keys.read_key(text).algorithm == algorithm
    assert key_set(jwk(key, use="sig", alg=algorithm))["k-1"].algorithm == algorithm


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "paste a public key"),
        ("k" * 16_384, "paste a public key"),
        ("k" * 16_385, "too long"),
        ("shared secret", "paste a public key"),
        ("ключ", "paste a public key"),
        ("{", "paste a public key"),
        ("{}", "paste a public key"),
        (private_pem(RSA), "private key"),
        (json.dumps(jwk() | {"d": "AQAB"}), "private key"),
        (pem(SHORT), "2048"),
        (json.dumps(jwk(SHORT)), "2048"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem(ed448.Ed448PrivateKey.generate()), "Ed25519"),
        (pem(dsa.generate_private_key(1024)), "paste a public key"),  # noqa: S505 -- as above
        (json.dumps({"kty": "oct", "k": "c2VjcmV0"}), "paste a public key"),
        (json.dumps({"keys": [jwk()]}), "paste a public key"),
        (json.dumps(jwk(alg="RS512")), "RS256"),
    ],
    ids=range(17),
)
def test_key_that_may_not_check_is_refused_and_says_why(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        public_keys.read_key(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "EC"},
        {"alg": "HS256"},
        {"alg": "RS512"},
        {"alg": "none"},
        {"alg": ["RS256"]},
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"kid": None},
        {"kid": 7},
        {"n": None},
        {"n": "AQAB"},
        {"n": 7},
        {"d": "AQAB"},
    ],
    ids=str,
)
def test_t0a_key_that_is_not_for_these_tokens_is_left_out(changes: Json) -> None:
    assert key_set(jwk(**changes), 7, jwk(kid="good")).keys() == {"good"}


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": 1}', b"[" * 5000])
def test_what_is_no_key_set_is_said_so(text: bytes) -> None:
    with pytest.raises(ValueError, match="no "):
        public_keys.read_keys(text)


def test_t0a_key_is_looked_up_by_the_name_that_the_token_gives() -> None:
    text = jwt.encode({}, RSA, algorithm="RS256", headers={"kid": "k:1/a=+"})

    assert public_keys.key_id(checks.read(text)) == "k:1/a=+"


def test_so_many_keys_of_a_set_are_read() -> None:
    assert len(key_set(*(jwk(kid=str(number)) for number in range(101)))) == 100


@pytest.mark.parametrize("kid", ["", "a b", "\n", "k" * 201, "ä"])
def test_t0a_key_id_of_odd_shape_is_refused(kid: str) -> None:
    text = jwt.encode({"iss": "x"}, RSA, algorithm="RS256", headers={"kid": kid})

    with pytest.raises(Refused) as error:
        public_keys.key_id(checks.read(text))
    assert (error.value.reason, error.value.detail) == (Reason.BAD_KEY_ID, kid)
