"""Step: move the issue to another status."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, ClassVar, Literal

from pydantic import Field

from app.steps.base import Act, Context, JiraStep, Looked, StepError


class TransitionIssue(JiraStep):
    title: ClassVar[str] = "Move the issue"
    do: Literal["transition-issue"] = "transition-issue"
    transition: str = Field(
        title="Transition",
        description="Its name or its id, as in the workflow; taken literally",
        min_length=1,
        max_length=255,
    )

    def describe(self) -> str:
        return f"move the issue by “{self.transition}”"

    def plan(self, context: Context) -> Act | None:
        issue = context.reread()
        answer = context.jira.get(f"{context.path}/transitions")
        chosen = self._chosen(answer["transitions"])
        if (
            chosen is None
            and issue.status_name.casefold() == self.transition.casefold()
        ):
            # Most transitions are called like the status they lead to, and it is there.
            return None
        if chosen is None:
            raise StepError(
                f"the issue has no transition “{self.transition}” from"
                f" “{issue.status_name}”; it has {_names(answer['transitions'])}"
            )
        newest = issue.changes[0].history_id if issue.changes else ""
        return Act(
            method="POST",
            path=f"{context.path}/transitions",
            body={"transition": {"id": str(chosen["id"])}},
            to_status=str(chosen["to"]["id"]),
            notes={"from_status": issue.status_id, "newest_change": newest},
        )

    def look(self, context: Context, act: Act) -> Looked:
        """Decide by the status, and by the history if it was left again since."""
        issue = context.reread()
        if act.notes["from_status"] == act.to_status:
            # A transition back to its own status leaves no trace in Jira.
            return Looked.UNDECIDED
        if issue.status_id == act.to_status:
            return Looked.DONE
        newest = act.notes["newest_change"]
        since = takewhile(lambda change: change.history_id != newest, issue.changes)
        moved_by = {change.actor for change in since if change.to_id == act.to_status}
        if moved_by and _our_account(context) in moved_by:
            return Looked.DONE
        return Looked.NOT_DONE

    def _chosen(self, offered: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        """Return the transition meant, by name or id; None if it is not offered."""
        wanted = self.transition.casefold()
        named = [t for t in offered if str(t["name"]).casefold() == wanted]
        if len(named) > 1:
            ids = ", ".join(str(t["id"]) for t in named)
            raise StepError(
                f"“{self.transition}” is the name of several transitions: choose one by"
                f" its id ({ids})"
            )
        by_id = [t for t in offered if str(t["id"]) == self.transition]
        return next(iter(named or by_id), None)


def _names(offered: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"“{t['name']}” ({t['id']})" for t in offered) or "none at all"


def _our_account(context: Context) -> str:
    return str(context.jira.get("/rest/api/3/myself")["accountId"])
