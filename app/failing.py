"""What a rule does to the ticket when it succeeded or failed: never silence."""

import re
from collections.abc import Sequence
from uuid import UUID

from app.jira import Issue
from app.rules import Rule
from app.runs import PlannedStep, Role

MAX_PROBLEM = 300
"""Characters of what is wrong with a broken rule; the run's page has all of it."""


def after_success(rule: Rule) -> Sequence[PlannedStep]:
    """Return what is still to be done once every step is done."""
    if rule.on_success is None:
        return ()
    config = {"do": "transition-issue", "transition": rule.on_success.transition}
    return (PlannedStep(role=Role.ON_SUCCESS, config=config),)


def after_failure(
    rule: Rule | None, issue: Issue, *, run_id: UUID, failed: str
) -> Sequence[PlannedStep]:
    """Return how the ticket shows that the rule could not be carried out.

    Without a rule, `after_broken_rule` has said so already. `failed` says which part
    failed, in our own words. Attack (T15): what Jira or a receiver answered may hold a
    reporter's text or an internal address, so a comment never quotes it; it names the
    run, whose page has the details.
    """
    if rule is None:
        return ()
    steps: list[PlannedStep] = []
    if rule.on_failure.comment:
        what = f"the rule “{_plain(rule.name)}”"
        steps.append(_comment(issue, what, run_id=run_id, failed=failed))
    if rule.on_failure.transition:
        move = {"do": "transition-issue", "transition": rule.on_failure.transition}
        steps.append(PlannedStep(role=Role.ON_FAILURE, config=move))
    return steps


def after_broken_rule(
    issue: Issue, *, transition: str, run_id: UUID, problem: str
) -> Sequence[PlannedStep]:
    """Return how the ticket shows that nobody can read the rule: by a comment.

    What the rule says of failures cannot be read either, and silence is no answer.
    `transition` is its name as Jira has it, `problem` what parsing said: it may quote
    the rule, so no markup and no template of it may come alive (T15).
    """
    what = f"the rule of the transition “{_plain(transition)}”"
    why = problem if len(problem) <= MAX_PROBLEM else problem[: MAX_PROBLEM - 1] + "…"
    return (_comment(issue, what, run_id=run_id, failed=_plain(why)),)


def _comment(issue: Issue, what: str, *, run_id: UUID, failed: str) -> PlannedStep:
    config = {
        "do": "add-comment",
        "body": f"Countersign could not carry out {what}: {failed}. Run {run_id}.",
        "internal": _is_service_project(issue),
    }
    return PlannedStep(role=Role.ON_FAILURE, config=config)


def _is_service_project(issue: Issue) -> bool:
    """Say whether customers read the comments, so that ours must be internal."""
    project = issue.fields.get("project") or {}
    return bool(project.get("projectTypeKey") == "service_desk")


def _plain(name: str) -> str:
    """Return a name, or words that quote one, as the comment's markup leaves them.

    But for `{{`, which would be a template once the markup is parsed.
    """
    kept = "".join(c for c in name if c.isprintable() and not "\ue000" <= c <= "\uf8ff")
    kept = kept.replace("{{", "{ {").replace("{%", "{ %")
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", kept)
