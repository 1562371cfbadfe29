"""What the configuration page says of a site: its connection, its calls, its runs."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from app import audit, runs, vault
from app.audit import Claims, Event
from app.runs import (
    ListedAttempt,
    ListedRun,
    ListedStep,
    Role,
    RunState,
    StepState,
    Why,
)
from app.steps import STEPS
from app.tenants import Door, Tenant
from app.vault import Age
from app.web import gates, naming, words
from app.web.context import Caller
from app.web.gates import ShownRule
from app.web.naming import Names
from app.web.words import Shown

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
    refuses_since: datetime | None
    """Since when its Jira accepts none of our calls; empty if it does."""
    refuses_because: str | None
    rules: Sequence[ShownRule]
    runs: Sequence[ListedRun]
    names: Names
    """What its runs' destinations are called."""


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
        refuses_since=tenant.jira_refuses_since,
        refuses_because=tenant.jira_refuses_because,
        rules=gates.read(session, tenant.id),
        runs=runs.latest(session, tenant.id),
        names=naming.read(session, tenant.id),
    )


_WITHOUT_WHY = {RunState.SUCCEEDED, RunState.SKIPPED}
"""Ends that need no explanation, whatever happened on the way."""


def outcome(run: ListedRun) -> str:
    """Say how a run stands, in one sentence."""
    is_paused = run.why is Why.PAUSED  # it was skipped for another reason than others
    if run.why is None or (run.state in _WITHOUT_WHY and not is_paused):
        return words.RUN_OUTCOMES[run.state]
    return words.WHYS[run.why]


def detail(run: ListedRun) -> str:
    """Say what exactly stands in a run's way, if anything does."""
    return "" if run.state in _WITHOUT_WHY else words.sentence(run.message or "")


def waits_until(run: ListedRun, now: datetime) -> datetime | None:
    """Return when a run that rests is tried again."""
    return run.due_at if run.due_at and run.due_at > now else None


def undone(run: ListedRun) -> Sequence[str]:
    """Say what the rule does on failure and could not do: the ticket may show nothing.

    One sentence for each such step, with its reason where there is one.
    """
    found = []
    for step in run.steps:
        if step.role is Role.ON_FAILURE and standing(run, step) in _NOT_DONE:
            missing = f"On failure, this did not happen: {act(step.config)}."
            found.append(f"{missing} {words.sentence(step.message or '')}".rstrip())
    return found


_NOT_DONE = {words.STEP_STATES[StepState.FAILED], words.NOT_REACHED}


def standing(run: ListedRun, step: ListedStep) -> Shown:
    """Say how a step stands; in a run that goes no further, nothing is to do."""
    shown = words.STEP_STATES[step.state]
    if not _is_left(run, step):
        return shown
    match step.state:
        case StepState.PENDING if step.attempts:
            return words.STEP_STATES[StepState.FAILED]
        case StepState.PENDING:
            return words.NOT_REACHED
        case StepState.BEGUN:
            return words.STEP_STATES[StepState.AMBIGUOUS]
        case _:
            return shown


def _is_left(run: ListedRun, step: ListedStep) -> bool:
    """Say whether the run failed, or turned to its failure steps, and left this one."""
    if run.state is RunState.FAILED:
        return True
    turned = any(other.role is Role.ON_FAILURE for other in run.steps)
    return turned and step.role is not Role.ON_FAILURE


def may_replay(run: ListedRun) -> bool:
    """Say whether a person may have it carried out again, as far as the page knows."""
    return run.state in runs.REPLAYABLE and run.door is not Door.WATCHDOG


def repeated(run: ListedRun) -> Sequence[ListedStep]:
    """Return what is done again with the run, so that nobody is surprised."""
    return [step for step in run.steps if step.role is not Role.ON_FAILURE]


def may_deliver_again(run: ListedRun, step: ListedStep) -> bool:
    """Say whether this one delivery may be made again by itself."""
    settled = step.state in {StepState.DONE, StepState.FAILED}
    is_delivery = step.role is Role.STEP and step.config.get("do") == "deliver"
    return may_replay(run) and is_delivery and settled


def result(attempt: ListedAttempt) -> str:
    """Say in a few words what came of an attempt."""
    text = words.OUTCOMES[attempt.outcome] if attempt.outcome else words.NO_OUTCOME
    return f"{text}, HTTP {attempt.status}" if attempt.status else text


def act(config: Mapping[str, Any], names: Names | None = None) -> str:
    """Say what a stored step does; one of an older version by its bare name."""
    kind = STEPS.get(str(config.get("do")))
    text = ""
    with contextlib.suppress(ValidationError):
        step = kind.model_validate(config) if kind else None
        if step is not None:
            text = names.act(step) if names else step.describe()
    text = text or str(config.get("do"))
    return text[:1].upper() + text[1:]
