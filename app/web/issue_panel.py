"""What Jira shows beside an issue: what its rules did, for people who see that issue.

They are no admins. Of other issues, of what was sent and answered, and of where a
destination is, they see nothing here.
"""

import uuid

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from app import runs
from app.runs import ListedRun, ListedStep, RunState
from app.tenants import preferences
from app.tokens.checks import Refused
from app.web import naming
from app.web.context import caller, runtime, web
from app.web.fragments import fragment
from app.web.naming import Names
from app.web.permissions import JIRA_ADMIN, ON_CALL
from app.web.runs import replays, run_words

bp = Blueprint("issue_panel", __name__, url_prefix="/api/v1")
on_call = Blueprint("issue_replays", __name__, url_prefix="/api/v1")

ISSUE = "issues/<int(max=999999999999999999):issue_id>"

_CANNOT_TELL = (
    "Nobody can tell whether a step happened. A Jira administrator can look and say so."
)
_BEYOND = frozenset({"deliver", "create-issue", "link-issue"})
"""Steps that reach further than this issue. Their messages may name hosts, or issues
that the person does not see, so only our own words for the outcome are shown."""


@bp.get(f"/pages/{ISSUE}")
def show(issue_id: int) -> ResponseReturnValue:
    """List the issue's latest runs."""
    with runtime().sessions.begin() as session:
        found = runs.of_issue(session, caller().tenant_id, str(issue_id))
    return fragment("issue_panel.html", found=found, outcome=outcome)


@bp.get(f"/pages/{ISSUE}/runs/<uuid:run_id>")
def show_run(issue_id: int, run_id: uuid.UUID) -> ResponseReturnValue:
    """Show what one run did step by step, and let on-call people repeat it."""
    with runtime().sessions.begin() as session:
        tenant_id = caller().tenant_id
        run = runs.find_of_issue(session, tenant_id, str(issue_id), run_id)
        names = naming.read(session, tenant_id)
        has_role = preferences.find(session, tenant_id).on_call_role is not None
    if run is None:
        abort(404)
    can_be_repeated = run_words.may_replay(run)
    return fragment(
        "issue_run.html",
        run=run,
        issue_id=issue_id,
        outcome=outcome(run),
        acts={step.id: act(step, names) for step in run.steps},
        said={step.id: said(step) for step in run.steps},
        waits=run_words.waits_until(run, runtime().now()),
        can_be_repeated=can_be_repeated,
        may_repeat=can_be_repeated and _may_repeat(issue_id, has_role=has_role),
        has_role=has_role,
        run_words=run_words,
    )


@on_call.post(f"/{ISSUE}/runs/<uuid:run_id>/replay")
def replay(issue_id: int, run_id: uuid.UUID) -> ResponseReturnValue:
    """Let a run of this issue be carried out again, as a new one."""
    with runtime().sessions.begin() as session:
        # Attack: the role in one project, and the id of a run in another.
        found = runs.find_of_issue(session, caller().tenant_id, str(issue_id), run_id)
    if found is None:
        abort(404)
    return replays.run(run_id)


def outcome(run: ListedRun) -> str:
    """Say how a run stands, to somebody who cannot answer what it asks."""
    is_open = run.state is RunState.AMBIGUOUS
    return _CANNOT_TELL if is_open else run_words.outcome(run)


def act(step: ListedStep, names: Names) -> str:
    """Say what a step does, without the key of another issue."""
    if step.config.get("do") == "link-issue":
        return "Link the issue to another"
    return run_words.act(step.config, names)


def said(step: ListedStep) -> str:
    """Return what is noted of a step, if it can be about this issue only."""
    return "" if step.config.get("do") in _BEYOND else step.message or ""


def _may_repeat(issue_id: int, *, has_role: bool) -> bool:
    """Say whether to offer it; when it is done, Jira is asked again (rule T10)."""
    try:
        web().permissions.require(
            caller().person,
            ON_CALL if has_role else JIRA_ADMIN,
            live=False,
            issue_id=str(issue_id) if has_role else "",
        )
    except Refused:
        return False
    return True
