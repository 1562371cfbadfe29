"""A token's three parts: read as PyJWT reads them, or not at all (rule T0)."""

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.crypto import Secret
from app.tokens import checks, compact
from app.tokens.checks import Reason, Refused

SECRET = "a-shared-secret-of-more-than-32-bytes"
KEY = "k" * 32
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def part(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def token(header: object = None, claims: object = None, signature: str = "AAAA") -> str:
    head = {"alg": "HS256"} if header is None else header
    return f"{part(head)}.{part({} if claims is None else claims)}.{signature}"


def is_read(text: str) -> bool:
    try:
        checks.read(text)
    except Refused as error:
        return error.reason is not Reason.MALFORMED
    return True


def test_t0_what_is_read_is_what_was_written() -> None:
    claims = {"iss": "site-1", "n": [1, {"deep": "ü"}]}
    text = jwt.encode(claims, SECRET, "HS256", headers={"kid": "a/b"})

    read = checks.read(text)

    assert (read.algorithm, read.key_id, read.claims) == ("HS256", "a/b", claims)


@pytest.mark.parametrize(
    "text",
    [
        token(header=[]),
        token(claims=[]),
        token(header="{"),
        token(claims="NotJSON"),
        token(header={"alg": "HS256", "kid": 7}),
        token(header={"alg": "HS256", "kid": None}),
        token(header={"alg": "HS256", "crit": ["b64"], "b64": False}),
        token(header={"alg": "HS256", "crit": ["b64"], "b64": True}),
        token(header={"alg": "HS256", "crit": ["exp"], "exp": 1}),
        token(header={"alg": "HS256", "crit": []}),
        token(header={"alg": "HS256", "b64": False}),
        token(signature="A"),
        token(signature="AAAAA"),
        token(signature="AB"),  # the spelling of "AA" with a bit too many
        token(signature="AAB"),
        token()[:-5] + "\n.AAAA",
        part('{"alg": "HS256"}').replace("ey", "e") + ".e30.AAAA",
        f"{base64.urlsafe_b64encode(chr(0xE9).encode('latin-1')).decode()[:2]}.e30.AA",
        token(claims="[" * 3000),
    ],
)
def test_t0_what_two_readers_could_read_differently_is_no_token(text: str) -> None:
    assert not is_read(text)


@given(st.lists(st.text(ALPHABET, min_size=1, max_size=12), min_size=3, max_size=3))
def test_t0_whatever_is_read_pyjwt_reads_too(parts: list[str]) -> None:
    assert_read_alike(".".join(parts))


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "crit", "b64", "typ", "x"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.just(["b64"]),
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.text(ALPHABET, min_size=1, max_size=9),
)
def test_t0_whatever_json_is_read_pyjwt_reads_too(
    header: dict[str, Any], claims: object, signature: str
) -> None:
    assert_read_alike(token(header, claims, signature))


def assert_read_alike(text: str) -> None:
    if is_read(text):
        theirs = jwt.decode_complete(text, options={"verify_signature": False})
        ours = compact.split(text)
        # As text: what is no number is not equal to itself.
        assert repr(ours.header) == repr(theirs["header"])
        assert repr(ours.claims) == repr(theirs["payload"])


@given(st.dictionaries(st.text(), st.text()), st.text(min_size=1), st.data())
def test_t0_pyjwt_judges_signatures_as_we_do(
    claims: dict[str, str], secret: str, data: st.DataObject
) -> None:
    """One bit of the token, or of the secret, is another: nobody takes it."""
    text = jwt.api_jws.encode(json.dumps(claims).encode(), KEY + secret, "HS256")
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(ALPHABET))
    changed = text[:place] + other + text[place + 1 :]

    assert compact.is_signed_with(text, Secret(KEY + secret))
    assert not compact.is_signed_with(text, Secret(KEY.upper() + secret))
    if changed != text and is_read(changed):
        assert not compact.is_signed_with(changed, Secret(KEY + secret))


def test_t0_empty_secret_signs_nothing() -> None:
    """Attack: everybody has it."""
    signed = f"{part({'alg': 'HS256'})}.e30"
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = compact.encode(algorithm.sign(signed.encode(), b""))

    assert not compact.is_signed_with(f"{signed}.{signature}", Secret(""))
