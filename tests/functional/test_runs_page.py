"""The page of all runs: its filters, its pages, and what it says when it is empty."""

import re
import uuid
from datetime import timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask

from app import runs
from app.rules import KnownRule
from app.runs import Run, RunState
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import (
    call_about,
    carried_out,
    fetched,
    listed,
    page_at,
)
from tests.functional.receiving import Desk, open_desk

LABEL = {"do": "add-label", "label": "started"}
FLY = {"do": "transition-issue", "transition": "Fly"}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def record(
    runtime: Runtime, clock: Clock, count: int, *, of: uuid.UUID | None = None
) -> list[uuid.UUID]:
    """Record calls a second apart, each about an issue of its own."""
    with runtime.sessions.begin() as session:
        tenant_id = of or session.scalars(sa.select(Tenant.id)).one()
        found = []
        for number in range(count):
            clock.advance(timedelta(seconds=1))
            call = call_about(tenant_id, number)
            found.append(runs.record(session, call, now=clock()))
    return [run_id for run_id in found if run_id]


def test_new_site_is_shown_the_way_to_its_first_run(caller: Caller) -> None:
    page = page_at(caller, "runs")

    assert "No runs yet" in page
    assert 'href="#/overview"' in page
    assert "Clear all filters" not in page


def test_run_is_shown_in_one_line(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule(LABEL))

    page = page_at(caller, "runs")

    [run] = listed(page)
    assert f'href="#/runs/{run}"' in page
    assert "https://acme.atlassian.net/browse/DEMO-1" in page
    assert "Test rule" in page
    assert ">Succeeded<" in page
    assert "Every step is done." in page


def test_runs_are_leafed_through_while_new_ones_come_in(
    caller: Caller, runtime: Runtime, clock: Clock
) -> None:
    made = record(runtime, clock, 103)
    first = page_at(caller, "runs")
    with runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
        clock.advance(timedelta(seconds=1))
        assert runs.record(session, call_about(tenant_id, 999), now=clock())

    second = page_at(caller, older_of(first))
    third = page_at(caller, older_of(second))

    found = [*listed(first), *listed(second), *listed(third)]
    assert found == made[::-1]
    assert 'id="older"' not in third
    assert 'id="live"' in first
    assert 'id="live"' not in second  # a page back stays as it is
    assert 'id="newest"' in third


def older_of(page: str) -> str:
    match = re.search(r'id="older" href="#/([^"]+)"', page)
    assert match is not None
    return match[1].replace("&amp;", "&")


def test_each_filter_leaves_what_it_names(caller: Caller, desk: Desk) -> None:
    place, _ = desk.set_up(name="Deploy")
    desk.deliver(place)
    [delivered] = listed(page_at(caller, "runs"))
    desk.clock.advance(timedelta(hours=2))
    for known in desk.rules:
        desk.jira.remove_post_function(known.id)
    carried_out(caller, desk.worker, rule(FLY, id="r_fly"))
    [failed, _] = listed(page_at(caller, "runs"))
    with desk.runtime.sessions.begin() as session:
        fly = session.scalars(sa.select(KnownRule.id).filter_by(rule_id="r_fly")).one()

    def left(query: str) -> list[uuid.UUID]:
        return listed(page_at(caller, f"runs?{query}"))

    assert left("state=failed") == left(f"rule={fly}") == [failed]
    assert left("state=succeeded") == left(f"destination={place}") == [delivered]
    assert left("issue=demo-1") == left("issue=+DEMO-1+") == [failed, delivered]
    assert left("issue=10100") == [failed, delivered]
    assert left("period=1h") == [failed]
    assert left("period=24h&state=failed&issue=DEMO-1") == [failed]
    assert left("from=2026-11-23T12:00:00Z&to=2026-11-23T13:00:00Z") == [delivered]
    assert left(f"state=failed&destination={place}") == []
    assert left("state=open") == left("issue=DEMO-2") == []


def test_filters_stay_in_the_form_and_in_the_way_back(
    caller: Caller, runtime: Runtime, clock: Clock
) -> None:
    record(runtime, clock, 60)

    page = page_at(caller, "runs?state=open&from=2026-11-23T12:00:00Z")

    assert '<option value="open" selected>' in page
    assert 'type="hidden" name="from" value="2026-11-23T12:00:00Z"' in page
    assert 'name="period"' not in page
    assert 'id="without-span" class="chip" href="#/runs?state=open"' in page
    [older] = re.findall(r'id="older" href="([^"]+)"', page)
    assert "state=open" in older
    assert "from=2026-11-23T12%3A00%3A00Z" in older


def test_runs_of_an_issue_include_those_that_nobody_confirmed(
    caller: Caller, worker: Worker, runtime: Runtime, clock: Clock
) -> None:
    carried_out(caller, worker, rule(LABEL))
    with runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
        clock.advance(timedelta(seconds=1))
        claimed = runs.record(session, call_about(tenant_id, 10100), now=clock())

    found = listed(page_at(caller, "runs?issue=DEMO-1"))

    assert found[0] == claimed
    assert len(found) == 2


def test_none_that_matches_is_not_none_at_all(caller: Caller, worker: Worker) -> None:
    carried_out(caller, worker, rule(LABEL))

    page = page_at(caller, "runs?state=failed&issue=DEMO-9")

    assert "No run matches" in page
    assert "found by the number of its issue" in page
    assert "No runs yet" not in page
    assert 'id="clear" href="#/runs"' in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=gone", "No run can be in a state “gone”."),
        ("rule=x", "This site has no such rule."),
        (f"rule={uuid.UUID(int=7)}", "This site has no such rule."),
        ("destination=%00", "This site has no such destination."),
        ("issue=%27;drop", "is neither the key nor the number of an issue."),
        ("issue=%EF%BC%91", "is neither the key nor the number of an issue."),
        ("period=forever", "There is no period “forever”."),
        ("from=yesterday", "is no moment in time"),
        ("from=2026-11-23T12:00:00", "is no moment in time"),
        ("to=9999-12-31T23:59:59-23:59", "is no moment in time"),
        ("from=0001-01-01T00:00:00%2B14:00", "is no moment in time"),
        ("before=x", "This page of the list does not exist."),
    ],
)
def test_filter_that_means_nothing_matches_nothing_and_says_so(
    caller: Caller, worker: Worker, query: str, said: str
) -> None:
    carried_out(caller, worker, rule(LABEL))

    page = page_at(caller, f"runs?{query}")

    assert listed(page) == []
    assert said in page
    assert 'id="clear" href="#/runs"' in page


def test_what_was_given_comes_back_short_and_as_text(caller: Caller) -> None:
    page = page_at(caller, f"runs?state={quote('<b>' + 'x' * 4000)}")

    assert "<b>" not in page
    assert "x" * 100 not in page


def test_period_is_counted_back_from_now(
    caller: Caller, runtime: Runtime, clock: Clock
) -> None:
    [run] = record(runtime, clock, 1)
    clock.advance(timedelta(hours=1))

    assert listed(page_at(caller, "runs?period=1h")) == [run]
    clock.advance(timedelta(milliseconds=1))
    assert listed(page_at(caller, "runs?period=1h")) == []


def test_look_without_end_says_how_far_it_went(
    caller: Caller, runtime: Runtime, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs.finding, "CANDIDATES", 5)
    [oldest, *others] = record(runtime, clock, 20)
    with runtime.sessions.begin() as session:
        tenant_id = session.scalars(sa.select(Tenant.id)).one()
        known = KnownRule(
            id=uuid.uuid4(),
            tenant_id=tenant_id,
            rule_id="r",
            workflow="w",
            transition_id="1",
            transition_name="Go",
            name="Deploy",
            rule_hash="h",
            config="{}",
            first_seen_at=clock(),
            last_seen_at=clock(),
        )
        session.add(known)
        session.flush()
        session.execute(sa.update(Run).values(known_rule_id=known.id))
        session.get_one(Run, oldest).state = RunState.FAILED
        session.execute(
            sa.update(Run).where(Run.id.in_(others[:9])).values(state=RunState.FAILED)
        )
        session.execute(
            sa.update(Run).where(Run.id.in_(others[:9])).values(known_rule_id=None)
        )
        query = f"runs?state=failed&rule={known.id}"

    page = page_at(caller, query)

    assert listed(page) == []
    assert "and none of them matches" in page
    assert "Look further back" in page
    assert "No run matches" not in page


def test_t5_runs_of_another_tenant_are_not_found(
    caller: Caller, runtime: Runtime, clock: Clock
) -> None:
    other = Tenant(
        id=uuid.uuid4(),
        state=State.ACTIVE,
        base_url="https://other.atlassian.net",
        enabled=True,
        installed_at=clock(),
        lifecycle_at=clock(),
    )
    with runtime.sessions.begin() as session:
        session.add(other)
        session.flush()
        other_id = other.id
    [theirs] = record(runtime, clock, 1, of=other_id)

    assert listed(page_at(caller, "runs")) == []
    assert listed(page_at(caller, "runs?issue=0")) == []
    assert fetched(caller, f"runs/{theirs}").status == 404
    assert (
        fetched(caller, f"runs/{theirs}").body
        == fetched(caller, f"runs/{uuid.uuid4()}").body
    )
