"""Step: deliver to a destination that an admin set up."""

import uuid
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from app.steps import durations
from app.steps.base import Context, Step, Template

MAX_INPUTS = 20
MAX_INPUT = 4000
"""Characters of one input, rendered."""
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(days=7)

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

    wait: str | None = Field(
        default=None,
        title="Wait for the answer",
        description="How long, such as 15m, 2h or 1d: until then the receiver has to"
        " say how it ended, else this step fails. Empty: nobody waits",
        pattern=r"^[1-9][0-9]{0,4}[smhd]$",
        max_length=6,
    )

    @field_validator("wait", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("wait")
    @classmethod
    def _sane(cls, value: str | None) -> str | None:
        if value is not None and not SHORTEST <= durations.length(value) <= LONGEST:
            raise ValueError("an answer is awaited from 5s to 7d")
        return value

    @field_validator("inputs", mode="before")
    @classmethod
    def _none_is_empty(cls, value: object) -> object:
        return {} if value is None else value

    @property
    def destination_id(self) -> uuid.UUID:
        return uuid.UUID(self.destination.removeprefix("d_"))

    @property
    def patience(self) -> timedelta | None:
        """How long its answer is awaited; None if nobody waits."""
        return durations.length(self.wait) if self.wait else None

    def within(self) -> str:
        """Say how long it waited, as the end of a sentence."""
        return f" within {durations.words(self.wait)}" if self.wait else ""

    def describe(self) -> str:
        return f"deliver to a destination{self.waits()}"

    def waits(self) -> str:
        """Say how long it waits, as the end of a sentence; nothing if it does not."""
        return (
            f" and wait {durations.words(self.wait)} for the answer"
            if self.wait
            else ""
        )

    def rendered(self, context: Context) -> dict[str, str]:
        """Return the inputs for this issue; raise `StepError` if one cannot be."""
        return {
            name: context.render(text)[:MAX_INPUT] for name, text in self.inputs.items()
        }


def reference(destination_id: uuid.UUID) -> str:
    """Return how a rule names a destination."""
    return f"d_{destination_id.hex}"
