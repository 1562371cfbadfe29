"""What can be wrong with a history, each thing by its name, in one sentence."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from app.checkpoints.hashing import Event
from app.db import moment_of


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is broken, and when what it is about happened."""

    at: datetime
    text: str
    event_id: uuid.UUID | None = None
    """None if it is about a checkpoint or the key."""

    @property
    def order(self) -> tuple[bool, datetime]:
        """Checkpoints first: a broken one makes its events look so."""
        return self.event_id is not None, self.at


def changed(event: Event) -> Finding:
    return _of_event(event.id, f"event {event.id} of {_when(event.id)} was changed")


def swapped(one: uuid.UUID, other: uuid.UUID) -> Finding:
    first, second = sorted((one, other))
    return _of_event(
        first,
        f"events {first} of {_when(first)} and {second} of {_when(second)}"
        " changed places",
    )


def missing(event_id: uuid.UUID) -> Finding:
    return _of_event(event_id, f"event {event_id} of {_when(event_id)} is missing")


def taken_out(event_id: uuid.UUID, seq: int) -> Finding:
    text = f"event {event_id} of {_when(event_id)} was taken out of checkpoint {seq}"
    return _of_event(event_id, text)


def foreign(event_id: uuid.UUID) -> Finding:
    text = f"event {event_id} of {_when(event_id)} does not belong to this history"
    return _of_event(
        event_id, f"{text}: the checkpoint that it names has no such event"
    )


def misdated(event: Event) -> Finding:
    return _of_event(
        event.id,
        f"event {event.id} does not belong to this history: it is dated"
        f" {stamp(event.happened_at)}, and its id {_when(event.id)}",
    )


def late(event_id: uuid.UUID, seq: int, through: datetime) -> Finding:
    return _of_event(
        event_id,
        f"event {event_id} of {_when(event_id)} was put in later: checkpoint {seq} had"
        f" every event until {stamp(through)}, and not this one (or a clock was wrong)",
    )


def early(event_id: uuid.UUID) -> Finding:
    text = f"event {event_id} of {_when(event_id)} is of a time to come"
    return _of_event(event_id, f"{text}: it was put in (or a clock was wrong)")


def gap(first: int, last: int, at: datetime) -> Finding:
    if first == last:
        return Finding(at=at, text=f"checkpoint {first} is missing")
    return Finding(at=at, text=f"checkpoints {first} to {last} are missing")


def broken(seq: int, what: str, at: datetime) -> Finding:
    return Finding(at=at, text=f"checkpoint {seq} was changed: {what}")


def unknown_key(seq: int, at: datetime) -> Finding:
    return Finding(at=at, text=f"checkpoint {seq} is signed by an unknown key")


def not_kept(seq: int, at: datetime) -> Finding:
    text = f"checkpoint {seq} is not the one that was kept elsewhere"
    return Finding(at=at, text=text)


def key(text: str, at: datetime) -> Finding:
    return Finding(at=at, text=text)


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _of_event(event_id: uuid.UUID, text: str) -> Finding:
    return Finding(at=moment_of(event_id), text=text, event_id=event_id)


def _when(event_id: uuid.UUID) -> str:
    return stamp(moment_of(event_id))
