"""The overview: how a site is, what to do next, and what its calls and runs came to."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import audit, figures, forge, quotas, runs, stops, vault
from app.audit import Claims, Event, Kind
from app.figures import Figures
from app.runs import ListedRun, RunState
from app.stops import Standing
from app.tenants import Tenant
from app.vault import Age
from app.web import words
from app.web.context import Caller, caller, runtime
from app.web.fragments import fragment
from app.web.keys import offered_secret
from app.web.keys.offered_secret import OfferedSecret
from app.web.overview import attention, charts, site_health, windows
from app.web.overview.attention import HeldDestination, TroubledRule
from app.web.overview.charts import Chart
from app.web.overview.sentences import Health
from app.web.overview.site_state import State, Troubled
from app.web.overview.windows import DAY, WINDOWS, Window
from app.web.runs import run_words

bp = Blueprint("overview", __name__, url_prefix="/api/v1")

SAMPLE = 5
"""Claimed calls that are shown; the others are only counted (rule T13)."""

LATEST = 5
"""Runs that are shown; the others have a page of their own."""

TOLD_FROM = timedelta(minutes=1)
"""A rest that is over sooner is no news."""

LISTED = 12
"""Destinations that are shown, those in trouble first."""


@dataclass(frozen=True, kw_only=True)
class Lent:
    """What Forge lends us for a site's Jira."""

    heard_at: datetime
    """When an event of Forge's came last; one comes every hour."""
    token_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How a site and we know each other."""

    site: str
    """Where people see it."""
    installed_at: datetime
    proven_at: datetime | None
    is_enabled: bool
    refuses_since: datetime | None
    """Since when its Jira accepts none of our calls; empty if it does."""
    refuses_because: str | None
    secret: Age | None
    """Of Connect's shared secret; None for a site that has only Forge."""
    offered: OfferedSecret | None
    """A newer one that is to be proven, or was dropped lately."""
    forge: Lent | None
    """None for a site that has only Connect."""
    own_token: Age | None
    """Of a self-managed site's personal access token; None for all others."""
    accepted: Event | None
    refused: Event | None
    claims: Claims


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What the watchdog saw and did."""

    looked_at: datetime | None
    is_late: bool
    rescues: Sequence[Event]
    rules: Sequence[TroubledRule]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One site at one moment."""

    connection: Connection
    stop: Standing | None
    rest: quotas.Standing | None
    """None for a rest that is over in a moment."""
    """By which the operator holds it, or everything."""
    watch: Watch
    hours: Sequence[Figures]
    """At least those of the last day, up to the present one."""
    has_rules: bool
    unanswered: int
    destinations: Sequence[HeldDestination]
    runs: Sequence[ListedRun]

    @property
    def health(self) -> Health:
        return site_health.health(_state(self))

    def charts(self, window: Window) -> Sequence[Chart]:
        """Return what its calls and runs came to; none before there was a run."""
        if not self.runs:
            return ()
        spans = window.spans(self.hours)
        drawn = (charts.calls, charts.outcomes, charts.durations)
        return [draw(spans, window) for draw in drawn]


@bp.get("/pages/overview")
def show() -> ResponseReturnValue:
    """Show how the site is; `span` says for how long, and what is none means a day."""
    window = WINDOWS.get(request.args.get("span", ""), DAY)
    now, every = runtime().now(), timedelta(seconds=runtime().settings.watch_seconds)
    with runtime().sessions.begin() as session:
        overview = read(session, caller(), window, every=every, now=now)
    return fragment(
        "overview.html",
        overview=overview,
        health=overview.health,
        charts=overview.charts(window),
        total=figures.merged(overview.hours),
        window=window,
        windows=windows.WINDOWS.values(),
        listed=LISTED,
        run_words=run_words,
        now=now,
    )


def read(
    session: Session,
    person: Caller,
    window: Window,
    *,
    every: timedelta,
    now: datetime,
) -> Overview:
    """Read it all at once, of the caller's own site only (rule T5).

    It is asked for every three seconds while somebody looks, so each part costs what it
    shows and the present hour, however much the site has behind it.
    """
    tenant_id, since = person.tenant_id, window.begins_at(now)
    looked_at, stop = attention.last_look(session), stops.find(session, tenant_id)
    is_late = attention.is_late(looked_at, every=every, now=now)
    return Overview(
        connection=_connection(session, person, now),
        stop=stop,
        rest=_rest(session, tenant_id, now=now),
        watch=Watch(
            looked_at=looked_at,
            is_late=is_late and stop is None,
            rescues=attention.rescues(session, tenant_id, since=since),
            rules=attention.rules(session, tenant_id),
        ),
        hours=figures.read(session, tenant_id, since=since, now=now),
        has_rules=attention.has_rules(session, tenant_id),
        unanswered=attention.unanswered(session, tenant_id),
        destinations=attention.destinations(session, tenant_id, now=now),
        runs=runs.latest(session, tenant_id, limit=LATEST),
    )


def _connection(session: Session, person: Caller, now: datetime) -> Connection:
    tenant = session.get_one(Tenant, person.tenant_id)
    verified = (Kind.VERIFICATION_ACCEPTED, Kind.VERIFICATION_DUPLICATE)
    return Connection(
        site=tenant.display_url or tenant.base_url,
        installed_at=tenant.installed_at,
        proven_at=tenant.proven_at,
        is_enabled=tenant.enabled,
        refuses_since=tenant.jira_refuses_since,
        refuses_because=tenant.jira_refuses_because,
        secret=vault.newest(session, tenant.shared_secret),
        offered=offered_secret.read_lately(session, tenant, now=now),
        forge=_lent(session, tenant),
        own_token=vault.newest(session, tenant.personal_token),
        accepted=attention.latest_of(session, tenant.id, *verified),
        refused=attention.latest_refused(session, tenant.id),
        claims=audit.claims_of(session, person.verified.issuer, limit=SAMPLE),
    )


def _rest(
    session: Session, tenant_id: uuid.UUID, *, now: datetime
) -> quotas.Standing | None:
    found = quotas.find(session, tenant_id, now=now)
    return found if found and found.until - now >= TOLD_FROM else None


def _lent(session: Session, tenant: Tenant) -> Lent | None:
    found = forge.find_installation(session, tenant.id)
    if found is None:
        return None
    return Lent(heard_at=found.heard_at, token_until=found.token_until)


def _state(overview: Overview) -> State:
    connection, watch, stop = overview.connection, overview.watch, overview.stop
    rest = overview.rest
    day = figures.merged(overview.hours[-DAY.bars :])
    return State(
        site=connection.site,
        is_self_managed=connection.own_token is not None,
        refuses_since=connection.refuses_since,
        refuses_because=words.sentence(connection.refuses_because or ""),
        halted_since=stop.stopped_at if stop else None,
        halted_because=words.sentence(stop.why) if stop else "",
        rests_until=rest.until if rest else None,
        rests_because=words.RESTS[rest.cause] if rest else "",
        late_since=watch.looked_at if watch.is_late else None,
        overdue=sum(rule.overdue for rule in watch.rules),
        offered=connection.offered,
        stopped=[rule.name for rule in watch.rules if rule.stopped_because],
        unanswered=min(overview.unanswered, attention.MOST),
        is_cut=overview.unanswered > attention.MOST,
        troubled=[
            Troubled(
                id=each.id,
                name=each.name,
                state=each.state,
                is_reached=each.is_reached,
            )
            for each in overview.destinations
            if each.is_troubled
        ],
        unsound=[rule.name for rule in watch.rules if rule.unsound_because],
        refused=day.refused,
        verified=day.verified,
        succeeded=day.ended.get(RunState.SUCCEEDED, 0),
        failed=day.ended.get(RunState.FAILED, 0),
        has_rules=overview.has_rules,
        has_runs=bool(overview.runs),
    )
