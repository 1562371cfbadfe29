"""Tells a receiver that shows runs how a run goes on, and how it ended.

A `deliver` step to such a receiver says at its place that the run is pending. What is
said later are steps of their own, planned with the others: tried again, shown on the
run's page, and not lost by a killed worker. They come last, and none of them decides
how the run ends: a deployment that succeeded stays so, whoever could not be told.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from app import audit, destinations, failing, keys, runs
from app.destinations import Destination, DestinationState, Progress, connector_of
from app.rules import Rule
from app.runs import Claim, PlannedStep, Role
from app.steps.base import Step
from app.steps.deliver import Deliver, reference
from app.worker.delivering import STATE, Delivering
from app.worker.sending import Parcel, pack

log = logging.getLogger(__name__)


def planned(session: Session, claim: Claim, rule: Rule) -> Sequence[PlannedStep]:
    """Return the rule's steps, what it does once they are done, and who is told."""
    return (
        *(_planned(session, claim, step) for step in rule.steps),
        *failing.after_success(rule),
        *(
            _report(destination, Role.ON_SUCCESS, Progress.SUCCESSFUL)
            for destination in _followers(session, claim, rule.steps)
        ),
    )


def at_failure(session: Session, claim: Claim) -> Sequence[PlannedStep]:
    """Return who is told that the run failed: whoever was told of it before."""
    told = runs.done_deliveries(session, claim)
    steps = [Deliver.model_validate(config) for config in told]
    return [
        _report(destination, Role.ON_FAILURE, Progress.FAILED)
        for destination in _followers(session, claim, steps)
    ]


def note_failed(session: Session, report: Delivering, words: str) -> None:
    """Leave a trace of a report that did not come through; the run goes on."""
    audit.record(
        session,
        report.claim.tenant_id,
        "report-failed",
        actor="countersign",
        now=report.runtime.now(),
        run=str(report.claim.run_id),
        destination=str(report.step.destination_id),
        reason=words,
    )


def tell_in_progress(waiting: Delivering) -> None:
    """Say that what a delivery started is under way, with its address if known.

    Tried once, and it is no step: losing it is harmless, for the entry then stays
    pending until the run's end is told, which is a step, and orders itself behind it.
    """
    with waiting.runtime.sessions.begin() as session:
        try:
            parcels = [*_parcels(session, waiting)]
        except keys.NoKeyError:
            return
    for kind, parcel in parcels:
        came = connector_of(kind).send(parcel.target, parcel.signed, waiting.line)
        log.info("run=%s in progress: %s", waiting.claim.run_id, came.judged.words)


def _parcels(session: Session, waiting: Delivering) -> Iterator[tuple[str, Parcel]]:
    claim = waiting.claim
    shown_at = runs.shown_at(session, claim)
    told = runs.done_deliveries(session, claim)
    steps = [Deliver.model_validate(config) for config in told]
    for destination in _followers(session, claim, steps):
        if destination.state is not DestinationState.ACTIVE:
            continue
        if waiting.refusal(session, destination) is not None:
            continue
        delivery = replace(
            waiting.about(session, destination),
            progress=Progress.IN_PROGRESS,
            shown_at=shown_at,
        )
        yield (
            destination.kind,
            pack(session, waiting.runtime, destination, delivery, None),
        )


def _followers(
    session: Session, claim: Claim, steps: Sequence[Step]
) -> Sequence[Destination]:
    """Return those of the destinations that show how a run goes on, each once."""
    found = {}
    for step in steps:
        if not isinstance(step, Deliver):
            continue
        row = destinations.find(session, claim.tenant_id, step.destination_id)
        if row is not None and connector_of(row.kind).follows:
            found[row.id] = row
    return [*found.values()]


def _planned(session: Session, claim: Claim, step: Step) -> PlannedStep:
    """Plan a step of the rule; a delivery's place is noted, to keep its turn."""
    destination = None
    if isinstance(step, Deliver):
        destination = destinations.find(session, claim.tenant_id, step.destination_id)
    return PlannedStep(
        role=Role.STEP,
        config=step.model_dump(mode="json"),
        destination_id=destination.id if destination else None,
    )


def _report(destination: Destination, role: Role, progress: Progress) -> PlannedStep:
    step = Deliver(
        destination=reference(destination.id), inputs={STATE: progress.value}
    )
    return PlannedStep(
        role=role, config=step.model_dump(mode="json"), destination_id=destination.id
    )
