"""What somebody looks for in the log, as its page and its export are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from app.audit import KINDS_OF, Group, Kind, Wanted
from app.tokens.checks import Reason
from app.web import words
from app.web.log import event_kinds

NAMES = ("what", "reason", "route", "period", "from", "to")
"""Every filter; a page's address may have others that mean nothing here."""

OURS = "ours"
"""Of routes: all that are not a door of Jira's."""

EARLIEST = 2000
"""A year before which nothing can have happened."""

ECHOED = 60
"""Characters of a value that is repeated to who gave it."""

PERIODS: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}

GROUPS: Mapping[Group, str] = {
    Group.ACCEPTED: "Verified calls",
    Group.DUPLICATE: "Duplicates",
    Group.REFUSED: "Refused calls",
    Group.PEOPLE: "People who may not",
    Group.RUNS: "What runs did",
    Group.CHANGES: "Changes of site, settings and keys",
}


class Option(NamedTuple):
    """One choice of a filter."""

    value: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What was asked for, as it was said and as it was understood."""

    given: Mapping[str, str]
    """The filters that are set."""
    wanted: Wanted | None
    """None if no event can be meant."""
    problem: str = ""
    """Why, in a sentence."""
    since: datetime | None = None
    until: datetime | None = None
    """The ends of a period that an address names, such as a bar of a chart."""

    def address(self, *without: str, **changed: str) -> str:
        """Return the address of the page with some filters left out or changed."""
        kept = {k: v for k, v in self.given.items() if k not in without} | changed
        return f"#/log?{urlencode(kept)}" if kept else "#/log"


class _UnreadableError(Exception):
    """A filter's value means nothing; the text is for who gave it."""


def read(given: Mapping[str, str], *, now: datetime) -> Filters:
    """Understand the filters; one that means nothing matches nothing, and says so."""
    kept = {name: given[name] for name in NAMES if given.get(name)}
    try:
        since, until = _moment(kept.get("from")), _moment(kept.get("to"))
        route = _route(kept.get("route"))
        wanted = Wanted(
            kinds=_kinds(kept.get("what")),
            reason=_reason(kept.get("reason")),
            route=None if route == OURS else route,
            not_routes=frozenset(words.ROUTES) if route == OURS else frozenset(),
            since=since if since or until else _start(kept.get("period"), now),
            until=until,
        )
    except _UnreadableError as error:
        return Filters(given=kept, wanted=None, problem=str(error))
    return Filters(given=kept, wanted=wanted, since=since, until=until)


def groups() -> Sequence[Option]:
    """Return the groups of kinds to choose from."""
    return [Option(group, text) for group, text in GROUPS.items()]


def periods() -> Sequence[Option]:
    """Return the periods to choose from."""
    return [Option(value, text) for value, (text, _) in PERIODS.items()]


def kinds() -> Sequence[Option]:
    """Return the single kinds to choose from, by name."""
    named = [Option(kind, told.name) for kind, told in event_kinds.KINDS.items()]
    return sorted(named, key=lambda option: option.label.lower())


def reasons() -> Sequence[Option]:
    """Return the reasons of refusals to choose from."""
    return [Option(reason, text.rstrip(".")) for reason, text in words.REASONS.items()]


def routes() -> Sequence[Option]:
    """Return the doors to choose from."""
    doors = [Option(route, text) for route, text in words.ROUTES.items()]
    return [*doors, Option(OURS, words.OUR_PAGES)]


def _kinds(what: str | None) -> frozenset[Kind] | None:
    if what is None:
        return None
    if what in list(Group):
        return frozenset(KINDS_OF[Group(what)])
    if what in list(Kind):
        return frozenset({Kind(what)})
    raise _unreadable(what, "no sort of event")


def _reason(reason: str | None) -> str | None:
    if reason is not None and reason not in list(Reason):
        raise _unreadable(reason, "no reason for which a call is refused")
    return reason


def _route(route: str | None) -> str | None:
    if route is not None and route != OURS and route not in words.ROUTES:
        raise _unreadable(route, "no door of Countersign")
    return route


def _start(period: str | None, now: datetime) -> datetime | None:
    if period is None:
        return None
    if period not in PERIODS:
        raise _unreadable(period, "no period to choose from")
    return now - PERIODS[period][1]


def _moment(text: str | None) -> datetime | None:
    """Read a moment; without a zone it is UTC."""
    if text is None:
        return None
    try:
        # In an address, "+" is a space.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _unreadable(text, "no moment, such as 2026-11-23T12:00:00Z") from error
    if moment.year < EARLIEST:
        raise _unreadable(text, "long before Countersign")
    return moment


def _unreadable(value: str, is_what: str) -> _UnreadableError:
    return _UnreadableError(f"“{value[:ECHOED]}” is {is_what}, so nothing matches it.")
