"""What a rule does to the ticket when it succeeded or failed: never silence."""

import re
from collections.abc import Sequence
from uuid import UUID

from app.jira import Issue
from app.rules import Rule
from app.runs import PlannedStep, Role


def after_success(rule: Rule) -> Sequence[PlannedStep]:
    """Return what is still to be done once every step is done."""
    if rule.on_success is None:
        return ()
    config = {"do": "transition-issue", "transition": rule.on_success.transition}
    return (PlannedStep(role=Role.ON_SUCCESS, config=config),)


def after_failure(
    rule: Rule, issue: Issue, *, run_id: UUID, failed: str
) -> Sequence[PlannedStep]:
    """Return how the ticket shows that the rule could not be carried out.

    `failed` says which part failed, in our own words. Attack (T15): what Jira or a
    receiver answered may hold a reporter's text or an internal address, so a comment
    never quotes it; it names the run, whose page has the details.
    """
    steps: list[PlannedStep] = []
    if rule.on_failure.comment:
        text = (
            f"Countersign could not carry out the rule “{_plain(rule.name)}”: {failed}."
            f" Run {run_id}."
        )
        comment = {
            "do": "add-comment",
            "body": text,
            "internal": _is_service_project(issue),
        }
        steps.append(PlannedStep(role=Role.ON_FAILURE, config=comment))
    if rule.on_failure.transition:
        move = {"do": "transition-issue", "transition": rule.on_failure.transition}
        steps.append(PlannedStep(role=Role.ON_FAILURE, config=move))
    return steps


def _is_service_project(issue: Issue) -> bool:
    """Say whether customers read the comments, so that ours must be internal."""
    project = issue.fields.get("project") or {}
    return bool(project.get("projectTypeKey") == "service_desk")


def _plain(name: str) -> str:
    """Return a rule's name so that the comment's markup leaves it as it is.

    But for `{{`, which would be a template once the markup is parsed.
    """
    kept = "".join(c for c in name if c.isprintable() and not "\ue000" <= c <= "\uf8ff")
    kept = kept.replace("{{", "{ {").replace("{%", "{ %")
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", kept)
