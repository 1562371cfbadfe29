"""Step: give the issue to somebody."""

from typing import ClassVar, Literal

from pydantic import Field

from app.steps.base import Act, Context, JiraStep, Looked, StepError

DEFAULT = "-1"
"""Jira's sign for the project's default assignee."""

_WORDS = {
    "actor": "assign the issue to the person who made the transition",
    "reporter": "assign the issue to its reporter",
    "default": "assign the issue to the project's default assignee",
    "nobody": "unassign the issue",
}


class AssignIssue(JiraStep):
    title: ClassVar[str] = "Assign the issue"
    do: Literal["assign-issue"] = "assign-issue"
    to: str = Field(
        title="Assignee",
        description="actor (the person who made the transition), reporter, default,"
        " nobody, or an account id",
        pattern=r"^[A-Za-z0-9:_-]{1,128}$",
        examples=["actor", "reporter", "default", "nobody"],
    )

    def describe(self) -> str:
        return _WORDS.get(self.to, f"assign the issue to the account {self.to}")

    def plan(self, context: Context) -> Act:
        return Act(
            method="PUT",
            path=f"{context.path}/assignee",
            body={"accountId": self._account(context)},
        )

    def look(self, context: Context, act: Act) -> Looked:
        """Compare; the default only Jira knows, and to assign again changes nothing."""
        wanted = act.body["accountId"]
        current = (context.reread().fields.get("assignee") or {}).get("accountId")
        done = wanted == current and wanted != DEFAULT
        return Looked.DONE if done else Looked.NOT_DONE

    def _account(self, context: Context) -> str | None:
        match self.to:
            case "nobody":
                return None
            case "default":
                return DEFAULT
            case "actor" if context.actor is None:
                raise StepError("Jira's history does not say who made the transition")
            case "actor":
                return context.actor
            case "reporter":
                reporter = context.reread().fields.get("reporter") or {}
                if account := reporter.get("accountId"):
                    return str(account)
                raise StepError("the issue has no reporter")
            case account:
                return account
