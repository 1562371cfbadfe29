"""E-mail as a destination: from the transition to a real server's mailbox."""

import ipaddress
import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app import db, destinations
from app.destinations import Destination
from app.http import Egress, Exempt, Mail, RealMail
from app.runs import RunState
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.fakes import Clock, Wire
from tests.functional.messages import deliver, kept, set_up
from tests.functional.receiving import DEMO, Desk, Receiver, open_desk
from tests.receivers.mail import HOST, PASSWORD, USER, Paper, Postbox, paper, serving

ONE, TWO = "ops@acme.example", "night@acme.example"
LOGIN = {"user": USER, "password": PASSWORD}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Paper:
    return paper(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def port(postbox: Postbox, made: Paper) -> Iterator[int]:
    with serving(postbox, made, is_tls=False) as port:
        yield port


@pytest.fixture
def mail(made: Paper) -> Mail:
    """The door as it is, but that every name is this machine."""
    here = ipaddress.ip_address("127.0.0.1")
    egress = Egress(
        any_port=True,
        exempt=(Exempt(tenant_id=None, network=ipaddress.ip_network("127.0.0.0/8")),),
        resolve=lambda *_: [here],
    )
    return RealMail(
        in_transaction=db.in_transaction,
        egress=egress,
        name="countersign.example",
        trust=made.trust,
    )


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def settings(port: int) -> dict[str, Any]:
    return {
        "host": HOST,
        "port": str(port),
        "security": "starttls",
        "sender": "countersign@acme.example",
        "domains": ["acme.example"],
        "recipients": [ONE, TWO],
    }


def by_mail(desk: Desk, port: int, **more: Any) -> uuid.UUID:
    return set_up(desk, "email", settings(port), LOGIN, **more)


def write(desk: Desk, key: uuid.UUID) -> None:
    deliver(desk, key, subject="{{ issue.key }} rolls out", text="{{ issue.summary }}")


def test_letter_reaches_those_that_the_admin_named(
    desk: Desk, postbox: Postbox, port: int
) -> None:
    write(desk, by_mail(desk, port))

    [got] = postbox.received
    assert got.recipients == (ONE, TWO)
    assert got.letter["Subject"] == "DEMO-1 rolls out"
    assert got.letter["Message-ID"] == f"<{desk.step().id}@countersign.example>"
    assert "-- \nDEMO-1: Start progress" in got.text
    assert postbox.is_secure == [True]
    assert [run.state for run in desk.runs()] == [RunState.SUCCEEDED]
    assert PASSWORD not in kept(desk)


def test_greylisted_letter_is_tried_again_as_the_same(
    desk: Desk, postbox: Postbox, port: int
) -> None:
    postbox.replies = {ONE: "450 grey", TWO: "450 grey"}
    write(desk, by_mail(desk, port))
    postbox.replies = {}

    desk.later(seconds=10)

    [got] = postbox.received
    assert got.letter["Message-ID"] == f"<{desk.step().id}@countersign.example>"
    assert [run.state for run in desk.runs()] == [RunState.SUCCEEDED]


def test_refused_login_fails_the_run_and_says_what_to_fix(
    desk: Desk, postbox: Postbox, port: int
) -> None:
    key = set_up(desk, "email", settings(port), LOGIN | {"password": "wr0ng-word"})

    write(desk, key)

    assert postbox.received == []
    [run] = desk.runs()
    assert run.state is RunState.FAILED
    assert "does not take user and password" in str(run.message)
    assert "wr0ng-word" not in kept(desk)


def test_one_lost_recipient_is_told_as_a_number(
    desk: Desk, postbox: Postbox, port: int
) -> None:
    postbox.replies = {TWO: "550 nobody"}

    write(desk, by_mail(desk, port))

    assert [got.recipients for got in postbox.received] == [(ONE,)]
    assert [run.state for run in desk.runs()] == [RunState.SUCCEEDED]
    assert "1 of 2 recipients and refused 1" in str(desk.step().message)


def test_what_broke_before_its_end_is_tried_again(
    desk: Desk, postbox: Postbox, port: int
) -> None:
    postbox.drops = "DATA"
    write(desk, by_mail(desk, port))
    postbox.drops = ""

    desk.later(seconds=10)

    assert len(postbox.received) == 1


def test_what_broke_after_its_end_is_not_sent_again(
    desk: Desk, postbox: Postbox, port: int
) -> None:
    postbox.drops = "END"
    write(desk, by_mail(desk, port))
    postbox.drops = ""

    desk.later(hours=1)

    assert len(postbox.received) == 1
    assert [run.state for run in desk.runs()] == [RunState.AMBIGUOUS]


def test_page_saves_it_once_reached_and_tests_it_without_a_letter(
    desk: Desk, postbox: Postbox, port: int, wire: Wire, clock: Clock
) -> None:
    caller = Caller(app=desk.app, jira=desk.jira, clock=clock)
    token, path = caller.context(), "/api/v1/destinations"
    form: dict[str, Any] = {"name": "Ops", "kind": "email", "project_ids": [DEMO]}
    form |= {"settings": settings(port), "credentials": LOGIN}
    body = json.dumps(form).encode()
    unreached = caller.send("POST", path, token=token, body=body)
    wire.elsewhere[HOST] = Receiver()
    answer = caller.send("POST", path, token=token, body=body)
    key = json.loads(answer.body)["id"]

    tried = caller.send("POST", f"{path}/{key}/test", token=token, body={})
    page = caller.send("GET", f"/api/v1/pages/destinations/{key}", token=token)

    assert b'"settings.host"' in unreached.body
    assert b"the mail server lets us in" in tried.body.lower()
    assert postbox.received == []
    assert postbox.logins == [(USER, PASSWORD)]
    assert b"2 mailboxes by smtp.acme.example" in page.body
    for shown in (answer.body, tried.body, page.body):
        assert PASSWORD.encode() not in shown


@pytest.mark.parametrize("left", ["deleted", "site gone"])
def test_addresses_are_forgotten_with_what_they_were_for(
    desk: Desk, port: int, left: str
) -> None:
    key = by_mail(desk, port)

    if left == "deleted":
        desk.act(destinations.delete, key)
    else:
        desk.jira.uninstall()
        days = desk.runtime.settings.secret_retention_days
        desk.clock.advance(timedelta(days=days, hours=1))
        desk.worker.keep_house()

    with desk.runtime.sessions.begin() as session:
        row = session.get_one(Destination, key)
        assert (row.settings, row.state) == ({}, "deleted")
