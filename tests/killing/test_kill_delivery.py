"""A worker is killed anywhere in a delivery: it arrives once, or a person is asked."""

import json
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa
from flask import Flask, request

from app import destinations, keys, runs
from app.audit import AuditEvent
from app.destinations import (
    Approval,
    Change,
    Definition,
    Destination,
    DestinationHealth,
)
from app.runs import Run, RunState, RunStep, StepState, Why
from app.steps.deliver import reference
from app.tenants import Tenant
from tests.killing.conftest import Stage, empty
from tests.killing.test_kill_worker import EVERYWHERE, KILLED, fire, kill_everywhere
from tests.serving import serving

SENT = {"what": "POST /in", "when": "after", "n": 1}
"""The receiver has answered, and the worker dies before it can note that."""


@dataclass
class Receiver:
    """Performs what it is sent; where it honours ids, each of them once."""

    honours: bool
    received: Counter[str] = field(default_factory=Counter)
    performed: Counter[str] = field(default_factory=Counter)
    bodies: set[bytes] = field(default_factory=set)
    tokens: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> str:
        name = request.headers["Idempotency-Key"]
        with self.lock:
            if not (self.honours and self.performed[name]):
                self.performed[name] += 1
            self.received[name] += 1
            self.bodies.add(request.get_data())
            self.tokens.append(request.headers["Authorization"])
        return "taken"

    def forget(self) -> None:
        with self.lock:
            self.received.clear()
            self.performed.clear()
            self.bodies.clear()
            self.tokens.clear()


@dataclass(frozen=True)
class Seen:
    """What became of the delivery: in our tables, and at the receiver."""

    run: Run
    step: RunStep | None
    minted: int


def made(honours: bool, url: str) -> Definition:  # noqa: FBT001 -- a fixture's case
    return Definition(
        name="Deploy",
        url=url,
        project_ids=("10000",),
        honours_delivery_id=honours,
        per_minute=6000,
    )


@pytest.fixture
def receiver(clean: Stage, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    """A receiver that listens, its destination, and a rule that delivers there."""
    found = Receiver(honours=bool(request.param))
    flask = Flask("receiver")
    flask.post("/in")(found.take)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/in"
        with serving(flask, listening):
            step = {
                "do": "deliver",
                "destination": reference(set_up(clean, found, url)),
            }
            rule = {"v": 1, "id": "r_1", "name": "Deploy", "steps": [step]}
            clean.jira.add_post_function("Start progress", json.dumps(rule))
            yield found
    empty(clean)
    with clean.runtime.sessions.begin() as session:
        for table in (Approval, DestinationHealth, Destination):
            session.execute(sa.delete(table))


def set_up(stage: Stage, receiver: Receiver, url: str) -> uuid.UUID:
    now, keyring, fresh = stage.runtime.now(), stage.runtime.keyring, keys.make(2)
    with stage.runtime.sessions.begin() as session:
        mine = sa.select(Tenant.id).where(Tenant.base_url == stage.jira.base_url)
        tenant_id = session.scalars(mine).one()
        rotation = keys.Rotation(tenant_id=tenant_id, actor="ada", now=now, fresh=fresh)
        keys.ensure(session, keyring, rotation)
        change = Change(tenant_id=tenant_id, actor="ada", now=now)
        definition = made(receiver.honours, url)
        return destinations.create(session, keyring, change, definition)[0]


HONOURS = pytest.mark.parametrize("receiver", [True], indirect=True, ids=["honours"])
PLAIN = pytest.mark.parametrize("receiver", [False], indirect=True, ids=["plain"])


@EVERYWHERE
@HONOURS
def test_killed_delivery_is_performed_once_where_its_id_is_honoured(
    clean: Stage, receiver: Receiver, when: str, what: str
) -> None:
    def check(place: str) -> None:
        seen = look(clean)
        assert seen.run.state is RunState.SUCCEEDED, (place, seen.run.message)
        assert list(receiver.performed.values()) == [1], place
        assert len(receiver.bodies) == 1, place
        assert len(set(receiver.tokens)) == receiver.received.total(), place
        # No token was made that the audit does not know; one may never have left.
        assert seen.minted >= receiver.received.total(), place
        receiver.forget()

    assert kill_everywhere(clean, {"what": what, "when": when}, check) > 2


@EVERYWHERE
@PLAIN
def test_killed_delivery_is_never_sent_twice_where_its_id_is_not(
    clean: Stage, receiver: Receiver, when: str, what: str
) -> None:
    states = set()

    def check(place: str) -> None:
        seen = look(clean)
        sent = receiver.received.total()
        assert sent <= 1, place
        if seen.run.state is RunState.AMBIGUOUS:
            assert seen.run.why is Why.CANNOT_TELL, place
        else:
            assert (seen.run.state, sent) == (RunState.SUCCEEDED, 1), place
        states.add(seen.run.state)
        receiver.forget()

    kill_everywhere(clean, {"what": what, "when": when}, check)

    assert states == {RunState.AMBIGUOUS, RunState.SUCCEEDED}


@HONOURS
def test_workers_that_die_again_and_again_deliver_once(
    clean: Stage, receiver: Receiver
) -> None:
    fire(clean)

    for _ in range(4):
        assert clean.launcher.run("carry-on", kill=SENT) == KILLED
    assert clean.launcher.run("carry-on") == 0

    assert look(clean).run.state is RunState.SUCCEEDED
    assert list(receiver.received.values()) == [5]
    assert list(receiver.performed.values()) == [1]


@pytest.mark.parametrize("happened", [True, False], ids=["there", "not-there"])
@PLAIN
def test_person_ends_what_a_kill_left_open(
    clean: Stage, receiver: Receiver, *, happened: bool
) -> None:
    fire(clean)
    when = "after" if happened else "before"
    assert clean.launcher.run("carry-once", kill=SENT | {"when": when}) == KILLED
    assert clean.launcher.run("carry-on") == 0
    assert look(clean).run.state is RunState.AMBIGUOUS

    say(clean, happened=happened)
    assert clean.launcher.run("carry-on") == 0

    assert look(clean).run.state is RunState.SUCCEEDED
    assert list(receiver.performed.values()) == [1]


def say(stage: Stage, *, happened: bool) -> None:
    seen = look(stage)
    assert seen.step is not None
    assert seen.step.state is StepState.AMBIGUOUS
    with stage.runtime.sessions.begin() as session:
        assert runs.resolve(
            session,
            seen.run.tenant_id,
            seen.run.id,
            seen.step.id,
            happened=happened,
            now=stage.runtime.now(),
        )


def look(stage: Stage) -> Seen:
    with stage.runtime.sessions.begin() as session:
        [run] = session.scalars(sa.select(Run)).all()
        step = session.scalars(sa.select(RunStep)).one_or_none()
        events = session.scalars(
            sa.select(AuditEvent).where(AuditEvent.kind == "token-minted")
        )
        minted = sum(event.facts["run"] == str(run.id) for event in events)
        session.expunge_all()
    return Seen(run=run, step=step, minted=minted)
