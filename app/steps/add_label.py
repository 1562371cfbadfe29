"""Step: add a label."""

from typing import ClassVar, Literal

from pydantic import Field

from app.steps import values
from app.steps.base import Act, Context, JiraStep, Looked, StepError, Template


class AddLabel(JiraStep):
    title: ClassVar[str] = "Add a label"
    do: Literal["add-label"] = "add-label"
    label: Template = Field(
        title="Label",
        description="One word; values such as {{ issue.key }} are filled in",
        min_length=1,
    )

    def describe(self) -> str:
        return f"add the label “{self.label}”"

    def plan(self, context: Context) -> Act:
        try:
            label = values.label(context.render(self.label).strip())
        except ValueError as error:
            raise StepError(f"“{self.label}” makes no label: {error}") from error
        return Act(
            method="PUT",
            path=context.path,
            body={"update": {"labels": [{"add": label}]}},
        )

    def look(self, context: Context, act: Act) -> Looked:
        label = act.body["update"]["labels"][0]["add"]
        there = label in (context.reread().fields.get("labels") or [])
        return Looked.DONE if there else Looked.NOT_DONE
