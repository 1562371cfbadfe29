"""The REST API opens for a good token, and for nothing else."""

from typing import Any

import jwt
import pytest

from sandbox import Jira, people, qsh, tokens
from sandbox.web.asking import COOKIE
from tests.sandbox.conftest import Clock, Rest

MYSELF = "/rest/api/3/myself"
NOON = 1795435200


def test_a_good_token_is_the_add_ons_own_account(rest: Rest, jira: Jira) -> None:
    answer = rest("GET", MYSELF)
    assert answer.status_code == 200
    assert answer.get_json()["accountId"] == people.APP.account_id
    assert answer.get_json()["accountType"] == "app"
    entry = jira.traffic.newest(1)[0]
    assert (entry.direction, entry.verdict, entry.status) == (
        "to Jira",
        "verified",
        200,
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"secret": "another secret, as long as a secret has to be"}, "shared secret"),
        ({"iss": "somebody-else"}, "iss"),
        ({"iss": None}, "iss"),
        ({"iat": None}, "iat"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"iat": True}, "iat"),
        ({"iat": NOON - 700, "exp": NOON - 520}, "expired 520 s ago"),
        ({"iat": NOON + 60, "exp": NOON + 240}, "in the future"),
        ({"exp": NOON + 3601}, "longer than an hour"),
        ({"qsh": None}, "qsh"),
        ({"qsh": qsh.CONTEXT}, "context token"),
        ({"qsh": qsh.of("GET", "/rest/api/3/field")}, "does not fit the URL"),
        ({"qsh": qsh.of("POST", MYSELF)}, "does not fit the URL"),
    ],
)
def test_refused(
    rest: Rest, jira: Jira, clock: Clock, changes: dict[str, Any], why: str
) -> None:
    assert clock().timestamp() == NOON
    answer = rest("GET", MYSELF, **changes)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "JWT"
    assert answer.mimetype == "text/plain"
    entry = jira.traffic.newest(1)[0]
    assert entry.verdict == "refused"
    assert why in entry.why


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_only_hs256(rest: Rest, jira: Jira, clock: Clock, algorithm: str) -> None:
    claims = {"iss": "stand-in", **tokens.times(clock()), "qsh": qsh.of("GET", MYSELF)}
    secret = jira.site.shared_secret
    strong = jwt.encode(claims, secret, algorithm=algorithm)
    assert rest.open("GET", MYSELF, token=strong).status_code == 401
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert rest.open("GET", MYSELF, token=unsigned).status_code == 401
    by_key = tokens.sign_install(claims, jira.site.key)
    assert rest.open("GET", MYSELF, token=by_key).status_code == 401
    assert rest.open("GET", MYSELF, token="no.jwt").status_code == 401


def test_a_token_stands_in_one_place(rest: Rest) -> None:
    token = rest.token("GET", MYSELF)
    assert rest.open("GET", f"{MYSELF}?jwt={token}").status_code == 200
    assert rest.open("GET", f"{MYSELF}?jwt={token}", token=token).status_code == 401
    twice = f"{MYSELF}?jwt={token}&jwt={token}"
    assert rest.open("GET", twice).status_code == 401


def test_parameters_are_part_of_what_is_signed(rest: Rest) -> None:
    target = "/rest/api/3/issue/DEMO-1?fields=summary"
    token = rest.token("GET", target)
    assert rest.open("GET", target, token=token).status_code == 200
    assert rest.open("GET", target + "&expand=names", token=token).status_code == 401


def test_without_a_token_only_a_signed_in_user_comes_in(rest: Rest) -> None:
    assert rest.open("GET", MYSELF).status_code == 401
    rest.client.set_cookie(COOKIE, people.VIC.account_id)
    assert rest.open("GET", MYSELF).get_json()["displayName"] == "Vic Viewer"
    wrong = rest.token("GET", MYSELF, secret="another one, which is long enough too")
    assert rest.open("GET", MYSELF, token=wrong).status_code == 401
    rest.client.set_cookie(COOKIE, people.APP.account_id)
    assert rest.open("GET", MYSELF).status_code == 401


def test_the_old_secret_ends_when_the_new_one_was_taken(rest: Rest, jira: Jira) -> None:
    old = jira.site.shared_secret
    jira.addon.install(secret="n" * 64)
    assert rest("GET", MYSELF, secret=old).status_code == 401
    assert rest("GET", MYSELF).status_code == 200


def test_after_uninstall_nothing_is_accepted(rest: Rest, jira: Jira) -> None:
    jira.uninstall()
    assert rest("GET", MYSELF).status_code == 401


def test_scopes_and_get_bodies(rest: Rest, jira: Jira) -> None:
    jira.site.descriptor = jira.site.descriptor | {"scopes": ["read"]}
    assert rest("GET", MYSELF).status_code == 200
    assert rest("GET", MYSELF, {}).status_code == 403
    body = {"fields": {"summary": "x"}}
    assert rest("PUT", "/rest/api/3/issue/DEMO-1", body).status_code == 403
    search = {"jql": "project = DEMO"}
    assert rest("POST", "/rest/api/3/search/jql", search).status_code == 200


def test_traffic_has_neither_secret_nor_token(rest: Rest, jira: Jira) -> None:
    token = rest.token("GET", MYSELF)
    rest.open("GET", f"{MYSELF}?jwt={token}")
    rest.open("GET", MYSELF, token=token)
    jira.page_url("config")
    jira.context_token()
    log = str([entry.json() for entry in jira.traffic.newest()])
    assert jira.site.shared_secret not in log
    assert token.rpartition(".")[2] not in log
    assert "jwt=eyJ" not in log
