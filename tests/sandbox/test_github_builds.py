"""GitHub's builds: how they go, and with what they answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from joserfc import jwt as jose
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from sandbox.github import GitHub, forgeries
from sandbox.github.forgeries import FORGERIES
from tests.sandbox.conftest import Clock
from tests.sandbox.github_app import ANSWER_TO, ASKED, SHOP, Owner, order

Json = dict[str, Any]


@dataclass
class AddOn:
    """Takes answers; checks the token by the published documents alone."""

    status: int = 200
    got: list[tuple[str, Mapping[str, str], Json]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    github: GitHub | None = None

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        if not self.status:
            raise ConnectionRefusedError("nobody there")
        assert method == "POST"
        assert self.github is not None
        self.states += [build.run.status for build in self.github.builds]
        self.got.append((url, headers, json.loads(body)))
        return self.status, b"heard"

    def claims(self) -> Json:
        github = self.github
        assert github is not None
        base = "https://token.actions.githubusercontent.com"
        found = github.call("GET", f"{base}/.well-known/openid-configuration", {}, b"")
        assert found.body is not None
        assert found.body["issuer"] == base
        keys = github.call("GET", found.body["jwks_uri"], {}, b"").body
        token = self.got[-1][1]["Authorization"].removeprefix("Bearer ")
        known = KeySet.import_key_set(keys)  # type: ignore[arg-type] # a key set by its own words
        read = jose.decode(token, known, algorithms=["RS256"])
        assert read.header["kid"]
        return read.claims


@pytest.fixture
def addon() -> AddOn:
    return AddOn()


@pytest.fixture
def owner(clock: Clock, addon: AddOn) -> Owner:
    github = GitHub(now=clock, transport=addon, background=False)
    addon.github = github
    return Owner(github, clock)


def test_build_answers_before_it_is_complete(owner: Owner, addon: AddOn) -> None:
    build = owner.started()
    assert build.run.status == "queued"
    owner.github.build()
    [(url, headers, body)] = addon.got
    assert addon.states == ["in_progress"]
    assert (build.run.status, build.run.conclusion) == ("completed", "success")
    assert (url, headers["Content-Type"]) == (ANSWER_TO, "application/json")
    assert body == {
        "run": ASKED["run"],
        "answer_key": ASKED["answer_key"],
        "result": "succeeded",
        "message": "Deployed 2.4.0 to staging.",
        "url": f"https://github.com/acme/shop/actions/runs/{build.id}",
    }
    [said] = build.answers
    assert (said.status, said.text, said.note) == (200, "heard", "")


def test_token_has_the_claims_of_actions(owner: Owner, addon: AddOn) -> None:
    build = owner.started()
    owner.github.build()
    claims = addon.claims()
    today = int(owner.clock().timestamp())
    flow = "acme/shop/.github/workflows/deploy.yml@refs/heads/main"
    expected = {
        "iss": "https://token.actions.githubusercontent.com",
        "aud": ANSWER_TO,
        "sub": "repo:acme/shop:ref:refs/heads/main",
        "repository": "acme/shop",
        "repository_id": "724712",
        "repository_owner": "acme",
        "repository_owner_id": "88213",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "workflow": "Deploy",
        "workflow_ref": flow,
        "job_workflow_ref": flow,
        "event_name": "workflow_dispatch",
        "run_id": str(build.id),
        "run_number": "1",
        "run_attempt": "1",
        "runner_environment": "github-hosted",
        "iat": today,
        "nbf": today,
        "exp": today + 300,
    }
    assert {name: claims[name] for name in expected} == expected
    assert claims["jti"]
    first = claims["jti"]
    build.answer()
    assert addon.claims()["jti"] != first


@pytest.mark.parametrize(
    ("how", "results", "state"),
    [
        ("well", ["succeeded"], ("completed", "success")),
        ("fails", ["failed"], ("completed", "failure")),
        ("cut", [], ("in_progress", None)),
        ("late", [], ("in_progress", None)),
        ("twice", ["succeeded", "succeeded"], ("completed", "success")),
    ],
)
def test_build_goes_in_its_manner(
    owner: Owner, addon: AddOn, how: str, results: list[str], state: tuple[str, str]
) -> None:
    owner.github.builds_behave(how, 1)
    build = owner.started()
    owner.github.build()
    owner.github.build()
    assert [body["result"] for _, _, body in addon.got] == results
    assert (build.run.status, build.run.conclusion) == state
    owner.started()
    owner.github.build()
    assert owner.github.builds[-1].run.conclusion == "success"


def test_late_build_answers_when_told(owner: Owner, addon: AddOn) -> None:
    owner.github.builds_behave("late")
    build = owner.started()
    owner.github.build()
    owner.clock.advance(7200)
    assert build.answer() == 200
    assert addon.claims()["iat"] == int(owner.clock().timestamp())
    build.finish()
    found = owner.ask("GET", f"{SHOP}/actions/runs/{build.id}", token=owner.token())
    assert (found.body or {})["conclusion"] == "success"
    assert (found.body or {})["updated_at"] == "2026-11-23T14:00:00Z"


def test_build_of_a_repository_dispatch_says_so(owner: Owner, addon: AddOn) -> None:
    payload = {"countersign": ASKED | {"inputs": {"version": "3"}}}
    event = {"event_type": "deploy", "client_payload": payload}
    owner.ask("POST", f"{SHOP}/dispatches", event, token=owner.token())
    owner.github.build()
    assert addon.claims()["event_name"] == "repository_dispatch"
    assert addon.got[0][2]["message"] == "Deployed 3 to staging."


def test_nobody_is_answered_who_did_not_ask(owner: Owner, addon: AddOn) -> None:
    quiet = {"run": ASKED["run"], "delivery": ASKED["delivery"]}
    owner.dispatch(order(countersign=json.dumps(quiet)))
    owner.dispatch()
    owner.github.build()
    assert addon.got == []
    assert [b.run.conclusion for b in owner.github.builds] == ["success", "success"]
    assert owner.github.builds[1].run.title == "Deploy 2.4.0"
    with pytest.raises(LookupError, match="nobody asked"):
        owner.github.builds[0].answer()


@pytest.mark.parametrize(
    "given",
    ["{", "[]", '{"run": "r"}', json.dumps(ASKED | {"answer_key": ""}), '{"run": 1}'],
)
def test_workflow_fails_that_cannot_read_what_we_say(
    owner: Owner, addon: AddOn, given: str
) -> None:
    owner.dispatch(order(countersign=given))
    owner.github.build()
    assert addon.got == []
    [build] = owner.github.builds
    assert build.run.conclusion == "failure"
    assert build.run.countersign.fault


def test_silence_of_the_addon_is_noted(owner: Owner, addon: AddOn) -> None:
    addon.status = 0
    build = owner.started()
    owner.github.build()
    assert build.answers[0].status == 0
    assert "nobody there" in build.answers[0].text
    assert build.run.conclusion == "success"


@pytest.mark.parametrize("name", sorted(FORGERIES))
def test_forgery_differs_from_the_true_answer(
    owner: Owner, addon: AddOn, name: str
) -> None:
    build = owner.started()
    build.answer()
    true, body = addon.claims(), addon.got[-1][2]
    assert forgeries.answer(build, name) == 200
    assert build.answers[-1].note == FORGERIES[name].label
    if name == "other-signer":
        with pytest.raises(BadSignatureError):
            addon.claims()
        return
    forged = addon.claims()
    changed = {n for n in true if forged.get(n) != true[n]} - {"jti"}
    changed |= {n for n in body if addon.got[-1][2].get(n) != body[n]}
    assert changed


def test_any_part_of_an_answer_can_be_changed(owner: Owner, addon: AddOn) -> None:
    build = owner.started()
    build.answer(result="failed", message=None, run_id="1", actor=None)
    assert addon.got[0][2]["result"] == "failed"
    assert "message" not in addon.got[0][2]
    claims = addon.claims()
    assert (claims["run_id"], "actor" in claims) == ("1", False)


def test_keys_of_the_issuer_rotate(owner: Owner, addon: AddOn) -> None:
    build = owner.started()
    build.answer()
    old = addon.got[-1][1]["Authorization"].partition(".")[0]
    owner.github.issuer.rotate()
    addon.claims()
    build.answer()
    assert addon.got[-1][1]["Authorization"].partition(".")[0] != old
    addon.claims()
