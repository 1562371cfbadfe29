"""What a run is in words: how it and its steps stand, and what a person may do."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from app import runs
from app.runs import (
    ListedAnswer,
    ListedAttempt,
    ListedRun,
    ListedStep,
    Result,
    Role,
    RunState,
    StepState,
    Why,
)
from app.steps import STEPS
from app.tenants import Door
from app.web import words
from app.web.naming import Names
from app.web.words import Shown

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
        case StepState.BEGUN | StepState.WAITING:
            return words.STEP_STATES[StepState.AMBIGUOUS]
        case _:
            return shown


def _is_left(run: ListedRun, step: ListedStep) -> bool:
    """Say whether the run failed, or turned to its failure steps, and left this one."""
    if run.state is RunState.FAILED:
        return True
    turned = any(other.role is Role.ON_FAILURE for other in run.steps)
    return turned and step.role is not Role.ON_FAILURE


def answered(answer: ListedAnswer) -> Shown:
    """Say what was said of how a delivery ended."""
    if not answer.counts:
        return Shown(f"Late: {answer.result}", "neutral")
    is_good = answer.result is Result.SUCCEEDED
    return Shown(answer.result.capitalize(), "success" if is_good else "danger")


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


def lasted(duration: timedelta) -> str:
    """Say how long a run took, in its two largest units.

    Jira's clock and ours differ a little: what seems to end before it began took no
    time that anybody could see.
    """
    milliseconds = max(duration // timedelta(milliseconds=1), 0)
    seconds = milliseconds // words.SECOND_MS
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else words.took(milliseconds)


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
