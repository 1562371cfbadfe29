"""The search that finds leaked secrets finds them: else it proves nothing."""

import base64
import secrets
from urllib.parse import quote

import jwt
import pytest

from tests.canaries import leaks, tokens

SECRET = "s3cret/+with~odd&signs=Wq8zR2xLw0a9TfB1kD7u"


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"])
@pytest.mark.parametrize("after", [b"", b"x", b"xy"])
def test_secret_in_base64_is_found_wherever_it_begins(
    before: bytes, after: bytes
) -> None:
    whole = before + SECRET.encode() + after
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert leaks({"it": SECRET}, {"log": b"... " + encode(whole) + b" ..."})


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
    ids=["plain", "quoted", "quoted whole", "hex", "HEX"],
)
def test_secret_is_found_as_it_may_be_written(written: str) -> None:
    assert leaks({"it": SECRET}, {"log": f"x{written}y".encode()})


def test_nothing_is_found_where_nothing_is() -> None:
    assert leaks({"it": SECRET}, {"log": secrets.token_bytes(100_000)}) == []


def test_any_token_and_any_private_key_is_found() -> None:
    token = jwt.encode({"iss": "somebody"}, "k" * 32, algorithm="HS256")
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA1234567890"

    assert tokens({"page": f"<p>{token}</p>".encode()}) == ["a token in page"]
    assert tokens({"page": key.encode()}) == ["a private key in page"]
    assert tokens({"page": b"eyJ.eyJ. and -----BEGIN PRIVATE KEY----- in words"}) == []
