"""A person's answer for a step that nobody else can tell of (design.md, promise 5)."""

import json
import uuid
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from app import runs
from app.audit import AuditEvent
from app.http import Response
from app.runs import Role, Run, RunState, RunStep, StepState, Why
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.web import words
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import call_about, carried_out, page_at, run_shown

Unclear = Callable[[], tuple[uuid.UUID, uuid.UUID]]


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def unclear(caller: Caller, worker: Worker, runtime: Runtime) -> Unclear:
    """Leave a run whose only step nobody can tell of; return both ids."""

    def make() -> tuple[uuid.UUID, uuid.UUID]:
        carried_out(caller, worker, rule())
        with runtime.sessions.begin() as session:
            run = session.scalars(sa.select(Run)).one()
            step = session.scalars(sa.select(RunStep)).one()
            run.state, run.why = RunState.AMBIGUOUS, Why.CANNOT_TELL
            step.state = StepState.AMBIGUOUS
            return run.id, step.id

    return make


def answer(
    caller: Caller, run: uuid.UUID, step: uuid.UUID, body: object, user: str = "ada"
) -> Response:
    path = f"/api/v1/runs/{run}/steps/{step}/resolve"
    sent = json.dumps(body).encode()
    return caller.send("POST", path, token=caller.context(user), body=sent)


@pytest.mark.parametrize(
    ("happened", "state"), [(True, StepState.DONE), (False, StepState.PENDING)]
)
def test_person_says_whether_an_unclear_step_happened(
    caller: Caller,
    runtime: Runtime,
    unclear: Unclear,
    happened: bool,  # noqa: FBT001 -- a parameter of the test
    state: StepState,
) -> None:
    run_id, step_id = unclear()
    assert f'id="yes-{step_id}"' in run_shown(caller)

    assert answer(caller, run_id, step_id, {"happened": happened}).status == 204

    with runtime.sessions.begin() as session:
        assert session.scalars(sa.select(RunStep.state)).one() is state
        [event] = session.scalars(
            sa.select(AuditEvent).where(AuditEvent.kind == "step-resolved")
        )
        assert event.facts["happened"] is happened
        assert event.actor != "jira"
    again = answer(caller, run_id, step_id, {"happened": happened})
    assert again.status == 409


def test_resolved_run_goes_on_and_no_longer_asks(
    caller: Caller,
    worker: Worker,
    unclear: Unclear,
) -> None:
    answer(caller, *unclear(), {"happened": True})
    worker.drain()

    page = run_shown(caller)
    assert ">Succeeded<" in page
    assert words.WHYS[Why.CANNOT_TELL] not in page


@pytest.mark.parametrize("body", [{}, {"happened": "yes"}, {"happened": 1}, []])
def test_answer_must_be_yes_or_no(
    caller: Caller,
    unclear: Unclear,
    body: object,
) -> None:
    assert answer(caller, *unclear(), body).status == 400


def test_t10_answer_is_an_admins_asked_live(
    caller: Caller, wire: Wire, unclear: Unclear
) -> None:
    ids = unclear()
    run_shown(caller)
    wire.sent.clear()

    assert answer(caller, *ids, {"happened": True}, user="dee").status == 403
    assert answer(caller, *ids, {"happened": True}).status == 204

    assert len([r for r in wire.sent if "permissions/check" in r.url]) == 2


def test_t5_run_of_another_tenant_is_not_found(
    caller: Caller, runtime: Runtime, clock: Clock
) -> None:
    now = clock()
    with runtime.sessions.begin() as session:
        other = Tenant(
            id=uuid.uuid4(),
            state=State.ACTIVE,
            base_url="https://other.atlassian.net",
            enabled=True,
            installed_at=now,
            lifecycle_at=now,
        )
        session.add(other)
        session.flush()
        run_id = runs.record(session, call_about(other.id, 99), now=now)
        assert run_id is not None
        step = RunStep(
            id=uuid.uuid4(),
            tenant_id=other.id,
            run_id=run_id,
            role=Role.STEP,
            position=0,
            state=StepState.AMBIGUOUS,
            config={"do": "add-comment", "body": "x"},
        )
        session.add(step)
        step_id = step.id

    theirs = answer(caller, run_id, step_id, {"happened": True})
    made_up = answer(caller, uuid.uuid4(), uuid.uuid4(), {"happened": True})

    assert (theirs.status, made_up.status) == (404, 404)
    assert theirs.body == made_up.body
    assert str(run_id) not in page_at(caller, "runs")
