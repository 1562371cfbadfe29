"""`make bench ARGS=hooks`: calls in a second, ours beside those of others."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from bench import databases, report
from bench.hooks import calls, contestants, load, rounds
from bench.hooks.contestants import (
    ACE_RECORDED,
    ACE_VERIFIED,
    BY_HAND,
    EMPTY,
    HAND_RECORDED,
    RECORDED,
    VERIFIED,
    Course,
)
from bench.hooks.rounds import Figures, Rounds
from bench.report import Bar, Section
from bench.serving import apps
from bench.serving.servers import SERVERS

FEW, MANY = 16, 64
TOKENS = 60_000
ACE_FOLDER = Path.home() / ".cache" / "countersign-bench" / "ace"
"""Outside of the checkout: none of it is ours."""

Found = Mapping[tuple[str, int], Figures]


@click.command()
@click.option("--database", type=click.Choice(databases.NAMES), multiple=True)
@click.option("--server", type=click.Choice(list(SERVERS)), default="product")
@click.option("--processes", default=2, help="Of our server.")
@click.option("--threads", default=4, help="Of each of these.")
@click.option("--rounds", "times", default=3)
@click.option("--seconds", default=3, help="Of each press.")
@click.option("--peers/--no-peers", default=True, help="Without: ourselves alone.")
@click.option("--peers-folder", type=click.Path(path_type=Path), default=ACE_FOLDER)
def hooks(  # noqa: PLR0913 -- the options of a command
    database: Sequence[str],
    server: str,
    processes: int,
    threads: int,
    times: int,
    seconds: int,
    *,
    peers: bool,
    peers_folder: Path,
) -> list[Section]:
    """Measure how many calls are verified and recorded in a second."""
    load.find_wrk()
    if peers:
        contestants.install_ace(peers_folder)
    found = []
    for name in database or databases.NAMES:
        with databases.folder() as folder:
            course = Course(
                database=name,
                server=server,
                processes=processes,
                threads=threads,
                folder=folder,
                peers=peers_folder if peers else None,
            )
            found.append(_measured(course, times, seconds))
        click.echo(report.text(found[-1]))
    return found


def _measured(course: Course, times: int, seconds: int) -> Section:
    body = course.folder / "body.json"
    body.write_bytes(calls.body())
    targets = (contestants.OURS, apps.TARGET)
    how = Rounds(
        rounds=times,
        seconds=seconds,
        connections=(FEW, MANY),
        tokens=rounds.prepared(course.folder, targets, count=TOKENS),
        body=body,
    )
    with contestants.started(course) as all_of_them:
        return _section(course, how.run(all_of_them), how)


def _section(course: Course, found: Found, how: Rounds) -> Section:
    names = list(dict.fromkeys(name for name, _ in found))
    rows = [[name, *_cells(found, name)] for name in names]
    columns = ["calls/s, median of the rounds"]
    for connections in (FEW, MANY):
        at = f"at {connections}"
        columns += [at, "spread", "p50 ms", "p99 ms", f"ours beside it, {at}"]
    return Section(
        title=f"Calls verified and recorded, {course.database}",
        columns=columns,
        rows=rows,
        notes=list(_notes(course, how)),
        bars=list(_bars(course.database, found)),
        figures={
            f"{name}, {connections}": {
                "rates": [round(each.rate, 1) for each in figures.measured],
                "p50": figures.p50,
                "p99": figures.p99,
            }
            for (name, connections), figures in found.items()
        },
    )


def _cells(found: Found, name: str) -> Iterator[str]:
    for connections in (FEW, MANY):
        figures = found[name, connections]
        least, most = figures.spread
        ours = RECORDED if name.endswith("recorded") or name == EMPTY else VERIFIED
        ratio = found[ours, connections].rate / figures.rate
        yield f"{figures.rate:.0f}"
        yield f"{least:.0f}-{most:.0f}"
        yield f"{figures.p50:.1f}"
        yield f"{figures.p99:.1f}"
        yield "" if name == ours else f"{ratio:.2f} x"


def _bars(database: str, found: Found) -> Iterator[Bar]:
    def ratio(ours: str, theirs: str) -> float | None:
        if (theirs, FEW) not in found:
            return None
        return found[ours, FEW].rate / found[theirs, FEW].rate

    ace, hand = ratio(RECORDED, ACE_RECORDED), ratio(RECORDED, HAND_RECORDED)
    empty = ratio(RECORDED, EMPTY)
    figures, where = found[RECORDED, FEW], f", {database}"
    recorded = "verified and recorded, beside"
    yield report.at_least(f"{recorded} atlassian-connect-express{where}", 5, ace)
    yield report.at_least(f"{recorded} Flask by hand{where}", 3.5, hand)
    yield report.at_least(
        f"{recorded} an empty view{where}", 50, empty and empty * 100, "%"
    )
    yield report.at_least(
        f"verify only, beside atlassian-connect-express{where}",
        3,
        ratio(VERIFIED, ACE_VERIFIED),
    )
    yield report.at_most(
        f"p99 beside p50 at {FEW} connections{where}",
        3,
        figures.p99 / figures.p50,
        "x",
    )


def _notes(course: Course, how: Rounds) -> Iterator[str]:
    yield (
        f"Our server: {course.server}"
        + (
            f", {course.threads} threads in as many processes as it starts"
            if course.server == "product"
            else f", {course.processes} processes of {course.threads} threads"
        )
        + f"; wrk in one thread, {how.rounds} rounds of {how.seconds} s in turn."
    )
    yield (
        f"Each call is another one: {calls.TENANTS} sites, {len(calls.body())} bytes,"
        " its own issue and identifier. A press with one error does not count, nor one"
        " whose records are not as many as its answers."
    )
    yield (
        "Verified, and not recorded: ours asks the database for each call whether"
        " tenant and secret still count, as it does when it records; a site's first"
        " call is recorded all the same."
    )
    yield (
        "Every commit is on the disk: SQLite by WAL and synchronous=FULL, PostgreSQL by"
        " synchronous_commit=on."
    )
    yield (
        "No worker runs beside: our wake-ups stay in the queue, a file of SQLite's or"
        " Redis."
    )
    yield from _notes_on_peers(course)
    if course.server == "granian":
        yield (
            "granian hides the target as it was sent: the bench puts a decoded one in"
            " its place, which the product may not do (rule T0b)."
        )


def _notes_on_peers(course: Course) -> Iterator[str]:
    if course.peers is None:
        yield "atlassian-connect-express was left out, and Flask by hand."
    else:
        yield (
            "atlassian-connect-express: two processes by `cluster`, its logging of SQL"
            " switched off, its store in the same database as the records."
        )
        where = "two processes of 8 threads on gunicorn, `gthread`"
        is_absent = not BY_HAND.is_file()
        gone = "left out, for shared/bench/flask_by_hand.py is absent"
        yield f"Flask by hand: {gone if is_absent else where}."
