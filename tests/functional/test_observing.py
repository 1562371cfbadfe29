"""What an operator's monitor and log say of calls, runs and deliveries."""

import json
import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session, sessionmaker

from app import db, tracing
from app.http import Response
from app.runs import Run
from app.runtime import Runtime
from app.web import create_app, measuring
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.opening import run_shown
from tests.functional.receiving import Desk, open_desk
from tests.shared import ROOT

PATH = "/post-function/triggered"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"
START = "Start progress"

Figures = Callable[[], dict[tuple[str, ...], float]]


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture
def figures(client: FlaskClient) -> Figures:
    """What `/metrics` says now: by name, and the values of its labels in their order.

    Counts are the process's, so a test looks at what it added to them.
    """

    def read() -> dict[tuple[str, ...], float]:
        text = client.get("/metrics").text
        return {
            (sample.name.removeprefix("countersign_"), *sample.labels.values()): float(
                sample.value
            )
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    return read


def added(
    before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float]
) -> dict[tuple[str, ...], float]:
    """Return what went up, and by how much; not the seconds that something took."""
    return {
        key: value - before.get(key, 0)
        for key, value in after.items()
        if value != before.get(key, 0) and not key[0].endswith(("_bucket", "_sum"))
    }


def body(site: Jira) -> dict[str, Any]:
    """Return what Jira posts for Start progress."""
    transition = {"transitionId": 11, "transitionName": START}
    return {
        "issue": {"id": site.issue("DEMO-1").id, "key": "DEMO-1"},
        "transition": transition,
        "configuration": {"value": rule()},
    }


def post(caller: Caller, **headers: str) -> int:
    token = caller.url_bound("POST", PATH)
    sent = body(caller.jira)
    return caller.send("POST", PATH, token=token, body=sent, **headers).status


def test_refused_call_counts_once_under_its_reason(
    caller: Caller, figures: Figures
) -> None:
    before = figures()

    token = caller.url_bound("POST", PATH, secret="x" * 40)
    assert caller.send("POST", PATH, token=token, body={}).status == 401

    door = "triggered.triggered"
    assert added(before, figures()) == {
        ("verifications_total", "refused", "bad-signature", door): 1,
        ("door_seconds_count", door): 1,
        ("http_answers_total", "4xx"): 1,
        ("http_answers_total", "2xx"): 1,  # of /metrics itself
    }


def test_person_who_may_not_counts_as_refused_and_not_as_let_in(
    caller: Caller, figures: Figures
) -> None:
    before, page = figures(), "/api/v1/pages/overview"

    assert caller.send("GET", page, token=caller.context("dee")).status == 403

    gone_up = added(before, figures())
    assert {key: n for key, n in gone_up.items() if "verifications_total" in key} == {
        ("verifications_total", "refused", "not-permitted", "overview.show"): 1
    }


def test_call_that_was_let_in_counts_once_and_so_does_one_that_came_again(
    caller: Caller, figures: Figures
) -> None:
    before = figures()

    assert post(caller) == post(caller) == 204

    door = "triggered.triggered"
    gone_up = added(before, figures())
    assert gone_up["verifications_total", "accepted", "", door] == 2
    assert gone_up["duplicates_total",] == 1
    assert (gone_up["runs", "received"], gone_up["runs_due",]) == (1, 1)


def test_run_that_nobody_takes_grows_old(
    caller: Caller, figures: Figures, clock: Clock, worker: Worker
) -> None:
    post(caller)
    clock.advance(timedelta(seconds=75))
    assert figures()["oldest_due_run_age_seconds",] == 75

    worker.drain()

    after = figures()
    assert after["oldest_due_run_age_seconds",] == after["runs_due",] == 0


def test_delivery_counts_by_its_kind_and_what_came_of_it(
    desk: Desk, figures: Figures
) -> None:
    before = figures()
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [Response(status=503)]

    desk.deliver(destination_id)
    desk.later(seconds=10)

    gone_up = added(before, figures())
    assert gone_up["delivery_attempts_total", "webhook", "retry"] == 1
    assert gone_up["delivery_attempts_total", "webhook", "done"] == 1
    assert gone_up["delivery_attempt_seconds_count", "webhook"] == 2
    assert gone_up["delivery_seconds_count", "webhook"] == 1
    assert gone_up["runs_ended_total", "succeeded"] == 1
    assert gone_up["destinations", "webhook", "closed"] == 1
    assert gone_up["jira_calls_total", "2xx"] >= 1


def test_destination_that_fails_is_told_by_its_ids(
    desk: Desk, figures: Figures, clock: Clock
) -> None:
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [Response(status=401)] * 9

    desk.deliver(destination_id)
    desk.fire("DEMO-2")
    desk.worker.drain()
    clock.advance(timedelta(seconds=10))

    found, labels = figures(), (str(destination_id), "webhook", str(desk.tenant_id))
    assert found["destinations", "webhook", "open"] == 1
    assert found["destination_failing_seconds", *labels] == 10


def test_call_that_jira_throttles_counts(
    caller: Caller, worker: Worker, figures: Figures, wire: Wire
) -> None:
    post(caller)
    before = figures()
    wire.before = [Response(status=429, headers={"Retry-After": "1"})]

    worker.drain()

    gone_up = added(before, figures())
    assert gone_up["jira_throttled_total",] == 1
    assert gone_up["jira_calls_total", "4xx"] == 1


def test_no_name_of_a_site_an_issue_or_a_person_is_in_the_figures(
    desk: Desk, client: FlaskClient
) -> None:
    destination_id, _ = desk.set_up(name="Deploy to Hoth")
    desk.receiver.answers = [Response(status=401)] * 9
    desk.deliver(destination_id)
    desk.fire("DEMO-2")
    desk.worker.drain()

    text = client.get("/metrics").text

    assert str(destination_id) in text
    for name in ("acme", "atlassian", "DEMO", "Hoth", "deploy.example", "ada"):
        assert name not in text


def test_figures_are_told_without_the_database(
    runtime: Runtime, caller: Caller, figures: Figures
) -> None:
    assert post(caller) == 204
    assert figures()["database_up",] == 1
    away = db.make_sessions("sqlite:////nowhere/at/all.sqlite")
    client = create_app(replace(runtime, sessions=away)).test_client()

    text = client.get("/metrics").text

    assert "countersign_database_up 0.0" in text
    assert "countersign_verifications_total" in text
    assert "countersign_runs_due" not in text


def test_delivery_and_calls_to_jira_carry_the_trace_of_their_run(
    desk: Desk, wire: Wire
) -> None:
    destination_id, _ = desk.set_up()
    desk.receiver.answers = [Response(status=503)]

    desk.deliver(destination_id)
    desk.later(seconds=10)

    [run] = desk.runs()
    sent = [request.headers["traceparent"] for request in desk.receiver.got]
    to_jira = [
        r.headers["traceparent"]
        for r in wire.sent
        if "/rest/api/3/issue/" in r.url and "Authorization" in r.headers
    ]
    assert len(sent) == 2
    assert to_jira
    assert {tracing.named(each) for each in (*sent, *to_jira)} == {run.id.hex}
    assert len({*sent, *to_jira}) == len(sent) + len(to_jira)  # a span each


def test_trace_that_the_call_names_is_its_runs(
    caller: Caller, worker: Worker, wire: Wire
) -> None:
    caller.jira.add_post_function(START, rule())
    caller.jira.set_status("DEMO-1", "To Do")
    wire.sent.clear()

    assert post(caller, traceparent=GIVEN) == 204
    worker.drain()

    named = {tracing.named(r.headers.get("traceparent")) for r in wire.sent}
    assert named == {TRACE}
    assert f"Trace <code>{TRACE}</code>, named by the call" in run_shown(caller)


def test_short_way_counts_tells_and_traces_as_the_long_one_does(
    runtime: Runtime,
    caller: Caller,
    figures: Figures,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    settings = runtime.settings.model_copy(update={"log_calls": "on"})
    caller.app = create_app(replace(runtime, settings=settings))
    post(caller)
    caller.later(seconds=1)
    # By now it is known who calls (ADR 17).
    monkeypatch.setattr(caller.app.wsgi_app, "long_way", None)
    before = figures()

    assert post(caller, traceparent=GIVEN) == 204

    gone_up, door = added(before, figures()), "triggered.triggered"
    assert gone_up["verifications_total", "accepted", "", door] == 1
    assert gone_up["door_seconds_count", door] == 1
    assert gone_up["http_answers_total", "2xx"] == 2  # and /metrics itself
    with runtime.sessions.begin() as session:
        newest = sa.select(Run).order_by(Run.id.desc()).limit(1)
        run = session.scalars(newest.options(sa.orm.undefer("*"))).one()
        assert tracing.trace_of(run.id, run.unverified_hint) == TRACE
        tenant = str(run.tenant_id)
    _, line = (r for r in caplog.records if r.getMessage() == "call served")
    assert (vars(line)["route"], vars(line)["status"]) == (door, 204)
    assert (vars(line)["tenant"], vars(line)["trace"]) == (tenant, TRACE)


def test_t13_what_is_no_trace_is_nowhere(
    caller: Caller, sessions: sessionmaker[Session]
) -> None:
    """Attack: whatever a header has goes into the log, the page and each request."""
    assert post(caller, traceparent=f"00-{TRACE}-<script>-01") == 204

    with sessions.begin() as session:
        [run] = session.scalars(sa.select(Run).options(sa.orm.undefer("*")))
        own = run.id.hex
        assert tracing.trace_of(run.id, run.unverified_hint) == own
        assert "script" not in json.dumps(run.unverified_hint)
    assert f"Trace <code>{own}</code> ·" in run_shown(caller)


def test_each_call_is_a_line_if_the_operator_wants_that(
    runtime: Runtime,
    caller: Caller,
    caplog: pytest.LogCaptureFixture,
    addon: dict[str, Flask],
) -> None:
    settings = runtime.settings.model_copy(update={"log_calls": "on"})
    named: list[dict[str, str]] = []

    class Naming(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            if record.name == measuring.__name__:
                named.append(dict(measuring.ids()))
            return True

    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(Naming())
    post(caller)
    assert "call served" not in caplog.text
    caller.app = addon["app"] = create_app(replace(runtime, settings=settings))

    assert post(caller, traceparent=GIVEN) == 204
    caller.send("POST", PATH, body={})

    [line] = [r for r in caplog.records if r.getMessage() == "call served"]
    assert (vars(line)["route"], vars(line)["status"]) == ("triggered.triggered", 204)
    assert vars(line)["ms"] > 0
    assert [each["trace"] for each in named] == [TRACE]
    assert uuid.UUID(named[0]["tenant"]).version == 7


def test_guide_for_operators_names_each_figure_and_no_other(
    client: FlaskClient,
) -> None:
    text = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    guide = text.partition("## Monitoring")[2].partition("\n## ")[0]
    rows = [line for line in guide.splitlines() if line.startswith("| `countersign_")]
    told = {
        name.removesuffix("_total")
        for row in rows
        for name in re.findall(r"`(countersign_\w+)`", row.split("|")[1])
    }

    shown = client.get("/metrics").text
    families = {each.name for each in text_string_to_metric_families(shown)}

    assert told == families
    *_, rules = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL))
    [group] = rules["groups"]
    used = {
        name.removesuffix("_total")
        for each in group["rules"]
        for name in re.findall(r"countersign_\w+", each["expr"])
    }
    assert len(group["rules"]) == 3
    assert used <= families
