"""A month of one busy site, written straight into the tables.

One run in a thousand is of a rule, and one in ten thousand of a destination, that
hardly anything else is of: a filter that finds little is the one that reads most.
One delivery in ten waited for an answer, and got one.
"""

import hashlib
import json
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from app.audit import AuditEvent
from app.rules import KnownRule
from app.runs import (
    Attempt,
    AttemptOutcome,
    Result,
    Role,
    Run,
    RunState,
    RunStep,
    StepAnswer,
    StepState,
    Why,
)
from app.tenants import Door
from bench import writing
from bench.writing import COLUMNS, Row, Rows

PERIOD = timedelta(days=30)
CHUNK = 20_000
"""Runs that are written in one transaction."""

RULES, ISSUES = 40, 20_000
WORKFLOW, TRANSITION = "Bench workflow", "11"
CONFIG = json.dumps(
    {
        "v": 1,
        "id": "r_bench",
        "name": "Release",
        "steps": [{"do": "add-comment", "body": "Released {{ issue.key }}"}],
        "on_failure": {"mode": "report", "comment": True},
    }
)
ENDS = {
    RunState.SUCCEEDED: 930,
    RunState.FAILED: 30,
    RunState.SKIPPED: 25,
    RunState.UNCONFIRMED: 10,
    RunState.DUPLICATE: 5,
}
FACTS = {
    "project_id": "10000",
    "project_key": "BENCH",
    "workflow": WORKFLOW,
    "transition_id": TRANSITION,
    "transition": "Release",
    "from_id": "1",
    "from": "In review",
    "to_id": "2",
    "to": "Done",
}
_BUILDS = "https://ci.example/builds/"
REASONS = ("expired", "bad-signature", "wrong-qsh")


@dataclass(frozen=True, kw_only=True)
class History:
    """What is to be made up, and for whom."""

    tenant_id: uuid.UUID
    destinations: Sequence[uuid.UUID]
    """The last one is rare. Without any, steps are said to deliver nowhere."""
    first_issue: int
    """The number of an issue that Jira has; the others are made up."""
    runs: int
    until: datetime
    """Sites of one database end at different moments: rows are named by time."""
    rules: int = RULES
    """Two at least; the last one is rare."""

    def write(self, engine: sa.Engine) -> None:
        """Write rules, runs, steps, attempts and three audit events for each run."""
        with engine.begin() as connection:
            connection.execute(sa.insert(KnownRule), self.rule_values())
        write = writing.writer(engine)
        for start in range(0, self.runs, CHUNK):
            rows: Rows = {table: [] for table in COLUMNS}
            for number in range(start, min(start + CHUNK, self.runs)):
                self.add(rows, number)
            write(rows)

    def rule_values(self) -> list[dict[str, Any]]:
        """Return its rules, as they are inserted."""
        return [self._rule(key, n) for n, key in enumerate(self._rule_ids)]

    @cached_property
    def _rule_ids(self) -> list[uuid.UUID]:
        return [_id(self.until - PERIOD, 900 + n) for n in range(self.rules)]

    def add(self, rows: Rows, number: int) -> None:
        """Add a run, and all that belongs to it."""
        rules = self._rule_ids
        chance = random.Random(number)  # noqa: S311 -- makes up a past, guards nothing
        at = self.until - PERIOD * (1 - number / self.runs)
        rare_rule, rare_place = number % 1000 == 7, number % 10_000 == 11  # noqa: PLR2004
        [state] = chance.choices(list(ENDS), list(ENDS.values()))
        past = _Past(
            tenant_id=self.tenant_id,
            at=at,
            ended=at + timedelta(seconds=chance.lognormvariate(0, 0.8)),
            state=state,
            waits=number % 10 == 3,  # noqa: PLR2004
            issue=self.first_issue + chance.randrange(ISSUES),
            rule=rules[-1] if rare_rule else chance.choice(rules[:-1]),
            place=self._place(chance, is_rare=rare_place),
        )
        rows[Run].append(_run(past))
        if state in {RunState.SUCCEEDED, RunState.FAILED}:
            rows[RunStep].append(_step(past))
            rows[Attempt].append(_attempt(past))
            if past.waits:
                rows[StepAnswer].append(_answer(past))
        for position, (kind, detail) in enumerate(_events(past, chance)):
            row = (past.id(4 + position), past.tenant_id, kind, "jira", at, detail)
            rows[AuditEvent].append(row)

    def _place(self, chance: random.Random, *, is_rare: bool) -> uuid.UUID | None:
        if not self.destinations:
            return None
        most = self.destinations[:-1]
        return self.destinations[-1] if is_rare else chance.choice(most)

    def _rule(self, key: uuid.UUID, number: int) -> dict[str, Any]:
        began = self.until - PERIOD
        return {
            "id": key,
            "tenant_id": self.tenant_id,
            "rule_id": f"r_{number}",
            "workflow": WORKFLOW,
            "transition_id": TRANSITION,
            "transition_name": "Release",
            "name": f"Release {number}",
            "rule_hash": _hash(str(number)),
            "config": CONFIG,
            "first_seen_at": began,
            "last_seen_at": self.until,
        }


@dataclass(frozen=True, kw_only=True)
class _Past:
    """One run as it was."""

    tenant_id: uuid.UUID
    at: datetime
    ended: datetime
    state: RunState
    waits: bool
    issue: int
    rule: uuid.UUID
    place: uuid.UUID | None

    def id(self, position: int) -> uuid.UUID:
        """Return the id of one of its rows; the run's own is the first."""
        return _id(self.at, position)

    @property
    def is_done(self) -> bool:
        return self.state is RunState.SUCCEEDED


def _id(at: datetime, position: int) -> uuid.UUID:
    """Return an id as our own are: of version 7, in the order of time."""
    milliseconds, rest = divmod(int(at.timestamp() * 1_000_000), 1000)
    tail = rest << 16 | position
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | tail)


def _run(past: _Past) -> Row:
    believed = past.state not in {RunState.UNCONFIRMED, RunState.DUPLICATE}
    why = {RunState.FAILED: Why.STEP_FAILED, RunState.UNCONFIRMED: Why.NO_SUCH_CHANGE}
    run_id, key = past.id(1), f"BENCH-{past.issue}"
    message = "a step failed" if past.state is RunState.FAILED else None
    facts = FACTS | {"issue_key": key, "actor": f"account-{past.issue % 500}"}
    known = (past.rule, run_id.hex, facts, key) if believed else (None,) * 4
    return (
        *(run_id, past.tenant_id, Door.CONNECT, past.state, why.get(past.state)),
        *(message, past.at, past.ended, 1, 0),
        *(str(past.issue), CONFIG, _hash(str(past.rule)), {}, "r_bench", "Release"),
        *known,
        *(past.at - timedelta(seconds=1), run_id.hex, run_id.hex, 0),
    )


def _step(past: _Past) -> Row:
    config = {"do": "deliver", "destination": f"d_{past.place}", "inputs": {}}
    state = StepState.DONE if past.is_done else StepState.FAILED
    ids = (past.id(2), past.tenant_id, past.id(1))
    begun = (past.ended, str(past.issue), f"{_BUILDS}{past.issue}")
    awaited = begun if past.waits else (None,) * 3
    return (*ids, Role.STEP, 0, state, config, 1, past.ended, past.place, *awaited)


def _attempt(past: _Past) -> Row:
    done = past.is_done
    outcome = AttemptOutcome.DONE if done else AttemptOutcome.REFUSED
    head = "POST / HTTP/1.1\nContent-Type: application/cloudevents+json"
    answer = ("HTTP/1.1 200", "ok") if done else ("HTTP/1.1 422", "no such version")
    return (
        *(past.id(3), past.tenant_id, past.id(2), past.ended, past.ended, outcome),
        *(200 if done else 422, str(past.issue), 120, head, *answer),
        _hash(past.id(2).hex) if past.waits else None,
    )


def _answer(past: _Past) -> Row:
    result = Result.SUCCEEDED if past.is_done else Result.FAILED
    ids, run = (past.id(7), past.tenant_id, past.id(2)), str(past.issue)
    claims = {"iss": "https://ci.example", "sub": "deploy", "run_id": run}
    said = (result, "the pipeline ended", f"{_BUILDS}{run}", claims)
    return (*ids, past.ended, *said, past.id(7).hex, True)


def _events(past: _Past, chance: random.Random) -> Iterator[tuple[str, str]]:
    run_id = past.id(1)
    first: dict[str, Any] = {"route": "triggered.triggered", "age": 1}
    if chance.random() < 0.002:  # noqa: PLR2004
        refused = first | {"reason": chance.choice(REASONS), "detail": "by 42 s"}
        yield "verification-refused", _canonical(refused)
    else:
        yield (
            "verification-accepted",
            _canonical(first | {"run": str(run_id), "secret_generation": 1}),
        )
    yield "token-minted", _canonical({"run": str(run_id)})
    yield f"run-{past.state}", _canonical({"run": str(run_id), "why": None})


def _canonical(detail: Mapping[str, Any]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
