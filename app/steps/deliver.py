"""Step: deliver to a destination that an admin set up."""

import uuid
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from app.steps.base import Context, Step, Template

MAX_INPUTS = 20
MAX_INPUT = 4000
"""Characters of one input, rendered."""

InputName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]


class Deliver(Step):
    """Unlike the others it acts outside Jira, so the worker carries it out otherwise.

    Only texts are the designer's: the address, the audience and the credentials are the
    admin's (rule T7).
    """

    title: ClassVar[str] = "Deliver to a destination"
    do: Literal["deliver"] = "deliver"
    destination: str = Field(
        title="Destination",
        description="One of those that your admin set up",
        pattern=r"^d_[0-9a-f]{32}$",
    )
    inputs: dict[InputName, Template] = Field(
        default_factory=dict,
        title="Inputs",
        description="What the receiver is told beside the transition: a name and a"
        " text each, with values such as {{ issue.key }}",
        max_length=MAX_INPUTS,
    )

    @field_validator("inputs", mode="before")
    @classmethod
    def _none_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @property
    def destination_id(self) -> uuid.UUID:
        return uuid.UUID(self.destination.removeprefix("d_"))

    def describe(self) -> str:
        return "deliver to a destination"

    def rendered(self, context: Context) -> dict[str, str]:
        """Return the inputs for this issue; raise `StepError` if one cannot be."""
        return {
            name: context.render(text)[:MAX_INPUT] for name, text in self.inputs.items()
        }


def reference(destination_id: uuid.UUID) -> str:
    """Return how a rule names a destination."""
    return f"d_{destination_id.hex}"
