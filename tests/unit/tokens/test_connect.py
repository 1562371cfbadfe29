"""Jira's tokens: what opens a route, and every way not to (rules T0, T0a)."""

import base64
import hashlib
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
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)

EXPIRED = "expired by 30 s: check the clocks"
EARLY = "early by 31 s: check the clocks"

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
    assert verified.issued_at == NOW
    assert verified.expires_at == NOW + timedelta(seconds=180)


def test_claims_that_nobody_asks_for_do_not_matter() -> None:
    assert verify(by_hand({"alg": "HS256"}, claims(jti=7, aud=[7]))).account_id is None


def test_t2_token_is_known_again_by_what_is_signed_of_it() -> None:
    """Attack: `==` after the signature, or another one, is another spelling."""
    text = sign(claims())
    head, _, _ = text.rpartition(".")

    fingerprint = checks.read(text).fingerprint

    assert fingerprint == verify(text).token_hash
    assert fingerprint == checks.read(f"{head}.AAAA").fingerprint
    assert fingerprint == hashlib.sha256(head.encode()).hexdigest()
    assert fingerprint != checks.read(sign(claims(iss="site-2"))).fingerprint


def test_t13_token_that_was_read_is_not_printed() -> None:
    token = checks.read(sign(claims()))

    assert f"{token} {token!r}" == "Unverified(***) Unverified(***)"


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
        {"sub": 7},
    ],
)
def test_t0_claims_of_the_wrong_kind(wrong: Claims) -> None:
    # PyJWT will not sign all of these, so the token is put together by hand.
    text = by_hand({"alg": "HS256"}, claims(**wrong))

    error = refused(lambda: verify(text))

    assert (error.reason, [error.detail]) == (Reason.BAD_CLAIM, list(wrong))


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
    ("times", "reason", "words"),
    [
        ({"iat": SECONDS - 3700, "exp": SECONDS + 1}, Reason.LIFETIME, "3701 s"),
        ({"exp": SECONDS + 3601}, Reason.LIFETIME, "3601 s"),
        ({"exp": SECONDS}, Reason.LIFETIME, "0 s"),
        ({"iat": SECONDS - 180, "exp": SECONDS - 30}, Reason.EXPIRED, EXPIRED),
        ({"iat": SECONDS + 31, "exp": SECONDS + 180}, Reason.FROM_FUTURE, EARLY),
        ({"nbf": SECONDS + 31}, Reason.FROM_FUTURE, EARLY),
    ],
)
def test_t0_times_are_checked_against_our_clock(
    times: Claims, reason: Reason, words: str
) -> None:
    error = refused(lambda: verify(sign(claims(**times))))

    assert (error.reason, error.detail) == (reason, words)


@pytest.mark.parametrize(
    "times",
    [
        {"exp": SECONDS + 1},
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

    assert (error.reason, error.detail) == (Reason.WRONG_ALGORITHM, algorithm)
    assert not error.proven


def test_t0_header_that_says_nothing_asks_for_nothing() -> None:
    """Attack: a missing `kid` is no key that is called `None`."""
    bare = checks.read(by_hand({}, claims()))

    assert (bare.algorithm, bare.key_id) == ("", "")


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
    error = refused(lambda: checks.read(text))

    assert error.reason is Reason.MALFORMED
    assert error.detail in {"not three parts", "unreadable"}


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


@pytest.mark.parametrize("issuer", ["\ud800", chr(0xDFFF), "site\x00one"])
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
    assert refused(lambda: checks.read("a" * 8192)).reason is Reason.MALFORMED


def test_t0_families_do_not_open_each_others_routes() -> None:
    context = checks.read(sign(claims(qsh="context-qsh", sub="account-1")))
    bound = checks.read(sign(claims()))
    secrets = [(Secret(SECRET), 1)]

    verified = connect.verify_context(context, secrets, now=NOW)
    assert (verified.account_id, verified.generation) == ("account-1", 1)
    error = refused(
        lambda: connect.verify_url_bound(context, secrets, hashes=HASHES, now=NOW)
    )
    assert (error.reason, error.detail) == (Reason.WRONG_FAMILY, "a context token")
    error = refused(lambda: connect.verify_context(bound, secrets, now=NOW))
    assert (error.reason, error.detail) == (Reason.WRONG_FAMILY, "a URL-bound token")


def test_t0_context_token_expires_like_any_other() -> None:
    token = checks.read(sign(claims(qsh="context-qsh", sub="account-1")))
    secrets, late = [(Secret(SECRET), 1)], NOW + timedelta(seconds=222)

    error = refused(lambda: connect.verify_context(token, secrets, now=late))

    assert (error.reason, error.proven) == (Reason.EXPIRED, True)


@pytest.mark.parametrize(("seconds", "is_proven"), [(3599, True), (3600, False)])
def test_t13_token_of_an_hour_ago_is_nobodys_proof(
    seconds: int, *, is_proven: bool
) -> None:
    """Attack: one captured token, sent for years, fills its tenant's history."""
    bound, context = claims(), claims(qsh="context-qsh", sub="account-1")
    late = NOW + timedelta(seconds=180 + seconds)
    secrets = [(Secret(SECRET), 1)]

    for error in (
        refused(lambda: verify(sign(bound), now=late)),
        refused(
            lambda: connect.verify_context(
                checks.read(sign(context)), secrets, now=late
            )
        ),
    ):
        assert (error.reason, error.proven) == (Reason.EXPIRED, is_proven)
        assert error.detail == f"expired by {seconds} s: check the clocks"


def test_text_that_is_no_text_compares_without_a_malfunction() -> None:
    assert not checks.same("\ud800", "x")
    assert checks.same("é", "é")


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
    precheck(text)
    return connect.verify_install(token, public_key)


@pytest.mark.parametrize(
    "audience",
    [BASE_URL, BASE_URL + "/", [BASE_URL], ["https://other", BASE_URL + "/"]],
)
def test_install_token_opens(audience: object) -> None:
    text = jwt.encode(
        claims(aud=audience), PRIVATE, algorithm="RS256", headers={"kid": "k-1"}
    )

    assert install(text, pem(PRIVATE)).issuer == "site-1"


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"iss": None}, Reason.MISSING_CLAIM, "iss"),
        ({"aud": None}, Reason.MISSING_CLAIM, "aud"),
        ({"aud": "https://b.example"}, Reason.WRONG_AUDIENCE, "https://b.example"),
        ({"aud": ["a", "b"]}, Reason.WRONG_AUDIENCE, "a, b"),
        ({"aud": []}, Reason.WRONG_AUDIENCE, ""),
        ({"aud": {BASE_URL: 1}}, Reason.BAD_CLAIM, "aud"),
        ({"aud": [1]}, Reason.BAD_CLAIM, "aud"),
        ({"qsh": "0" * 64}, Reason.WRONG_QSH, ""),
        ({"qsh": "context-qsh"}, Reason.WRONG_FAMILY, "a context token"),
        ({"exp": SECONDS - 30, "iat": SECONDS - 90}, Reason.EXPIRED, EXPIRED),
    ],
)
def test_t0_install_token_is_checked_before_a_key_is_fetched(
    changes: Claims, reason: Reason, words: str
) -> None:
    payload = claims(**({"aud": BASE_URL} | changes))

    error = refused(lambda: precheck(rs256_by_hand(payload, PRIVATE)))

    assert (error.reason, error.detail) == (reason, words)


def precheck(text: str) -> None:
    connect.precheck_install(
        checks.read(text), audiences=frozenset({BASE_URL}), hashes=HASHES, now=NOW
    )


def rs256_by_hand(payload: Claims, key: rsa.RSAPrivateKey) -> str:
    return jwt.PyJWS().encode(
        json.dumps(payload).encode(), key, algorithm="RS256", headers={"kid": "k-1"}
    )


def test_t0_public_key_is_no_shared_secret() -> None:
    """The RS256/HS256 confusion: signing with the public key as if it were secret."""
    text = by_hand({"alg": "HS256", "kid": "k-1"}, claims(aud=BASE_URL), "k" * 40)

    for judge in (
        lambda: precheck(text),
        lambda: connect.verify_install(checks.read(text), pem(PRIVATE)),
    ):
        assert refused(judge).reason is Reason.WRONG_ALGORITHM


def test_t0_install_token_of_another_key_is_refused() -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = jwt.encode(
        claims(aud=BASE_URL), other, algorithm="RS256", headers={"kid": "k-1"}
    )

    error = refused(lambda: install(text, pem(PRIVATE)))

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

    error = refused(lambda: connect.key_id(checks.read(text)))

    assert (error.reason, error.detail) == (Reason.BAD_KEY_ID, kid)
