"""`countersign stop` and `resume`: the brake, for one site or for everything."""

import getpass
import uuid
from dataclasses import dataclass

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, runs, stops
from app.cli import opening, signing
from app.keys import KeyState, SigningKey
from app.runs import Run, RunState, Why
from app.runtime import Runtime
from app.stops import By, Cause, Standing

BATCH = 200
"""Runs that one transaction ends."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is to become of what a backup had; None is no answer."""

    new_keys: bool | None
    fail_due: bool | None

    @property
    def is_made(self) -> bool:
        return self.new_keys is not None and self.fail_due is not None


@click.command()
@click.argument("tenant_id", type=click.UUID, required=False)
@click.option("--why", default="", help="The reason; the sites' admins read it.")
@click.option("--by", default="", help="Who you are; else the name of your login.")
def stop(tenant_id: uuid.UUID | None, why: str, by: str) -> None:
    """Carry out nothing more, for one site or for all.

    Calls are still verified, recorded and answered. It holds on every machine within
    seconds, and outlasts restarts, until `countersign resume`.
    """
    runtime = opening.runtime()
    who = By(who=by or getpass.getuser(), why=why, now=runtime.now())
    with runtime.sessions.begin() as session:
        if tenant_id is not None:
            opening.tenant(session, tenant_id)
        is_new = stops.stop(session, tenant_id, who)
        in_hand = _in_hand(session, runtime)
    click.echo("stopped" if is_new else "it is stopped already")
    if in_hand:
        click.echo(f"runs that bring the step in hand to its end: {in_hand}")


@click.command()
@click.argument("tenant_id", type=click.UUID, required=False)
@click.option(
    "--new-keys/--keep-keys",
    default=None,
    help="After a restore: revoke all signing keys and make new ones, or not.",
)
@click.option(
    "--fail-due/--keep-due",
    default=None,
    help="After a restore: end the runs that were open in the backup, or not.",
)
def resume(
    tenant_id: uuid.UUID | None, *, new_keys: bool | None, fail_due: bool | None
) -> None:
    """Let one site, or everything, go on.

    What is due follows in its order. An instance that was restored from a backup goes
    on only once you have said what is to become of its keys and of its open runs.
    """
    runtime = opening.runtime()
    choice = Choice(new_keys=new_keys, fail_due=fail_due)
    with runtime.sessions.begin() as session:
        standing = stops.find_everything(session)
    if standing is not None and standing.cause is Cause.RESTORED:
        if tenant_id is not None:
            raise click.ClickException("first resume everything: it was restored")
        _settle_restored(runtime, standing, choice)
    by = By(who=getpass.getuser(), now=runtime.now())
    with runtime.sessions.begin() as session:
        is_over = stops.resume(session, tenant_id, by)
        left = stops.listed(session)
    click.echo("resumed" if is_over else "it was not stopped")
    for each in left:
        click.echo(f"still stopped: {_line(each)}")


@click.command("stops")
def stops_() -> None:
    """List what is stopped, since when, by whom, and why."""
    with opening.runtime().sessions.begin() as session:
        found = stops.listed(session)
    for each in found:
        click.echo(_line(each))
    if not found:
        click.echo("nothing is stopped")


def _line(each: Standing) -> str:
    what = each.tenant_id or "everything"
    since = f"since {each.stopped_at:%Y-%m-%d %H:%M} UTC, by {each.who}"
    return f"{what}  {since}{f': {each.why}' if each.why else ''}"


def _in_hand(session: Session, runtime: Runtime) -> int:
    held = sa.select(sa.func.count()).where(Run.lease_until > runtime.now())
    return session.scalar(held) or 0


def _settle_restored(runtime: Runtime, standing: Standing, choice: Choice) -> None:
    """Do about a backup's keys and runs what the operator says; refuse if he does not.

    Attack (rule T14): a key that was revoked since the backup signs again, and so does
    whoever stole it; a deployment that was through is made once more.
    """
    with runtime.sessions.begin() as session:
        due = runs.open_runs(session, before=standing.stopped_at)
        signs = list(
            session.scalars(
                sa.select(SigningKey.tenant_id)
                .where(SigningKey.state == KeyState.ACTIVE)
                .order_by(SigningKey.tenant_id)
            )
        )
    if not choice.is_made:
        raise click.ClickException(_explained(standing, due, signs))
    if choice.new_keys:
        for tenant_id in signs:
            signing.revoke_all(runtime, tenant_id)
        click.echo(f"sites with new signing keys: {len(signs)}")
    if choice.fail_due:
        ended = sum(_end_all(runtime, standing, tenant_id) for tenant_id in due)
        click.echo(f"runs ended as failed: {ended}")


_RUNS = """  They may repeat what they did after the backup was made.
  --fail-due ends them, visibly; tickets that they hold are then the watchdog's.
  --keep-due lets them go on."""
_KEYS = """  One of these keys may have been revoked after the backup was made.
  --new-keys revokes them all and makes new ones; receivers refuse deliveries until
  they read the new key set. --keep-keys keeps them."""


def _explained(
    standing: Standing, due: dict[uuid.UUID, int], signs: list[uuid.UUID]
) -> str:
    made = f"{standing.stopped_at:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"this instance was restored from the backup of {made}, and is held.",
        f"Open runs that would go on: {sum(due.values())}",
        *(f"  {tenant_id}: {number}" for tenant_id, number in due.items()),
        _RUNS,
        f"Sites whose signing key of the backup would sign again: {len(signs)}",
        *(f"  {tenant_id}" for tenant_id in signs),
        _KEYS,
        "Say one of each pair; nothing goes on until then.",
    ]
    return "\n".join(lines)


def _end_all(runtime: Runtime, standing: Standing, tenant_id: uuid.UUID) -> int:
    """End a site's runs of the backup, some in a transaction; calls since then stay."""
    total, before = 0, standing.stopped_at
    while True:
        now = runtime.now()
        with runtime.sessions.begin() as session:
            ended = runs.give_up(
                session, tenant_id, before=before, limit=BATCH, now=now
            )
            for run_id in ended:
                audit.record(
                    session,
                    tenant_id,
                    f"run-{RunState.FAILED}",
                    actor=signing.ACTOR,
                    now=now,
                    run=str(run_id),
                    why=Why.RESTORED,
                )
        if not ended:
            return total
        total += len(ended)
