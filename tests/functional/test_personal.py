"""What is kept of a person: all of it told, and all of it erased, nothing else."""

import json
import re
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import audit, destinations, personal
from app.audit import AuditEvent
from app.db import Base
from app.destinations import Approval
from app.http import Response
from app.personal import ERASED, Erasure, erasing
from app.rules import KnownRule
from app.runs import RunState
from app.runtime import Runtime
from app.tenants import preferences
from app.tenants.preferences import Preferences, Wanted
from app.worker import Worker, housekeeping
from sandbox import Jira, people
from tests.functional import old_runs
from tests.functional.callers import BASE_URL, Caller
from tests.functional.fakes import Clock, Wire, call
from tests.functional.old_runs import OldRuns
from tests.functional.receiving import Desk, open_desk

Sessions = sessionmaker[Session]
ERASE = "/api/v1/erasures"
PAGE = "/api/v1/pages/settings?part=people"
VIC = people.named("vic").account_id
DEE = people.named("dee").account_id


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture
def old(sessions: Sessions, desk: Desk) -> OldRuns:
    return OldRuns(sessions=sessions, tenant_id=desk.tenant_id)


def erase(caller: Caller, account_id: object, user: str = "ada") -> Response:
    body = json.dumps({"account_id": account_id}).encode()
    return caller.send("POST", ERASE, token=caller.context(user), body=body)


def page(caller: Caller) -> str:
    answer = caller.send("GET", PAGE, token=caller.context())
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def everything(sessions: Sessions) -> str:
    """Return all that the database has, as one text."""
    with sessions.begin() as session:
        rows = [
            str([tuple(row) for row in session.execute(sa.select(table))])
            for table in Base.metadata.sorted_tables
        ]
    return "\n".join(rows)


def file_of(caller: Caller, account_id: str) -> list[dict[str, Any]]:
    wanted = json.dumps({"what": "person", "account_id": account_id}).encode()
    asked = caller.send(
        "POST", "/api/v1/downloads", token=caller.context(), body=wanted
    )
    assert asked.status == 201, asked.body
    ticket = json.loads(asked.body)["ticket"]
    came = call(caller.app, "GET", f"{BASE_URL}/downloads/{ticket}", {}, b"")
    assert came.status == 200
    return [json.loads(line) for line in came.body.decode().splitlines()]


def plant(desk: Desk, old: OldRuns, account_id: str) -> dict[str, uuid.UUID]:
    """Let a person leave a trace at each place where an account id can stand."""
    now, tenant_id = desk.clock(), desk.tenant_id
    facts = {"actor": account_id, "issue_key": "DEMO-1"}
    act = {"data": {"actor": {"accountId": account_id}, "inputs": {"who": account_id}}}
    run_id = old.add(now, facts=facts, act=json.dumps(act))
    old.answer(run_id, now, message=f"Deployed for {account_id}.")
    destination_id, _ = desk.set_up()
    wanted = Wanted(
        run_days=90, audit_days=365, exchange_days=7, notice_to=(), on_call_role=""
    )
    with desk.runtime.sessions.begin() as session:
        audit.record(
            session, tenant_id, "run-replayed", actor=account_id, now=now, run="r"
        )
        audit.record(
            session,
            tenant_id,
            "verification-accepted",
            actor="jira",
            now=now,
            subject=account_id,
        )
        preferences.change(session, tenant_id, wanted, actor=account_id, now=now)
        known = KnownRule(
            id=uuid.uuid4(),
            tenant_id=tenant_id,
            rule_id="r",
            workflow="w",
            transition_id="1",
            transition_name="t",
            name="n",
            rule_hash="h",
            config="{}",
            first_seen_at=now,
            last_seen_at=now,
            paused_at=now,
            paused_by=account_id,
        )
        session.add(known)
        change = destinations.Change(tenant_id=tenant_id, actor=account_id, now=now)
        destinations.approve(session, change, destination_id, "0" * 64)
    return {"run": run_id}


def test_everything_that_names_a_person_is_in_the_file(
    caller: Caller, desk: Desk, old: OldRuns
) -> None:
    run_id = plant(desk, old, VIC)["run"]
    old.add(desk.clock(), facts={"actor": DEE})

    found = file_of(caller, VIC)

    kinds = [line["what"] for line in found]
    assert set(kinds) == {
        "run",
        "run-step",
        "answer",
        "audit-event",
        "rule-pause",
        "approval",
        "settings",
    }
    assert [line["id"] for line in found if line["what"] == "run"] == [str(run_id)]
    assert all(VIC in json.dumps(line) for line in found)
    assert DEE not in json.dumps(found)
    assert file_of(caller, "5f9c0000aaaabbbbccccdddd") == []


def test_erased_person_is_nowhere_any_more_and_all_else_is_as_it_was(
    caller: Caller, desk: Desk, old: OldRuns, sessions: Sessions
) -> None:
    run_id = plant(desk, old, VIC)["run"]
    other = old.add(desk.clock(), facts={"actor": DEE})
    # The audit of Ada's wish, and Ada's tokens, must name nobody but Ada.
    assert erase(caller, VIC).status == 202

    desk.worker.keep_house()

    assert VIC not in everything(sessions)
    assert old.find(run_id).facts == {"actor": ERASED, "issue_key": "DEMO-1"}
    assert json.loads(old.step(run_id).act or "") == {
        "data": {"actor": {"accountId": ERASED}, "inputs": {"who": ERASED}}
    }
    assert old.find(other).facts == {"actor": DEE}
    with sessions.begin() as session:
        assert session.scalars(sa.select(KnownRule.paused_by)).one() == ERASED
        assert session.scalars(sa.select(Approval.approved_by)).one() == ERASED
        assert session.scalars(sa.select(Preferences.changed_by)).one() == ERASED
    assert desk.events("verification-accepted")[-1]["subject"] == ERASED


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"message": f"for {VIC}"}, {"message": f"for {ERASED}"}),
        (
            {"url": f"https://ci.example/{VIC}/1"},
            {"url": "https://ci.example/erased/1"},
        ),
        ({"claims": {"sub": VIC, "n": "7"}}, {"claims": {"sub": ERASED, "n": "7"}}),
        ({"message": f"{VIC}0", "claims": {"sub": DEE}}, None),
    ],
    ids=["message", "url", "claims", "others"],
)
def test_what_receivers_said_of_a_person_is_told_and_erased(
    caller: Caller,
    desk: Desk,
    old: OldRuns,
    said: dict[str, Any],
    left: dict[str, Any] | None,
) -> None:
    run_id = old.add(desk.clock())
    answer_id = old.answer(run_id, desk.clock(), **said)

    told = file_of(caller, VIC)
    erase(caller, VIC)
    desk.worker.keep_house()

    assert [line["id"] for line in told] == ([str(answer_id)] if left else [])
    found = old.said(run_id)
    assert {name: getattr(found, name) for name in said} == (left or said)


def test_number_that_is_an_account_id_is_erased_from_an_answer(
    caller: Caller, desk: Desk, old: OldRuns
) -> None:
    """As JSON it would be a number, and no text that names anybody."""
    run_id = old.add(desk.clock())
    old.answer(run_id, desk.clock(), message="557058100200")
    erase(caller, "557058100200")

    desk.worker.keep_house()

    assert old.said(run_id).message == ERASED


def test_wish_and_end_are_in_the_history_without_the_id(
    caller: Caller, desk: Desk, old: OldRuns, sessions: Sessions
) -> None:
    plant(desk, old, VIC)
    erase(caller, VIC)
    assert "Looks through runs; 0 rows so far" in page(caller)

    desk.worker.keep_house()

    [wanted], [done] = desk.events("erasure-wanted"), desk.events("erasure-done")
    assert wanted["erasure"] == done["erasure"]
    assert done["rows"] == 10
    with sessions.begin() as session:
        kind = AuditEvent.kind == "erasure-wanted"
        actor = session.scalars(sa.select(AuditEvent.actor).where(kind)).one()
        assert actor == people.named("ada").account_id
        assert session.scalars(sa.select(Erasure.account_id)).one() is None
    shown = page(caller)
    assert "10 rows named the person" in shown
    assert VIC not in shown


def test_worker_killed_between_batches_is_followed_by_one_that_goes_on(
    caller: Caller,
    desk: Desk,
    old: OldRuns,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(erasing, "BATCH", 2)
    for _ in range(5):
        old.add(desk.clock(), facts={"actor": VIC})
    erase(caller, VIC)
    killed = housekeeping.erase(desk.runtime)
    next(killed)
    del killed
    with sessions.begin() as session:
        assert session.scalars(sa.select(Erasure.erased)).one() == 2

    Worker(runtime=desk.runtime).keep_house()

    assert VIC not in everything(sessions)
    assert desk.events("erasure-done")[0]["rows"] == 5


def test_batch_that_is_not_committed_is_done_again(
    caller: Caller, desk: Desk, old: OldRuns, sessions: Sessions
) -> None:
    old.add(desk.clock(), facts={"actor": VIC})
    erase(caller, VIC)
    with sessions() as session:  # killed before the commit
        [erasure_id] = personal.unfinished(session)
        keyring = desk.runtime.keyring
        personal.erase_some(session, keyring, erasure_id, now=desk.clock())
        session.rollback()

    desk.worker.keep_house()

    assert VIC not in everything(sessions)
    assert desk.events("erasure-done")[0]["rows"] == 1


def test_run_under_way_is_waited_for(
    caller: Caller, desk: Desk, old: OldRuns, sessions: Sessions
) -> None:
    run_id = old.add(
        desk.clock(),
        facts={"actor": VIC},
        state=RunState.RUNNING,
        finished_at=None,
    )
    caller.later(seconds=1)
    erase(caller, VIC)
    younger = old.add(
        desk.clock(), facts={"actor": VIC}, state=RunState.RUNNING, finished_at=None
    )

    for _ in housekeeping.erase(desk.runtime):
        pass
    assert old.find(run_id).facts == {"actor": VIC}
    assert desk.events("erasure-done") == []

    with sessions.begin() as session:
        run = old.find(run_id)
        run.state = RunState.SUCCEEDED
        session.merge(run)
    for _ in housekeeping.erase(desk.runtime):
        pass
    assert old.find(run_id).facts == {"actor": ERASED}
    assert old.find(younger).facts == {"actor": VIC}  # it began after the wish
    assert len(desk.events("erasure-done")) == 1


def test_same_wish_twice_is_one_and_there_are_not_too_many(
    caller: Caller, desk: Desk
) -> None:
    assert erase(caller, VIC).body == erase(caller, VIC).body
    for number in range(erasing.MOST - 1):
        assert erase(caller, f"5b10ac8d82e05b22cc7d{number:04}").status == 202

    answer = erase(caller, DEE)

    assert answer.status == 409
    assert "wait until one is done" in json.loads(answer.body)["message"]
    assert len(desk.events("erasure-wanted")) == erasing.MOST


@pytest.mark.parametrize(
    "account_id",
    [
        None,
        7,
        "",
        "jira",
        "countersign",
        "unproven",
        "bad-signature",
        "wrong-algorithm",
        "019aafc5-1c00-7000-8000-000000000000",
        "5b10ac8d82e05b22cc7d4ef5' OR 1=1 --",
        "5b10ac8d82e05b22cc7d4ef5%",
        "5b10ac8d82e05b22cc7d4ef5\x00",
        "\uff15b10ac8d82e05b22cc7d4ef5",
        "7" * 129,
    ],
)
def test_what_is_no_account_id_cannot_be_erased_from_the_history(
    caller: Caller, desk: Desk, account_id: object
) -> None:
    answer = erase(caller, account_id)

    assert answer.status == 422
    [problem] = json.loads(answer.body)["problems"]
    assert problem["key"] == "account_id"
    assert desk.events("erasure-wanted") == []


def test_only_what_may_name_a_person_is_changed_in_an_event(
    caller: Caller, desk: Desk, sessions: Sessions
) -> None:
    """Attack: the "account id" is a key, and the history loses which one it was."""
    kid = "key-2026-11-23-abcdef"
    with sessions.begin() as session:
        audit.record(
            session,
            desk.tenant_id,
            "key-revoked",
            actor="operator",
            now=desk.clock(),
            key=kid,
        )
    erase(caller, kid)

    desk.worker.keep_house()

    assert desk.events("key-revoked") == [{"key": kid}]


def test_longer_id_that_contains_another_stays(
    caller: Caller, desk: Desk, old: OldRuns
) -> None:
    longer = f"{VIC}0"
    run_id = old.add(desk.clock(), act=json.dumps([VIC, longer, f"to {VIC}, {longer}"]))
    erase(caller, VIC)

    desk.worker.keep_house()

    kept = [ERASED, longer, f"to {ERASED}, {longer}"]
    assert json.loads(old.step(run_id).act or "") == kept


def test_t5_erasure_and_file_are_of_one_site_only(
    caller: Caller, desk: Desk, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        other = old_runs.tenant(session, desk.clock())
        audit.record(session, other, "run-replayed", actor=VIC, now=desk.clock())
        personal.want(session, other, DEE, actor="x", now=desk.clock())
    others = OldRuns(sessions=sessions, tenant_id=other)
    run_id = others.add(desk.clock(), facts={"actor": VIC})

    assert file_of(caller, VIC) == []
    assert "None was asked for" in page(caller)
    erase(caller, VIC)
    desk.worker.keep_house()

    assert others.find(run_id).facts == {"actor": VIC}
    with sessions.begin() as session:
        theirs = AuditEvent.tenant_id == other, AuditEvent.kind == "run-replayed"
        assert session.scalars(sa.select(AuditEvent.actor).where(*theirs)).one() == VIC


def test_t10_only_admins_erase(caller: Caller, sessions: Sessions) -> None:
    assert erase(caller, VIC, user="vic").status == 403

    with sessions.begin() as session:
        assert session.scalars(sa.select(Erasure)).all() == []


def test_file_is_not_made_for_what_is_no_account_id(caller: Caller) -> None:
    body = json.dumps({"what": "person", "account_id": "jira"}).encode()

    answer = caller.send("POST", "/api/v1/downloads", token=caller.context(), body=body)

    assert answer.status == 400


def test_page_says_where_people_are_named(caller: Caller) -> None:
    shown = page(caller)

    for text in ("account id of who moved the issue", "For 90 days", "for 30 days"):
        assert text in shown
    assert "What a receiver said of how a delivery ended" in shown
