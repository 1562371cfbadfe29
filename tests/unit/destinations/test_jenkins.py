"""Jenkins' forms, its requests, what each of its answers means, and its pipeline."""

import json
import re
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pydantic import ValidationError

from app.crypto import Secret
from app.destinations import Verdict
from app.destinations.jenkins import Credentials, Jenkins, Settings
from app.http import Response, SendError
from app.tokens import checks, listener
from tests.receivers import jenkins as outside
from tests.receivers.jenkins import ROOT, TOKEN, TRIGGER_TOKEN, USER
from tests.unit.destinations.building import (
    ANSWER_TO,
    KEY,
    NOW,
    delivery,
    keeps_room_for_the_key,
    line,
    target,
)

CONNECTOR = Jenkins()
GOOD: dict[str, Any] = {
    "root_url": f"{ROOT}/",
    "job": "deploy/web shop",
    "user": USER,
    "inputs": ["version*", "environment: staging, production"],
}
TRIGGER: dict[str, Any] = {**GOOD, "starts": "trigger", "job": "", "user": ""}
BY_JOB, BY_TRIGGER = {"token": TOKEN}, {"token": TRIGGER_TOKEN}


@pytest.mark.parametrize(
    "changes",
    [
        {"job": ""},
        {"job": "deploy/../secret"},
        {"job": "deploy//shop"},
        {"job": "/deploy"},
        {"job": "deploy?x"},
        {"job": "{{ issue.key }}"},
        {"user": ""},
        {"user": "a:b"},
        {"root_url": "jenkins"},
        {"starts": "anything"},
    ],
)
def test_t7_what_an_admin_chooses_is_plain(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(GOOD | changes)


@pytest.mark.parametrize("token", ["", "two words", "one\r\nX-Header: more", "ä"])
def test_token_is_one_word(token: str) -> None:
    with pytest.raises(ValidationError):
        Credentials.model_validate({"token": token})


def test_branch_of_a_multibranch_job_keeps_its_name() -> None:
    chosen = Settings.model_validate(GOOD | {"job": "shop/feature%2Fx"})
    assert chosen.of_job == f"{ROOT}/job/shop/job/feature%252Fx"


def test_job_is_proven_with_the_first_request_and_shows_no_token() -> None:
    """Rule T8."""
    given = target(CONNECTOR, GOOD, BY_JOB)
    sent = delivery(version="1.0+b&x=y", environment="staging")
    body = CONNECTOR.body(given.settings, sent, base_url="")

    signed = CONNECTOR.prepare(given, sent, body.encode(), base_url="", now=NOW)

    proof = signed.request.headers["Authorization"]
    assert proof.startswith("Basic ")
    for shown in (body, signed.head, repr(signed), signed.request.url):
        assert TOKEN not in shown
        assert proof.removeprefix("Basic ") not in shown
    fields = dict(parse_qsl(signed.request.body.decode(), strict_parsing=True))
    ours = json.loads(fields.pop("COUNTERSIGN"))
    assert fields == {"version": "1.0+b&x=y", "environment": "staging"}
    assert (ours["answer_to"], ours["answer_key"]) == (ANSWER_TO, KEY)


def test_trigger_gets_its_token_in_a_header_alone() -> None:
    """Rule T8."""
    given = target(CONNECTOR, TRIGGER, BY_TRIGGER)
    sent = delivery(version="1")
    body = CONNECTOR.body(given.settings, sent, base_url="")

    signed = CONNECTOR.prepare(given, sent, body.encode(), base_url="", now=NOW)

    assert signed.request.url == f"{ROOT}/generic-webhook-trigger/invoke"
    assert signed.request.headers["token"] == TRIGGER_TOKEN
    assert "Authorization" not in signed.request.headers
    assert TRIGGER_TOKEN not in f"{signed.head}{signed!r}{body}"
    said = json.loads(body)
    assert said["inputs"] == {"version": "1"}
    assert json.loads(said["COUNTERSIGN"])["delivery"] == str(sent.id)


def at(place: str) -> Response:
    return Response(status=201, headers={"location": place})


def jobs(*triggered: int) -> Response:
    found = {
        f"job {i}": {"triggered": bool(t), "id": 7} for i, t in enumerate(triggered)
    }
    return Response(status=200, body=json.dumps({"jobs": found}).encode())


LOST = SendError("too long", sent=True)
PAGE = Response(status=200, body=b"<html>Sign in</html>")


@pytest.mark.parametrize(
    ("settings", "answer", "verdict", "said"),
    [
        (GOOD, at("http://inner/queue/item/12/"), Verdict.ACCEPTED, "item 12"),
        (GOOD, at("/elsewhere"), Verdict.ACCEPTED, "did not say where"),
        (GOOD, PAGE, Verdict.AMBIGUOUS, "sign-in page"),
        (GOOD, Response(status=302), Verdict.REJECTED, "sign-in page"),
        (GOOD, Response(status=400), Verdict.REJECTED, "no parameters"),
        (GOOD, Response(status=401), Verdict.REJECTED, "API token"),
        (GOOD, Response(status=403), Verdict.REJECTED, "Job/Build"),
        (GOOD, Response(status=404), Verdict.REJECTED, "Job/Read"),
        (GOOD, Response(status=409), Verdict.REJECTED, "disabled"),
        (GOOD, Response(status=500), Verdict.AMBIGUOUS, "without parameters"),
        (GOOD, Response(status=503), Verdict.RETRY, "503"),
        (GOOD, LOST, Verdict.AMBIGUOUS, "too long"),
        (TRIGGER, jobs(1), Verdict.ACCEPTED, "triggered the job"),
        (TRIGGER, jobs(1, 0, 1), Verdict.ACCEPTED, "2 jobs"),
        (TRIGGER, jobs(0), Verdict.REJECTED, "filter"),
        (TRIGGER, Response(status=200), Verdict.AMBIGUOUS, "silent response"),
        (TRIGGER, PAGE, Verdict.AMBIGUOUS, "sign-in page"),
        (TRIGGER, Response(status=302), Verdict.REJECTED, "sign-in page"),
        (TRIGGER, Response(status=403), Verdict.REJECTED, "allow-list"),
        (TRIGGER, Response(status=404), Verdict.REJECTED, "lacks the plugin"),
        (TRIGGER, Response(status=500), Verdict.AMBIGUOUS, "some of them may"),
        (TRIGGER, LOST, Verdict.AMBIGUOUS, "too long"),
    ],
)
def test_each_answer_says_what_to_do(
    settings: dict[str, Any],
    answer: Response | SendError,
    verdict: Verdict,
    said: str,
) -> None:
    given = target(CONNECTOR, settings, BY_JOB)
    signed = CONNECTOR.prepare(given, delivery(), b"", base_url="", now=NOW)

    judged = CONNECTOR.send(given, signed, line(lambda _: answer)).judged

    assert judged.verdict is verdict
    assert said in judged.words


def started(jenkins: outside.Jenkins) -> tuple[Any, uuid.UUID]:
    """Have a build put into the queue, behind others; return whom to ask."""
    given = target(CONNECTOR, GOOD, BY_JOB)
    sent = delivery(version="1")
    body = CONNECTOR.body(given.settings, sent, base_url="").encode()
    for name in (str(sent.id), str(uuid.uuid4())):
        other = body.replace(str(sent.id).encode(), name.encode())
        jenkins(CONNECTOR.request(given, sent, other))
    return given, sent.id


@pytest.mark.parametrize("has_begun", [False, True])
def test_look_finds_it_in_the_queue_and_among_the_builds(has_begun: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    jenkins = outside.Jenkins()
    given, delivery_id = started(jenkins)
    for build in jenkins.builds if has_begun else ():
        jenkins.begin(build)

    seen = CONNECTOR.look(given, delivery_id, line(jenkins))

    assert seen is not None
    assert seen.reference == str(jenkins.builds[0].place)
    assert seen.url.startswith(ROOT)
    assert CONNECTOR.look(given, uuid.uuid4(), line(jenkins)) is None


@pytest.mark.parametrize("is_forgotten", [False, True])
@pytest.mark.parametrize(
    ("result", "expected"),
    [(None, None), ("SUCCESS", True), ("UNSTABLE", False), ("ABORTED", False)],
)
def test_t8_build_is_followed_from_the_queue_to_its_end_at_one_address(
    is_forgotten: bool,  # noqa: FBT001 -- a parameter of the test
    result: str | None,
    expected: bool | None,  # noqa: FBT001 -- a parameter of the test
) -> None:
    """Jenkins names another machine as its own: that one gets no token."""
    jenkins = outside.Jenkins()
    given, _ = started(jenkins)
    mine = jenkins.builds[0]
    assert CONNECTOR.poll(given, str(mine.place), line(jenkins)) is None
    jenkins.begin(mine)
    mine.result, mine.is_forgotten = result, is_forgotten

    found = CONNECTOR.poll(given, str(mine.place), line(jenkins))

    assert (found.succeeded if found else None) is expected
    assert all(request.url.startswith(f"{ROOT}/") for request in jenkins.got)


def test_build_that_was_cancelled_in_the_queue_has_failed() -> None:
    jenkins = outside.Jenkins()
    given, _ = started(jenkins)
    jenkins.builds[0].cancelled = True

    found = CONNECTOR.poll(given, str(jenkins.builds[0].place), line(jenkins))

    assert found is not None
    assert not found.succeeded
    assert "cancelled" in found.words


@pytest.mark.parametrize(
    ("settings", "credentials", "changes", "verdict", "said"),
    [
        (GOOD, BY_JOB, {}, Verdict.ACCEPTED, "has all parameters"),
        (GOOD, BY_JOB, {"parameters": {"version"}}, Verdict.REJECTED, "COUNTERSIGN"),
        (GOOD, BY_JOB, {"parameters": set()}, Verdict.REJECTED, "version, envir"),
        (GOOD, BY_JOB, {"is_disabled": True}, Verdict.REJECTED, "disabled"),
        (GOOD, {"token": "wrong-token"}, {}, Verdict.REJECTED, "API token"),
        ({**GOOD, "job": "other"}, BY_JOB, {}, Verdict.REJECTED, "no such job"),
        (TRIGGER, BY_TRIGGER, {}, Verdict.ACCEPTED, "triggers one job"),
        (TRIGGER, {"token": "wrong-token"}, {}, Verdict.REJECTED, "this token"),
        (TRIGGER, BY_TRIGGER, {"is_silent": True}, Verdict.REJECTED, "silent"),
        (TRIGGER, BY_TRIGGER, {"knows_dry_run": False}, Verdict.REJECTED, "too old"),
    ],
)
def test_trial_says_what_is_not_set_up(
    settings: dict[str, Any],
    credentials: dict[str, str],
    changes: dict[str, Any],
    verdict: Verdict,
    said: str,
) -> None:
    jenkins = outside.Jenkins(**changes)

    came = CONNECTOR.trial(target(CONNECTOR, settings, credentials), line(jenkins))

    assert came.judged.verdict is verdict
    assert said in came.judged.words
    assert credentials["token"] not in f"{came.request_head}{came.response_head}"
    assert jenkins.leaks == []
    assert not jenkins.builds or not jenkins.knows_dry_run


def pipeline(settings: dict[str, Any], answer_to: str = ANSWER_TO) -> str:
    lines = ("version*", "n-x: number", "dry: yes-no", "notes: text", "e: a, b")
    chosen = Settings.model_validate(settings | {"inputs": lines})
    [snippet] = CONNECTOR.snippets(chosen, answer_to=answer_to)
    return snippet.text


@pytest.mark.parametrize("settings", [GOOD, TRIGGER], ids=["job", "trigger"])
def test_pipeline_is_whole_and_puts_no_input_into_a_script(
    settings: dict[str, Any],
) -> None:
    text = pipeline(settings)

    groovy = re.sub(r"'''.*?'''", "", text, flags=re.DOTALL)
    assert groovy.count("{") == groovy.count("}")
    for name in ("version", "n-x", "dry", "notes", "e", "COUNTERSIGN"):
        assert f"name: '{name}'" in text
        assert (f"key: '{name}'" in text) is (settings is TRIGGER)
    [script] = re.findall(r"sh '(?!'')([^']*)'", text)
    inputs = ("INPUT_VERSION", "INPUT_N_X", "INPUT_DRY", "INPUT_NOTES", "INPUT_E")
    assert script == " ".join(["./deploy.sh", *(f'"${name}"' for name in inputs)])


def test_pipeline_without_a_listener_answers_nobody() -> None:
    assert "SECRET" not in pipeline(GOOD, answer_to="")


def run_script(place: Path, *, sent: str, build_url: str) -> tuple[list[str], str]:
    """Run what the Jenkinsfile has the agent run; return what it would have sent."""
    script = pipeline(GOOD).split("'''")[1]
    # As Groovy leaves it: nothing in it means anything to Groovy.
    assert "\\" not in script
    curl = place / "curl"
    curl.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {place}/said\n")
    curl.chmod(0o755)
    environment = {
        "PATH": f"{place}:/usr/local/bin:/usr/bin:/bin",
        "COUNTERSIGN": sent,
        "SECRET": "tJ3v-_this-is-the-listeners-secret-0123456789",
        "RESULT": "succeeded",
        "BUILD_NUMBER": "42",
        "BUILD_URL": build_url,
    }
    command = ["bash", "-c", script]
    subprocess.run(command, env=environment, check=True, timeout=20)  # noqa: S603 -- ours
    said = (place / "said").read_text().split("\0")
    return said, said[said.index("--data-binary") + 1]


@pytest.mark.parametrize(
    ("build_url", "url"),
    [
        (
            "https://jenkins.example/job/shop/42/",
            "https://jenkins.example/job/shop/42/",
        ),
        ("http://inner:8080/job/shop/42/", None),
    ],
)
def test_t17_answer_of_the_pipeline_is_one_that_its_listener_takes(
    tmp_path: Path, build_url: str, url: str | None
) -> None:
    sent = delivery()
    given = target(CONNECTOR, GOOD, BY_JOB)
    form = dict(parse_qsl(CONNECTOR.body(given.settings, sent, base_url="")))

    said, body = run_script(tmp_path, sent=form["COUNTERSIGN"], build_url=build_url)

    assert ANSWER_TO in said
    [proof] = [each for each in said if each.startswith("Authorization: Bearer ")]
    token = checks.read(proof.removeprefix("Authorization: Bearer "))
    expected = listener.Expected(
        issuer="jenkins",
        audience=ANSWER_TO,
        longest=timedelta(minutes=10),
        is_own=True,
    )
    secret = Secret("tJ3v-_this-is-the-listeners-secret-0123456789")
    now = datetime.now(UTC)
    heard = listener.verify_secret(
        token, [(secret, 1)], expected, body=body.encode(), now=now
    )
    assert heard.issuer == "jenkins"
    answer = json.loads(body)
    assert answer == {
        "url": url,
        "run": str(sent.run_id),
        "answer_key": KEY,
        "result": "succeeded",
        "message": "Build 42 succeeded",
    }
    with pytest.raises(checks.Refused):
        listener.verify_secret(
            token, [(secret, 1)], expected, body=body.encode() + b" ", now=now
        )


def test_parameter_of_a_strangers_writes_no_answer(tmp_path: Path) -> None:
    """Attack: who may start the job has its answer say more than its script does."""
    forged = json.dumps({"run": 'x", "result": "failed', "answer_key": KEY})

    with pytest.raises(subprocess.CalledProcessError):
        run_script(tmp_path, sent=forged, build_url="")

    assert not (tmp_path / "said").exists()


@pytest.mark.parametrize("settings", [GOOD, TRIGGER])
def test_t17_key_of_an_answer_is_put_in_when_it_is_sent(
    settings: dict[str, Any],
) -> None:
    assert keeps_room_for_the_key(CONNECTOR, settings)


def test_rule_cannot_wait_for_a_trigger_that_nobody_may_ask_about() -> None:
    chosen = {"root_url": ROOT, "starts": "trigger"}
    trigger = Settings.model_validate(chosen)
    job = Settings.model_validate(
        chosen | {"starts": "job", "job": "deploy", "user": USER}
    )

    assert Jenkins().can_poll(job)
    assert not Jenkins().can_poll(trigger)
    assert not Jenkins().can_look(trigger)
