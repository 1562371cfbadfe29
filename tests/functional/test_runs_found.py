"""Runs are found by what is asked for: all of them, each once, at a bounded price."""

import itertools
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import runs
from app.db import new_id
from app.destinations import Destination, DestinationState, Pace, Signing
from app.rules import KnownRule
from app.runs import (
    UNDER_WAY,
    Role,
    Run,
    RunState,
    RunStep,
    StepState,
    Wanted,
    finding,
)
from app.tenants import State, Tenant
from tests.functional.fakes import Clock
from tests.functional.opening import call_about

STATES = list(RunState)


@dataclass
class Shelf:
    """Runs of one tenant, and what each of them is, to be found again."""

    sessions: sessionmaker[Session]
    clock: Clock
    tenant_id: uuid.UUID = field(default_factory=uuid.uuid4)
    rules: list[uuid.UUID] = field(default_factory=list)
    places: list[uuid.UUID] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)

    def put(self, session: Session, **is_so: Any) -> uuid.UUID:
        """Record a run that is so, a second after the one before."""
        self.clock.advance(timedelta(seconds=1))
        issue, place = is_so.get("issue", 1), is_so.get("place")
        about = call_about(self.tenant_id, 10_000 + issue)
        call = replace(about, token_hash=str(len(self.kept)))
        run_id = runs.record(session, call, now=self.clock())
        assert run_id is not None
        row = session.get_one(Run, run_id)
        row.state = is_so.get("state", RunState.SUCCEEDED)
        row.known_rule_id = is_so.get("rule")
        if is_so.get("is_confirmed", True):
            row.issue_key = f"DEMO-{issue}"
        if place is not None:
            session.add_all(self.step(run_id, place, number) for number in range(2))
        self.kept.append({"id": run_id, "at": self.clock(), "issue": 1, **is_so})
        return run_id

    def step(self, run_id: uuid.UUID, place: uuid.UUID, position: int) -> RunStep:
        return RunStep(
            id=new_id(self.clock()),
            tenant_id=self.tenant_id,
            run_id=run_id,
            role=Role.STEP,
            position=position,
            state=StepState.DONE,
            config={"do": "deliver"},
            destination_id=place,
        )

    def all_of(self, wanted: Wanted, *, limit: int) -> list[uuid.UUID]:
        """Leaf through to the end; each page on the way there is a full one."""
        found: list[uuid.UUID] = []
        before = None
        with self.sessions.begin() as session:
            while True:
                page = runs.page(
                    session, self.tenant_id, wanted, before=before, limit=limit
                )
                found += [run.id for run in page.runs]
                before = page.older
                if before is None:
                    assert len(page.runs) <= limit
                    return found
                assert page.is_cut or len(page.runs) == limit


def tenant(now: datetime, name: str) -> Tenant:
    return Tenant(
        id=uuid.uuid4(),
        state=State.ACTIVE,
        base_url=f"https://{name}.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )


def known_rule(tenant_id: uuid.UUID, name: str, now: datetime) -> KnownRule:
    return KnownRule(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        rule_id=name,
        workflow="w",
        transition_id="1",
        transition_name="Go",
        name=name,
        rule_hash="h",
        config="{}",
        first_seen_at=now,
        last_seen_at=now,
    )


def destination(tenant_id: uuid.UUID, name: str, now: datetime) -> Destination:
    return Destination(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        name=name,
        kind="webhook",
        settings={},
        state=DestinationState.ACTIVE,
        environment="",
        url="https://x.example",
        audience="",
        signing=Signing.KEY_SET,
        pace=Pace.NOTIFY,
        honours_delivery_id=True,
        is_protected=False,
        header_names=[],
        per_minute=60,
        project_ids=["1"],
        created_at=now,
        changed_at=now,
    )


@pytest.fixture
def shelf(sessions: sessionmaker[Session], clock: Clock) -> Shelf:
    made = Shelf(sessions=sessions, clock=clock)
    with sessions.begin() as session:
        own = tenant(clock(), "acme")
        session.add(own)
        session.flush()
        made.tenant_id = own.id
        rules = [known_rule(own.id, name, clock()) for name in "ab"]
        places = [destination(own.id, name, clock()) for name in "xy"]
        session.add_all([*rules, *places])
        made.rules = [each.id for each in rules]
        made.places = [each.id for each in places]
    return made


def fill(shelf: Shelf, count: int) -> None:
    pick = random.Random(7)  # noqa: S311 -- the same runs each time
    with shelf.sessions.begin() as session:
        for _ in range(count):
            shelf.put(
                session,
                state=pick.choice(STATES),
                rule=pick.choice([None, *shelf.rules]),
                issue=pick.randrange(4),
                place=pick.choice([None, *shelf.places]),
                is_confirmed=pick.random() < 0.8,
            )


def expected(shelf: Shelf, wanted: Wanted, issue: int | None) -> list[uuid.UUID]:
    return [
        each["id"]
        for each in reversed(shelf.kept)
        if (not wanted.states or each["state"] in wanted.states)
        and (wanted.rule is None or each["rule"] == wanted.rule)
        and (issue is None or each["issue"] == issue)
        and (wanted.destination is None or each["place"] == wanted.destination)
        and (wanted.since is None or each["at"] >= wanted.since)
        and (wanted.until is None or each["at"] < wanted.until)
    ]


@pytest.mark.parametrize("bound", [1000, 20], ids=["at once", "look by look"])
def test_every_run_that_matches_is_found_once_and_no_other(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, bound: int
) -> None:
    fill(shelf, 120)
    monkeypatch.setattr(finding, "CANDIDATES", bound)
    middle, end = shelf.kept[40]["at"], shelf.kept[90]["at"]
    choices = itertools.product(
        [frozenset(), frozenset({RunState.FAILED}), UNDER_WAY],
        [None, shelf.rules[0]],
        [("", None), ("demo-2", 2), ("10003", 3)],
        [None, shelf.places[1]],
        [(None, None), (middle, end)],
    )

    for states, known, (issue, number), place, (since, until) in choices:
        wanted = Wanted(
            states=states,
            rule=known,
            issue=issue,
            destination=place,
            since=since,
            until=until,
        )
        found = shelf.all_of(wanted, limit=15)
        assert found == expected(shelf, wanted, number), wanted


def test_runs_that_come_in_meanwhile_move_no_page(shelf: Shelf) -> None:
    fill(shelf, 30)
    wanted = Wanted(rule=shelf.rules[0])
    before = expected(shelf, wanted, None)
    with shelf.sessions.begin() as session:
        first = runs.page(session, shelf.tenant_id, wanted, limit=4)
        shelf.put(session, rule=shelf.rules[0])
        rest = runs.page(session, shelf.tenant_id, wanted, before=first.older)

    assert [run.id for run in (*first.runs, *rest.runs)] == before


def test_page_that_was_full_to_the_last_run_leads_no_further(shelf: Shelf) -> None:
    fill(shelf, 10)
    with shelf.sessions.begin() as session:
        full = runs.page(session, shelf.tenant_id, Wanted(), limit=10)

    assert (len(full.runs), full.older, full.is_cut) == (10, None, False)


def test_look_that_ends_without_a_run_says_so(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "CANDIDATES", 5)
    rare = {"rule": shelf.rules[0], "state": RunState.FAILED}
    with shelf.sessions.begin() as session:
        oldest = shelf.put(session, **rare)
        for _ in range(12):
            shelf.put(session, rule=shelf.rules[0])
            shelf.put(session, state=RunState.FAILED)
        wanted = Wanted(rule=shelf.rules[0], states=frozenset({RunState.FAILED}))
        page = runs.page(session, shelf.tenant_id, wanted)

    assert (page.runs, page.is_cut) == ([], True)
    assert page.older is not None
    assert shelf.all_of(wanted, limit=5) == [oldest]


def test_rarest_thing_asked_for_is_looked_through(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of a month ago is on the first page, though its rule ran since."""
    monkeypatch.setattr(finding, "CANDIDATES", 5)
    with shelf.sessions.begin() as session:
        oldest = shelf.put(session, rule=shelf.rules[0], state=RunState.FAILED)
        for _ in range(12):
            shelf.put(session, rule=shelf.rules[0])
        wanted = Wanted(rule=shelf.rules[0], states=frozenset({RunState.FAILED}))
        page = runs.page(session, shelf.tenant_id, wanted)

    assert [run.id for run in page.runs] == [oldest]
    assert not page.is_cut


def test_t5_nothing_of_another_tenant_is_found(shelf: Shelf) -> None:
    fill(shelf, 20)
    with shelf.sessions.begin() as session:
        other = tenant(shelf.clock(), "other")
        session.add(other)
        session.flush()
        asked: Sequence[Wanted] = [
            Wanted(),
            Wanted(states=frozenset(STATES)),
            Wanted(rule=shelf.rules[0]),
            Wanted(issue="DEMO-1"),
            Wanted(issue="10001"),
            Wanted(destination=shelf.places[0]),
        ]
        found = [runs.page(session, other.id, wanted).runs for wanted in asked]
        assert session.scalar(sa.select(sa.func.count(Run.id))) == 20

    assert not any(found)
