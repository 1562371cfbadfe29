"""What a rule's steps are called where a destination has a name, not only an id."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.destinations import Destination, DestinationState
from app.steps.base import Step
from app.steps.deliver import Deliver, reference


class NamedDestination(NamedTuple):
    """A destination as far as a designer may know it."""

    name: str
    state: DestinationState
    is_protected: bool


@dataclass(frozen=True)
class Names:
    """A tenant's destinations by their ids, the deleted ones too: runs name them."""

    by_id: Mapping[uuid.UUID, NamedDestination]

    def find(self, destination_id: uuid.UUID) -> NamedDestination | None:
        """Return one that a rule may still name."""
        found = self.by_id.get(destination_id)
        is_gone = found is None or found.state is DestinationState.DELETED
        return None if is_gone else found

    def act(self, step: Step) -> str:
        """Say what a step does, as the end of "When …, it will "."""
        if not isinstance(step, Deliver):
            return step.describe()
        found = self.by_id.get(step.destination_id)
        if found is None:
            return "deliver to a destination that is not there"
        is_gone = found.state is DestinationState.DELETED
        return f"deliver to “{found.name}”{', which was deleted' if is_gone else ''}"

    @property
    def choices(self) -> Mapping[str, str]:
        """What a designer may choose: how a rule writes it, and what it is called."""
        return {
            reference(key): found.name + _STANDING.get(found.state, "")
            for key, found in self.by_id.items()
            if found.state is not DestinationState.DELETED
        }


_STANDING = {
    DestinationState.PAUSED: " (paused)",
    DestinationState.DISABLED: " (disabled)",
}


def read(session: Session, tenant_id: uuid.UUID) -> Names:
    """Read the names of this tenant's own destinations only (rule T5)."""
    rows = session.execute(
        sa.select(
            Destination.id,
            Destination.name,
            Destination.state,
            Destination.is_protected,
        )
        .where(Destination.tenant_id == tenant_id)
        .order_by(Destination.name, Destination.id)
    )
    found = {
        row.id: NamedDestination(row.name, row.state, row.is_protected) for row in rows
    }
    return Names(found)
