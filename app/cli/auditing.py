"""`countersign audit`: proves the sites' histories, and gives them out."""

import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import sqlalchemy as sa

from app.checkpoints import Report, Telling, Walk
from app.cli import opening
from app.runtime import Runtime
from app.tenants import Tenant
from app.tokens import checkpoint


@click.group()
def audit() -> None:
    """Prove what happened, and give it out."""


@audit.command()
@click.argument("tenant_ids", nargs=-1, type=click.UUID, metavar="[TENANT]...")
@click.option(
    "--since",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An earlier export, or one checkpoint of it: it has to be in the history.",
)
def verify(tenant_ids: Sequence[uuid.UUID], since: Path | None) -> None:
    """Recompute the history of sites; name what is broken.

    Without TENANT, of all sites. Ends with status 1 if anything is broken.
    """
    runtime = opening.runtime()
    kept = _kept(since) if since else {}
    chosen = tenant_ids or _all(runtime)
    if not chosen:
        click.echo("no site has installed us yet")
    reports = [_verify(runtime, each, kept.get(each, "")) for each in chosen]
    for missing in kept.keys() - set(chosen):
        click.echo(f"{missing}  not looked at: the file has a checkpoint of it")
    if any(report.findings for report in reports):
        sys.exit(1)


@audit.command()
@click.argument("tenant_id", type=click.UUID, metavar="TENANT")
def export(tenant_id: uuid.UUID) -> None:
    """Write a site's whole history, with its proof, as NDJSON.

    It goes to standard output: the same as the page's download, for as long as it
    takes.
    """
    runtime = opening.runtime()
    _refuse_unknown(runtime, tenant_id)
    telling = Telling(tenant_id=tenant_id, until=runtime.now())
    while not telling.is_done:
        with runtime.sessions.begin() as session:
            lines = telling.step(session)
        click.echo(lines, nl=False)


def _verify(runtime: Runtime, tenant_id: uuid.UUID, kept: str) -> Report:
    _refuse_unknown(runtime, tenant_id)
    report = Report(tenant_id=tenant_id)
    walk = Walk(keyring=runtime.keyring, now=runtime.now(), report=report, kept=kept)
    while not walk.is_done:
        with runtime.sessions.begin() as session:
            walk.step(session)
    _say(report)
    return report


def _say(report: Report) -> None:
    """Say it in one line; what is broken comes first, by its name."""
    said = [
        f"checkpoints: {report.checkpoints}",
        f"events under them: {report.events}",
        f"under none yet: {report.open}",
        f"ranges pruned: {report.pruned}",
    ]
    if report.findings:
        first, more = report.findings[0].text, report.count - 1
        said.insert(0, f"BROKEN: {first}" + (f" (and {more} more)" if more else ""))
    else:
        said.insert(0, "whole" if report.fingerprint else "no checkpoint yet")
    if report.fingerprint:
        said.append(f"key {report.fingerprint}")
    click.echo(f"{report.tenant_id}  {', '.join(said)}")
    for finding in report.findings[1:]:
        click.echo(f"{report.tenant_id}  also: {finding.text}")


def _all(runtime: Runtime) -> Sequence[uuid.UUID]:
    with runtime.sessions.begin() as session:
        return session.scalars(sa.select(Tenant.id).order_by(Tenant.id)).all()


def _refuse_unknown(runtime: Runtime, tenant_id: uuid.UUID) -> None:
    with runtime.sessions.begin() as session:
        if session.get(Tenant, tenant_id) is None:
            message = f"no such tenant: {tenant_id}; see `countersign tenants list`"
            raise click.ClickException(message)


def _kept(path: Path) -> Mapping[uuid.UUID, str]:
    """Return the newest checkpoint of each site in a file that was kept elsewhere."""
    found: dict[uuid.UUID, tuple[int, str]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in filter(None, map(str.strip, lines)):
            try:
                jws = json.loads(line).get("jws") if line.startswith("{") else line
                said = checkpoint.unverified(jws) if jws else {}
                if said:
                    tenant_id, newest = uuid.UUID(said["tenant"]), (said["seq"], jws)
                    found[tenant_id] = max(found.get(tenant_id, newest), newest)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise click.ClickException(f"{path}: no checkpoint") from error
    if not found:
        raise click.ClickException(f"{path} has no checkpoint")
    return {tenant_id: jws for tenant_id, (_, jws) in found.items()}
