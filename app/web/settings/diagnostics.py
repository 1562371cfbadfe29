"""A file to hand to whoever helps: how this site stands, and nothing that is secret.

Attack: such files are mailed around and put into public tickets. So everything in it
is named here, one by one: a setting or a column that is added tomorrow is not in it
until somebody decides so. No text that others wrote is in it either, because a message
may quote anything.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import figures, forge
from app.audit import AuditEvent, Kind
from app.db import UTCDateTime
from app.destinations import Destination, DestinationHealth, DestinationState
from app.rules import KnownRule
from app.runs import Run, RunState
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import Door, Tenant, TenantIdentity, preferences
from app.web.making import Maker, Order, stamped

SETTINGS = (
    "mode",
    "base_url",
    "doors",
    "app_key",
    "install_keys_url",
    "site_suffixes",
    "ap_js_url",
    "egress_ports",
    "web_threads",
    "worker_threads",
    "secret_grace_minutes",
    "secret_retention_days",
    "key_publish_hours",
    "key_rotation_days",
    "runs_per_hour",
    "points_per_hour",
    "points_percent",
    "watch_seconds",
    "log_level",
)
"""What is told of the settings. Not: whatever has a secret or an address in it, and
what is about other sites."""

REFUSALS = 20
SPAN = timedelta(hours=24)
MOST = 10_000
"""Runs of one state that are counted; more are told as this many."""

_HELD = (RunState.RECEIVED, RunState.RUNNING, RunState.FAILING, RunState.AMBIGUOUS)
_HEARTBEAT = sa.table("heartbeat", sa.column("beat_at", UTCDateTime()))
_REVISION = sa.table("alembic_version", sa.column("version_num", sa.String()))


def gather(session: Session, settings: Settings, order: Order) -> dict[str, Any]:
    """Return what the file says, of this tenant only (rule T5)."""
    tenant_id, now = order.tenant_id, order.now
    return {
        "clock": now.isoformat(),
        "version": version("countersign"),
        "database": _database(session),
        "queue": urlsplit(settings.queue_url).scheme,
        "mail": bool(settings.smtp_url),
        "settings": {name: getattr(settings, name) for name in SETTINGS},
        "site": _site(session, tenant_id),
        "preferences": _preferences(session, tenant_id),
        "runs_not_over": _runs_not_over(session, tenant_id, now),
        "last_24_hours": _last_hours(session, tenant_id, now),
        "rules": _rules(session, tenant_id),
        "destinations": list(_destinations(session, tenant_id)),
        "refused": list(_refused(session, tenant_id)),
        "watchdog_looked_seconds_ago": _age(
            session.scalar(sa.select(_HEARTBEAT.c.beat_at)), now
        ),
    }


def _database(session: Session) -> dict[str, Any]:
    return {
        "dialect": session.get_bind().dialect.name,
        "revision": session.scalar(sa.select(_REVISION.c.version_num)),
    }


def _site(session: Session, tenant_id: uuid.UUID) -> dict[str, Any]:
    tenant = session.get_one(Tenant, tenant_id)
    return {
        "tenant": str(tenant.id),
        "host": urlsplit(tenant.base_url).hostname,
        "state": tenant.state,
        "enabled": tenant.enabled,
        "installed_at": _time(tenant.installed_at),
        "proven_at": _time(tenant.proven_at),
        "jira_refuses_since": _time(tenant.jira_refuses_since),
        "silent_looks": tenant.silent_passes,
        "doors": _doors(session, tenant_id),
    }


def _doors(session: Session, tenant_id: uuid.UUID) -> dict[str, Any]:
    """Say by which doors the site is known, without its names there."""
    names = session.scalars(
        sa.select(TenantIdentity)
        .where(TenantIdentity.tenant_id == tenant_id)
        .order_by(TenantIdentity.id)
    )
    lent = forge.find_installation(session, tenant_id)
    found: dict[str, Any] = {
        name.door: {"ended_at": _time(name.ended_at)} for name in names
    }
    if lent is not None:
        found[Door.FORGE] |= {
            "heard_at": _time(lent.heard_at),
            "token_until": _time(lent.token_until),
            "environment": lent.environment,
        }
    return found


def _preferences(session: Session, tenant_id: uuid.UUID) -> dict[str, Any]:
    chosen = preferences.find(session, tenant_id)
    return {
        "run_days": chosen.run_days,
        "audit_days": chosen.audit_days,
        "exchange_days": chosen.exchange_days,
        "notices": len(chosen.notice_to),
        "on_call_role": chosen.on_call_role is not None,
        "changed_at": _time(chosen.changed_at),
    }


def _runs_not_over(
    session: Session, tenant_id: uuid.UUID, now: datetime
) -> dict[str, Any]:
    """Say of each state how many runs are in it, and since when the oldest is."""
    found: dict[str, Any] = {}
    for state in _HELD:
        of_state = sa.and_(Run.tenant_id == tenant_id, Run.state == state)
        some = sa.select(Run.id).where(of_state).limit(MOST).subquery()
        oldest = sa.select(Run.received_at).where(of_state).order_by(Run.id).limit(1)
        found[state] = {
            "count": session.scalar(sa.select(sa.func.count()).select_from(some)),
            "oldest_seconds": _age(session.scalar(oldest), now),
        }
    return found


def _last_hours(
    session: Session, tenant_id: uuid.UUID, now: datetime
) -> dict[str, Any]:
    hours = figures.read(session, tenant_id, since=now - SPAN, now=now)
    total = figures.merged(hours)
    return {
        "verified": total.verified,
        "duplicates": total.duplicates,
        "refused": total.refused,
        "rescued": total.rescued,
        "ended": {state: count for state, count in total.ended.items() if count},
        "took_seconds": {
            f"p{round(share * 100)}": _seconds(total.took_at_most(share))
            for share in (0.5, 0.95)
        },
    }


def _rules(session: Session, tenant_id: uuid.UUID) -> dict[str, int]:
    live = (KnownRule.tenant_id == tenant_id, KnownRule.gone_at.is_(None))
    conditions = {
        "live": sa.true(),
        "paused": KnownRule.paused_at.is_not(None),
        "gates": KnownRule.hold_status.is_not(None),
        "gates_open": KnownRule.unsound_because.is_not(None),
        "watch_stopped": KnownRule.watch_stopped_at.is_not(None),
    }
    counts = {
        name: session.scalar(
            sa.select(sa.func.count()).select_from(KnownRule).where(*live, condition)
        )
        or 0
        for name, condition in conditions.items()
    }
    overdue = sa.select(sa.func.sum(KnownRule.overdue)).where(*live)
    return counts | {"issues_overdue": session.scalar(overdue) or 0}


def _destinations(session: Session, tenant_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    """Yield each with its host only: the rest of an address may be a credential."""
    rows = session.execute(
        sa.select(Destination, DestinationHealth)
        .join(
            DestinationHealth,
            sa.and_(
                DestinationHealth.tenant_id == tenant_id,
                DestinationHealth.destination_id == Destination.id,
            ),
        )
        .where(
            Destination.tenant_id == tenant_id,
            Destination.state != DestinationState.DELETED,
        )
        .order_by(Destination.id)
    )
    for destination, health in rows:
        yield {
            "destination": str(destination.id),
            "host": urlsplit(destination.url).hostname,
            "state": destination.state,
            "signing": destination.signing,
            "pace": destination.pace,
            "failures_in_a_row": health.failures,
            "denials_in_a_row": health.denials,
            "open_until": _time(health.open_until),
            "failing_since": _time(health.failing_since),
            "succeeded_at": _time(health.succeeded_at),
        }


def _refused(session: Session, tenant_id: uuid.UUID) -> Iterator[dict[str, Any]]:
    """Yield why the latest calls were refused: by code, without what they said."""
    rows = session.scalars(
        sa.select(AuditEvent)
        .where(
            AuditEvent.tenant_id == tenant_id,
            AuditEvent.kind == Kind.VERIFICATION_REFUSED,
        )
        .order_by(AuditEvent.id.desc())
        .limit(REFUSALS)
    )
    for row in rows:
        facts = row.facts
        yield {
            "at": _time(row.happened_at),
            "door": facts.get("route"),
            "reason": facts.get("reason"),
        }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _age(moment: datetime | None, now: datetime) -> int | None:
    return int((now - moment).total_seconds()) if moment else None


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _validate(body: Mapping[str, Any]) -> dict[str, Any]:
    del body
    return {}


def _filename(order: Order) -> str:
    return stamped("diagnostics", "json", order.now)


def _mimetype(order: Order) -> str:
    del order
    return "application/json"


def _stream(runtime: Runtime, order: Order) -> Iterator[str]:
    with runtime.sessions.begin() as session:
        found = gather(session, runtime.settings, order)
    yield json.dumps(found, indent=2) + "\n"


MAKER = Maker(
    validate=_validate, filename=_filename, mimetype=_mimetype, stream=_stream
)
