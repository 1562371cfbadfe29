"""What a rule's steps are called where a destination has a name, not only an id."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import destinations
from app.destinations import Destination, DestinationState, Taken, connector_of
from app.steps.base import Step
from app.steps.deliver import Deliver, reference


class NamedDestination(NamedTuple):
    """A destination as far as a designer may know it."""

    name: str
    state: DestinationState
    is_protected: bool
    kind: str
    settings: Mapping[str, Any]
    listener_id: uuid.UUID | None

    @property
    def takes(self) -> Sequence[Taken] | None:
        """What a rule may pass to it, for a form; None if it may pass what it wants."""
        form = destinations.inputs_of(self.kind, self.settings)
        return None if form is None else destinations.taken(form)

    @property
    def can_answer(self) -> bool:
        """Say whether a rule that waits for its answer can get one."""
        connector = connector_of(self.kind)
        listens = connector.awaits and self.listener_id is not None
        settings = connector.settings_form.model_validate(self.settings)
        return listens or connector.can_poll(settings)


class Choice(NamedTuple):
    """A destination as the editor offers it."""

    name: str
    takes: str
    """What it takes, as JSON for the script; empty if it takes whatever is given."""


def _json(takes: Sequence[Taken] | None) -> str:
    if takes is None:
        return ""
    return json.dumps([each._asdict() for each in takes], ensure_ascii=False)


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
        if is_gone:
            return f"deliver to “{found.name}”, which was deleted"
        return f"deliver to “{found.name}”{step.waits()}"

    @property
    def choices(self) -> Mapping[str, Choice]:
        """What a designer may choose, by how a rule writes it."""
        return {
            reference(key): Choice(
                found.name + _STANDING.get(found.state, ""), _json(found.takes)
            )
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
            Destination.kind,
            Destination.settings,
            Destination.listener_id,
        )
        .where(Destination.tenant_id == tenant_id)
        .order_by(Destination.name, Destination.id)
    )
    return Names({row.id: NamedDestination(*row[1:]) for row in rows})
