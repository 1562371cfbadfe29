"""Forge Invocation Tokens: what opens an endpoint, and every way not to (rule T16)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.tokens import checks, forge
from app.tokens.checks import Reason, Refused
from app.tokens.forge import Expected, Invocation

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
APP = "ari:cloud:ecosystem::app/5e5b7c1a-0000-4000-8000-000000000000"
OTHER_APP = f"{APP[:-1]}1"
EARLY = "early by 31 s: check the clocks"
INSTALLATION = "ari:cloud:ecosystem::installation/0b1c"
API = "https://api.atlassian.com/ex/jira"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EVENT = Expected(
    app_id=APP,
    endpoints=frozenset({"tick"}),
    environments=frozenset({"PRODUCTION"}),
    api_url=API,
    is_ui=False,
)
PAGE = Expected(
    app_id=APP,
    endpoints=frozenset({"pages", "countersign-config"}),
    environments=frozenset({"PRODUCTION"}),
    api_url=API,
    is_ui=True,
)
Claims = dict[str, Any]


def claims(**changes: Any) -> Claims:
    """Return what Forge says for an event; a name with a dot changes a part of it."""
    made: Claims = {
        "iss": "forge/invocation-token",
        "aud": APP,
        "iat": SECONDS,
        "nbf": SECONDS,
        "exp": SECONDS + 25,
        "jti": "j-1",
        "app": {
            "id": APP,
            "installationId": INSTALLATION,
            "apiBaseUrl": f"{API}/c-1",
            "environment": {"type": "PRODUCTION", "id": "e-1"},
            "module": {"type": "core:endpoint", "key": "tick"},
        },
    }
    for path, value in changes.items():
        *way, name = path.split("__")
        place = made
        for part in way:
            place = place[part]
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value
    return made


def signed(payload: Claims, *, key: Any = KEY, algorithm: str = "RS256") -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": "k-1"})


def jwk(key: Any = KEY, **changes: Any) -> dict[str, Any]:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    made = {**public, "kid": "k-1", "use": "sig", "alg": "RS256"} | changes
    return {name: value for name, value in made.items() if value is not None}


def key_set(*keys: object) -> forge.Keys:
    return forge.read_keys(json.dumps({"keys": list(keys)}).encode())


def judge(text: str, expected: Expected = EVENT, *, now: datetime = NOW) -> Invocation:
    token = checks.read(text)
    forge.precheck(token, app_id=APP, now=now)
    key = key_set(jwk())[forge.key_id(token)]
    return forge.verify(token, key, expected)


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as error:
        call()
    return error.value


def test_good_event_opens() -> None:
    found = judge(signed(claims()))

    assert found.installation_id == INSTALLATION
    assert (found.cloud_id, found.api_base_url) == ("c-1", f"{API}/c-1")
    assert (found.token_id, found.verified.account_id) == ("j-1", None)
    assert found.environment == "PRODUCTION"
    assert found.verified.issued_at == NOW
    assert found.verified.expires_at == NOW + timedelta(seconds=25)
    assert forge.installation(checks.read(signed(claims()))) == INSTALLATION


def test_place_may_end_in_a_slash_and_an_id_is_cut() -> None:
    found = judge(signed(claims(app__apiBaseUrl=f"{API}/c-1/", jti="j" * 300)))

    assert (found.api_base_url, found.token_id) == (f"{API}/c-1", "j" * 200)


def test_good_page_opens_for_the_person_forge_names() -> None:
    payload = claims(principal="account-1", app__module__key="pages")

    assert judge(signed(payload), PAGE).verified.account_id == "account-1"


def test_page_may_name_the_module_that_shows_it() -> None:
    payload = claims(principal="account-1", app__module__key="countersign-config")

    assert judge(signed(payload), PAGE).verified.account_id == "account-1"


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        (
            {"iss": "https://api.atlassian.com"},
            Reason.WRONG_FAMILY,
            "not an invocation token",
        ),
        ({"iss": None}, Reason.MISSING_CLAIM, "iss"),
        ({"aud": None}, Reason.MISSING_CLAIM, "aud"),
        ({"aud": OTHER_APP}, Reason.WRONG_AUDIENCE, OTHER_APP),
        ({"app__id": OTHER_APP}, Reason.WRONG_AUDIENCE, "app.id"),
        ({"exp": None}, Reason.MISSING_CLAIM, "exp"),
        ({"iat": None}, Reason.MISSING_CLAIM, "iat"),
        ({"exp": SECONDS + 301}, Reason.LIFETIME, "301 s"),
        ({"nbf": SECONDS + 31}, Reason.FROM_FUTURE, EARLY),
        ({"jti": None}, Reason.MISSING_CLAIM, "jti"),
        ({"app": None}, Reason.MISSING_CLAIM, "app"),
        ({"app": "x"}, Reason.BAD_CLAIM, "app"),
        ({"app__environment": None}, Reason.MISSING_CLAIM, "environment"),
        (
            {"app__environment__type": "DEVELOPMENT"},
            Reason.WRONG_ENVIRONMENT,
            "DEVELOPMENT",
        ),
        ({"app__module__key": "lifecycle"}, Reason.WRONG_ENDPOINT, "lifecycle"),
        ({"app__module": None}, Reason.MISSING_CLAIM, "module"),
        ({"app__installationId": None}, Reason.MISSING_CLAIM, "installationId"),
        ({"app__installationId": "site\x00"}, Reason.BAD_CLAIM, "installationId"),
        ({"app__installationId": "../../x"}, Reason.BAD_CLAIM, "installationId"),
        ({"principal": "account-1"}, Reason.HAS_PRINCIPAL, ""),
        ({"app__apiBaseUrl": None}, Reason.MISSING_CLAIM, "apiBaseUrl"),
    ],
)
def test_t16_claim_that_does_not_fit_is_refused(
    changes: Claims, reason: Reason, words: str
) -> None:
    error = refused(lambda: judge(signed(claims(**changes))))

    assert (error.reason, error.detail) == (reason, words)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/ex/jira/c",
        f"{API}.evil.example/c",
        f"{API}/a/b",
        f"{API}/..",
        f"{API}/c?x=1",
        API,
    ],
)
def test_t16_place_that_is_no_site_below_our_own_setting_is_refused(url: str) -> None:
    error = refused(lambda: judge(signed(claims(app__apiBaseUrl=url))))

    assert (error.reason, error.detail) == (Reason.API_NOT_ALLOWED, url)


def test_t16_page_without_a_person_is_refused() -> None:
    payload = claims(app__module__key="pages")

    assert refused(lambda: judge(signed(payload), PAGE)).reason is Reason.NO_SUBJECT


def test_t16_events_token_opens_no_page_and_a_pages_token_no_event() -> None:
    assert refused(lambda: judge(signed(claims()), PAGE)).reason is (
        Reason.WRONG_ENDPOINT
    )
    payload = claims(principal="account-1", app__module__key="pages")
    assert refused(lambda: judge(signed(payload))).reason is Reason.WRONG_ENDPOINT


def test_t0_late_token_is_named_so_and_leeway_is_the_common_one() -> None:
    judge(signed(claims()), now=NOW + timedelta(seconds=54))

    error = refused(lambda: judge(signed(claims()), now=NOW + timedelta(seconds=67)))

    assert error.reason is Reason.EXPIRED
    assert error.detail == "expired by 42 s: check the clocks"


def test_t0_signature_of_another_key_is_refused_unproven() -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    error = refused(lambda: judge(signed(claims(), key=other)))

    assert (error.reason, error.proven) == (Reason.BAD_SIGNATURE, False)


def test_t0_refusal_after_the_signature_is_proven() -> None:
    assert refused(lambda: judge(signed(claims(principal="a")))).proven


def test_t0_public_key_is_no_shared_secret() -> None:
    token = checks.read(signed(claims(), key="s" * 64, algorithm="HS256"))

    for look in (
        lambda: forge.precheck(token, app_id=APP, now=NOW),
        lambda: forge.verify(token, key_set(jwk())["k-1"], EVENT),
    ):
        assert refused(look).reason is Reason.WRONG_ALGORITHM


@pytest.mark.parametrize("kid", ["", "a b", "\n", "k" * 201, "ä"])
def test_t0a_key_id_of_odd_shape_is_refused(kid: str) -> None:
    text = jwt.encode(claims(), KEY, algorithm="RS256", headers={"kid": kid})

    error = refused(lambda: forge.key_id(checks.read(text)))

    assert (error.reason, error.detail) == (Reason.BAD_KEY_ID, kid)


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"use": "enc"},
        {"alg": "RS512"},
        {"kid": None},
        {"n": None},
        {"n": "AQAB"},
        {"n": 7},
        {"n": "ü"},
    ],
    ids=str,
)
def test_t16_key_that_is_not_for_these_tokens_is_left_out(changes: Claims) -> None:
    assert key_set(jwk(**changes), 7, jwk(kid="good")).keys() == {"good"}


def test_key_need_not_say_what_it_is_for_and_so_many_are_read() -> None:
    plain = jwk(use=None, alg=None)

    assert key_set(plain).keys() == {"k-1"}
    assert len(key_set(*(plain | {"kid": str(n)} for n in range(101)))) == 100


def test_t16_short_private_and_curve_keys_are_left_out() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 -- that is what is refused
    private = jwt.algorithms.RSAAlgorithm.to_jwk(KEY, as_dict=True) | {"kid": "p"}
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    other = jwt.algorithms.ECAlgorithm.to_jwk(curve, as_dict=True) | {"kid": "c"}

    assert key_set(jwk(short, kid="s"), private, other) == {}


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": 1}', b"[" * 5000])
def test_what_is_no_key_set_is_said_so(text: bytes) -> None:
    with pytest.raises(ValueError, match="no key set"):
        forge.read_keys(text)


def test_access_ends_when_the_token_says_and_after_four_hours_at_most() -> None:
    def ends(**payload: Any) -> timedelta:
        token = jwt.encode(payload, "s" * 32, algorithm="HS256")
        return forge.access_ends(token, now=NOW) - NOW

    assert ends(exp=SECONDS + 60) == timedelta(minutes=1)
    assert ends(exp=SECONDS + 999_999) == timedelta(hours=4)
    assert ends() == ends(exp="soon") == ends(exp=1e300) == timedelta(hours=1)
    assert forge.access_ends("opaque", now=NOW) - NOW == timedelta(hours=1)


@pytest.mark.parametrize(
    "app",
    [
        None,
        "x",
        {},
        {"installationId": None},
        {"installationId": 7},
        {"installationId": "x"},
        {"installationId": "\x00"},
        {"installationId": "\ud800"},
        {"installationId": "a" * 5000},
    ],
    ids=range(9),
)
def test_t13_whose_token_it_claims_to_be_is_read_from_anything(app: object) -> None:
    """Attack: text that no database takes, in a token that nobody has proven."""
    text = signed(claims() | {"app": app})

    assert forge.installation(checks.read(text)) == ""
