"""Step: create an issue or a sub-task, in the issue's own project."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from app.jira import JiraError, segment
from app.steps import values
from app.steps.base import (
    RUN_PROPERTY,
    Act,
    Context,
    JiraStep,
    Looked,
    Markup,
    StepError,
    Template,
)

MAX_SUMMARY = 255
MAX_SUBTASKS = 100
"""How many sub-tasks a look reads, the newest first."""

_NOT_FOUND = 404


class CreateIssue(JiraStep):
    title: ClassVar[str] = "Create an issue"
    do: Literal["create-issue"] = "create-issue"
    issuetype: str = Field(
        title="Issue type",
        description="Its name, such as Task, Bug or Sub-task",
        min_length=1,
        max_length=255,
    )
    summary: Template = Field(
        title="Summary",
        description="Text with values such as {{ issue.key }}",
        min_length=1,
    )
    description: Markup | None = Field(
        default=None, title="Description", description="Text with markup and values"
    )
    labels: Annotated[tuple[Template, ...], Field(max_length=20)] = Field(
        default=(), title="Labels", description="One word each"
    )
    subtask: bool = Field(
        default=False,
        title="Sub-task",
        description="Below the issue that was moved",
    )

    def describe(self) -> str:
        below = " as a sub-task" if self.subtask else ""
        return f"create an issue of the type “{self.issuetype}”{below}"

    def plan(self, context: Context) -> Act:
        # T6: the project is the issue's own, whatever the designer writes.
        fields: dict[str, Any] = {
            "project": {"id": context.issue.project_id},
            "issuetype": {"name": self.issuetype},
            "summary": self._summary(context),
        }
        if self.description:
            fields["description"] = context.render_markup(self.description)
        if labels := self._labels(context):
            fields["labels"] = labels
        if self.subtask:
            fields["parent"] = {"id": context.issue.id}
        return Act(
            method="POST",
            expects_answer=True,
            path="/rest/api/3/issue",
            body={"fields": fields, "properties": [context.mark]},
        )

    def look(self, context: Context, act: Act) -> Looked:
        """Search our mark: among the sub-tasks, else by JQL.

        Jira's search lags behind: what it finds is there, what it does not find may be.
        """
        if "parent" in act.body["fields"]:
            return _among_subtasks(context)
        step = context.mark["value"]["step"]
        project = context.issue.project_id
        jql = (
            f"project = {_quoted(project)}"
            f" AND issue.property[{RUN_PROPERTY}].step = {_quoted(step)}"
        )
        query = {"jql": jql, "fields": "summary", "maxResults": "1"}
        found = context.jira.get("/rest/api/3/search/jql", query)["issues"]
        return Looked.DONE if found else Looked.UNDECIDED

    def made(self, answer: Any) -> str | None:  # noqa: ANN401 -- Jira's JSON
        key = answer.get("key") if isinstance(answer, dict) else None
        return f"created {key}" if isinstance(key, str) else None

    def _summary(self, context: Context) -> str:
        summary = " ".join(context.render(self.summary).split())
        if not summary:
            raise StepError("the new issue's summary would be empty")
        return summary[:MAX_SUMMARY]

    def _labels(self, context: Context) -> list[str]:
        texts = [context.render(template).strip() for template in self.labels]
        try:
            return [values.label(text) for text in texts if text]
        except ValueError as error:
            raise StepError(f"the new issue's labels are wrong: {error}") from error


def _among_subtasks(context: Context) -> Looked:
    subtasks = context.reread().fields.get("subtasks") or []
    newest = sorted((int(subtask["id"]) for subtask in subtasks), reverse=True)
    if any(_is_ours(context, str(number)) for number in newest[:MAX_SUBTASKS]):
        return Looked.DONE
    return Looked.NOT_DONE if len(newest) <= MAX_SUBTASKS else Looked.UNDECIDED


def _is_ours(context: Context, issue_id: str) -> bool:
    path = f"/rest/api/3/issue/{segment(issue_id)}/properties/{segment(RUN_PROPERTY)}"
    try:
        found = context.jira.get(path)
    except JiraError as error:
        if error.status == _NOT_FOUND:
            return False
        raise
    return bool(found["value"] == context.mark["value"])


def _quoted(text: str) -> str:
    """Return a JQL string, whatever it holds."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
