"""`countersign doctor`: looks at all that trust hangs on, and says what to mend."""

import json
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

import click
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from app import doctor
from app.cli import environment, migrating, opening
from app.doctor import Finding, Health, Site, databases, fail, looked, workers
from app.queue import QueueError
from app.runtime import Runtime
from app.settings import Settings
from app.tenants import Tenant

_DO_DATABASE = "See COUNTERSIGN_DATABASE_URL, that the database runs, and what it logs."
NO_QUEUE = "sqlite:///:memory:"
"""Stands for a queue that cannot be opened, while the rest is looked at."""

Look = Callable[[Session], Finding]


@click.command("doctor")
@click.option("--site", default="", help="Look at one site: its id, or its host.")
@click.option("--json", "as_json", is_flag=True, help="Write it as JSON, for scripts.")
def examine(site: str, *, as_json: bool) -> None:
    """Look at all that trust hangs on; say what to mend.

    Ends with status 0 if nothing failed, 1 if something did, and 2 if the settings
    cannot be read.
    """
    findings: list[Finding] = []
    for finding in _findings(environment.settings(), site):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    if as_json:
        click.echo(json.dumps(_document(findings), indent=2))
    else:
        click.echo(_sum(findings))
    sys.exit(0 if doctor.is_well(findings) else 1)


def _findings(settings: Settings, site: str) -> Iterator[Finding]:
    try:
        runtime = opening.runtime(settings)
    except QueueError as error:
        saw = f"the queue cannot be opened ({error})"
        yield fail("queue", saw, "See COUNTERSIGN_QUEUE_URL, and its folder's rights.")
        settings = settings.model_copy(update={"queue_url": NO_QUEUE})
        runtime = opening.runtime(settings)
    schema = _within(runtime, "database", lambda s: databases.revision(s, _revisions()))
    if schema.health is not Health.OK:
        yield schema
        yield doctor.skipped("sites", "not looked at: their tables may be missing")
        yield from doctor.everywhere(runtime, [])
        return
    found = _wanted(runtime, site)
    yield schema
    yield from _behind_us(runtime)
    yield from doctor.everywhere(runtime, list(_read(runtime, found)))


def _behind_us(runtime: Runtime) -> Iterator[Finding]:
    settings = runtime.settings
    yield _within(runtime, "writable", databases.writable)
    yield from looked("disk", lambda: databases.room(settings.database_url))
    yield _within(runtime, "encryption-keys", lambda s: databases.seals(s, runtime))
    if settings.queue_url != NO_QUEUE:
        yield from looked("queue", lambda: _round_trip(runtime))
    with runtime.sessions.begin() as session:
        count = doctor.waiting(session)
    if count:
        saw = f"sites that wait for approval: {count}"
        yield doctor.skipped("sites", saw, "See `countersign tenants list`.")


def _round_trip(runtime: Runtime) -> Iterable[Finding]:
    with runtime.sessions.begin() as session:
        looked_at = workers.last_look(session)
    every = timedelta(seconds=runtime.settings.watch_seconds)
    return workers.round_trip(runtime.queue, looked_at, every=every, now=runtime.now())


def _within(runtime: Runtime, check: str, look: Look) -> Finding:
    """Look in a transaction of its own."""

    def inside() -> Iterator[Finding]:
        try:
            with runtime.sessions.begin() as session:
                yield look(session)
        except sa.exc.SQLAlchemyError as error:
            # Its text has the statement, and perhaps the password of the URL.
            saw = f"the database does not take this ({type(error).__name__})"
            yield fail(check, saw, _DO_DATABASE)

    return looked(check, inside)[-1]


def _revisions() -> Sequence[str]:
    """Return the revisions that this program knows, the newest first."""
    script = ScriptDirectory.from_config(migrating.config())
    return [each.revision for each in script.walk_revisions()]


def _wanted(runtime: Runtime, site: str) -> Sequence[uuid.UUID]:
    """Return the active sites, or the one that is named; end the command for none."""
    with runtime.sessions.begin() as session:
        found = doctor.active(session)
        if not site:
            return found
        named = [each for each in found if _is_named(session, each, site)]
    if not named:
        raise click.ClickException(
            "no such active site; see `countersign tenants list`"
        )
    return named


def _read(runtime: Runtime, found: Sequence[uuid.UUID]) -> Iterator[Site]:
    """Read sites, each in a transaction of its own: nobody else waits for all."""
    for tenant_id in found:
        with runtime.sessions.begin() as session:
            yield doctor.read(session, runtime, tenant_id)


def _is_named(session: Session, tenant_id: uuid.UUID, site: str) -> bool:
    parts = urlsplit(session.get_one(Tenant, tenant_id).base_url)
    return site.lower() in {str(tenant_id), parts.hostname, parts.netloc}


def _line(finding: Finding) -> str:
    name = f"{finding.check} of {finding.site}" if finding.site else finding.check
    line = f"{finding.health.upper():<8}{name}: {finding.saw}"
    return f"{line}\n{'':<8}→ {finding.do}" if finding.do else line


def _document(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "ok": doctor.is_well(findings),
        "findings": [
            {
                "check": each.check,
                "health": each.health,
                "saw": each.saw,
                "do": each.do,
                "site": each.site or None,
                "tenant": str(each.tenant_id) if each.tenant_id else None,
            }
            for each in findings
        ],
    }


def _sum(findings: Sequence[Finding]) -> str:
    counts = {
        health: sum(each.health is health for each in findings) for health in Health
    }
    return (
        f"{counts[Health.OK]} ok, {counts[Health.WARN]} to look at,"
        f" {counts[Health.FAIL]} failed, {counts[Health.SKIPPED]} not looked at"
    )
