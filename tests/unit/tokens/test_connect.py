"""Jira's tokens: what opens a route, and every way not to (rules T0, T0a)."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.crypto import Secret
from app.tokens import checks, connect, target
from app.tokens.checks import Reason, Refused, Verified

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
SECRET = "a-shared-secret-of-more-than-32-bytes"
OLD_SECRET = "the-secret-of-before-the-last-install"
HASHES = target.hashes("POST", "/post-function/triggered")
BASE_URL = "https://countersign.example"

Claims = dict[str, Any]


def claims(**changes: Any) -> Claims:
    [qsh] = HASHES
    default = {"iss": "site-1", "iat": SECONDS, "exp": SECONDS + 180, "qsh": qsh}
    merged = default | changes
    return {name: value for name, value in merged.items() if value is not None}


def sign(payload: Claims, secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, secret, algorithm=algorithm)


def verify(text: str, *, now: datetime = NOW) -> Verified:
    secrets = [(Secret(SECRET), 2), (Secret(OLD_SECRET), 1)]
    return connect.verify_url_bound(checks.read(text), secrets, hashes=HASHES, now=now)


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as error:
        call()
    return error.value


def test_good_token_opens() -> None:
    verified = verify(sign(claims(sub="account-1")))

    assert verified.issuer == "site-1"
    assert verified.account_id == "account-1"
    assert verified.generation == 2


def test_secret_in_its_grace_opens_too() -> None:
    assert verify(sign(claims(), OLD_SECRET)).generation == 1


@pytest.mark.parametrize("missing", ["iss", "iat", "exp", "qsh"])
def test_t0_required_claims(missing: str) -> None:
    error = refused(lambda: verify(sign(claims(**{missing: None}))))

    assert (error.reason, error.detail) == (Reason.MISSING_CLAIM, missing)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iat": str(SECONDS)},
        {"exp": "tomorrow"},
        {"exp": True},
        {"iat": float("nan")},
        {"exp": float("inf")},
        {"exp": 10**30},
        {"iat": -1},
        {"nbf": "now"},
        {"qsh": 7},
        {"iss": ["site-1"]},
        {"iss": ""},
    ],
)
def test_t0_claims_of_the_wrong_kind(wrong: Claims) -> None:
    # PyJWT will not sign all of these, so the token is put together by hand.
    text = by_hand({"alg": "HS256"}, claims(**wrong))

    assert refused(lambda: verify(text)).reason is Reason.BAD_CLAIM


def by_hand(header: Claims, payload: Claims, secret: str = SECRET) -> str:
    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = (
        part(json.dumps(header).encode()) + b"." + part(json.dumps(payload).encode())
    )
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    key = signature.prepare_key(secret)
    return (signed + b"." + part(signature.sign(signed, key))).decode()


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"iat": SECONDS - 3700, "exp": SECONDS + 1}, Reason.LIFETIME),
        ({"exp": SECONDS + 3601}, Reason.LIFETIME),
        ({"exp": SECONDS}, Reason.LIFETIME),
        ({"iat": SECONDS - 180, "exp": SECONDS - 30}, Reason.EXPIRED),
        ({"iat": SECONDS + 31, "exp": SECONDS + 180}, Reason.FROM_FUTURE),
        ({"nbf": SECONDS + 31}, Reason.FROM_FUTURE),
    ],
)
def test_t0_times_are_checked_against_our_clock(times: Claims, reason: Reason) -> None:
    assert refused(lambda: verify(sign(claims(**times)))).reason is reason


@pytest.mark.parametrize(
    "times",
    [
        {"exp": SECONDS + 3600},
        {"iat": SECONDS - 180, "exp": SECONDS - 29},
        {"iat": SECONDS + 30, "exp": SECONDS + 180},
        {"nbf": SECONDS + 30},
    ],
)
def test_t0_leeway_is_thirty_seconds_on_every_time(times: Claims) -> None:
    assert verify(sign(claims(**times))).issuer == "site-1"


def test_t0_late_token_says_by_how_much() -> None:
    text = sign(claims())

    error = refused(lambda: verify(text, now=NOW + timedelta(seconds=222)))

    assert error.detail == "expired by 42 s: check the clocks"
    assert error.proven


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_t0_algorithm_is_pinned(algorithm: str) -> None:
    secret = SECRET * 2
    error = refused(lambda: verify(sign(claims(), secret, algorithm)))

    assert error.reason is Reason.WRONG_ALGORITHM
    assert not error.proven


def test_t0_unsigned_token_is_refused() -> None:
    bare = jwt.encode(claims(), "", algorithm="none")

    assert refused(lambda: verify(bare)).reason is Reason.MALFORMED
    signed = by_hand({"alg": "none"}, claims())
    assert refused(lambda: verify(signed)).reason is Reason.WRONG_ALGORITHM


def test_t0_wrong_secret_proves_nothing() -> None:
    error = refused(lambda: verify(sign(claims(), "x" * 40)))

    assert error.reason is Reason.BAD_SIGNATURE
    assert not error.proven


def test_t0_changed_payload_is_refused() -> None:
    head, _, signature = sign(claims()).split(".")
    _, payload, _ = sign(claims(iss="site-2")).split(".")

    error = refused(lambda: verify(f"{head}.{payload}.{signature}"))

    assert error.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("qsh", ["0" * 64, "", "context-qsh", "É" * 64])
def test_t0_token_of_another_request_is_refused(qsh: str) -> None:
    error = refused(lambda: verify(sign(claims(qsh=qsh))))

    assert error.reason in {Reason.WRONG_QSH, Reason.WRONG_FAMILY, Reason.BAD_CLAIM}


def test_t0_hash_is_lower_case() -> None:
    [qsh] = HASHES

    error = refused(lambda: verify(sign(claims(qsh=qsh.upper()))))

    assert error.reason is Reason.WRONG_QSH


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c", "....", "é.é.é", "[" * 50 + ".e30.x"],
)
def test_t0_what_is_no_token_is_refused(text: str) -> None:
    assert refused(lambda: checks.read(text)).reason is Reason.MALFORMED


@pytest.mark.parametrize("padding", ["=", "==", "%3D", " ", ".", "\n"])
def test_t0_token_has_one_spelling(padding: str) -> None:
    """Attack: libraries take padding, so one captured token passes for another."""
    assert refused(lambda: verify(sign(claims()) + padding)).reason is Reason.MALFORMED


def test_t0_stray_bits_of_the_signature_do_not_make_another_token() -> None:
    text = sign(claims())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(text[-1]) ^ 1]

    changed = text[:-1] + last

    assert refused(lambda: verify(changed)).reason in {
        Reason.MALFORMED,
        Reason.BAD_SIGNATURE,
    }


@pytest.mark.parametrize("issuer", ["\ud800", "site\x00one"])
def test_t0_claims_that_no_database_takes_are_refused(issuer: str) -> None:
    text = by_hand({"alg": "HS256"}, claims(iss=issuer))

    assert refused(lambda: checks.read(text).issuer).reason is Reason.BAD_CLAIM


def test_t0_deeply_nested_payload_is_refused() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 4000).decode().rstrip("=")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")

    error = refused(lambda: checks.read(f"{head}.{deep}.AAAA"))

    assert error.reason is Reason.MALFORMED


def test_t0_size_is_limited() -> None:
    assert refused(lambda: checks.read("a" * 8193)).reason is Reason.TOO_LONG


def test_t0_families_do_not_open_each_others_routes() -> None:
    context = checks.read(sign(claims(qsh="context-qsh", sub="account-1")))
    bound = checks.read(sign(claims()))
    secrets = [(Secret(SECRET), 1)]

    assert connect.verify_context(context, secrets, now=NOW).account_id == "account-1"
    error = refused(
        lambda: connect.verify_url_bound(context, secrets, hashes=HASHES, now=NOW)
    )
    assert error.reason is Reason.WRONG_FAMILY
    error = refused(lambda: connect.verify_context(bound, secrets, now=NOW))
    assert error.reason is Reason.WRONG_FAMILY


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        .decode()
    )


def install(text: str, public_key: str) -> Verified:
    token = checks.read(text)
    connect.key_id(token)
    connect.precheck_install(
        token, audiences=frozenset({BASE_URL}), hashes=HASHES, now=NOW
    )
    return connect.verify_install(token, public_key)


@pytest.mark.parametrize(
    "audience",
    [BASE_URL, BASE_URL + "/", [BASE_URL], ["https://other", BASE_URL + "/"]],
)
def test_install_token_opens(private_key: rsa.RSAPrivateKey, audience: object) -> None:
    text = jwt.encode(
        claims(aud=audience), private_key, algorithm="RS256", headers={"kid": "k-1"}
    )

    assert install(text, pem(private_key)).issuer == "site-1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": None}, Reason.MISSING_CLAIM),
        ({"aud": "https://other.example"}, Reason.WRONG_AUDIENCE),
        ({"aud": []}, Reason.WRONG_AUDIENCE),
        ({"aud": {BASE_URL: 1}}, Reason.BAD_CLAIM),
        ({"aud": [1]}, Reason.BAD_CLAIM),
        ({"qsh": "0" * 64}, Reason.WRONG_QSH),
        ({"qsh": "context-qsh"}, Reason.WRONG_FAMILY),
        ({"exp": SECONDS - 40, "iat": SECONDS - 90}, Reason.EXPIRED),
    ],
)
def test_t0_install_token_is_checked_before_a_key_is_fetched(
    private_key: rsa.RSAPrivateKey, changes: Claims, reason: Reason
) -> None:
    payload = claims(aud=BASE_URL) | changes
    payload = {name: value for name, value in payload.items() if value is not None}
    text = (
        jwt.encode(payload, private_key, algorithm="RS256", headers={"kid": "k-1"})
        if payload.get("aud") != [1]
        else rs256_by_hand(payload, private_key)
    )

    error = refused(
        lambda: connect.precheck_install(
            checks.read(text), audiences=frozenset({BASE_URL}), hashes=HASHES, now=NOW
        )
    )

    assert error.reason is reason


def rs256_by_hand(payload: Claims, key: rsa.RSAPrivateKey) -> str:
    return jwt.PyJWS().encode(
        json.dumps(payload).encode(), key, algorithm="RS256", headers={"kid": "k-1"}
    )


def test_t0_public_key_is_no_shared_secret(private_key: rsa.RSAPrivateKey) -> None:
    """The RS256/HS256 confusion: signing with the public key as if it were secret."""
    text = by_hand({"alg": "HS256", "kid": "k-1"}, claims(aud=BASE_URL), "k" * 40)

    error = refused(lambda: install(text, pem(private_key)))

    assert error.reason is Reason.WRONG_ALGORITHM


def test_t0_install_token_of_another_key_is_refused(
    private_key: rsa.RSAPrivateKey,
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = jwt.encode(
        claims(aud=BASE_URL), other, algorithm="RS256", headers={"kid": "k-1"}
    )

    error = refused(lambda: install(text, pem(private_key)))

    assert error.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "kid",
    ["8f3b-77.x", "a", "tenant/key-1", "_a/b.c", "a" * 200],
)
def test_t0a_key_ids_of_many_shapes_are_taken(kid: str) -> None:
    text = by_hand({"alg": "RS256", "kid": kid}, claims())

    assert connect.key_id(checks.read(text)) == kid


@pytest.mark.parametrize(
    "kid",
    [
        "",
        ".",
        "..",
        "../key",
        "a/../b",
        "/a",
        "a/",
        "a//b",
        "a/.b",
        "a?b",
        "a#b",
        "a%2fb",
        "a b",
        "a\n",
        "@evil.example/a",
        "a:80",
        "ключ",
        "a" * 201,
    ],
)
def test_t0a_key_ids_that_could_change_the_url_are_refused(kid: str) -> None:
    text = by_hand({"alg": "RS256", "kid": kid}, claims())

    assert refused(lambda: connect.key_id(checks.read(text))).reason is (
        Reason.BAD_KEY_ID
    )
