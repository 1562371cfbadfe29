"""What the configuration page says of a site: its connection, its calls, its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app import audit, runs, vault
from app.audit import Claims, Event
from app.runs import ListedRun, RunState
from app.steps import STEPS
from app.tenants import Tenant
from app.vault import Age
from app.web import words
from app.web.context import Caller

SAMPLE = 5
"""Claimed calls that are shown; the others are only counted (rule T13)."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One site at one moment."""

    site: str
    """Where people see it."""
    installed_at: datetime
    proven_at: datetime | None
    is_enabled: bool
    secret: Age | None
    accepted: Event | None
    refused: Event | None
    claims: Claims
    runs: Sequence[ListedRun]


def read(session: Session, caller: Caller) -> Overview:
    """Read it all at once, of the caller's own site only (rule T5)."""
    tenant = session.get_one(Tenant, caller.tenant_id)
    accepted = ("verification-accepted", "verification-duplicate")
    return Overview(
        site=tenant.display_url or tenant.base_url,
        installed_at=tenant.installed_at,
        proven_at=tenant.proven_at,
        is_enabled=tenant.enabled,
        secret=vault.newest(session, tenant.shared_secret),
        accepted=audit.find_latest(session, tenant.id, *accepted),
        refused=audit.find_latest(session, tenant.id, "verification-refused"),
        claims=audit.claims_of(session, caller.verified.issuer, limit=SAMPLE),
        runs=runs.latest(session, tenant.id),
    )


_WITHOUT_WHY = {RunState.SUCCEEDED, RunState.SKIPPED}
"""Ends that need no explanation, whatever happened on the way."""


def outcome(run: ListedRun) -> str:
    """Say how a run stands, in one sentence."""
    if run.why is None or run.state in _WITHOUT_WHY:
        return words.RUN_OUTCOMES[run.state]
    return words.WHYS[run.why]


def detail(run: ListedRun) -> str:
    """Say what exactly stands in a run's way, if anything does."""
    return "" if run.state in _WITHOUT_WHY else words.sentence(run.message or "")


def waits_until(run: ListedRun, now: datetime) -> datetime | None:
    """Return when a run that rests is tried again."""
    return run.due_at if run.due_at and run.due_at > now else None


def act(config: Mapping[str, Any]) -> str:
    """Say what a stored step does; one of an older version by its bare name."""
    kind = STEPS.get(str(config.get("do")))
    try:
        text = kind.model_validate(config).describe() if kind else ""
    except ValidationError:
        text = ""
    text = text or str(config.get("do"))
    return text[:1].upper() + text[1:]
