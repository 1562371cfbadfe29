"""Tries a rule in the making on an issue that the viewer's own page has read (T9).

The page reads Jira with the viewer's permissions and posts what it read. We judge and
render it, and show it to the same viewer; Jira is asked nothing, and no token is made.
"""

import json
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app import rules
from app.jira import Issue, issue_of, segment
from app.steps.posted import Posted
from app.web import bodies
from app.web.context import caller, runtime
from app.web.editor import preview_page, preview_places
from app.web.editor.previewing import ODD, Previewing, change_of
from app.web.errors import BadRequestError
from app.web.fragments import fragment, reads_only

bp = Blueprint("preview", __name__, url_prefix="/api/v1")

READ_TOO = ("transitions", "editmeta")
"""What a page reads beside the issue, if its viewer may; named as in Jira's paths."""


@bp.post("/rules/preview")
@reads_only
def preview() -> ResponseReturnValue:
    """Show what the rule would do: conditions row by row, each step's exact request."""
    body = bodies.read_object()
    if bodies.is_deep(body):
        # Attack: a document whose reading or writing exhausts the stack.
        raise BadRequestError("what was posted is nested too deeply")
    rule = rules.parse(json.dumps(body.get("rule")))
    posted = _posted(body)
    stored = rules.rule_hash(rules.canonical(rule))
    with runtime().sessions.begin() as session:
        places = preview_places.read(
            session,
            caller().tenant_id,
            rule,
            rule_hash=stored,
            project_id=posted.read.project_id,
        )
    previewing = Previewing(
        rule=rule,
        posted=posted,
        places=places,
        base_url=runtime().settings.base_url,
        now=runtime().now(),
    )
    return fragment("preview.html", found=previewing.preview(), page=preview_page)


def _posted(body: dict[str, Any]) -> Posted:
    try:
        issue = _issue(body.get("issue"))
    except ODD as error:
        raise BadRequestError("the issue is not as Jira writes it") from error
    place = f"/rest/api/3/issue/{segment(issue.id)}"
    read = {f"{place}/{name}": body.get(name) for name in READ_TOO}
    documents = {path: found for path, found in read.items() if found is not None}
    return Posted(read=issue, documents=documents)


def _issue(unverified: object) -> Issue:
    """Return the issue; raise if it lacks what every issue has."""
    issue = issue_of(unverified)
    if not (issue.id.isascii() and issue.id.isdigit()):
        raise ValueError("no number")
    if not isinstance(issue.fields, dict):
        raise TypeError(type(issue.fields))
    for name in ("project", "status"):
        if not isinstance(issue.fields[name], dict):
            raise TypeError(name)
    _ = (issue.project_id, issue.project_key, issue.status_id, issue.status_name)
    change_of(issue)
    return issue
