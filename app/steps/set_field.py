"""Step: set a field of the issue."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, field_validator

from app.steps import values
from app.steps.base import Act, Context, JiraStep, Looked, StepError, template

NEVER = frozenset(
    {"security", "reporter", "project", "issuetype", "status", "parent", "comment"}
    | {"attachment", "issuelinks"}
)
"""Fields that no rule sets: who may see the issue, in whose name it is, and where it
belongs is not for a designer to change with our account's rights (T6)."""


MAX_VALUES = 50


def _templates(value: object) -> str | list[str]:
    """Judge a template, or a list of them; one place, so that a problem has one key."""
    if isinstance(value, str):
        return template(value)
    if not isinstance(value, list | tuple) or len(value) > MAX_VALUES:
        raise ValueError(f"it must be a text, or a list of at most {MAX_VALUES}")
    if not all(isinstance(item, str) for item in value):
        raise ValueError("it must be a text, or a list of texts")
    return list(map(template, value))


class SetField(JiraStep):
    title: ClassVar[str] = "Set a field"
    do: Literal["set-field"] = "set-field"
    field: str = Field(
        title="Field",
        description="Its id, such as summary, duedate or customfield_10010",
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$",
    )
    value: Annotated[
        str | list[str],
        PlainValidator(_templates, json_schema_input_type=str | list[str]),
    ] = Field(
        title="Value",
        description="Text with values such as {{ issue.key }}; several for a field"
        " that takes several; nothing empties the field",
    )

    @field_validator("field")
    @classmethod
    def _may_be_set(cls, field: str) -> str:
        if field.lower() in NEVER:
            raise ValueError(f"the field “{field}” may not be set by a rule")
        return field

    def describe(self) -> str:
        return f"set the field “{self.field}”"

    def plan(self, context: Context) -> Act:
        schema = self._schema(context)
        given = [self.value] if isinstance(self.value, str) else self.value
        texts = [context.render(text) for text in given]
        value = values.convert(self.field, schema, texts)
        return Act(
            method="PUT", path=context.path, body={"fields": {self.field: value}}
        )

    def look(self, context: Context, act: Act) -> Looked:
        """Compare; in doubt it is not done, since setting it again changes nothing."""
        current = context.reread().fields.get(self.field)
        same = values.is_same(current, act.body["fields"][self.field])
        return Looked.DONE if same else Looked.NOT_DONE

    def _schema(self, context: Context) -> dict[str, Any]:
        """Return the field's type; raise if Jira does not let us set it here (T6)."""
        known = context.jira.get(f"{context.path}/editmeta")["fields"]
        meta = known.get(self.field)
        if meta is None or "set" not in meta["operations"]:
            raise StepError(
                f"the field “{self.field}” cannot be set on this issue: it is not on"
                " its edit screen, or our account may not edit it"
            )
        schema = dict(meta["schema"])
        if schema.get("system") in NEVER:
            raise StepError(f"the field “{self.field}” may not be set by a rule")
        return schema
