"""Floods at every door: little is written, all is counted, who is genuine is served.

What a thousand strangers a second may cost is rows and lines, so both are counted here.
"""

import base64
import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import audit
from app.audit import AuditEvent, Kind
from app.figures import counting
from app.http import Response
from app.runs import Run
from app.runtime import Runtime
from app.web import left_out, refusals, token_uses
from app.web.context import KEY
from app.worker import Worker
from sandbox import Jira
from tests.functional import bots
from tests.functional.callers import Caller
from tests.functional.doors import ANSWER, invocation
from tests.functional.fakes import Clock, Wire
from tests.functional.receiving import open_desk
from tests.functional.test_triggered import PATH, body

FLOOD = 2000
GENUINE = 10
"""Calls of Jira's in the middle of it."""

LINES_MORE = 30
"""Lines of the application's log beside those that say what was refused."""


@dataclass
class Flood:
    """One site's door in the middle of a flood, and all that it left behind."""

    caller: Caller
    runtime: Runtime
    caplog: pytest.LogCaptureFixture

    def genuine(self) -> None:
        """Let Jira make a call that nobody may miss."""
        self.caller.later(seconds=1)
        token = self.caller.url_bound("POST", PATH)
        sent = body(self.caller.jira)
        assert self.caller.send("POST", PATH, token=token, body=sent).status == 204

    def over(self) -> None:
        """Let the hour pass in which it was, so that everything is told."""
        self.caller.later(hours=1)
        assert self.caller.send("GET", "/healthz").status == 200

    def kinds(self, tenant_id: uuid.UUID | None) -> Counter[str]:
        with self.runtime.sessions.begin() as session:
            events = session.scalars(
                sa.select(AuditEvent.kind).where(
                    AuditEvent.tenant_id == tenant_id
                    if tenant_id
                    else AuditEvent.tenant_id.is_(None)
                )
            )
            return Counter(events)

    def told(self, *kinds: Kind) -> int:
        """Return how many calls events of these kinds say that there were."""
        with self.runtime.sessions.begin() as session:
            rows = session.scalars(sa.select(AuditEvent)).all()
            counted = [row for row in rows if row.kind in audit.LEFT_OUT.values()]
            return sum(row.kind in kinds for row in rows) + sum(
                audit.left_out(row) for row in counted if row.kind in kinds_of(*kinds)
            )

    @property
    def tenant_id(self) -> uuid.UUID:
        with self.runtime.sessions.begin() as session:
            query = sa.select(AuditEvent.tenant_id).where(
                AuditEvent.kind == "installed"
            )
            found = session.scalars(query).one()
            assert found is not None
            return found


def kinds_of(*kinds: Kind) -> set[str]:
    return {audit.LEFT_OUT[kind].value for kind in kinds}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def flood(caller: Caller, runtime: Runtime, caplog: pytest.LogCaptureFixture) -> Flood:
    caplog.set_level(logging.INFO)
    caller.later(seconds=1)  # what Jira sent at the install is not to be sent again
    return Flood(caller, runtime, caplog)


Shape = Callable[[Caller], tuple[str, str, str]]
"""Makes a method, an address and a token."""

UNPROVEN: dict[str, Shape] = {
    "no token": lambda _: ("POST", PATH, ""),
    "garbage": lambda _: ("POST", PATH, "garbage"),
    "long": lambda _: ("POST", PATH, "a" * 9000),
    "made-up site": lambda by: (
        "POST",
        PATH,
        by.url_bound("POST", PATH, iss=str(uuid.uuid4())),
    ),
    "wrong signature": lambda by: (
        "POST",
        PATH,
        by.url_bound("POST", PATH, secret="x" * 40),
    ),
    "expired long ago": lambda by: (
        "POST",
        PATH,
        by.url_bound("POST", PATH, iat=1, exp=100),
    ),
    "page": lambda _: ("GET", "/config", "garbage"),
    "fragment": lambda by: (
        "GET",
        "/api/v1/pages/overview",
        by.url_bound("GET", "/", secret="x" * 40),
    ),
    "unknown listener": lambda _: ("POST", f"/listeners/{uuid.uuid4()}", ""),
    "Forge": lambda _: ("POST", "/forge/post-function", ""),
}


@pytest.mark.parametrize(
    ("shape", "calls"),
    # The bound is the same for all; to see it once in large is enough.
    [
        (UNPROVEN[name], FLOOD if name == "wrong signature" else 200)
        for name in UNPROVEN
    ],
    ids=UNPROVEN,
)
def test_t13_flood_of_forged_calls_fills_nothing_and_hides_nobody(
    flood: Flood, all_runs: Callable[[], list[Run]], shape: Shape, calls: int
) -> None:
    tenant_id = flood.tenant_id
    before, lines = flood.kinds(tenant_id), len(flood.caplog.records)
    for number in range(calls):
        if number % (calls // GENUINE) == 0:
            flood.genuine()
        method, path, token = shape(flood.caller)
        assert flood.caller.send(method, path, token=token, body={}).status == 401
    flood.over()

    accepted = Counter({Kind.VERIFICATION_ACCEPTED.value: GENUINE})
    assert flood.kinds(tenant_id) - before == accepted
    assert len(all_runs()) == GENUINE
    unproven = flood.kinds(None)
    assert unproven[Kind.VERIFICATION_REFUSED] == refusals.UNPROVEN.per_minute
    assert unproven[Kind.REFUSALS_LEFT_OUT] == 1
    assert flood.told(Kind.VERIFICATION_REFUSED) == calls
    written = len(flood.caplog.records) - lines
    assert written <= refusals.UNPROVEN.per_minute + LINES_MORE


def test_t13_flood_is_counted_for_the_site_that_it_names(flood: Flood) -> None:
    forged = flood.caller.url_bound("POST", PATH, secret="x" * 40)
    for _ in range(FLOOD // 10):
        flood.caller.send("POST", PATH, token=forged, body={})
        # Of nobody we know: it takes nothing from what is told of the site.
        flood.caller.send("POST", PATH, token="garbage", body={})
    flood.over()

    page = flood.caller.send("GET", "/api/v1/pages/log", token=flood.caller.context())
    claimed = f"{FLOOD // 10} refused calls claimed to be from this site"
    assert claimed in page.body.decode()


def test_t13_captured_call_sent_again_for_an_hour_is_counted(
    flood: Flood, all_runs: Callable[[], list[Run]]
) -> None:
    tenant_id, caller = flood.tenant_id, flood.caller
    now = int(caller.clock().timestamp())
    captured = caller.url_bound("POST", PATH, iat=now, exp=now + 3600)
    sent = body(caller.jira)
    for number in range(calls := 500):
        if number % (calls // GENUINE) == 0:
            flood.genuine()
        assert caller.send("POST", PATH, token=captured, body=sent).status == 204
    flood.over()

    history = flood.kinds(tenant_id)
    assert history[Kind.VERIFICATION_ACCEPTED] == GENUINE + 1
    assert history[Kind.VERIFICATION_DUPLICATE] == left_out.DUPLICATES.per_minute
    assert history[Kind.DUPLICATES_LEFT_OUT] == 1
    assert flood.told(Kind.VERIFICATION_DUPLICATE) == calls - 1
    assert len(all_runs()) == GENUINE + 1
    with flood.runtime.sessions.begin() as session:
        begins = caller.clock() - timedelta(hours=1, minutes=1)
        counted = [
            counting.count(session, tenant_id, begins + timedelta(hours=each))
            for each in range(2)
        ]
    assert sum(each.duplicates for each in counted) == calls - 1


def test_t13_captured_call_with_ever_other_bodies_makes_no_endless_runs(
    flood: Flood,
    all_runs: Callable[[], list[Run]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attack: no signature covers the body, so each other body is another call."""
    monkeypatch.setattr(token_uses, "MOST", 50)
    caller = flood.caller
    captured = caller.url_bound("POST", PATH)
    caller.later(seconds=token_uses.FRESH.total_seconds())
    answers: Counter[int] = Counter()
    for number in range(200):
        sent = body(caller.jira) | {"nonce": number}
        answers[caller.send("POST", PATH, token=captured, body=sent).status] += 1
    flood.genuine()

    assert answers == {204: 50, 401: 150}
    assert len(all_runs()) == 51
    refused = flood.kinds(flood.tenant_id)[Kind.VERIFICATION_REFUSED]
    assert refused == refusals.PROVEN.per_minute


def test_t13_quick_thief_uses_up_no_token_before_jira_has(
    flood: Flood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a thousand calls at once, with the token that Jira's next one has too."""
    monkeypatch.setattr(token_uses, "MOST", 10)
    caller = flood.caller
    captured = caller.url_bound("POST", PATH)
    for number in range(20):
        sent = body(caller.jira) | {"nonce": number}
        assert caller.send("POST", PATH, token=captured, body=sent).status == 204
    caller.later(seconds=token_uses.FRESH.total_seconds() - 1)

    genuine = body(caller.jira)
    assert caller.send("POST", PATH, token=captured, body=genuine).status == 204


@pytest.mark.parametrize("event", ["enabled", "disabled"])
def test_t13_captured_notice_is_one_line_however_often_it_comes(
    flood: Flood, event: str
) -> None:
    token = flood.caller.url_bound("POST", f"/lifecycle/{event}")
    before, lines = flood.kinds(flood.tenant_id), len(flood.caplog.records)
    for _ in range(200):
        assert flood.caller.lifecycle(event, token, {}) == 204

    assert flood.kinds(flood.tenant_id) - before == Counter({event: 1})
    assert len(flood.caplog.records) - lines == 1


@pytest.mark.parametrize("event", ["installed", "uninstalled"])
def test_t13_captured_install_is_one_line_however_often_it_comes(
    flood: Flood, event: str
) -> None:
    caller = flood.caller
    early = int(caller.clock().timestamp()) - 60
    # Never applied, for what was applied last is newer: each would be told of again.
    token = caller.install_token(event, iat=early, exp=early + 180)
    before, lines = flood.kinds(flood.tenant_id), len(flood.caplog.records)
    for _ in range(200):
        assert caller.lifecycle(event, token, caller.installed()) == 204

    late = f"{event.removesuffix('ed')}-too-late"
    assert flood.kinds(flood.tenant_id) - before == Counter({late: 1})
    assert len(flood.caplog.records) == lines


def test_t13_install_tokens_with_made_up_keys_ask_the_host_seldom(
    flood: Flood, wire: Wire
) -> None:
    caller, asked = flood.caller, len(wire.sent)
    statuses: Counter[int] = Counter()
    for number in range(500):
        token = with_kid(caller.install_token(), f"made-up-{number}")
        statuses[caller.lifecycle("installed", token, caller.installed())] += 1
    caller.later(seconds=1)
    assert caller.install() == 204  # its key is at hand

    assert set(statuses) <= {401, 503}
    assert len(wire.sent) - asked <= 30


def with_kid(token: str, kid: str) -> str:
    """Return the token with another key named in its header; its signature is void."""
    header = base64.urlsafe_b64encode(
        json.dumps({"alg": "RS256", "typ": "JWT", "kid": kid}).encode()
    ).rstrip(b"=")
    return ".".join([header.decode(), *token.split(".")[1:]])


def test_t13_person_who_may_not_is_counted_and_hides_no_refused_call_of_jiras(
    flood: Flood, wire: Wire
) -> None:
    caller, asked = flood.caller, len(wire.sent)
    now = int(caller.clock().timestamp())
    late = caller.url_bound("POST", PATH, iat=now - 900, exp=now - 720)
    dee = caller.context("dee")
    for number in range(calls := 500):
        if number % (calls // GENUINE) == 0:
            caller.send("POST", PATH, token=late, body={})
        # To change something asks Jira each time, for whom Jira said yes to.
        answer = caller.send("POST", "/api/v1/keys/revoke", token=dee, body={})
        assert answer.status == 403
    flood.over()

    history = flood.kinds(flood.tenant_id)
    assert history[Kind.PERMISSION_REFUSED] == refusals.PROVEN.per_minute
    assert history[Kind.VERIFICATION_REFUSED] == GENUINE
    assert history[Kind.PEOPLE_LEFT_OUT] == 1
    assert flood.told(Kind.PERMISSION_REFUSED) == calls
    assert len(wire.sent) - asked == 1


def test_t13_flood_at_one_listener_hides_nothing_of_another(
    flood: Flood, runtime: Runtime, worker: Worker, wire: Wire
) -> None:
    desk = open_desk(runtime, flood.caller.app, flood.caller.jira, worker, wire)
    bot, other = bots.create(desk), bots.create(desk, "Other")
    clock = flood.caller.clock

    def post(to: bots.Bot, **claims: Any) -> Response:
        shown = f"Bearer {to.token(ANSWER, clock, **claims)}"
        return flood.caller.send("POST", to.path, body=ANSWER, Authorization=shown)

    for _ in range(200):
        assert post(bot).status == 401  # it answers no run that waits
    assert post(other).status == 401
    flood.over()

    history = flood.kinds(flood.tenant_id)
    assert history[Kind.VERIFICATION_REFUSED] == refusals.PROVEN.per_minute + 1
    assert history[Kind.REFUSALS_LEFT_OUT] == 1


def test_t13_forge_event_sent_again_is_counted(flood: Flood) -> None:
    jira = flood.caller.jira
    assert jira.forge.install()[0].is_good
    shown = invocation(jira, "forge_event", "/forge/tick", None, {})
    before = flood.kinds(flood.tenant_id)
    for _ in range(200):
        answer = flood.caller.send("POST", "/forge/tick", body={}, **header(shown))
        assert answer.status == 200

    assert sum((flood.kinds(flood.tenant_id) - before).values()) <= 1


def header(shown: Any) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in shown.headers.items()}


def test_t13_counts_survive_a_database_that_is_away(
    flood: Flood, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(refusals.UNPROVEN.per_minute + 7):
        flood.caller.send("POST", PATH, body={})
    web = flood.caller.app.extensions[KEY]

    def away(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("x", {}, Exception())

    with monkeypatch.context() as broken:
        broken.setattr(audit, "record_left_out", away)
        flood.caller.later(minutes=1)
        assert flood.caller.send("GET", "/healthz").status == 200
    left_out.write(web)

    assert flood.told(Kind.VERIFICATION_REFUSED) == refusals.UNPROVEN.per_minute + 7
