"""Tokens of listeners: what opens one, and every way not to (rules T0, T17)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from app.crypto import Secret
from app.tokens import checks, listener, public_keys
from app.tokens.checks import Reason, Refused
from app.tokens.listener import Expected, Heard

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
URL = "https://countersign.example/listeners/0b1c"
BODY = b'{"result":"succeeded"}'
DIGEST = hashlib.sha256(BODY).hexdigest()
ISSUER = "https://token.actions.githubusercontent.com"
OLD, NEW = Secret("o" * 43), Secret("n" * 43)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
Claims = dict[str, Any]

OWN = Expected(
    issuer="deploy-bot", audience=URL, longest=timedelta(minutes=10), is_own=True
)
CI = Expected(
    issuer=ISSUER,
    audience=URL,
    longest=timedelta(hours=2),
    identity={"repository_id": frozenset({"74"}), "owner_id": frozenset({"65"})},
    pins={
        "ref": frozenset({"refs/heads/main"}),
        "event_name": frozenset({"workflow_dispatch", "repository_dispatch"}),
        "protected": frozenset({"true"}),
    },
    run_claim="run_id",
)


def own(**changes: Any) -> Claims:
    return without_none(
        {
            "iss": "deploy-bot",
            "aud": URL,
            "iat": SECONDS,
            "exp": SECONDS + 60,
            "jti": "j-1",
            "body_sha256": DIGEST,
        }
        | changes
    )


def job(**changes: Any) -> Claims:
    return without_none(
        {
            "iss": ISSUER,
            "aud": URL,
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "iat": SECONDS,
            "nbf": SECONDS,
            "exp": SECONDS + 3700,
            "repository_id": "74",
            "owner_id": 65,
            "ref": "refs/heads/main",
            "event_name": "workflow_dispatch",
            "protected": True,
            "run_id": "1234",
        }
        | changes
    )


def without_none(claims: Claims) -> Claims:
    return {name: value for name, value in claims.items() if value is not None}


def pem(private: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    encoded: bytes = private.public_key().public_bytes(serialization.Encoding.PEM, form)
    return encoded.decode()


def by_secret(
    claims: Claims, secret: Secret = NEW, *, body: bytes = BODY, now: datetime = NOW
) -> Heard:
    text = jwt.encode(claims, secret.reveal(), algorithm="HS256")
    return hear_secret(text, body=body, now=now)


def hear_secret(text: str, *, body: bytes = BODY, now: datetime = NOW) -> Heard:
    token = checks.read(text)
    secrets = [(NEW, 2), (OLD, 1)]
    return listener.verify_secret(token, secrets, OWN, body=body, now=now)


def by_key(text: str, key: Any = RSA, expected: Expected = CI) -> Heard:
    public = public_keys.read_key(pem(key))
    token = checks.read(text)
    listener.precheck(token, expected, body=BODY, now=NOW)
    return listener.verify(token, public, expected, body=BODY, now=NOW)


def signed(claims: Claims, key: Any = RSA, algorithm: str = "RS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "k-1"})


def raw(header: Claims, claims: Claims, key: bytes = b"") -> str:
    """Return a token as no library makes it; HS256 by `key` if there is one."""
    parts = [json.dumps(part).encode() for part in (header, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.new(key, text, "sha256").digest() if key else b"none"
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as error:
        call()
    return error.value


def test_own_token_opens_with_either_secret() -> None:
    heard = by_secret(own(sub="bot"))

    assert (heard.issuer, heard.subject, heard.generation) == ("deploy-bot", "bot", 2)
    assert heard.provider_run_id is None
    assert heard.expires_at - heard.issued_at == timedelta(minutes=1)
    assert heard.claims["jti"] == "j-1"
    assert by_secret(own(), OLD).generation == 1


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (CURVE, "ES256"), (EDWARDS, "EdDSA")]
)
def test_key_pins_its_own_algorithm(key: Any, algorithm: str) -> None:
    assert by_key(signed(own(), key, algorithm), key, OWN).subject is None


def test_jobs_token_opens_and_names_the_providers_run() -> None:
    heard = by_key(signed(job()))

    assert heard.subject == "repo:acme/shop:ref:refs/heads/main"
    assert heard.provider_run_id == "1234"
    assert heard.claims["aud"] == URL
    assert by_key(signed(job(run_id=1234))).provider_run_id == "1234"
    assert by_key(signed(job(aud=[URL]))).claims["aud"] == URL


EARLY = "early by 31 s: check the clocks"
EVERY_TOKEN = [
    ({"iss": None}, Reason.MISSING_CLAIM, "iss"),
    ({"iss": "somebody-else"}, Reason.WRONG_ISSUER, "somebody-else"),
    ({"iss": ISSUER + "/"}, Reason.WRONG_ISSUER, ISSUER + "/"),
    ({"aud": None}, Reason.MISSING_CLAIM, "aud"),
    ({"aud": URL + "/"}, Reason.WRONG_AUDIENCE, URL + "/"),
    ({"aud": URL.upper()}, Reason.WRONG_AUDIENCE, URL.upper()),
    (
        {"aud": "https://countersign.example"},
        Reason.WRONG_AUDIENCE,
        "https://countersign.example",
    ),
    ({"aud": []}, Reason.WRONG_AUDIENCE, ""),
    (
        {"aud": [URL, "https://other.example"]},
        Reason.WRONG_AUDIENCE,
        f"{URL}, https://other.example",
    ),
    ({"aud": [URL, URL]}, Reason.WRONG_AUDIENCE, f"{URL}, {URL}"),
    ({"aud": {"a": URL}}, Reason.BAD_CLAIM, "aud"),
    ({"aud": [1]}, Reason.BAD_CLAIM, "aud"),
    ({"iat": None}, Reason.MISSING_CLAIM, "iat"),
    ({"exp": None}, Reason.MISSING_CLAIM, "exp"),
    ({"exp": SECONDS + 7201}, Reason.LIFETIME, "7201 s"),
    ({"exp": SECONDS}, Reason.LIFETIME, "0 s"),
    ({"exp": float("nan")}, Reason.BAD_CLAIM, "exp"),
    ({"exp": float("inf")}, Reason.BAD_CLAIM, "exp"),
    ({"iat": "1"}, Reason.BAD_CLAIM, "iat"),
    ({"iat": True}, Reason.BAD_CLAIM, "iat"),
    (
        {"iat": SECONDS - 300, "exp": SECONDS - 31},
        Reason.EXPIRED,
        "expired by 31 s: check the clocks",
    ),
    ({"iat": SECONDS + 31, "exp": SECONDS + 90}, Reason.FROM_FUTURE, EARLY),
    ({"nbf": SECONDS + 31}, Reason.FROM_FUTURE, EARLY),
    ({"body_sha256": "0" * 64}, Reason.BODY_MISMATCH, "body_sha256"),
    ({"body_sha256": DIGEST.upper()}, Reason.BODY_MISMATCH, "body_sha256"),
    ({"body_sha256": 7}, Reason.BAD_CLAIM, "body_sha256"),
    ({"body_sha256": ""}, Reason.BAD_CLAIM, "body_sha256"),
]


@pytest.mark.parametrize(("changes", "reason", "words"), EVERY_TOKEN, ids=str)
def test_t17_claim_that_does_not_fit_is_refused(
    changes: Claims, reason: Reason, words: str
) -> None:
    jobs, owns = without_none(job() | changes), without_none(own() | changes)

    for judge in (lambda: by_key(signed(jobs)), lambda: by_secret(owns)):
        error = refused(judge)
        assert (error.reason, error.detail) == (reason, words)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"jti": None}, Reason.MISSING_CLAIM),
        ({"jti": ""}, Reason.BAD_CLAIM),
        ({"jti": "a\x00"}, Reason.BAD_CLAIM),
        ({"body_sha256": None}, Reason.MISSING_CLAIM),
        ({"exp": SECONDS + 601}, Reason.LIFETIME),
    ],
    ids=str,
)
def test_t17_own_token_has_an_id_binds_the_body_and_is_short(
    changes: Claims, reason: Reason
) -> None:
    def try_secret() -> Heard:
        return by_secret(without_none(own() | changes))

    def try_key() -> Heard:
        return by_key(signed(without_none(own() | changes)), expected=OWN)

    assert refused(try_secret).reason is refused(try_key).reason is reason


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"repository_id": "75"}, Reason.WRONG_CLAIM, "75"),
        ({"repository_id": "74 "}, Reason.WRONG_CLAIM, "74 "),
        ({"repository_id": None}, Reason.MISSING_CLAIM, None),
        ({"repository_id": ""}, Reason.BAD_CLAIM, None),
        ({"repository_id": 74.0}, Reason.WRONG_CLAIM, "74.0"),
        ({"repository_id": True}, Reason.WRONG_CLAIM, "true"),
        ({"repository_id": False}, Reason.WRONG_CLAIM, "false"),
        ({"repository_id": ["74"]}, Reason.BAD_CLAIM, None),
        ({"repository_id": {"74": 1}}, Reason.BAD_CLAIM, None),
        ({"owner_id": 66}, Reason.WRONG_CLAIM, "66"),
        ({"owner_id": float("nan")}, Reason.BAD_CLAIM, None),
        ({"ref": "refs/heads/main2"}, Reason.WRONG_CLAIM, "refs/heads/main2"),
        ({"ref": "refs/pull/7/merge"}, Reason.WRONG_CLAIM, "refs/pull/7/merge"),
        ({"event_name": "pull_request"}, Reason.WRONG_CLAIM, "pull_request"),
        (
            {"event_name": "pull_request_target"},
            Reason.WRONG_CLAIM,
            "pull_request_target",
        ),
        ({"protected": "True"}, Reason.WRONG_CLAIM, "True"),
        ({"protected": 1}, Reason.WRONG_CLAIM, "1"),
        ({"run_id": None}, Reason.MISSING_CLAIM, None),
        ({"run_id": [1]}, Reason.BAD_CLAIM, None),
    ],
    ids=str,
)
def test_t17_pinned_claim_has_one_of_the_allowed_values(
    changes: Claims, reason: Reason, said: str | None
) -> None:
    token, [name] = checks.read(signed(without_none(job() | changes))), changes

    error = refused(lambda: listener.precheck(token, CI, body=BODY, now=NOW))

    words = name if said is None else f"{name}: {said}"
    assert (error.reason, error.detail) == (reason, words)


def test_truth_value_and_number_compare_by_their_text() -> None:
    by_key(signed(job(protected="true", repository_id=74, owner_id="65")))


def test_t17_captured_token_does_not_open_with_another_body() -> None:
    error = refused(lambda: by_secret(own(), body=BODY + b" "))

    assert error.reason is Reason.BODY_MISMATCH


def test_t0_late_token_is_named_so() -> None:
    error = refused(lambda: by_secret(own(), now=NOW + timedelta(seconds=102)))

    assert error.detail == "expired by 42 s: check the clocks"
    assert error.proven  # so the tenant sees it


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "", "HS256", "HS384", "RS512", "PS256", "ES256"]
)
def test_t0_header_does_not_choose_the_algorithm(algorithm: str) -> None:
    public = pem(RSA).encode()
    text = raw({"alg": algorithm, "kid": "k-1"}, job(), public)

    error = refused(lambda: by_key(text))

    assert (error.reason, error.detail) == (Reason.WRONG_ALGORITHM, algorithm)


@pytest.mark.parametrize("algorithm", ["none", "", "HS256", "RS512"])
def test_t0_no_key_is_fetched_for_what_no_key_checks(algorithm: str) -> None:
    token = checks.read(raw({"alg": algorithm, "kid": "k-1"}, job()))

    error = refused(lambda: listener.precheck(token, CI, body=BODY, now=NOW))

    assert (error.reason, error.detail) == (Reason.WRONG_ALGORITHM, algorithm)


def test_t0_public_key_is_no_shared_secret_even_where_secrets_are_taken() -> None:
    for algorithm in ("none", "RS256", "HS512"):
        error = refused(
            lambda a=algorithm: hear_secret(raw({"alg": a}, own(), b"k"))  # type: ignore[misc]
        )
        assert error.reason is Reason.WRONG_ALGORITHM


def test_t0_token_of_another_keys_algorithm_is_refused() -> None:
    text = signed(job(), CURVE, "ES256")

    assert refused(lambda: by_key(text)).reason is Reason.WRONG_ALGORITHM


@pytest.mark.parametrize(("seconds", "is_proven"), [(3599, True), (3600, False)])
def test_t13_token_of_an_hour_ago_is_nobodys_proof(
    seconds: int, *, is_proven: bool
) -> None:
    """Attack: one captured token, sent for years, fills its tenant's history."""
    late = NOW + timedelta(seconds=60 + seconds)
    token, public = checks.read(signed(job(exp=SECONDS + 60))), pem(RSA)
    key = public_keys.read_key(public)

    for error in (
        refused(lambda: by_secret(own(), now=late)),
        refused(lambda: listener.verify(token, key, CI, body=BODY, now=late)),
    ):
        assert (error.reason, error.proven) == (Reason.EXPIRED, is_proven)
        assert error.detail == f"expired by {seconds} s: check the clocks"


def test_t0_signature_of_another_key_or_secret_is_refused_unproven() -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for call in (
        lambda: by_key(signed(job(), other)),
        lambda: by_secret(own(), Secret("x" * 43)),
        lambda: hear_secret(raw({"alg": "HS256"}, own(), b"\x00")),
    ):
        error = refused(call)
        assert (error.reason, error.proven) == (Reason.BAD_SIGNATURE, False)


@pytest.mark.parametrize(
    ("changes", "proven"),
    [
        ({"repository_id": "75"}, False),
        ({"owner_id": 1}, False),
        ({"iss": ISSUER + "/other"}, False),
        ({"event_name": "pull_request"}, True),
        ({"exp": SECONDS + 9999}, True),
        ({"aud": "https://other.example"}, True),
    ],
    ids=str,
)
def test_t13_signature_for_all_comers_proves_nothing_to_a_tenant(
    changes: Claims, *, proven: bool
) -> None:
    """Attack: everybody may have GitHub sign a token, and so fill anybody's history."""
    token = checks.read(signed(job() | changes))
    key = public_keys.read_key(pem(RSA))

    error = refused(lambda: listener.verify(token, key, CI, body=BODY, now=NOW))

    assert error.proven is proven


def test_t17_nothing_is_asked_of_a_key_before_the_claims_fit() -> None:
    for changes in ({"aud": "x"}, {"exp": SECONDS - 99}, {"ref": "x"}, {"iss": "x"}):
        token = checks.read(signed(job() | changes))
        refused(
            lambda t=token: listener.precheck(t, CI, body=BODY, now=NOW)  # type: ignore[misc]
        )


def test_t13_claims_that_are_shown_are_few_short_and_on_one_line() -> None:
    said = {
        "actor": "eve\n2026 accepted\x1b[0m" + "x" * 300,
        "environment": {"a": 1},
        "sha": True,
        "run_attempt": float("nan"),
        "job_workflow_ref": "not listed",
        "sub": None,
    }

    claims = by_key(signed(without_none(job() | said))).claims

    assert claims["actor"].startswith("eve\\u000a2026 accepted\\u001b[0m")
    assert len(claims["actor"]) == 200
    assert claims["sha"] == "true"
    assert not {"environment", "job_workflow_ref", "sub"} & claims.keys()


def test_t13_who_called_from_where_is_shown() -> None:
    """What GitHub, GitLab and Buildkite say of a job, and what tells a person of it."""
    github = {"actor", "actor_id", "repository", "repository_id", "repository_owner"}
    github |= {"repository_owner_id", "ref", "workflow_ref", "event_name", "sha"}
    github |= {"environment", "run_id", "run_attempt", "run_number", "job_id"}
    gitlab = {"user_login", "project_path", "project_id", "namespace_path"}
    gitlab |= {"namespace_id", "pipeline_source", "pipeline_id"}
    said = dict.fromkeys(github | gitlab, "said")

    heard = by_secret(own(**said, sub="bot"))

    assert heard.claims == said | {
        "iss": "deploy-bot",
        "sub": "bot",
        "aud": URL,
        "jti": "j-1",
    }


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(name=st.sampled_from([*job(), *own()]), value=ANYTHING)
def test_t0_any_claim_is_judged_and_never_a_malfunction(name: str, value: Any) -> None:
    header = {"alg": "HS256"}
    for claims in (own(), job()):
        text = raw(header, claims | {name: value}, NEW.reveal().encode())
        expected = Expected(
            issuer=claims["iss"],
            audience=URL,
            longest=timedelta(hours=2),
            pins=CI.pins if claims["iss"] == ISSUER else {},
        )
        try:
            token = checks.read(text)
            heard = listener.verify_secret(
                token, [(NEW, 1)], expected, body=BODY, now=NOW
            )
        except Refused:
            continue
        assert heard.issuer == claims["iss"]
