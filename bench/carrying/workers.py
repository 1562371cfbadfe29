"""`make bench ARGS=runs`: runs carried out in a second by one, two and four workers."""

import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import redis
import sqlalchemy as sa

from app import runs
from app.rules import rule_hash
from app.runs import Call, Run, RunState
from app.runtime import Runtime
from app.tenants import Door, Tenant
from bench import databases, report, tenants
from bench.carrying import stand_in
from bench.carrying.stacks import WITHOUT_LIMIT
from bench.hooks import calls
from bench.installation import Installation, installed
from bench.report import Section
from tests import processes
from tests.processes import COUNTERSIGN, PYTHON, Process

WORKERS = (1, 2, 4)
THREADS = 4
PATIENCE_SECONDS = 120
COLUMNS = (
    *("runs/s", "median", "spread", "beside one", "the last after"),
    "workers' processor time",
)
TICKS = os.sysconf("SC_CLK_TCK")


@click.command(name="runs")
@click.option("--count", default=400, help="Runs for each number of workers.")
@click.option("--rounds", default=2)
def runs_(count: int, rounds: int) -> list[Section]:
    """Measure how many runs workers carry out in a second, on PostgreSQL."""
    rates: dict[int, list[float]] = {number: [] for number in WORKERS}
    busy: dict[int, float] = {}
    last: dict[int, float] = {}
    with databases.folder() as folder, _site(folder) as (made, tenant):
        for _ in range(rounds):
            for number in WORKERS:
                with _working(made, number, folder) as workers:
                    found = _carried(made, tenant, count, workers)
                rates[number].append(found.rate)
                busy[number], last[number] = found.share, found.seconds
    section = _section(rates, busy, last, f"{count} runs, {rounds} rounds in turn")
    click.echo(report.text(section))
    return [section]


def _section(
    rates: dict[int, list[float]],
    busy: dict[int, float],
    last: dict[int, float],
    how: str,
) -> Section:
    first = statistics.median(rates[WORKERS[0]])
    rows = [
        [
            f"{number} worker{'s' if number > 1 else ''}",
            f"{statistics.median(found):.0f}",
            f"{min(found):.0f}-{max(found):.0f}",
            f"{statistics.median(found) / first:.2f} x",
            f"{last[number]:.1f} s",
            f"{busy[number]:.0%}",
        ]
        for number, found in rates.items()
    ]
    return Section(
        title="Runs carried out in a second, postgresql and Redis",
        columns=COLUMNS,
        rows=rows,
        notes=list(_notes(how)),
        figures={str(number): found for number, found in rates.items()},
    )


def _notes(how: str) -> Iterator[str]:
    yield (
        f"One comment step. {THREADS} threads in each worker; {how}, all due at once."
        " The rate is that of the first nine tenths; when the last one ended, of the"
        " last round, stands beside it."
    )
    yield (
        "Jira is a stand-in that only answers, in one process: the sandbox takes more"
        " time for a run than we do. 100% of processor time is one core; PostgreSQL and"
        f" the stand-in want some of the {os.cpu_count()}, too, and that is what bounds"
        " the sum."
    )


@contextmanager
def _site(folder: Path) -> Iterator[tuple[Installation, Tenant]]:
    """Install us at a Jira that only answers."""
    port = processes.free_port()
    settings = {
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_RUNS_PER_HOUR": str(WITHOUT_LIMIT),
        "COUNTERSIGN_WORKER_THREADS": str(THREADS),
    }
    answering = [PYTHON, "-m", "bench.carrying.stand_in", str(port)]
    with (
        installed("postgresql", folder, sites=0, **settings) as made,
        processes.started("jira", answering, env={}, folder=folder),
    ):
        with made.opened() as runtime:
            [tenant] = tenants.install(runtime, 1)
            with runtime.sessions.begin() as session:
                session.get_one(Tenant, tenant.id).base_url = f"http://127.0.0.1:{port}"
        yield made, tenant


@contextmanager
def _working(made: Installation, number: int, folder: Path) -> Iterator[list[Process]]:
    """Start workers; return once every thread of theirs waits for work."""
    with ExitStack() as stack:
        found = [
            stack.enter_context(
                processes.started(
                    f"worker-{each}",
                    [COUNTERSIGN, "worker"],
                    env=made.env,
                    folder=folder,
                )
            )
            for each in range(number)
        ]
        deadline = time.monotonic() + processes.READY_SECONDS
        while _waiting(made) < number * THREADS:
            if time.monotonic() > deadline:
                raise processes.ProcessError(f"not ready:\n{found[0].tail()}")
            time.sleep(0.05)
        yield found


def _waiting(made: Installation) -> int:
    """Return how many threads wait in Redis for a wake-up."""
    with redis.Redis.from_url(made.env["COUNTERSIGN_QUEUE_URL"]) as client:
        number = str(client.connection_pool.connection_kwargs.get("db", 0))
        clients = client.client_list()
        return sum(
            each["db"] == number and "pop" in each["cmd"].lower() for each in clients
        )


class Carried(NamedTuple):
    """How it went."""

    rate: float
    """Runs in a second."""
    share: float
    """Of one processor's time, all workers together."""
    seconds: float
    """From the first end to the last."""


def _carried(
    made: Installation, tenant: Tenant, count: int, workers: Sequence[Process]
) -> Carried:
    """Let so many runs be due at once, and wait for their ends."""
    with made.opened() as runtime:
        used, began = _processor_seconds(workers), time.monotonic()
        with runtime.sessions.begin() as session:
            for _ in range(count):
                runs.record(session, _call(tenant), now=runtime.now())
        for _ in range(len(workers) * THREADS):
            runtime.queue.wake()
        _wait(runtime, began)
        share = (_processor_seconds(workers) - used) / (time.monotonic() - began)
        with runtime.sessions.begin() as session:
            newest = sa.select(Run.finished_at, Run.state).order_by(Run.id.desc())
            found = session.execute(newest.limit(count)).all()
    wrong = [state for _, state in found if state is not RunState.SUCCEEDED]
    if wrong:
        raise click.ClickException(f"{len(wrong)} runs ended as {wrong[0]}")
    ends = sorted(at for at, _ in found if at is not None)
    most = count * 9 // 10
    return Carried(
        rate=most / (ends[most] - ends[0]).total_seconds(),
        share=share,
        seconds=(ends[-1] - ends[0]).total_seconds(),
    )


_issues = iter(range(calls.FIRST, 2 * calls.FIRST))


def _call(tenant: Tenant) -> Call:
    number = str(next(_issues))
    hint = {
        "workflowName": stand_in.WORKFLOW,
        "transitionId": stand_in.TRANSITION["id"],
        "transitionName": stand_in.TRANSITION["name"],
        "from_status": stand_in.FROM[1],
        "to_status": stand_in.TO[1],
    }
    return Call(
        door=Door.CONNECT,
        tenant_id=tenant.id,
        token_hash=number,
        raw_body=json.dumps(hint).encode() + number.encode(),
        issue_id=number,
        config=calls.RULE,
        rule_hash=rule_hash(calls.RULE),
        unverified_hint=hint,
        webhook_id=None,
    )


def _wait(runtime: Runtime, began: float) -> None:
    open_ = sa.select(sa.func.count()).where(Run.due_at.is_not(None))
    while True:
        with runtime.sessions.begin() as session:
            if not session.scalar(open_):
                return
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise click.ClickException("runs are still open")
        time.sleep(0.1)


def _processor_seconds(workers: Sequence[Process]) -> float:
    used = 0
    for each in workers:
        after_name = Path(f"/proc/{each.popen.pid}/stat").read_text().rpartition(")")[2]
        used += sum(map(int, after_name.split()[11:13]))
    return used / TICKS
