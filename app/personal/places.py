"""Where an account id can stand, table by table: the one list of it.

Both what is told of a person and what is erased walk along it. A column that will hold
an account id one day belongs here.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import AuditEvent
from app.db import Base
from app.destinations import Approval
from app.listeners import ListenerRule
from app.personal.tables import Erasure
from app.rules import KnownRule
from app.runs import Run, RunState, RunStep, StepAnswer
from app.tenants.preferences import Preferences
from app.tickets import Ticket

ERASED = "erased"
"""What stands where an account id stood."""

NOBODY = frozenset({ERASED, "countersign", "jira", "operator", "unproven"})
"""Actors that are no people."""

_ACCOUNT_ID = re.compile(r"(?=[^0-9]*[0-9])[A-Za-z0-9:_-]{10,128}", re.ASCII)

KEYS_OF_PEOPLE = frozenset({"account", "account_id", "actor", "person", "subject"})
"""Facts of an audit event that may be an account id. The others are ids and codes."""

UNDER_WAY = frozenset({RunState.RECEIVED, RunState.RUNNING, RunState.FAILING})
"""Runs whose worker still needs to know who moved the ticket."""

FIRST = uuid.UUID(int=0)
"""Before every row."""


def is_account_id(text: str) -> bool:
    """Say whether this has the shape of an account id of Jira's.

    Attack: an admin has "erased" what is no person, but a reason code, a run's id or
    the word by which the history names Jira, and the history says less ever after. So
    it is long enough, has a digit, and is no UUID; and only what may name a person is
    looked at. Source: Jira Cloud REST API v3, "accountId": at most 128 characters.
    """
    if not _ACCOUNT_ID.fullmatch(text) or text in NOBODY:
        return False
    try:
        uuid.UUID(text)
    except ValueError:
        return True
    return False


@dataclass(frozen=True, kw_only=True)
class Place:
    """The columns of one table that may name a person."""

    name: str
    """What a row of it is called in the file that people get."""
    words: str
    """What its rows are called on the page."""
    table: type[Base]
    plain: Sequence[str] = ()
    """Columns that are an account id and nothing else."""
    texts: Sequence[str] = ()
    """Columns that are words of others, any of which may name a person."""
    documents: Sequence[str] = ()
    """Columns that are JSON, in which any text may name a person."""
    facts: Sequence[str] = ()
    """Columns that are JSON, in which only `KEYS_OF_PEOPLE` may."""
    also: Sequence[str] = ()
    """Columns that say what the row is about."""
    of_runs: bool = False
    """Whether a row belongs to a run that may be under way."""
    key: str = "id"

    @property
    def naming(self) -> Sequence[str]:
        """All columns that may name a person."""
        return (*self.plain, *self.texts, *self.documents, *self.facts)


PLACES = (
    Place(
        name="run",
        words="runs",
        table=Run,
        facts=("facts",),
        also=("received_at", "issue_id", "rule_name"),
        of_runs=True,
    ),
    Place(
        name="run-step",
        words="steps of runs",
        table=RunStep,
        documents=("act",),
        also=("run_id",),
        of_runs=True,
    ),
    Place(
        name="audit-event",
        words="audit events",
        table=AuditEvent,
        plain=("actor",),
        facts=("detail",),
        also=("happened_at", "kind"),
    ),
    Place(
        name="rule-version",
        words="versions of rules",
        table=ListenerRule,
        plain=("saved_by",),
        also=("version", "saved_at"),
    ),
    Place(
        name="rule-pause",
        words="pauses of rules",
        table=KnownRule,
        plain=("paused_by",),
        also=("name", "paused_at"),
    ),
    Place(
        name="approval",
        words="approvals",
        table=Approval,
        plain=("approved_by",),
        also=("destination_id", "approved_at"),
    ),
    Place(
        name="settings",
        words="settings",
        table=Preferences,
        plain=("changed_by",),
        also=("changed_at",),
        key="tenant_id",
    ),
    Place(
        name="download",
        words="downloads",
        table=Ticket,
        plain=("account_id",),
        documents=("wanted",),
        also=("expires_at",),
    ),
    Place(
        name="erasure",
        words="erasures",
        table=Erasure,
        plain=("wanted_by",),
        also=("wanted_at",),
    ),
    Place(
        name="answer",
        words="answers",
        table=StepAnswer,
        texts=("message", "url"),
        documents=("claims",),
        also=("at", "run_step_id"),
    ),
)
"""An erasure under way knows its place by its number: new ones come last."""


def after(
    session: Session,
    place: Place,
    tenant_id: uuid.UUID,
    reached: uuid.UUID | None,
    *,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Return a tenant's next rows of it, by their ids; `state` is that of their run."""
    table = place.table.__table__
    key = table.c[place.key]
    names = (*place.naming, *place.also)
    columns = [key.label("key"), *(table.c[name] for name in names)]
    wanted = sa.select(*columns)
    if place.table is RunStep:
        its_run = sa.and_(Run.tenant_id == tenant_id, Run.id == RunStep.run_id)
        wanted = wanted.add_columns(Run.state).join(Run, its_run)
    elif place.of_runs:
        wanted = wanted.add_columns(Run.state)
    wanted = wanted.where(table.c.tenant_id == tenant_id, key > (reached or FIRST))
    found = session.execute(wanted.order_by(key).limit(limit)).mappings()
    return [{str(name): value for name, value in row.items()} for row in found]


def named(place: Place, row: Mapping[str, Any], account_id: str) -> dict[str, Any]:
    """Return the columns that name the person, as they are to be afterwards."""
    changed: dict[str, Any] = {}
    for name in place.plain:
        if row[name] == account_id:
            changed[name] = ERASED
    person = _Person(account_id)
    for name in place.texts:
        new = person.left_out(row[name])
        if new != row[name]:
            changed[name] = new
    for name in (*place.documents, *place.facts):
        value = row[name]
        # A first look; what is changed is decided on what the JSON says.
        if value is None or account_id not in str(value):
            continue
        keys = KEYS_OF_PEOPLE if name in place.facts else None
        new = _rewritten(value, person, keys)
        if new != value:
            changed[name] = new
    return changed


class _Person:
    """Finds an account id in text where it stands as a word of its own."""

    def __init__(self, account_id: str) -> None:
        word = r"[A-Za-z0-9:_-]"
        self._pattern = re.compile(
            rf"(?<!{word}){re.escape(account_id)}(?!{word})", re.ASCII
        )

    def left_out(self, text: str) -> str:
        return self._pattern.sub(ERASED, text)


def _rewritten(value: Any, person: _Person, keys: frozenset[str] | None) -> Any:  # noqa: ANN401
    """Return JSON, or text of JSON, without the person; in what order it was."""
    if not isinstance(value, str):
        return _without(value, person, keys, is_named=keys is None)
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return person.left_out(value) if keys is None else value
    clean = _without(parsed, person, keys, is_named=keys is None)
    if clean == parsed:
        return value
    compact = (",", ":") if keys is not None else None  # as audit.canonical has it
    return json.dumps(
        clean, sort_keys=keys is not None, separators=compact, ensure_ascii=False
    )


def _without(
    value: Any,  # noqa: ANN401
    person: _Person,
    keys: frozenset[str] | None,
    *,
    is_named: bool,
) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return person.left_out(value) if is_named else value
    if isinstance(value, list):
        return [_without(each, person, keys, is_named=is_named) for each in value]
    if isinstance(value, dict):
        return {
            key: _without(each, person, keys, is_named=keys is None or key in keys)
            for key, each in value.items()
        }
    return value
