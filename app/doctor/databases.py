"""The database: whether it has this program's schema, and takes what is written."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import vault
from app.db import UTCDateTime, printable
from app.doctor.findings import Finding, fail, ok, warn
from app.runtime import Runtime

LEAST_FREE = 1_000_000_000
"""Bytes; SQLite that finds no room refuses every call."""

_REVISION = sa.table("alembic_version", sa.column("version_num", sa.String()))
_HEARTBEAT = sa.table("heartbeat", sa.column("beat_at", UTCDateTime()))
_UPGRADE = "Run `countersign db upgrade`, then restart all processes."


def revision(session: Session, known: Sequence[str]) -> Finding:
    """Compare the schema with `known`, the revisions of this program, newest first."""
    check = "database"
    if not sa.inspect(session.connection()).has_table("alembic_version"):
        return fail(check, "the database has no schema yet", _UPGRADE)
    found = session.scalar(sa.select(_REVISION.c.version_num)) or "none"
    if found == known[0]:
        return ok(check, f"its revision is {found}, as this program wants it")
    if found in known or found == "none":
        saw = f"its revision is {found}, and this program wants {known[0]}"
        return fail(check, saw, _UPGRADE)
    shown = printable(found, limit=40)
    saw = f"its revision is {shown}, newer than this program, which knows {known[0]}"
    do = "Run the newer version of Countersign, or take the database back by it first."
    return fail(check, saw, do)


def writable(session: Session) -> Finding:
    """See that it takes what is written, by a row of the watchdog's, left as it is."""
    session.execute(sa.update(_HEARTBEAT).values(beat_at=_HEARTBEAT.c.beat_at))
    return ok("writable", "it takes what is written")


def room(url: str) -> Iterator[Finding]:
    """See how much room a SQLite file has; other databases have their own watch."""
    parts = sa.make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database:
        return
    folder = Path(parts.database).absolute().parent
    free = shutil.disk_usage(folder).free
    saw = f"the disk of the database has {free / 1e9:.1f} GB free"
    if free >= LEAST_FREE:
        yield ok("disk", saw)
    else:
        yield warn("disk", saw, "Make room: without it no call can be recorded.")


def seals(session: Session, runtime: Runtime) -> Finding:
    """See that the ring has each encryption key that something is sealed with."""
    check, ring = "encryption-keys", runtime.keyring.key_ids
    found = vault.counts(session)
    if missing := sorted(found.keys() - set(ring)):
        count = sum(found[key] for key in missing)
        names = ", ".join(printable(key, limit=8) for key in missing)
        saw = f"missing key: {names} is not in the ring, and {_secrets(count)} by it"
        do = "Put it back into COUNTERSIGN_ENCRYPTION_KEYS, and restart all processes."
        return fail(check, saw, do)
    if old := sum(count for key, count in found.items() if key != ring[0]):
        saw = f"{_secrets(old)} by an older key than {ring[0]}"
        return warn(check, saw, "Run `countersign keys reseal`.")
    return ok(check, f"the newest, {ring[0]}, seals everything")


def _secrets(count: int) -> str:
    return "one secret is sealed" if count == 1 else f"{count} secrets are sealed"
