"""Step: link the issue to another one of its project."""

import re
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.jira import Issue, JiraError, segment
from app.steps.base import Act, Context, JiraStep, Looked, StepError, Template

_KEY = re.compile(r"[A-Z][A-Z0-9_]+-\d+", re.ASCII)
_NOT_FOUND = 404


class LinkIssue(JiraStep):
    title: ClassVar[str] = "Link the issue"
    do: Literal["link-issue"] = "link-issue"
    type: str = Field(
        title="Link type",
        description="Its name, such as Blocks or Relates",
        min_length=1,
        max_length=255,
    )
    direction: Literal["outward", "inward"] = Field(
        default="outward",
        title="Direction",
        description="outward: this issue blocks the other; inward: it is blocked by it",
    )
    target: Template = Field(
        title="Other issue",
        description="Its key, or a value such as {{ issue.customfield_10010 }};"
        " an issue of the same project",
        min_length=1,
    )

    def describe(self) -> str:
        return f"link the issue to “{self.target}” ({self.type}, {self.direction})"

    def plan(self, context: Context) -> Act | None:
        type_id = self._type_id(context)
        target = self._target_id(context)
        if _is_linked(context.reread(), type_id, self.direction, target):
            return None
        here, there = {"id": context.issue.id}, {"id": target}
        # `inwardIssue` is where the link starts: it “blocks” the `outwardIssue`.
        ends = (here, there) if self.direction == "outward" else (there, here)
        return Act(
            method="POST",
            path="/rest/api/3/issueLink",
            body={
                "type": {"id": type_id},
                "inwardIssue": ends[0],
                "outwardIssue": ends[1],
            },
            notes={"target": target, "direction": self.direction},
        )

    def look(self, context: Context, act: Act) -> Looked:
        linked = _is_linked(
            context.reread(),
            act.body["type"]["id"],
            act.notes["direction"],
            act.notes["target"],
        )
        return Looked.DONE if linked else Looked.NOT_DONE

    def _type_id(self, context: Context) -> str:
        types = context.jira.get("/rest/api/3/issueLinkType")["issueLinkTypes"]
        wanted = self.type.casefold()
        for known in types:
            if str(known["name"]).casefold() == wanted:
                return str(known["id"])
        names = ", ".join(f"“{known['name']}”" for known in types)
        raise StepError(f"there is no link type “{self.type}”; there are {names}")

    def _target_id(self, context: Context) -> str:
        """Return the other issue's id; raise unless it is of our project (T6).

        Attack: the key comes from a field that a reporter fills. The project is taken
        from Jira's answer, since an issue that was moved answers to its old key too.
        """
        key = context.render(self.target).strip()
        if not _KEY.fullmatch(key):
            raise StepError(f"“{self.target}” gives no issue key")
        try:
            found = context.jira.get(
                f"/rest/api/3/issue/{segment(key)}", {"fields": "project"}
            )
        except JiraError as error:
            if error.status == _NOT_FOUND:
                raise StepError(f"“{self.target}” names no issue we can see") from error
            raise
        if str(found["fields"]["project"]["id"]) != context.issue.project_id:
            raise StepError(f"“{self.target}” names an issue of another project")
        if str(found["id"]) == context.issue.id:
            raise StepError("an issue cannot be linked to itself")
        return str(found["id"])


def _is_linked(issue: Issue, type_id: str, direction: str, target: str) -> bool:
    """Say whether the link is there; an issue names only the other end of each."""
    links: list[dict[str, Any]] = issue.fields.get("issuelinks") or []
    return any(
        str(link["type"]["id"]) == type_id
        and str((link.get(f"{direction}Issue") or {}).get("id")) == target
        for link in links
    )
