"""The web process is killed, anywhere: what it has answered is recorded."""

import http.client
import json
import signal
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from app.http import Request, Response
from app.runs import Run
from app.worker import Prover
from sandbox import Jira
from sandbox.addon import AddonError, Call
from sandbox.wire import Transport
from tests.functional.fakes import call as call_in_process
from tests.killing.conftest import Stage, Started, empty, make_jira, make_transport
from tests.killing.racing import Unasked

KILLED = -9
MOST_PLACES = 20
RULE = json.dumps(
    {
        "v": 1,
        "id": "r_web",
        "name": "Web",
        "steps": [{"do": "add-comment", "body": "Hello"}],
    }
)
WHEN = pytest.mark.parametrize("when", ["before", "after"])


@WHEN
@pytest.mark.parametrize("again", ["the same token", "a new token"])
def test_call_is_answered_only_once_it_is_recorded(
    clean: Stage, when: str, again: str
) -> None:
    """An answer means "recorded"; a call without one comes again, and is one run.

    The first call goes the long way, which makes its caller known; the second one, the
    short way.
    """
    clean.jira.add_post_function("Start progress", RULE)

    for n in range(1, MOST_PLACES):
        empty(clean)
        calls = [signed_call(clean.jira) for _ in range(2)]
        with serving(clean, when, n) as started:
            answers = [post(started.port, call) for call in calls]
        # Killed at once: what was answered has to be on the disk.
        assert started.code == KILLED
        answered = answers.count(204)
        assert answers == [204] * answered + [None] * (2 - answered)
        assert count_runs(clean) >= answered
        for call in calls[answered:]:
            retry = clean.jira.addon.signed(call) if again == "a new token" else call
            assert in_process(clean, retry) == 204
        assert count_runs(clean) == 2
        if answered == 2:
            break

    assert n > 2  # the record's commit on either way


@WHEN
def test_install_that_was_not_answered_can_be_repeated(clean: Stage, when: str) -> None:
    """Whatever was killed, the secret that Jira holds is one that we accept."""
    # A site of its own: at the stage's address, its proof would put an end to that one.
    jira = make_jira(clean.app, "http://127.0.0.1:9")
    assert jira.install().is_good
    jira.add_post_function("Start progress", RULE)

    for n in range(1, MOST_PLACES):
        jira.world.offset = timedelta(seconds=n)  # one install a second: one token each
        secret = f"{uuid.uuid4()}"
        with serving(clean, when, n) as started:
            is_done = install(jira, secret, transport_to(started.port))
        assert in_process(clean, signed_call(jira)) == 204
        if is_done:
            break
        assert install(jira, secret, make_transport(clean.app))
        assert in_process(clean, signed_call(jira)) == 204
        prove(clean)

    assert n > 1
    jira.close()


def install(jira: Jira, secret: str, transport: Transport) -> bool:
    """Let Jira install with a new secret; say whether it was answered."""
    with reached_by(jira, transport):
        try:
            return jira.addon.install(secret=secret).is_good
        except AddonError:
            return False


class Content(Unasked):
    """`Http` of a Jira that has gone over to the secret that it sent."""

    def send(self, request: Request) -> Response:
        del request
        return Response(status=200, body=b'{"accountId": "app"}')


def prove(stage: Stage) -> None:
    """Let a worker prove what was offered, before the next install takes its place."""
    Prover(runtime=replace(stage.runtime, http=Content())).prove()


def serving(stage: Stage, when: str, n: int) -> AbstractContextManager[Started]:
    """Serve in another process, which dies at its n-th commit, or after the block."""
    kill = {"what": "commit", "when": when, "n": n}
    return stage.launcher.starting("serve", kill=kill, end=signal.SIGKILL)


def signed_call(jira: Jira) -> Call:
    """Return the call that Jira makes for a transition, instead of making it."""
    made: list[Call] = []

    def keep(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        made.append(Call(method, url, body, headers))
        return 204, b""

    issue = jira.create_issue(user="dee", summary="To be called about")
    jira.transition(issue.key, "Start progress")
    with reached_by(jira, keep):
        assert jira.deliver_pending() == 1
    [call] = made
    return call


@contextmanager
def reached_by(jira: Jira, transport: Transport) -> Iterator[None]:
    """Let this Jira's calls go another way inside the block."""
    usual = jira.addon.transport
    jira.addon.transport = transport
    try:
        yield
    finally:
        jira.addon.transport = usual


def transport_to(port: int) -> Transport:
    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        call = Call(method, url, body, headers)
        return send(port, call)

    return transport


def post(port: int, call: Call) -> int | None:
    """Return the status, or None when the other side dies instead of answering."""
    try:
        return send(port, call)[0]
    except (OSError, http.client.HTTPException):
        return None


def send(port: int, call: Call) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        path = urlsplit(call.url).path
        connection.request(call.method, path, call.body, dict(call.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError from error
    finally:
        connection.close()


def in_process(stage: Stage, call: Call) -> int:
    return call_in_process(
        stage.app, call.method, call.url, call.headers, call.body
    ).status


def count_runs(stage: Stage) -> int:
    with stage.runtime.sessions.begin() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Run)) or 0
