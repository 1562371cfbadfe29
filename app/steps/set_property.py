"""Step: keep a value in a property of the issue, where other apps and JQL find it."""

import json
from collections.abc import Callable
from typing import ClassVar, Literal

from pydantic import Field, JsonValue, field_validator

from app import templating
from app.jira import JiraError, segment
from app.steps.base import RUN_PROPERTY, Act, Context, JiraStep, Looked, StepError

PREFIX = "countersign."
"""The properties that rules may write; all others belong to somebody else (T6)."""

MAX_SIZE = 32_768
"""Characters of JSON that Jira keeps in one property."""

_NOT_FOUND = 404


class SetProperty(JiraStep):
    title: ClassVar[str] = "Set an issue property"
    do: Literal["set-property"] = "set-property"
    key: str = Field(
        title="Property",
        description=f"Its name; Jira keeps it as {PREFIX}… beside the issue",
        pattern=r"^[a-z0-9.-]{1,100}$",
    )
    value: JsonValue = Field(
        title="Value",
        description='Text, or JSON such as {"done": true}; both may hold values such as'
        " {{ issue.key }}",
    )

    @field_validator("key")
    @classmethod
    def _is_free(cls, key: str) -> str:
        if PREFIX + key == RUN_PROPERTY:
            # Attack: a rule that writes our mark could make a look believe anything.
            raise ValueError(f"“{key}” is reserved")
        return key

    @field_validator("value")
    @classmethod
    def _templates(cls, value: JsonValue) -> JsonValue:
        try:
            _mapped(value, _checked)
        except templating.TemplateError as error:
            raise ValueError(str(error)) from error
        return value

    def describe(self) -> str:
        return f"set the issue property “{PREFIX}{self.key}”"

    def plan(self, context: Context) -> Act:
        value = _mapped(self.value, context.render)
        if len(json.dumps(value, ensure_ascii=False)) > MAX_SIZE:
            raise StepError(
                f"the property “{self.key}” would be longer than {MAX_SIZE}"
            )
        return Act(method="PUT", path=self._path(context), body=value)

    def look(self, context: Context, act: Act) -> Looked:
        try:
            found = context.jira.get(self._path(context))
        except JiraError as error:
            if error.status == _NOT_FOUND:
                return Looked.NOT_DONE
            raise
        return Looked.DONE if found["value"] == act.body else Looked.NOT_DONE

    def _path(self, context: Context) -> str:
        return f"{context.path}/properties/{segment(PREFIX + self.key)}"


def _checked(text: str) -> str:
    templating.check(text)
    return text


def _mapped(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """Return the tree with each text changed by itself: no value breaks out of it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return value
