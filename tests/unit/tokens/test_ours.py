"""Tokens that we make: what they say, for how long, and who can check them."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from app.crypto import KeyPair, Secret
from app.tokens import ours
from tests import lending

NOW = datetime(2026, 11, 23, 12, 0, 0, 900_000, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
SECRET = Secret("a-shared-secret-of-more-than-32-bytes")
BODY = b'{"a": 1}'


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return lending.key_pairs()()


def opened(text: str, key: Any, algorithm: str) -> tuple[dict[str, Any], Any]:
    """Return header and claims, if `key` signed them, whatever the time is."""
    options = {"verify_exp": False, "verify_iat": False}
    read = jwt.decode_complete(text, key, algorithms=[algorithm], options=options)  # type: ignore[arg-type]
    return read["header"], read["payload"]


def test_jiras_token_binds_one_request_for_three_minutes() -> None:
    text = ours.sign_for_jira(
        SECRET, app_key="countersign", method="PUT", path="/rest/x?b=1&a=2", now=NOW
    )

    _, claims = opened(text, SECRET.reveal(), "HS256")
    assert claims == {
        "iss": "countersign",
        "iat": SECONDS,
        "exp": SECONDS + 180,
        "qsh": hashlib.sha256(b"PUT&/rest/x&a=2&b=1").hexdigest(),
    }


def test_t14_deliverys_token_names_its_key(pair: KeyPair) -> None:
    text = ours.sign_with_key(pair.private, "k-1", {"sub": "tenant:1"})

    header, claims = opened(text, jwt.PyJWK(pair.public, "RS256"), "RS256")
    assert (header["kid"], header["alg"]) == ("k-1", "RS256")
    assert claims == {"sub": "tenant:1"}


def test_token_by_a_secret_says_what_it_was_given() -> None:
    text = ours.sign_with_secret(SECRET, {"sub": "tenant:1"})

    assert opened(text, SECRET.reveal(), "HS256")[1] == {"sub": "tenant:1"}


def test_callers_token_is_bound_to_listener_and_body() -> None:
    minute = timedelta(minutes=1)

    def made() -> dict[str, Any]:
        text = ours.sign_for_listener(
            *(SECRET,),
            issuer="bot",
            audience="https://us",
            body=BODY,
            lifetime=minute,
            now=NOW,
        )
        options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        return jwt.decode(text, SECRET.reveal(), algorithms=["HS256"], options=options)  # type: ignore[arg-type]

    first, second = made(), made()
    assert first.pop("jti") != second.pop("jti")
    assert (
        first
        == second
        == {
            "iss": "bot",
            "aud": "https://us",
            "iat": SECONDS,
            "exp": SECONDS + 60,
            "body_sha256": hashlib.sha256(BODY).hexdigest(),
        }
    )


def test_bound_claims_are_good_for_five_minutes_and_these_bytes() -> None:
    assert ours.bind({"sub": "s", "exp": 1}, BODY, NOW) == {
        "sub": "s",
        "iat": SECONDS,
        "exp": SECONDS + 300,
        "body_sha256": hashlib.sha256(BODY).hexdigest(),
    }


def test_webhook_is_signed_by_each_secret() -> None:
    """By hand as Standard Webhooks says: HMAC-SHA256 of id, time and body."""
    keys = [b"o" * 32, b"n" * 32]
    secrets = [Secret("whsec_" + base64.b64encode(key).decode()) for key in keys]

    headers = ours.sign_webhook(secrets, message_id="m-1", body=BODY, now=NOW)

    signed = b"m-1.%d." % SECONDS + BODY
    macs = [hmac.digest(key, signed, "sha256") for key in keys]
    assert headers == {
        "webhook-timestamp": str(SECONDS),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(mac).decode()}" for mac in macs
        ),
    }


def test_github_app_is_dated_back_by_a_minute(pair: KeyPair) -> None:
    text = ours.sign_for_github(pair.private, app_id="77", now=NOW)

    _, claims = opened(text, jwt.PyJWK(pair.public, "RS256"), "RS256")
    start = int((NOW - timedelta(minutes=1)).timestamp())
    assert claims == {"iss": "77", "iat": start, "exp": SECONDS + 300}
