"""GitHub's answers and requests, judged without a network."""

import functools
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import ValidationError

from app.destinations import AnswerTo, Delivery, Verdict
from app.destinations.github import Credentials, GitHub, Settings
from app.http import Request, Response, SendError
from tests.unit.destinations import building

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
GITHUB = GitHub()
PEM, PKCS1, PLAIN = (
    Encoding.PEM,
    PrivateFormat.TraditionalOpenSSL,
    NoEncryption(),
)
BASE = {
    "repository": "acme/shop",
    "app_id": "7",
    "installation_id": "9",
    "workflow": "deploy.yml",
}


def settings(**changes: Any) -> Settings:
    return Settings.model_validate(BASE | changes)


def delivery(**changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": uuid.uuid4(),
        "tenant_id": uuid.uuid4(),
        "destination_id": uuid.uuid4(),
        "project_id": "10000",
        "environment": "",
        "at": NOW,
        "run_id": uuid.uuid4(),
        "inputs": {"version": "2.4.0"},
    }
    return Delivery(**(values | changes))


def answer(status: int, body: object = None, **headers: str) -> Response:
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=named, body=content)


@pytest.mark.parametrize(
    ("given", "verdict", "said"),
    [
        (answer(200, {"workflow_run_id": 5}), Verdict.ACCEPTED, "started run 5"),
        (answer(204), Verdict.ACCEPTED, "did not say which run"),
        (answer(200, ["odd"]), Verdict.ACCEPTED, "did not say which run"),
        (answer(401), Verdict.REJECTED, "does not take the token"),
        (answer(403), Verdict.REJECTED, "lack the permission"),
        (answer(404), Verdict.REJECTED, "no such repository or workflow"),
        (answer(422), Verdict.REJECTED, "check the branch"),
        (answer(302), Verdict.REJECTED, "a redirect"),
        (answer(429), Verdict.RETRY, "rate limit"),
        (answer(403, retry_after="7"), Verdict.RETRY, "rate limit"),
        (answer(403, x_ratelimit_remaining="0"), Verdict.RETRY, "rate limit"),
        (answer(500), Verdict.AMBIGUOUS, "answered 500"),
        (answer(502), Verdict.AMBIGUOUS, "answered 502"),
        (SendError("cut", sent=True), Verdict.AMBIGUOUS, "no answer came"),
        (SendError("cut", sent=False), Verdict.RETRY, "could not be reached"),
    ],
)
def test_answers_mean_what_github_says_they_mean(
    given: Response | SendError, verdict: Verdict, said: str
) -> None:
    judged = GITHUB.judge(given, NOW)

    assert judged.verdict is verdict
    assert said in judged.words


def test_rate_limit_is_waited_for_until_its_window_is_over() -> None:
    reset = str(int((NOW + timedelta(minutes=9)).timestamp()))
    spent = answer(403, x_ratelimit_remaining="0", x_ratelimit_reset=reset)

    assert GITHUB.judge(spent, NOW).wait == timedelta(minutes=9)
    assert GITHUB.judge(answer(429, retry_after="90"), NOW).wait.seconds == 90


def test_words_quote_nothing_of_the_answer() -> None:
    """Rule T15: what a receiver writes is shown on the attempt's page alone."""
    for status in (200, 401, 403, 404, 422, 429, 500):
        judged = GITHUB.judge(answer(status, {"message": "<@channel> click"}), NOW)
        assert "click" not in judged.words


def test_dispatch_has_the_inputs_and_one_of_ours() -> None:
    to = AnswerTo(url="https://c.example/listeners/1", key="k" * 22)
    sent = delivery(answer=to)

    body = json.loads(GITHUB.body(settings(), sent, base_url=""))

    assert (body["ref"], body["return_run_details"]) == ("main", True)
    assert body["inputs"].pop("version") == "2.4.0"
    assert json.loads(body["inputs"].pop("countersign")) == {
        "run": str(sent.run_id),
        "delivery": str(sent.id),
        "answer_to": to.url,
        "answer_key": to.key,
    }
    assert body["inputs"] == {}


def test_event_of_the_repository_has_one_key_at_its_top() -> None:
    chosen = settings(starts="repository_dispatch", event_type="deploy")

    body = json.loads(GITHUB.body(chosen, delivery(), base_url=""))

    assert body["event_type"] == "deploy"
    assert list(body["client_payload"]) == ["countersign"]
    assert body["client_payload"]["countersign"]["inputs"] == {"version": "2.4.0"}
    assert GITHUB.address(chosen) == "https://api.github.com/repos/acme/shop/dispatches"


@pytest.mark.parametrize(
    "changes",
    [
        {"repository": "acme"},
        {"repository": "acme/shop/x"},
        {"repository": "acme/{{ issue.key }}"},
        {"repository": "acme/.."},
        {"ref": "../main"},
        {"workflow": ""},
        {"workflow": "../deploy.yml"},
        {"starts": "repository_dispatch"},
        {"starts": "pull_request"},
        {"installation_id": "nine"},
        {"inputs": ["countersign"]},
    ],
    ids=str,
)
def test_settings_that_name_nothing_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN RSA PRIVATE KEY-----"])
def test_t8_what_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Credentials.model_validate({"private_key": text})

    [problem] = refused.value.errors(include_input=False)
    assert "no private key" in problem["msg"]


@pytest.mark.parametrize("starts", ["workflow_dispatch", "repository_dispatch"])
def test_snippet_asks_for_a_token_for_this_listener_alone(starts: str) -> None:
    chosen = settings(
        starts=starts,
        event_type="deploy",
        inputs=["version*", "environment: staging, production"],
    )
    listener = "https://c.example/listeners/1"

    [found] = GITHUB.snippets(chosen, answer_to=listener)
    [silent] = GITHUB.snippets(chosen, answer_to="")

    assert found.title == ".github/workflows/deploy.yml"
    assert "audience=https%3A%2F%2Fc.example%2Flisteners%2F1" in found.text
    assert "id-token: write" in found.text
    assert starts in found.text
    assert "Tell Countersign" not in silent.text
    assert "@" not in found.text.replace("--data-binary @-", "")


DELIVERY = "0190a5d5-0000-7000-8000-000000000001"
OURS = {
    "id": 7,
    "display_title": f"Deploy ({DELIVERY})",
    "event": "workflow_dispatch",
    "head_branch": "main",
    "path": ".github/workflows/deploy.yml",
    "html_url": "https://github.com/acme/shop/actions/runs/7",
    "actor": {"login": "countersign[bot]", "type": "Bot"},
}


@pytest.mark.parametrize(
    "changes",
    [
        {"display_title": "Deploy (another)"},
        {"actor": {"login": "mallory", "type": "User"}},
        {"actor": None},
        {"head_branch": "mallorys"},
        {"event": "push"},
        {"path": ".github/workflows/checks.yml"},
    ],
    ids=lambda changes: next(iter(changes)) + str(len(str(changes))),
)
def test_t17_run_that_somebody_else_named_after_our_delivery_is_not_found(
    changes: dict[str, Any],
) -> None:
    """Attack: the delivery's id stands in logs, and a run is called what one likes."""
    assert found(OURS) == "7"
    assert found(OURS | changes) is None
    assert found(OURS, OURS | changes | {"id": 8}) == "7"


def test_t17_of_two_runs_of_one_delivery_neither_is_believed() -> None:
    assert found(OURS, OURS | {"id": 8}) is None


def found(*runs: dict[str, Any]) -> str | None:
    """Return which run is taken for the delivery's, of those that GitHub lists."""

    def outside(request: Request) -> Response:
        if request.url.endswith("/access_tokens"):
            return answer(201, {"token": "ghs_lent"})
        return answer(200, {"workflow_runs": list(runs)})

    where = building.target(GITHUB, BASE, {"private_key": key()})
    sight = GITHUB.look(where, uuid.UUID(DELIVERY), building.line(outside))
    return sight.reference if sight else None


@functools.cache
def key() -> str:
    return (
        rsa.generate_private_key(65537, 2048).private_bytes(PEM, PKCS1, PLAIN).decode()
    )


def test_rule_cannot_wait_for_an_event_that_github_gives_no_name() -> None:
    event = settings(starts="repository_dispatch", event_type="deploy")

    assert GITHUB.can_poll(settings())
    assert not GITHUB.can_poll(event)
    assert not GITHUB.can_look(event)


def test_t17_snippet_prints_no_key_and_sets_no_variable_that_shells_obey() -> None:
    [found] = GITHUB.snippets(
        settings(inputs=["version*", "dry-run: yes-no"]),
        answer_to="https://c.example/listeners/1",
    )

    assert "::add-mask::" in found.text
    assert "COUNTERSIGN:" not in found.text
    assert "          INPUT_DRY_RUN: ${{ inputs['dry-run'] }}\n" in found.text


@pytest.mark.parametrize("url", ["https://x.example/?a", "ftp://x.example", "x", "#"])
def test_t8_api_is_an_address_and_nothing_else(url: str) -> None:
    with pytest.raises(ValidationError):
        settings(api_url=url)
