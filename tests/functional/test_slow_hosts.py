"""Hosts that an admin has us ask while the page waits, and that take their time (T11).

Attack: a few of them that answer slowly hold every thread, and Jira's calls, of all
sites, find none.
"""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.http import Request, Response
from app.runtime import Runtime
from app.web.context import KEY, Web
from app.web.destinations.trying import LONGEST
from app.worker import Worker
from sandbox import Jira
from sandbox.github import GitHub
from tests.functional import test_github
from tests.functional.callers import Caller
from tests.functional.fakes import Answer, Clock, Wire
from tests.functional.receiving import DEMO, HOST, URL, Desk, open_desk

ISSUER = "ci.example"
DESTINATION = {"name": "New", "url": URL, "project_ids": [DEMO], "headers": []}
LISTENER = {
    "name": "CI",
    "proof": "oidc",
    "issuer": f"https://{ISSUER}",
    "claims": [["sub", "one"]],
}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def post(caller: Caller, path: str, body: Any) -> Response:
    data = json.dumps(body).encode()
    return caller.send("POST", f"/api/v1/{path}", token=caller.context(), body=data)


def meanwhile(wire: Wire, host: str, act: Callable[[], object]) -> None:
    """Do something while the host is asked; what that makes it asked, is let be."""
    outside = wire.elsewhere[host]

    def answer(request: Request) -> Answer:
        wire.elsewhere[host] = outside
        act()
        wire.elsewhere[host] = answer
        return outside(request)

    wire.elsewhere[host] = answer


def each_way(caller: Caller, key: uuid.UUID) -> list[Response]:
    """Have the site ask a host in every way that keeps a page waiting."""
    return [
        post(caller, f"destinations/{key}/test", {}),
        post(caller, "destinations", DESTINATION),
        post(caller, "listeners", LISTENER),
    ]


def test_t11_site_has_one_host_asked_at_a_time(
    caller: Caller, desk: Desk, wire: Wire
) -> None:
    key, _ = desk.set_up()
    came: list[Response] = []
    meanwhile(wire, HOST, lambda: came.extend(each_way(caller, key)))

    assert post(caller, f"destinations/{key}/test", {}).status == 200

    assert [answer.status for answer in came] == [429] * 3
    for answer in came:
        assert "Try again in a few seconds" in json.loads(answer.body)["message"]
    assert len(desk.receiver.got) == 1
    # The place is free again, and nothing of what was refused was kept.
    assert post(caller, "destinations", DESTINATION).status == 201


def test_t11_place_is_held_while_an_issuer_is_asked_and_free_when_it_fails(
    caller: Caller, desk: Desk, wire: Wire
) -> None:
    key, _ = desk.set_up()
    wire.elsewhere[ISSUER] = lambda _: Response(status=500)
    came: list[Response] = []
    meanwhile(wire, ISSUER, lambda: came.extend(each_way(caller, key)))

    assert post(caller, "listeners", LISTENER).status == 422

    assert [answer.status for answer in came] == [429] * 3
    assert post(caller, f"destinations/{key}/test", {}).status == 200


def test_t11_all_sites_together_have_two_hosts_asked(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    web: Web = caller.app.extensions[KEY]
    others = [uuid.uuid4(), uuid.uuid4()]
    assert all(web.asking.take(other) for other in others)

    assert [answer.status for answer in each_way(caller, key)] == [429] * 3
    assert desk.receiver.got == []

    web.asking.give_back(others[0])
    assert post(caller, f"destinations/{key}/test", {}).status == 200


def test_test_that_found_no_place_is_not_one_of_the_ten_a_minute(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    web: Web = caller.app.extensions[KEY]
    with web.asking.place(desk.tenant_id):
        for _ in range(10):
            assert post(caller, f"destinations/{key}/test", {}).status == 429

    assert post(caller, f"destinations/{key}/test", {}).status == 200


@pytest.mark.parametrize(
    ("takes", "asked", "said"),
    [(5, [8, 3], ">Accepted<"), (8, [8], "the test took too long")],
)
def test_t11_all_requests_of_a_test_share_a_short_time(
    caller: Caller,
    desk: Desk,
    wire: Wire,
    github: GitHub,
    takes: int,
    asked: list[int],
    said: str,
) -> None:
    key = test_github.set_up(desk, github)
    assert timedelta(seconds=8) == LONGEST
    host = github.api_url.removeprefix("https://")
    meanwhile(wire, host, lambda: caller.later(seconds=takes))

    shown = post(caller, f"destinations/{key}/test", {}).body.decode()

    sent = [each for each in wire.sent if each.url.startswith(github.api_url)]
    assert [each.seconds for each in sent] == asked
    assert said in shown
