"""GitHub's API: whom it believes, what it starts, and what it refuses."""

import json
from typing import Any

import pytest

from sandbox.github import GitHub, keys
from sandbox.github.replies import Reply
from tests.sandbox.conftest import Clock
from tests.sandbox.github_app import ASKED, DISPATCHES, SHOP, Owner, order

Json = dict[str, Any]

NOT_ACCESSIBLE = "Resource not accessible by integration"


@pytest.fixture
def github(clock: Clock) -> GitHub:
    return GitHub(now=clock, background=False)


@pytest.fixture
def owner(github: GitHub, clock: Clock) -> Owner:
    return Owner(github, clock)


def body(reply: Reply) -> Json:
    assert reply.body is not None
    return reply.body


# -- the App


def test_app_is_known_by_its_key(owner: Owner) -> None:
    reply = owner.ask("GET", "/app", token=owner.app_jwt())
    assert (reply.status, body(reply)["id"]) == (200, 904211)
    found = owner.ask("GET", "/app/installations/51234567", token=owner.app_jwt())
    assert body(found)["permissions"]["actions"] == "write"
    other = owner.ask("GET", "/app/installations/1", token=owner.app_jwt())
    assert (other.status, other.message) == (404, "Not Found")


def test_app_jwt_may_be_as_long_and_as_early_as_documented(owner: Owner) -> None:
    today = int(owner.clock().timestamp())
    token = owner.app_jwt(iat=today + 60, exp=today + 600)
    assert owner.ask("GET", "/app", token=token).status == 200


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iat": 61}, "'Issued at'"),
        ({"iat": None}, "'iat'"),
        ({"exp": 601}, "too far in the future"),
        ({"exp": 0}, "'Expiration time'"),
        ({"exp": None}, "'exp'"),
        ({"exp": True}, "'exp'"),
        ({"iss": "904212"}, "'Issuer'"),
        ({"iss": None}, "'Issuer'"),
    ],
)
def test_app_jwt_is_refused(owner: Owner, changes: Json, why: str) -> None:
    today = int(owner.clock().timestamp())
    given: Any = {k: v + today if type(v) is int else v for k, v in changes.items()}
    reply = owner.ask("GET", "/app", token=owner.app_jwt(**given))
    assert reply.status == 401
    assert why in reply.message


def test_app_jwt_needs_the_apps_own_key(owner: Owner) -> None:
    assert owner.ask("GET", "/app").status == 401
    assert owner.ask("GET", "/app", token="not.a.jwt").status == 401
    foreign = owner.app_jwt(keys.first("stranger").private)
    assert owner.ask("GET", "/app", token=foreign).status == 401
    symmetric = owner.app_jwt("k" * 32, "HS256")
    assert owner.ask("GET", "/app", token=symmetric).status == 401


def test_new_private_key_ends_the_one_before(owner: Owner) -> None:
    before = owner.app_jwt()
    owner.github.new_private_key()
    assert owner.ask("GET", "/app", token=before).status == 401
    assert owner.ask("GET", "/app", token=owner.app_jwt()).status == 200


def test_token_is_narrowed_to_what_was_asked(owner: Owner) -> None:
    reply = owner.tokens(
        {"repository_ids": [724712], "permissions": {"actions": "write"}}
    )
    assert reply.status == 201
    found = body(reply)
    assert found["expires_at"] == "2026-11-23T13:00:00Z"
    assert found["permissions"] == {"metadata": "read", "actions": "write"}
    assert [one["full_name"] for one in found["repositories"]] == ["acme/shop"]
    assert found["token"].startswith("ghs_")


@pytest.mark.parametrize(
    "asked",
    [
        {"repositories": ["handbook"]},
        {"repositories": ["shop", "nowhere"]},
        {"repository_ids": ["724712"]},
        {"repositories": []},
        {"permissions": {"administration": "write"}},
        {"permissions": {"metadata": "write"}},
        {"permissions": {"actions": "everything"}},
    ],
)
def test_token_for_more_than_was_granted_is_refused(owner: Owner, asked: Json) -> None:
    assert owner.tokens(asked).status == 422


def test_token_is_good_for_an_hour(owner: Owner) -> None:
    token = owner.token()
    owner.clock.advance(3599)
    assert owner.ask("GET", SHOP, token=token).status == 200
    owner.clock.advance(1)
    late = owner.ask("GET", SHOP, token=token)
    assert (late.status, late.message) == (401, "Bad credentials")


# -- who may do what


def test_each_call_needs_its_permission_and_repository(owner: Owner) -> None:
    contents = owner.token(permissions={"contents": "write"})
    actions = owner.token(permissions={"actions": "write"})
    reading = owner.token(permissions={"actions": "read"})
    elsewhere = owner.token(repositories=["intranet"])
    event = {"event_type": "deploy"}
    runs = f"{SHOP}/actions/workflows/deploy.yml/runs"
    asked = [
        ("POST", DISPATCHES, order(), {contents: 403, reading: 403, actions: 200}),
        ("POST", f"{SHOP}/dispatches", event, {actions: 403, contents: 204}),
        ("GET", runs, None, {contents: 403, reading: 200, elsewhere: 403}),
        ("GET", SHOP, None, {elsewhere: 403, reading: 200, "ghs_unknown": 401}),
        ("GET", "/repos/acme/handbook", None, {reading: 403}),
        ("GET", "/repos/acme/nowhere", None, {reading: 404}),
        ("GET", SHOP, None, {owner.app_jwt(): 401, "": 404}),
    ]
    for method, path, given, expected in asked:
        for token, status in expected.items():
            reply = owner.ask(method, path, given, token=token)
            assert reply.status == status, (method, path, reply)
            assert status != 403 or reply.message == NOT_ACCESSIBLE
    assert len(owner.github.builds) == 2


def test_repository_has_the_ids_to_pin(owner: Owner) -> None:
    found = body(owner.ask("GET", SHOP, token=owner.token()))
    assert (found["id"], found["owner"]["id"]) == (724712, 88213)
    assert found["full_name"] == "acme/shop"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"User-Agent": None}, 403),
        ({"X-GitHub-Api-Version": "2099-01-01"}, 400),
        ({"X-GitHub-Api-Version": None}, 200),
        ({"Accept": "text/html"}, 415),
        ({"Accept": "application/json"}, 200),
        ({"Accept": None}, 200),
    ],
)
def test_headers_are_judged(owner: Owner, headers: Json, status: int) -> None:
    reply = owner.ask("GET", "/app", token=owner.app_jwt(), **headers)
    assert reply.status == status
    assert bool(reply.message) is (status != 200)


# -- what is started


def test_workflow_dispatch_makes_a_run(owner: Owner) -> None:
    token = owner.token()
    reply = owner.dispatch(order(countersign=json.dumps(ASKED)), token)
    assert reply.status == 200
    [build] = owner.github.builds
    number = body(reply)["workflow_run_id"]
    assert number == build.id > 2**32
    assert (
        body(reply)["html_url"] == f"https://github.com/acme/shop/actions/runs/{number}"
    )
    run = body(owner.ask("GET", f"{SHOP}/actions/runs/{number}", token=token))
    assert run["display_title"] == f"Deploy 2.4.0 ({ASKED['delivery']})"
    assert (run["status"], run["conclusion"]) == ("queued", None)
    assert (run["event"], run["head_branch"]) == ("workflow_dispatch", "main")
    assert run["created_at"] == "2026-11-23T12:00:00Z"
    missing = owner.ask("GET", f"{SHOP}/actions/runs/1", token=token)
    assert missing.status == 404


def test_run_details_come_only_if_asked_for(owner: Owner) -> None:
    for given in ({}, {"return_run_details": False}):
        plain = {k: v for k, v in order().items() if k != "return_run_details"}
        reply = owner.dispatch(plain | given)
        assert (reply.status, reply.content) == (204, b"")
    assert len(owner.github.builds) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ref": "nowhere"}, "No ref found for: nowhere"),
        ({"ref": None}, "ref"),
        ({"return_run_details": "true"}, "return_run_details"),
        ({"inputs": {"environment": "staging"}}, "Required input 'version'"),
        ({"inputs": {"version": ""}}, "Required input 'version'"),
        (
            {"inputs": {"version": "1", "who": "me"}},
            'Unexpected inputs provided: ["who"]',
        ),
        ({"inputs": {"version": "1", "environment": "moon"}}, "not in the list"),
        ({"inputs": {"version": 1}}, "is not a string"),
        ({"inputs": {"version": "1", "countersign": {"run": "r"}}}, "is not a string"),
        ({"inputs": {"version": "v" * 65_535}}, "inputs are too large"),
        ({"inputs": ["version"]}, "inputs"),
    ],
)
def test_workflow_is_not_started(owner: Owner, change: Json, why: str) -> None:
    reply = owner.dispatch(order() | change)
    assert reply.status == 422
    assert why in reply.message
    assert owner.github.builds == []


def test_only_a_workflow_that_listens_is_started(owner: Owner) -> None:
    token = owner.token()
    flows = f"{SHOP}/actions/workflows"
    assert (
        owner.ask("POST", f"{flows}/161335/dispatches", order(), token=token).status
        == 200
    )
    for name, status in (("checks.yml", 422), ("gone.yml", 404), ("1", 404)):
        path = f"{flows}/{name}/dispatches"
        assert owner.ask("POST", path, order(), token=token).status == status
    assert owner.dispatch(order() | {"ref": "refs/tags/v2.4.0"}, token).status == 200
    broken = owner.ask("POST", DISPATCHES, b"{", token=token)
    assert (broken.status, broken.message) == (400, "Problems parsing JSON")


def test_repository_dispatch_carries_all_under_one_member(owner: Owner) -> None:
    given = {"countersign": ASKED | {"inputs": {"version": "2.5.0"}}}
    event = {"event_type": "deploy", "client_payload": given}
    token = owner.token(permissions={"contents": "write"})
    reply = owner.ask("POST", f"{SHOP}/dispatches", event, token=token)
    assert (reply.status, reply.content) == (204, b"")
    [build] = owner.github.builds
    assert build.run.title == f"Deploy 2.5.0 ({ASKED['delivery']})"
    assert (build.run.event, build.run.ref) == (
        "repository_dispatch",
        "refs/heads/main",
    )
    other = event | {"event_type": "nobody-listens"}
    assert owner.ask("POST", f"{SHOP}/dispatches", other, token=token).status == 204
    assert len(owner.github.builds) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"event_type": "e" * 101}, 422),
        ({"event_type": "e" * 100}, 204),
        ({"event_type": ""}, 422),
        ({"event_type": None}, 422),
        ({"client_payload": {str(n): n for n in range(11)}}, 422),
        ({"client_payload": {str(n): n for n in range(10)}}, 204),
        ({"client_payload": {"big": "b" * 65_536}}, 422),
        ({"client_payload": "text"}, 422),
    ],
)
def test_event_has_its_limits(owner: Owner, change: Json, status: int) -> None:
    event = {"event_type": "other", "client_payload": {}} | change
    reply = owner.ask("POST", f"{SHOP}/dispatches", event, token=owner.token())
    assert reply.status == status


def test_runs_are_found_by_event_and_moment(owner: Owner) -> None:
    first = owner.started().id
    owner.clock.advance(90)
    second = owner.started().id
    token = owner.token()

    def found(query: str) -> list[int]:
        path = f"{SHOP}/actions/workflows/deploy.yml/runs?{query}"
        reply = body(owner.ask("GET", path, token=token))
        assert reply["total_count"] >= len(reply["workflow_runs"])
        return [one["id"] for one in reply["workflow_runs"]]

    assert found("") == [second, first]
    assert found("event=repository_dispatch") == []
    assert found("event=workflow_dispatch&per_page=1") == [second]
    assert found("per_page=1&page=2") == [first]
    assert found("created=%3E%3D2026-11-23T12:01:30Z") == [second]
    assert found("created=2026-11-23T12:00:00Z..2026-11-23T12:01:00Z") == [first]
    assert found("created=*..2026-11-22") == []
    assert found("created=2026-11-23&status=queued&branch=main") == [second, first]


# -- manners


@pytest.mark.parametrize(
    ("how", "status", "made"),
    [
        ("no-details", 204, 1),
        ("401", 401, 0),
        ("403", 403, 0),
        ("404", 404, 0),
        ("422", 422, 0),
        ("429", 429, 0),
        ("rate-limit", 403, 0),
        ("500", 500, 0),
        ("502", 502, 1),
        ("slow", 200, 1),
        ("drop", 200, 1),
    ],
)
def test_manner_is_for_the_next_dispatch(
    owner: Owner, how: str, status: int, made: int
) -> None:
    owner.github.behave(how, 1, seconds=7)
    reply = owner.dispatch()
    assert (reply.status, len(owner.github.builds)) == (status, made)
    assert reply.is_lost is (how == "drop")
    assert reply.seconds == (7 if how == "slow" else 0)
    wait = reply.headers.get("Retry-After")
    assert wait == ("7" if how in {"429", "rate-limit"} else None)
    assert (reply.headers.get("x-ratelimit-remaining") == "0") is (how == "rate-limit")
    assert owner.dispatch().status == 200


def test_manner_lasts_until_it_is_changed(owner: Owner) -> None:
    owner.github.behave("500", on="token")
    assert [owner.tokens().status for _ in range(3)] == [500, 500, 500]
    assert owner.ask("GET", "/app", token=owner.app_jwt()).status == 200
    owner.github.behave("401", on="any")
    assert owner.ask("GET", "/app", token=owner.app_jwt()).status == 401
    owner.github.behave("well")
    assert owner.dispatch().status == 200
    with pytest.raises(LookupError, match="no manner"):
        owner.github.behave("badly")


def test_requests_are_kept_without_credentials(owner: Owner) -> None:
    token = owner.token()
    owner.dispatch(order(countersign=json.dumps(ASKED)), token)
    event = {"event_type": "deploy", "client_payload": {"countersign": ASKED}}
    owner.ask("POST", f"{SHOP}/dispatches", event, token=token)
    kept = json.dumps([one.json() for one in owner.github.heard])
    assert token not in kept
    assert ASKED["answer_key"] not in kept
    assert ASKED["delivery"] in kept
    newest = owner.github.heard[0]
    assert (newest.method, newest.path, newest.status) == (
        "POST",
        f"{SHOP}/dispatches",
        204,
    )
    assert newest.headers["authorization"] == "Bearer (removed)"
