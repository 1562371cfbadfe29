"""`make bench ARGS=growth`: what a call, a claim and a page cost as others come.

Two databases are measured in turn, a small one and a large one. The site whose pages
are asked for is the same in both: only the others are many.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from app import runs
from app.rules import KnownRule
from app.runs import Run, RunState
from bench import databases, report, tenants, writing
from bench.history import CHUNK, History
from bench.hooks import calls, contestants
from bench.report import Bar, Section
from bench.site import Site, count_up, installed
from bench.writing import COLUMNS, Rows

FEW, MANY = 10, 10_000
RUNS_OF_EACH = 100
RULES_OF_EACH = 4
CALLERS = 100
"""Sites of the many that call, spread over all of them."""

BAR = 1.2
OK = frozenset({200, 204})
NUMBERS = range(calls.FIRST, 2 * calls.FIRST)
"""Of issues, each for one call."""

PAGES = {"page of runs": "runs", "overview, 7 days": "overview?span=7d"}


@dataclass
class Grown:
    """A database of some size, and what has been measured on it."""

    site: Site
    others: int
    tokens: Sequence[str]
    took: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds, by what was done."""
    numbers: Iterator[int] = field(default_factory=lambda: iter(NUMBERS))

    def measure(self, times: int) -> None:
        """Let calls come, claim what they left, and look at pages."""
        for number in range(times):
            self._time("record a call", self._call(number))
        for _ in range(times):
            self._time("claim a run", self._claim)
            self._end()
        headers = {"Authorization": f"JWT {self.site.token()}"}
        for name, path in PAGES.items():
            for _ in range(max(1, times // 5)):
                self._time(name, self._asking(f"/api/v1/pages/{path}", headers))

    def _time(self, what: str, act: Callable[[], object]) -> None:
        began = time.perf_counter()
        act()
        took = (time.perf_counter() - began) * 1000
        self.took.setdefault(what, []).append(took)

    def _call(self, number: int) -> Callable[[], None]:
        issue = str(next(self.numbers)).encode()
        body = calls.body().replace(calls.NUMBER.encode(), issue)
        token = self.tokens[number % len(self.tokens)]
        headers = {"Authorization": f"JWT {token}"}

        def call() -> None:
            path = contestants.OURS
            answer: Any = self.site.client.post(path, data=body, headers=headers)
            _expect(path, answer.status_code)

        return call

    def _claim(self) -> None:
        runtime = self.site.runtime
        with runtime.sessions.begin() as session:
            if runs.claim(session, now=runtime.now()) is None:
                raise click.ClickException("there was no run to claim")

    def _end(self) -> None:
        """Let what is claimed be over: looking past it is not what is measured."""
        claimed = sa.update(Run).where(Run.lease_until.is_not(None))
        over = {"due_at": None, "lease_until": None, "state": RunState.FAILED}
        with self.site.runtime.sessions.begin() as session:
            session.execute(claimed.where(Run.due_at.is_not(None)).values(over))

    def _asking(self, path: str, headers: dict[str, str]) -> Callable[[], None]:
        def ask() -> None:
            answer: Any = self.site.client.get(path, headers=headers)
            _expect(path, answer.status_code)

        return ask


def _expect(path: str, status: int) -> None:
    if status not in OK:
        raise click.ClickException(f"{path}: {status}")


@click.command()
@click.option("--database", type=click.Choice(databases.NAMES), multiple=True)
@click.option("--tenants", "many", default=MANY, help="Sites of the large one.")
@click.option("--rounds", default=5)
@click.option("--times", default=100, help="Calls and claims of one round.")
def growth(
    database: Sequence[str], many: int, rounds: int, times: int
) -> list[Section]:
    """Measure what others cost: 10,000 sites and a million runs beside ten."""
    found = []
    for name in database or databases.NAMES:
        with databases.folder() as folder, ExitStack() as stack:
            small = stack.enter_context(_grown(name, folder, FEW))
            large = stack.enter_context(_grown(name, folder, many))
            for number in range(rounds + 1):
                for each in (small, large):
                    each.measure(times if number else 2 * CALLERS)
                    if not number:
                        # Caches and connections; and every caller is known by now.
                        each.took.clear()
            found.append(_section(name, small, large))
        click.echo(report.text(found[-1]))
    return found


def _section(name: str, small: Grown, large: Grown) -> Section:
    rows: list[list[str]] = []
    bars: list[Bar] = []
    figures: dict[str, list[float]] = {}
    for what in small.took:
        before, after = (statistics.median(e.took[what]) for e in (small, large))
        ratio, figures[what] = after / before, [before, after]
        rows.append([what, f"{before:.2f}", f"{after:.2f}", f"{ratio:.2f} x"])
        bars.append(report.at_most(f"{what}, {name}, as others come", BAR, ratio, "x"))
    return Section(
        title=f"What others cost, {name}",
        columns=["ms, median", *(_size(each) for each in (small, large)), "ratio"],
        rows=rows,
        notes=[NOTE],
        bars=bars,
        figures=figures,
    )


NOTE = (
    "Both databases in turn, in one process without a server. A call is verified and"
    " durably recorded; a claim is committed. Every run has its steps, attempts and"
    f" events. The site whose pages are asked for has {RUNS_OF_EACH} runs in both."
)


def _size(grown: Grown) -> str:
    return f"{grown.others:,} sites, {grown.others * RUNS_OF_EACH:,} runs"


@contextmanager
def _grown(name: str, folder: Path, others: int) -> Iterator[Grown]:
    """Fill a database; what asks is one of the sites."""
    with (
        databases.empty(name, folder, f"of-{others}") as url,
        installed(url) as site,
    ):
        began, runtime = time.monotonic(), site.runtime
        made = tenants.install(runtime, others - 1)
        _fill(site, [site.tenant.id, *(each.id for each in made)])
        count_up(runtime, site)
        databases.settle(url)
        took = time.monotonic() - began
        click.echo(f"{name}: {others} sites were filled in {took:.0f} s", err=True)
        callers = range(0, others - 1, max(1, (others - 1) // CALLERS))
        tokens = list(
            calls.made(contestants.OURS, now=runtime.now(), sites=[*callers] * 5)
        )
        yield Grown(site=site, others=others, tokens=tokens)


def _fill(site: Site, tenant_ids: Sequence[Any]) -> None:
    engine = site.runtime.sessions.kw["bind"]
    write, until = writing.writer(engine), site.runtime.now()
    rows: Rows = {table: [] for table in COLUMNS}
    rules: list[dict[str, Any]] = []
    for position, tenant_id in enumerate(tenant_ids):
        history = History(
            tenant_id=tenant_id,
            destinations=(),
            first_issue=site.issue_id() if position == 0 else calls.FIRST,
            runs=RUNS_OF_EACH,
            until=until - timedelta(microseconds=position),
            rules=RULES_OF_EACH,
        )
        rules += history.rule_values()
        for number in range(RUNS_OF_EACH):
            history.add(rows, number)
        is_last = position == len(tenant_ids) - 1
        if is_last or (position + 1) * RUNS_OF_EACH % CHUNK == 0:
            with engine.begin() as connection:
                connection.execute(sa.insert(KnownRule), rules)
            write(rows)
            rules.clear()
            for each in rows.values():
                each.clear()
