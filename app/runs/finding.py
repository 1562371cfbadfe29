"""Finds a tenant's runs by what people ask for: page by page, at a bounded price.

A tenant may have a million runs. What is asked for by itself is read from an index in
the order of ids, which is that of time. Where several things are asked for at once, the
rarest of them is read so, and the others are looked at run by run, at most
`CANDIDATES` for one page.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db import least_id
from app.runs.listing import LISTED, ListedRun, listed
from app.runs.tables import Run, RunState, RunStep

CANDIDATES = 3000
"""Runs that are looked at for one page: some 50 ms with a million of them."""

UNDER_WAY = frozenset({RunState.RECEIVED, RunState.RUNNING, RunState.FAILING})

_ISSUE_KEY = re.compile(r"[A-Z][A-Z0-9_]*-[0-9]{1,18}", re.ASCII)
_ISSUE_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)

_NAMESAKES = 1000
"""Runs that are asked which issue a key means; all but always they mean one."""

_Test = sa.ColumnElement[bool]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs somebody wants to see; what is left empty does not matter."""

    states: frozenset[RunState] = frozenset()
    rule: uuid.UUID | None = None
    """A rule at its place in the workflow: `KnownRule.id`."""
    issue: str = ""
    """Its key in any case, or its number."""
    destination: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    """The moments from `since` on and before `until`, by when the run was recorded."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some of the runs that match, the newest first."""

    runs: Sequence[ListedRun]
    older: uuid.UUID | None
    """What to ask for next: `page(before=older)`. None if there is nothing more."""
    is_cut: bool
    """It ends because `CANDIDATES` runs were looked at: older ones may match, too."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One thing that is asked for."""

    id: InstrumentedAttribute[uuid.UUID]
    """The column of a run's id in the table whose index has it in order."""
    parts: Sequence[Sequence[_Test]]
    """Each a beginning of that index, within which the ids are in order; none if
    nothing can match."""
    test: _Test
    """The same as a question to one run."""


def page(
    session: Session,
    tenant_id: uuid.UUID,
    wanted: Wanted,
    *,
    before: uuid.UUID | None = None,
    limit: int = LISTED,
) -> Page:
    """Return the newest runs that match, of those before the run `before`.

    Runs that come in meanwhile move nothing: no run is left out or shown twice.
    """
    asked = _asked(session, tenant_id, wanted)
    if not all(each.parts for each in asked):
        return Page(runs=(), older=None, is_cut=False)
    rarest, count = asked[0], 0
    if len(asked) > 1:
        counts = [_count(session, each, wanted, before) for each in asked]
        rarest, count = min(zip(asked, counts, strict=True), key=lambda each: each[1])
    tests = [each.test for each in asked if each is not rarest]
    # Nothing else is asked for: then the first that come are the page.
    size = CANDIDATES if tests else limit + 1
    candidates = _candidates(rarest, wanted, before, size)
    ids = _matching(session, tenant_id, candidates, tests, limit=limit + 1)
    older = ids[limit - 1] if len(ids) > limit else None
    is_cut = bool(tests) and older is None and count >= CANDIDATES
    if is_cut:
        older = session.scalar(sa.select(candidates.c.id).order_by("id").limit(1))
    rows = session.scalars(
        sa.select(Run)
        .where(Run.tenant_id == tenant_id, Run.id.in_(ids[:limit]))
        .order_by(Run.id.desc())
    ).all()
    return Page(runs=listed(session, tenant_id, rows), older=older, is_cut=is_cut)


def names_issue(text: str) -> bool:
    """Say whether a text is the key or the number of some issue."""
    issue = text.upper()
    return bool(_ISSUE_NUMBER.fullmatch(issue) or _ISSUE_KEY.fullmatch(issue))


def _asked(session: Session, tenant_id: uuid.UUID, wanted: Wanted) -> list[_Asked]:
    found = []
    if wanted.issue:
        issues = _issues(session, tenant_id, wanted.issue.upper())
        found.append(_any_of(tenant_id, Run.issue_id, issues))
    if wanted.destination is not None:
        found.append(_delivers_to(tenant_id, wanted.destination))
    if wanted.rule is not None:
        found.append(_any_of(tenant_id, Run.known_rule_id, [wanted.rule]))
    if wanted.states:
        found.append(_any_of(tenant_id, Run.state, sorted(wanted.states)))
    own = Run.tenant_id == tenant_id
    return found or [_Asked(id=Run.id, parts=[[own]], test=own)]


def _any_of(
    tenant_id: uuid.UUID, column: InstrumentedAttribute[Any], values: Sequence[object]
) -> _Asked:
    parts = [(Run.tenant_id == tenant_id, column == value) for value in values]
    return _Asked(id=Run.id, parts=parts, test=column.in_(values))


def _delivers_to(tenant_id: uuid.UUID, destination_id: uuid.UUID) -> _Asked:
    part = (RunStep.tenant_id == tenant_id, RunStep.destination_id == destination_id)
    test = sa.exists().where(*part, RunStep.run_id == Run.id)
    return _Asked(id=RunStep.run_id, parts=[part], test=test)


def _issues(session: Session, tenant_id: uuid.UUID, issue: str) -> Sequence[str]:
    """Return the numbers of the issues that a key means, or the number that it is.

    By the number, runs are found that Jira never confirmed, or under an older key.
    """
    if _ISSUE_NUMBER.fullmatch(issue):
        return [issue]
    if not _ISSUE_KEY.fullmatch(issue):
        return []
    namesakes = (
        sa.select(Run.issue_id)
        .where(Run.tenant_id == tenant_id, Run.issue_key == issue)
        .limit(_NAMESAKES)
        .subquery()
    )
    return list(session.scalars(sa.select(namesakes.c.issue_id).distinct()))


def _candidates(
    asked: _Asked, wanted: Wanted, before: uuid.UUID | None, size: int
) -> sa.Subquery:
    """Return the newest ids that one thing asked for leaves, at most `size`."""
    period = _period(asked.id, wanted, before)
    parts = [
        sa.select(asked.id.label("id"))
        .where(*part, *period)
        .distinct()  # a run may deliver twice to one destination
        .order_by(asked.id.desc())
        .limit(size)
        .subquery()
        for part in asked.parts
    ]
    if len(parts) == 1:
        return sa.select(parts[0].c.id).subquery("candidate")
    every = sa.union_all(*(sa.select(part.c.id) for part in parts)).subquery()
    newest = sa.select(every.c.id).order_by(every.c.id.desc()).limit(size)
    return newest.subquery("candidate")


def _period(
    column: InstrumentedAttribute[uuid.UUID], wanted: Wanted, before: uuid.UUID | None
) -> list[_Test]:
    tests: list[_Test] = []
    if before is not None:
        tests.append(column < before)
    if wanted.since is not None:
        tests.append(column >= least_id(wanted.since))
    if wanted.until is not None:
        tests.append(column < least_id(wanted.until))
    return tests


def _count(
    session: Session, asked: _Asked, wanted: Wanted, before: uuid.UUID | None
) -> int:
    """Count the runs that one thing asked for leaves, as far as `CANDIDATES`."""
    candidates = _candidates(asked, wanted, before, CANDIDATES)
    counted = session.scalar(sa.select(sa.func.count()).select_from(candidates))
    return counted or 0


def _matching(
    session: Session,
    tenant_id: uuid.UUID,
    candidates: sa.Subquery,
    tests: Sequence[_Test],
    *,
    limit: int,
) -> Sequence[uuid.UUID]:
    found = sa.select(candidates.c.id)
    if tests:
        own = sa.and_(Run.tenant_id == tenant_id, Run.id == candidates.c.id)
        found = found.join(Run, own).where(*tests)
    newest = found.order_by(candidates.c.id.desc()).limit(limit)
    return session.scalars(newest).all()
