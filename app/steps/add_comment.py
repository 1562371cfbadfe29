"""Step: write a comment."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.jira import instant
from app.steps.base import (
    RUN_PROPERTY,
    Act,
    Context,
    JiraStep,
    Looked,
    Markup,
    StepError,
)

INTERNAL = {"key": "sd.public.comment", "value": {"internal": True}}
"""What hides a comment from the customers of a service project."""

PAGE, PAGES = 100, 3
"""How far a look goes back: comments of a page, and pages."""


class AddComment(JiraStep):
    title: ClassVar[str] = "Add a comment"
    do: Literal["add-comment"] = "add-comment"
    body: Markup = Field(
        title="Comment",
        description="Text with **strong**, *em*, `code`, lists, [links](https://…),"
        " [~accountid:…] to mention somebody, and values such as {{ issue.key }}",
        min_length=1,
    )
    internal: bool = Field(
        default=False,
        title="Internal",
        description="In a service project: not shown to customers",
    )

    def describe(self) -> str:
        return "add an internal comment" if self.internal else "add a comment"

    def plan(self, context: Context) -> Act:
        if self.internal and not _may_be_internal(context):
            # Elsewhere Jira takes the property, ignores it, and everybody reads on.
            raise StepError("only a service project has internal comments")
        body = context.render_markup(self.body)
        if not any(node.get("content") for node in body["content"]):
            raise StepError("the comment would be empty")
        properties = [context.mark, *([INTERNAL] if self.internal else [])]
        return Act(
            method="POST",
            expects_answer=True,
            path=f"{context.path}/comment",
            body={"body": body, "properties": properties},
            notes={"since": str(context.issue.fields.get("updated") or "")},
        )

    def look(self, context: Context, act: Act) -> Looked:
        """Search our mark among the comments that are not older than the act.

        Both reads are consistent; search would not be.
        """
        since = act.notes.get("since")
        for page in range(PAGES):
            comments = _newest(context, page)
            if _ours_among(context, comments):
                return Looked.DONE
            if len(comments) < PAGE or _is_before(comments[-1], since):
                return Looked.NOT_DONE
        return Looked.UNDECIDED


def _may_be_internal(context: Context) -> bool:
    kind = context.issue.fields["project"].get("projectTypeKey", "service_desk")
    return bool(kind == "service_desk")


def _newest(context: Context, page: int) -> list[dict[str, Any]]:
    query = {
        "orderBy": "-created",
        "startAt": str(page * PAGE),
        "maxResults": str(PAGE),
    }
    answer = context.jira.get(f"{context.path}/comment", query)
    return list(answer["comments"])


def _ours_among(context: Context, comments: list[dict[str, Any]]) -> bool:
    if not comments:
        return False
    answer = context.jira.call(
        "POST",
        "/rest/api/3/comment/list?expand=properties",
        body={"ids": [int(comment["id"]) for comment in comments]},
    )
    return any(
        (item["key"], item["value"]) == (RUN_PROPERTY, context.mark["value"])
        for comment in answer["values"]
        for item in comment.get("properties") or []
    )


def _is_before(comment: dict[str, Any], since: str | None) -> bool:
    created: datetime = instant(comment["created"])
    return bool(since) and created < instant(str(since))
