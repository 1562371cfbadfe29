"""What a step is, what it may know, and what it decides before anything is sent."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app import templating
from app.jira import Issue, segment
from app.steps import markup

RUN_PROPERTY = "countersign.run"
"""The property that marks a comment or issue of ours: `{"run": …, "step": …}`."""


class StepError(Exception):
    """The step cannot be carried out. The message is for people, and quotes no answer.

    It may name what the designer wrote, and what Jira calls its own transitions and
    fields; never a value of the issue, which a reporter may have written.
    """


class Looked(StrEnum):
    """What a look at Jira says about an act that was begun and never settled."""

    DONE = "done"
    NOT_DONE = "not-done"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Act:
    """One writing call to Jira: decided, rendered and recorded before it is sent."""

    method: str
    path: str
    body: Any
    expects_answer: bool = False
    """An empty 2xx does not do: what was made has an id, and the answer says it."""
    to_status: str | None = None
    """The id of the status that this call moves the issue to (rule T12)."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What the look needs to find this act again."""

    def to_json(self) -> str:
        """Return the text to store with the step, before the call is sent."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


class Site(Protocol):
    """What a step may ask: one tenant's Jira, or what a page has read of it."""

    def issue(self, issue_id: str, *, properties: str = "") -> Issue:
        """Return the issue as it is now."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Return what stands at this path."""

    def call(self, method: str, path: str, *, body: Any = None) -> Any:  # noqa: ANN401
        """Return the answer to any other request."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """One run's surroundings, all of it confirmed by Jira. No database, no clock."""

    run_id: uuid.UUID
    step_id: uuid.UUID
    """Unique to this step of this run, the same over all its attempts."""
    issue: Issue
    view: Mapping[str, Any]
    """What templates may read: `issue`, `transition`, `project`, `actor`, `run`."""
    actor: str | None
    """Account id of who made the transition, where Jira's history names one."""
    jira: Site

    @property
    def mark(self) -> dict[str, Any]:
        """The property by which we know our own comment or issue again."""
        value = {"run": str(self.run_id), "step": str(self.step_id)}
        return {"key": RUN_PROPERTY, "value": value}

    @property
    def path(self) -> str:
        """The issue's place in Jira, by its id: a key can move to another issue."""
        return f"/rest/api/3/issue/{segment(self.issue.id)}"

    def reread(self) -> Issue:
        """Read the issue as it is now; earlier steps of ours may have changed it."""
        return self.jira.issue(self.issue.id)

    def render(self, text: str) -> str:
        """Return what a template gives; raise `StepError` if the view lacks a name."""
        try:
            return templating.render(text, self.view)
        except templating.TemplateError as error:
            raise StepError(str(error)) from error

    def render_markup(self, text: str) -> dict[str, Any]:
        """Return the document of a text with markup; values stay text (rule T15)."""
        try:
            return markup.parse(text).render(self.view)
        except (markup.MarkupError, templating.TemplateError) as error:
            raise StepError(str(error)) from error


def template(text: str) -> str:
    """Return `text`; raise `ValueError` if it is no template that we could render."""
    try:
        templating.check(text)
    except templating.TemplateError as error:
        raise ValueError(str(error)) from error
    return text


def _markup(text: str) -> str:
    try:
        markup.parse(text)
    except markup.MarkupError as error:
        raise ValueError(str(error)) from error
    return text


Template = Annotated[
    str, AfterValidator(template), Field(json_schema_extra={"format": "template"})
]
"""One line of text with `{{ … }}`, judged when the rule is saved."""

Markup = Annotated[
    str, AfterValidator(_markup), Field(json_schema_extra={"format": "markup"})
]
"""Text with markup and `{{ … }}`, judged when the rule is saved."""


class Step(BaseModel):
    """A validated step of a rule; its fields are what the designer chose.

    To add one: a file with a subclass, and its line in `steps.STEPS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    title: ClassVar[str]
    """What the editor calls it."""

    do: str
    """The kind: the key in `steps.STEPS`, and `do` in the rule's JSON."""

    def describe(self) -> str:
        """Say what it does, as the end of "When …, it will "."""
        raise NotImplementedError


class JiraStep(Step):
    """A step that is one writing call to Jira."""

    def plan(self, context: Context) -> Act | None:
        """Read what is needed and decide the one call that carries the step out.

        Writes nothing. Return None if nothing is left to do. Raise `StepError` if it
        cannot be carried out.
        """
        raise NotImplementedError

    def look(self, context: Context, act: Act) -> Looked:
        """Say whether `act`, begun before and never settled, has happened."""
        raise NotImplementedError

    def made(self, answer: Any) -> str | None:  # noqa: ANN401 -- Jira's JSON
        """Say what Jira's answer names that was not there before, if anything."""
        del answer
        return None
