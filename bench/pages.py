"""How long our server takes for each part of a page, with a month of a busy site.

`python -m bench pages --runs 1000000` prints for both databases the median, the 95th
percentile and the slowest of each request; the query plans behind them are kept in
`bench/plans/`. Times are of the whole request inside the server: token,
permission (which is remembered, as in life), queries, HTML.
"""

import re
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, destinations
from app.destinations import Change, Definition, Signing
from app.rules import KnownRule
from app.runs import Run, RunState
from app.runtime import Runtime
from app.tenants import TenantIdentity
from bench import databases, report
from bench.history import History
from bench.report import Section
from bench.site import Site, count_up, installed

PLANS = Path(__file__).parent / "plans"
BAR_MS = 100
PLACES = 6


@click.command()
@click.option("--runs", default=1_000_000, help="How many runs the month had.")
@click.option("--rounds", default=40, help="How often each part is asked for.")
@click.option(
    "--database",
    type=click.Choice(["sqlite", "postgresql", "both"]),
    default="both",
    help="On which database.",
)
def pages(runs: int, rounds: int, database: str) -> list[Section]:
    """Measure every part of our pages."""
    names = databases.NAMES if database == "both" else (database,)
    found = []
    for name in names:
        with (
            databases.folder() as folder,
            databases.empty(name, folder, "pages") as url,
            installed(url) as site,
        ):
            began = time.monotonic()
            _fill(site, runs)
            took = time.monotonic() - began
            click.echo(f"{name}: {runs:,} runs in {took:.0f} s", err=True)
            parts = _parts(site)
            plans = _plans(site, parts)
            measured = _measure(site, parts, rounds)
            section = _section(f"{name}, {runs:,} runs", measured)
            if runs >= 1_000_000:  # noqa: PLR2004 -- smaller tables have other plans
                PLANS.mkdir(exist_ok=True)
                Path(PLANS, f"{name}.txt").write_text(plans)
        click.echo(report.text(section))
        found.append(section)
    return found


def _section(what: str, took: Mapping[str, Sequence[float]]) -> Section:
    rows: list[list[str]] = []
    worst = 0.0
    for name, found in took.items():
        p95 = statistics.quantiles(found, n=20, method="inclusive")[-1]
        worst = max(worst, p95)
        figures = statistics.median(found), p95, max(found)
        mark = "" if p95 <= BAR_MS else f"over {BAR_MS}"
        rows.append([name, *(f"{each:.1f}" for each in figures), mark])
    return Section(
        title=f"Pages of a busy site, {what}",
        columns=["ms", "median", "p95", "slowest", ""],
        rows=rows,
        bars=[report.at_most(f"slowest page, p95, {what}", BAR_MS, worst, "ms")],
    )


def _fill(site: Site, runs: int) -> None:
    runtime, tenant_id = site.runtime, site.tenant.id
    with runtime.sessions.begin() as session:
        change = Change(tenant_id=tenant_id, actor="bench", now=runtime.now())
        places = [
            destinations.create(
                session,
                runtime.keyring,
                change,
                Definition(
                    name=f"Place {number}",
                    url=f"https://receiver.example/{number}",
                    project_ids=("10000",),
                    signing=Signing.WEBHOOK,
                ),
            )[0]
            for number in range(PLACES)
        ]
    engine = runtime.sessions.kw["bind"]
    History(
        tenant_id=tenant_id,
        destinations=places,
        first_issue=site.issue_id(),
        runs=runs,
        until=runtime.now(),
    ).write(engine)
    _forge(runtime, tenant_id)
    databases.settle(engine.url.render_as_string(hide_password=False))
    count_up(runtime, site)


def _forge(runtime: Runtime, tenant_id: uuid.UUID) -> None:
    """Let strangers have called in the site's name as often as is kept of them."""
    with runtime.sessions.begin() as session:
        wanted = sa.select(TenantIdentity.external_id)
        issuer = session.scalars(wanted.filter_by(tenant_id=tenant_id)).one()
        for number in range(audit.UNPROVEN_LIMIT):
            audit.record_unproven(
                session,
                claimed_issuer=issuer,
                now=runtime.now() - timedelta(minutes=number),
                reason="bad-signature",
                route="triggered.triggered",
            )


def _parts(site: Site) -> Mapping[str, str]:
    """Return what is asked for, by name: every view, and its costliest filters."""
    now = site.runtime.now()
    with site.runtime.sessions.begin() as session:
        rules = session.scalars(sa.select(KnownRule.id).order_by(KnownRule.id)).all()
        places = sorted(
            each.id for each in destinations.listed(session, site.tenant.id)
        )
        failed = _newest(session, RunState.FAILED)
        oldest = session.scalars(sa.select(Run.id).order_by(Run.id).limit(1)).one()
    issue_id = site.issue_id()
    weeks_ago = (now - timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "overview, 24 hours": "overview?span=24h",
        "overview, 7 days": "overview?span=7d",
        "runs": "runs",
        "runs, failed": "runs?state=failed",
        "runs, open": "runs?state=open",
        "runs, none in this state": "runs?state=ambiguous",
        "runs, one rule": f"runs?rule={rules[0]}",
        "runs, a rare rule": f"runs?rule={rules[-1]}",
        "runs, a rare rule, failed": f"runs?rule={rules[-1]}&state=failed",
        "runs, one destination": f"runs?destination={places[0]}",
        "runs, a rare destination": f"runs?destination={places[-1]}",
        "runs, rare destination, failed": (
            f"runs?destination={places[-1]}&state=failed"
        ),
        "runs, one issue": f"runs?issue={issue_id}",
        "runs, no such issue": "runs?issue=NONE-1",
        "runs, older than 20 days": f"runs?to={weeks_ago}",
        "runs, the last page": f"runs?before={oldest}",
        "one run": f"runs/{failed}",
        "rules": "rules",
        "destinations": "destinations",
        "one destination": f"destinations/{places[0]}",
        "keys": "keys",
        "log": "log",
        "log, refused": "log?outcome=refused",
        "log, expired": "log?outcome=refused&reason=expired",
        "log, changes": "log?outcome=changes",
        "log, older than 20 days": f"log?to={weeks_ago}",
        "settings": "settings",
        "one issue's panel": f"issues/{issue_id}",
    }


def _newest(session: Session, state: RunState) -> object:
    wanted = sa.select(Run.id).where(Run.state == state).order_by(Run.id.desc())
    return session.scalars(wanted.limit(1)).one()


def _measure(
    site: Site, parts: Mapping[str, str], rounds: int
) -> dict[str, list[float]]:
    """Ask for everything in turn, so that no part has the caches for itself."""
    took: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        token = site.token()
        for name, path in parts.items():
            took[name].append(_ask(site, path, token))
    return took


def _ask(site: Site, path: str, token: str) -> float:
    headers = {"Authorization": f"JWT {token}"}
    began = time.perf_counter()
    answer = site.client.get(f"/api/v1/pages/{path}", headers=headers)
    took = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:  # noqa: PLR2004
        raise click.ClickException(f"{path}: {answer.status_code}")
    return took


def _plans(site: Site, parts: Mapping[str, str]) -> str:
    """Return how the database finds what each part reads."""
    engine = site.runtime.sessions.kw["bind"]
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    pages = []
    for name, path in parts.items():
        with _heard(engine) as statements:
            _ask(site, path, site.token())
        plans = [f"## {name}: {path.partition('?')[0]}"]
        for statement, parameters in statements:
            with engine.begin() as connection:
                rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
                plan = "\n".join(f"    {_plain(str(row[-1]))}" for row in rows)
            plans.append(f"{_plain(statement)}\n{plan}")
        pages.append("\n".join(plans))
    return "\n\n".join(pages) + "\n"


@contextmanager
def _heard(engine: sa.Engine) -> Iterator[list[tuple[str, object]]]:
    """Note what the database is asked meanwhile, each statement once."""
    found: dict[str, object] = {}

    def hear(*heard: object) -> None:
        statement, parameters = str(heard[2]), heard[3]
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.setdefault(statement, parameters)

    sa.event.listen(engine, "before_cursor_execute", hear)
    statements: list[tuple[str, object]] = []
    try:
        yield statements
    finally:
        sa.event.remove(engine, "before_cursor_execute", hear)
        statements += found.items()


def _plain(text: str) -> str:
    """Return it on one line, without what is different at every run."""
    text = re.sub(r"SELECT .*? FROM", "SELECT … FROM", " ".join(text.split()), count=1)
    return re.sub(r"\(cost=[^)]*\)|'[^']*'::\w+", "", text).rstrip()
