"""What a rule would do to an issue, as a viewer's page has read it (rule T9).

Nothing in here reaches the network, a key or a table: the reader is `steps.posted`, the
destinations come as they are shown, and no token is made.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from app import failing
from app.destinations import Delivery
from app.jira import Issue, StatusChange
from app.rules import ConditionError, Row, Rule, When, holds
from app.runs import PlannedStep
from app.steps import STEPS
from app.steps.base import Act, Context, JiraStep, Step, StepError
from app.steps.deliver import Deliver
from app.steps.posted import Posted, UnknowableError
from app.steps.transition_issue import TransitionIssue
from app.steps.view import view
from app.web import words
from app.web.editor import rule_page
from app.web.editor.preview_page import (
    FAILS,
    HOLDS,
    HOLDS_NOT,
    NOTHING,
    SENT,
    TRANSITION,
    UNDECIDED,
    UNKNOWN,
    Foreseen,
    JudgedGroup,
    JudgedRow,
    Preview,
    ShownRequest,
)
from app.web.editor.preview_places import Place

NOT_MADE = uuid.UUID(int=0)
"""Stands for the ids of a run, a step and a delivery, which a preview does not make."""

ODD = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading raises where a document is not as Jira writes it, but a viewer."""


@dataclass(frozen=True, kw_only=True)
class Previewing:
    """A rule in the making, and all that a preview may know."""

    rule: Rule
    posted: Posted
    places: Mapping[uuid.UUID, Place]
    """The tenant's destinations that the rule names, by their ids."""
    base_url: str
    now: datetime

    def preview(self) -> Preview:
        issue = self.posted.read
        after = list(map(_step, failing.after_success(self.rule)))
        found = self._all((*self.rule.steps, *after))
        acts = self._acts()
        failed = _failed(found) if acts is not None else "a condition failed"
        follow_ups = failing.after_failure(
            self.rule, issue, run_id=NOT_MADE, failed=failed
        )
        begun = takewhile(lambda each: each.shown is not FAILS, found)
        return Preview(
            issue=issue,
            change=change_of(issue),
            groups=list(_groups(self.rule.when, issue)),
            acts=acts,
            steps=found[: len(self.rule.steps)],
            after=found[len(self.rule.steps) :],
            on_failure=self._all(
                map(_step, follow_ups), moved=any(each.moves for each in begun)
            ),
        )

    def _acts(self) -> bool | None:
        try:
            return holds(self.rule.when, self.posted.read)
        except ConditionError:
            return None

    def _all(self, steps: Iterable[Step], *, moved: bool = False) -> list[Foreseen]:
        """Look at step after step; once one moved the issue, its ways are others."""
        found = []
        for step in steps:
            found.append(self._foreseen(step, moved=moved))
            moved = moved or found[-1].moves
        return found

    def _foreseen(self, step: Step, *, moved: bool) -> Foreseen:
        act = _capital(self._act(step))
        try:
            if isinstance(step, Deliver):
                return self._delivery(act, step)
            assert isinstance(step, JiraStep)  # noqa: S101 -- there are these two sorts
            return self._call(act, step, moved=moved)
        except UnknowableError as error:
            return Foreseen(act=act, shown=UNKNOWN, why=words.sentence(str(error)))
        except StepError as error:
            return Foreseen(act=act, shown=FAILS, why=words.sentence(str(error)))
        except ODD:
            why = "What the page read of Jira cannot be understood."
            return Foreseen(act=act, shown=UNKNOWN, why=why)

    def _call(self, act: str, step: JiraStep, *, moved: bool) -> Foreseen:
        if moved and isinstance(step, TransitionIssue):
            raise UnknowableError("an earlier step moves the issue first")
        planned = step.plan(self._context())
        if planned is None:
            return Foreseen(act=act, shown=NOTHING, why="It is so already.")
        return Foreseen(
            act=act,
            shown=SENT,
            request=_request(planned),
            moves=planned.to_status is not None,
        )

    def _delivery(self, act: str, step: Deliver) -> Foreseen:
        place = self.places.get(step.destination_id)
        if place is None:
            raise StepError("there is no such destination (any more)")
        if place.refusal is not None:
            raise StepError(place.refusal)
        why = "The destination is paused: it would wait." if place.is_paused else ""
        request = ShownRequest(
            line=f"POST {place.address}",
            headers=place.headers(str(NOT_MADE)),
            body=_shown(self._message(step, place)),
        )
        return Foreseen(act=act, shown=SENT, why=why, request=request)

    def _message(self, step: Deliver, place: Place) -> str:
        """Return the very message, made by what makes those that are sent."""
        issue = self.posted.read
        delivery = Delivery(
            id=NOT_MADE,
            tenant_id=place.tenant_id,
            destination_id=step.destination_id,
            project_id=issue.project_id,
            environment=place.environment,
            at=self.now,
            run_id=NOT_MADE,
            rule_id=self.rule.id,
            rule_name=self.rule.name,
            issue_id=issue.id,
            facts=_facts(issue),
            inputs=step.rendered(self._context()),
        )
        try:
            return place.message(delivery, base_url=self.base_url)
        except ValueError as error:
            raise StepError(str(error)) from error

    def _act(self, step: Step) -> str:
        place = None
        if isinstance(step, Deliver):
            place = self.places.get(step.destination_id)
        return f"deliver to “{place.name}”" if place else step.describe()

    def _context(self) -> Context:
        issue, change = self.posted.read, change_of(self.posted.read)
        transition = {
            "id": "0",
            "name": TRANSITION,
            "from": change.from_name,
            "to": change.to_name,
        }
        return Context(
            run_id=NOT_MADE,
            step_id=NOT_MADE,
            issue=issue,
            view=view(
                issue,
                transition=transition,
                actor=change.actor,
                run={"id": str(NOT_MADE)},
            ),
            actor=change.actor,
            jira=self.posted,
        )


def change_of(issue: Issue) -> StatusChange:
    """Return the change that the preview takes for the one that set the rule off.

    It is the issue's latest; of an issue that never moved, its creation.
    """
    if issue.changes:
        return issue.changes[0]
    return StatusChange(
        history_id="",
        at=datetime.min,  # noqa: DTZ901 -- nobody looks
        actor=(issue.fields.get("creator") or {}).get("accountId"),
        from_id="",
        from_name="",
        to_id=issue.status_id,
        to_name=issue.status_name,
    )


def _step(planned: PlannedStep) -> Step:
    return STEPS[planned.config["do"]].model_validate(planned.config)


def _facts(issue: Issue) -> Mapping[str, Any]:
    """Return what Jira would confirm, as far as the page could read it."""
    change = change_of(issue)
    return {
        "issue_key": issue.key,
        "project_id": issue.project_id,
        "project_key": issue.project_key,
        "workflow": "(this workflow)",
        "transition_id": "0",
        "transition": TRANSITION,
        "from_id": change.from_id,
        "from": change.from_name,
        "to_id": change.to_id,
        "to": change.to_name,
        "actor": change.actor,
    }


def _groups(when: When, issue: Issue) -> Iterator[JudgedGroup]:
    told = rule_page.conditions(when)
    rows = [group for group in (when.all, when.any, when.none) if group]
    for group, judged in zip(told, rows, strict=True):
        pairs = zip(group.rows, judged, strict=True)
        yield JudgedGroup(
            words=group.words,
            rows=[_judged(text, row, issue) for text, row in pairs],
        )


def _judged(text: str, row: Row, issue: Issue) -> JudgedRow:
    try:
        shown = HOLDS if holds(When(all=(row,)), issue) else HOLDS_NOT
    except ConditionError as error:
        return JudgedRow(text=text, shown=UNDECIDED, why=words.sentence(str(error)))
    return JudgedRow(text=text, shown=shown)


def _failed(steps: Sequence[Foreseen]) -> str:
    places = [n for n, step in enumerate(steps, start=1) if step.shown is FAILS]
    return f"step {places[0]} failed" if places else "step 1 failed"


def _request(act: Act) -> ShownRequest:
    return ShownRequest(line=f"{act.method} {act.path}", body=_pretty(act.body))


def _shown(message: str) -> str:
    """Return a message as a person reads it; not every kind's is JSON."""
    try:
        return _pretty(json.loads(message))
    except ValueError:
        return message


def _pretty(body: object) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
