"""Which runs somebody looks for, as the address of their page says it.

An address is anybody's text: what means nothing matches nothing, and is said.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import runs
from app.db import printable
from app.destinations import DestinationState
from app.rules import KnownRule
from app.runs import RunState, Wanted
from app.web import naming, words

NAMES = ("state", "rule", "issue", "destination", "period", "from", "to")

PERIODS: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}

STATES: Mapping[str, tuple[str, frozenset[RunState]]] = {
    "open": ("Under way", runs.UNDER_WAY),
    **{
        state.value: (shown.words, frozenset({state}))
        for state, shown in words.RUN_STATES.items()
    },
}

EARLIEST = 2000
"""A year before which nothing can have happened."""

ECHOED = 60
"""Characters of a value that are repeated to who gave it."""


class _UnreadableError(Exception):
    """A value means nothing; the message says which, in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What there is to choose from: by its id, what it is called."""

    rules: Mapping[uuid.UUID, str]
    destinations: Mapping[uuid.UUID, str]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What was asked for, as it was said and as it was understood."""

    given: Mapping[str, str]
    """The filters that are set."""
    wanted: Wanted | None
    """None if no run can be meant."""
    before: uuid.UUID | None = None
    problem: str = ""
    """Why no run can be meant, in a sentence."""

    @property
    def has_span(self) -> bool:
        """Say whether the address names a period's ends, such as a bar of a chart."""
        return "from" in self.given or "to" in self.given

    def address(self, *without: str, **changed: str) -> str:
        """Return the address of the page with some filters left out or changed."""
        kept = {k: v for k, v in self.given.items() if k not in without} | changed
        return f"#/runs?{urlencode(kept)}" if kept else "#/runs"


def choices(session: Session, tenant_id: uuid.UUID) -> Choices:
    """Return the tenant's own rules and destinations, those that are gone included."""
    names = naming.read(session, tenant_id)
    return Choices(
        rules=dict(_rules(session, tenant_id)),
        destinations={
            key: f"{each.name}{_deleted(each.state)}"
            for key, each in names.by_id.items()
        },
    )


def read(given: Mapping[str, str], among: Choices, *, now: datetime) -> Filters:
    """Understand the filters; one that means nothing matches nothing, and says so."""
    kept = {name: text for name in NAMES if (text := given.get(name, "").strip())}
    try:
        since, until = _moment(kept.get("from")), _moment(kept.get("to"))
        wanted = Wanted(
            states=_states(kept.get("state")),
            rule=_one_of(among.rules, kept.get("rule"), "rule"),
            issue=_issue(kept.get("issue")),
            destination=_one_of(
                among.destinations, kept.get("destination"), "destination"
            ),
            since=since or (None if until else _since(kept.get("period"), now)),
            until=until,
        )
        before = _before(given.get("before"))
    except _UnreadableError as error:
        return Filters(given=kept, wanted=None, problem=str(error))
    return Filters(given=kept, wanted=wanted, before=before)


def _rules(session: Session, tenant_id: uuid.UUID) -> Iterator[tuple[uuid.UUID, str]]:
    rows = session.execute(
        sa.select(
            KnownRule.id,
            KnownRule.name,
            KnownRule.workflow,
            KnownRule.transition_name,
            KnownRule.gone_at,
        )
        .where(KnownRule.tenant_id == tenant_id)
        .order_by(KnownRule.name, KnownRule.workflow, KnownRule.id)
    )
    for row in rows:
        gone = ", gone" if row.gone_at else ""
        yield row.id, f"{row.name}: {row.transition_name} ({row.workflow}{gone})"


def _deleted(state: DestinationState) -> str:
    return " (deleted)" if state is DestinationState.DELETED else ""


def _states(text: str | None) -> frozenset[RunState]:
    if text is None:
        return frozenset()
    if text not in STATES:
        raise _UnreadableError(f"No run can be in a state “{_echo(text)}”.")
    return STATES[text][1]


def _one_of(
    known: Mapping[uuid.UUID, str], text: str | None, what: str
) -> uuid.UUID | None:
    """Return the id that the text is; another tenant's is none of ours (rule T5)."""
    if text is None:
        return None
    for key in known:
        if str(key) == text:
            return key
    raise _UnreadableError(f"This site has no such {what}.")


def _issue(text: str | None) -> str:
    if text is None or runs.names_issue(text):
        return text or ""
    message = f"“{_echo(text)}” is neither the key nor the number of an issue."
    raise _UnreadableError(message)


def _since(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if text not in PERIODS:
        raise _UnreadableError(f"There is no period “{_echo(text)}”.")
    return now - PERIODS[text][1]


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        # Without its zone nobody can say which moment it is.
        is_known = moment.tzinfo is not None and moment.year >= EARLIEST
        if is_known:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    example = "such as 2026-11-23T12:00:00Z"
    raise _UnreadableError(f"“{_echo(text)}” is no moment in time, {example}.")


def _before(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError as error:
        raise _UnreadableError("This page of the list does not exist.") from error


def _echo(text: str) -> str:
    return printable(text, limit=ECHOED)
