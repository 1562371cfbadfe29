"""`countersign keys`, what seals: which key has sealed what, and sealing it anew."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from app import resealing
from app.cli import opening
from app.resealing import Place, Report, Row
from app.runtime import Runtime

NAMED = 10
"""Rows that are named one by one; of more, the number says it."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What became of some rows."""

    looked_at: int
    resealed: int
    shut: Sequence[Row]
    """What no key at hand opens."""


@click.command()
def reseal() -> None:
    """Seal every secret with the first of the encryption keys.

    Then the older keys can go. Everything else may run on. A run that was interrupted
    is simply started again.
    """
    runtime = opening.runtime()
    with runtime.sessions.begin() as session:
        total = resealing.count(session)
    resealed, shut = 0, list[Row]()
    with click.progressbar(length=total, label="Sealing", width=0) as bar:
        for batch in reseal_all(runtime):
            resealed += batch.resealed
            shut += batch.shut
            bar.update(batch.looked_at)
    click.echo(f"secrets sealed again: {resealed}")
    for row in shut[:NAMED]:
        click.echo(f"cannot be opened: {row.kind} {row.id}, key {row.key_id or '?'}")
    if shut:
        raise click.ClickException(
            f"{len(shut)} secrets cannot be opened with the keys at hand, and stay as"
            " they are; see `countersign keys report`"
        )
    click.echo(_verdict(_report(runtime)))


@click.command()
def report() -> None:
    """Say which encryption key has sealed what.

    It also says whether an old key can go. Ends with status 1 if a key is missing.
    """
    found = _report(opening.runtime())
    for position, key_id in enumerate(found.ring):
        does = "seals, opens" if position == 0 else "opens"
        click.echo(f"{key_id}  at hand ({does}), secrets: {found.on(key_id)}")
    for key_id in found.missing:
        click.echo(f"{key_id or '?'}  MISSING, secrets: {found.on(key_id)}")
    for (key_id, kind), number in sorted(found.rows.items()):
        click.echo(f"  {key_id or '?'}  {kind}: {number}")
    click.echo(_verdict(found))
    if found.missing:
        raise click.ClickException(
            "what a missing key has sealed cannot be opened: put that key back"
        )


def reseal_all(runtime: Runtime) -> Iterator[Batch]:
    """Seal everything anew, two short transactions for each batch."""
    for rows in resealing.batches(_reading(runtime)):
        changes, shut = resealing.plan(runtime.keyring, rows)
        resealed = 0
        if changes:
            with runtime.sessions.begin() as session:
                resealed = resealing.write(session, changes)
        yield Batch(looked_at=len(rows), resealed=resealed, shut=shut)


def _reading(runtime: Runtime) -> resealing.Read:
    def read(place: Place, after: uuid.UUID) -> Sequence[Row]:
        with runtime.sessions.begin() as session:
            return resealing.read(session, place, after=after)

    return read


def _report(runtime: Runtime) -> Report:
    rows = Counter[tuple[str, str]]()
    for some in resealing.batches(_reading(runtime)):
        rows += resealing.tally(some)
    return Report(rows=rows, ring=runtime.keyring.key_ids)


def _verdict(found: Report) -> str:
    first, *others = found.ring
    if not found.is_settled:
        return (
            f"not everything is sealed with {first}: keep the other keys, and start"
            " `countersign keys reseal` once every process knows the new key"
        )
    if not others:
        return f"everything is sealed with {first}, the only key"
    return (
        f"everything is sealed with {first}: {', '.join(others)} can go, once every"
        f" process has {first} in the first place"
    )
