"""GitLab's forms, its request, and what each of its answers means."""

import json
import uuid
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml
from pydantic import ValidationError

from app.destinations import Verdict
from app.destinations.gitlab import Credentials, GitLab, Settings
from app.http import Response, SendError
from tests.receivers import gitlab as outside
from tests.receivers.gitlab import API_TOKEN, ROOT, TRIGGER_TOKEN
from tests.unit.destinations.building import (
    ANSWER_TO,
    KEY,
    NOW,
    delivery,
    keeps_room_for_the_key,
    line,
    target,
)

CONNECTOR = GitLab()
GOOD: dict[str, Any] = {
    "root_url": ROOT,
    "project_id": "4242",
    "inputs": ["version*", "environment: staging, production"],
}
TOKENS = {"trigger_token": TRIGGER_TOKEN, "api_token": API_TOKEN}


@pytest.mark.parametrize(
    "changes",
    [
        {"project_id": "acme/shop"},
        {"project_id": "4242/../1"},
        {"ref": "main?x=y"},
        {"ref": "{{ issue.key }}"},
        {"root_url": "gitlab.example"},
        {"root_url": "https://u@gitlab.example"},
        {"root_url": "https://gitlab.example/?x"},
        {"root_url": "https://gitlab.example/{{ issue.key }}"},
        {"passes": "both"},
        {"passes": "variables", "inputs": ["a-b"]},
        {"inputs": ["countersign"]},
    ],
)
def test_t7_what_an_admin_chooses_is_plain(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(GOOD | changes)


@pytest.mark.parametrize(
    "tokens",
    [
        {},
        {"trigger_token": "glpat-an-access-token"},
        {"trigger_token": TRIGGER_TOKEN, "api_token": "glptt-a-trigger-token"},
        {"trigger_token": "two words"},
        {"trigger_token": TRIGGER_TOKEN, "api_token": "one\r\nX-Header: more"},
    ],
)
def test_token_of_another_kind_is_refused_unquoted(tokens: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Credentials.model_validate(tokens)
    said = [error["msg"] for error in caught.value.errors()]
    assert not any(token in text for token in tokens.values() for text in said)


@pytest.mark.parametrize("passes", ["inputs", "variables"])
def test_token_travels_in_the_form_alone(passes: str) -> None:
    """Rule T8."""
    given = target(CONNECTOR, GOOD | {"passes": passes}, TOKENS)
    sent = delivery(version="1.0+b&x=y", environment="staging")
    body = CONNECTOR.body(given.settings, sent, base_url="")

    signed = CONNECTOR.prepare(given, sent, body.encode(), base_url="", now=NOW)

    assert TRIGGER_TOKEN not in body
    assert TRIGGER_TOKEN not in signed.head
    assert TRIGGER_TOKEN not in repr(signed)
    assert signed.request.url == f"{ROOT}/api/v4/projects/4242/trigger/pipeline"
    fields = dict(parse_qsl(signed.request.body.decode(), strict_parsing=True))
    ours = json.loads(fields.pop("variables[COUNTERSIGN]"))
    assert fields == {
        "token": TRIGGER_TOKEN,
        "ref": "main",
        f"{passes}[version]": "1.0+b&x=y",
        f"{passes}[environment]": "staging",
    }
    assert ours == {
        "delivery": str(sent.id),
        "run": str(sent.run_id),
        "answer_to": ANSWER_TO,
        "answer_key": KEY,
    }


@pytest.mark.parametrize(
    ("answer", "verdict", "said"),
    [
        (Response(status=201, body=b'{"id":7}'), Verdict.ACCEPTED, "pipeline 7"),
        (Response(status=201, body=b"<p>"), Verdict.ACCEPTED, "did not say which"),
        (Response(status=201, body=b'{"id":true}'), Verdict.ACCEPTED, "did not say"),
        (Response(status=200, body=b"<p>"), Verdict.AMBIGUOUS, "this was 200"),
        (Response(status=302), Verdict.REJECTED, "redirect"),
        (Response(status=400), Verdict.REJECTED, "branch or tag exists"),
        (Response(status=401), Verdict.REJECTED, "wrong or revoked"),
        (Response(status=403), Verdict.REJECTED, "may not start"),
        (Response(status=404), Verdict.REJECTED, "no trigger token"),
        (Response(status=429), Verdict.RETRY, "rate limit"),
        (Response(status=503), Verdict.RETRY, "503"),
        (Response(status=500), Verdict.AMBIGUOUS, "500"),
        (SendError("refused", sent=False), Verdict.RETRY, "refused"),
        (SendError("too long", sent=True), Verdict.AMBIGUOUS, "too long"),
    ],
)
def test_each_answer_says_what_to_do(
    answer: Response | SendError, verdict: Verdict, said: str
) -> None:
    judged = CONNECTOR.judge(answer, NOW)
    assert judged.verdict is verdict
    assert said in judged.words


def test_stand_in_takes_what_is_sent_and_nothing_else() -> None:
    gitlab = outside.GitLab()
    given = target(CONNECTOR, GOOD, TOKENS)
    cases = [
        (delivery(version="1", environment="staging"), 201),
        (delivery(version="1", environment="moon"), 400),
        (delivery(other="1"), 400),
    ]
    for sent, status in cases:
        body = CONNECTOR.body(given.settings, sent, base_url="").encode()
        answer = gitlab(CONNECTOR.request(given, sent, body))
        assert isinstance(answer, Response)
        assert answer.status == status


def test_look_asks_about_the_newest_alone_and_finds_the_delivery_by_its_id() -> None:
    gitlab = outside.GitLab()
    given = target(CONNECTOR, GOOD, TOKENS)
    sent = delivery(version="1")
    body = CONNECTOR.body(given.settings, sent, base_url="").encode()
    gitlab(CONNECTOR.request(given, sent, body))
    for _ in range(9):
        other = body.replace(str(sent.id).encode(), str(uuid.uuid4()).encode())
        gitlab(CONNECTOR.request(given, sent, other))

    seen = CONNECTOR.look(given, sent.id, line(gitlab))

    assert seen is not None
    assert seen.reference == str(gitlab.pipelines[0].id)
    assert CONNECTOR.look(given, uuid.uuid4(), line(gitlab)) is None
    assert len(gitlab.got) == 10 + 2 * 11


@pytest.mark.parametrize(
    ("changes", "token", "said"),
    [
        ({"project": "acme/shop", "ref": "release/1"}, API_TOKEN, "knows the project"),
        ({"project": "acme/other"}, API_TOKEN, "has another path"),
        ({"project_id": "4243"}, API_TOKEN, "no project with this number"),
        ({"ref": "gone"}, API_TOKEN, "no such branch or tag"),
        ({}, "glpat-revoked", "wrong, revoked or expired"),
    ],
)
def test_trial_says_what_is_not_there(
    changes: dict[str, str], token: str, said: str
) -> None:
    gitlab = outside.GitLab()
    tokens = {"trigger_token": TRIGGER_TOKEN, "api_token": token}

    came = CONNECTOR.trial(target(CONNECTOR, GOOD | changes, tokens), line(gitlab))

    assert said in came.judged.words
    assert token not in f"{came.request_head}{came.response_head}"
    assert gitlab.starts == []


@pytest.mark.parametrize("passes", ["inputs", "variables"])
def test_snippet_is_whole_and_quotes_every_input(passes: str) -> None:
    lines = ("version*", "size: number", "dry: yes-no", "notes: text", "e*: a, b")
    settings = Settings.model_validate(GOOD | {"passes": passes, "inputs": lines})

    [snippet] = CONNECTOR.snippets(settings, answer_to=ANSWER_TO)

    *header, jobs = yaml.safe_load_all(snippet.text)
    if passes == "inputs":
        declared = header[0]["spec"]["inputs"]
        required = {name for name, said in declared.items() if "default" not in said}
        assert required == {"version", "e"}
        assert declared["e"]["options"] == ["a", "b"]
        assert all(
            said["expand"] is False for said in jobs["deploy"]["variables"].values()
        )
    [script] = jobs["deploy"]["script"]
    assert "$[[" not in script
    assert script.count('"$') == len(lines)
    answer = jobs[".countersign"]
    assert answer["id_tokens"]["COUNTERSIGN_ID_TOKEN"]["aud"] == ANSWER_TO
    assert answer["script"][0].endswith(f'"{ANSWER_TO}"')
    assert "answer_to" not in answer["script"][0]


def test_snippet_without_a_listener_answers_nobody() -> None:
    [snippet] = CONNECTOR.snippets(Settings.model_validate(GOOD), answer_to="")
    assert "TOKEN" not in snippet.text


@pytest.mark.parametrize("settings", [GOOD, GOOD | {"passes": "variables"}])
def test_t17_key_of_an_answer_is_put_in_when_it_is_sent(
    settings: dict[str, Any],
) -> None:
    assert keeps_room_for_the_key(CONNECTOR, settings)
