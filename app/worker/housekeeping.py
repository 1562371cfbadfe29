"""What a worker does beside its runs: seal events, count, rotate keys, forget.

Everything is done in small transactions of their own, and what does them is handed back
to between two: runs that are due do not wait for a big site's old rows.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import (
    audit,
    checkpoints,
    destinations,
    figures,
    forge,
    keys,
    listeners,
    personal,
    runs,
    tenants,
    tickets,
    vault,
)
from app.figures import Hour
from app.runtime import Runtime
from app.tenants import Tenant, preferences

log = logging.getLogger(__name__)

BATCH = 500
"""Rows that one transaction deletes or changes."""

BATCHES = 100
"""Transactions for one sort of rows of one site in an hour: the others have their turn
too, and the rest goes an hour later. A site may have 5000 runs an hour."""

HOUR_DAYS = 400
"""How long the figures of an hour are kept; they name nobody."""

Forget = Callable[[Session], int]
"""Deletes some rows, and says how many."""


def keep_house(runtime: Runtime) -> Iterator[None]:
    """Do what is due once an hour; each step taken is one transaction or two."""
    _forget_expired(runtime)
    yield
    rotate_keys(runtime)
    yield
    for tenant_id in _sites(runtime):
        # One site's odd row must not let every other site's data stay for ever.
        with _apart(f"tenant={tenant_id} housekeeping failed"):
            try:
                yield from _keep_site(runtime, tenant_id)
            except sa.exc.IntegrityError:
                # Somebody had a run carried out again just as it was to be deleted.
                log.info("tenant=%s retention goes on in an hour", tenant_id)


@contextmanager
def _apart(failed: str) -> Iterator[None]:
    """Let what fails for one site cost the others nothing; raise if it fails for all.

    Attack: who can write the database puts a number into one site's row that the next
    one does not fit behind, and no site's history comes under checkpoints any more.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated or isinstance(error, sa.exc.OperationalError):
            raise  # the database is away
        log.error("%s: %s", failed, type(error).__name__)  # noqa: TRY400 -- the text has values
    except Exception:
        log.exception(failed)


def seal(runtime: Runtime) -> Iterator[None]:
    """Bring what happened under checkpoints, of every site, a thousand at a time."""
    with runtime.sessions.begin() as session:
        waiting = checkpoints.waiting(session, now=runtime.now())
    for tenant_id in waiting:
        # Without its key one site has no proof of what happens; others do.
        with _apart(f"tenant={tenant_id} no checkpoint"):
            yield from _seal(runtime, tenant_id)


def _seal(runtime: Runtime, tenant_id: uuid.UUID) -> Iterator[None]:
    for _ in range(BATCHES):
        with runtime.sessions.begin() as session:
            count = checkpoints.seal(
                session, runtime.keyring, tenant_id, now=runtime.now()
            )
        yield
        if not count:
            break


def erase(runtime: Runtime) -> Iterator[None]:
    """Go on with every erasure that people asked for, a batch at a time."""
    with runtime.sessions.begin() as session:
        wanted = personal.unfinished(session)
    for erasure_id in wanted:
        # It costs neither the other erasures anything nor the runs.
        with _apart(f"erasure={erasure_id} failed"):
            yield from _erase(runtime, erasure_id)


def _erase(runtime: Runtime, erasure_id: uuid.UUID) -> Iterator[None]:
    for _ in range(BATCHES):
        with runtime.sessions.begin() as session:
            goes_on = personal.erase_some(
                session, runtime.keyring, erasure_id, now=runtime.now()
            )
        yield
        if not goes_on:
            break


def rotate_keys(runtime: Runtime) -> None:
    """Let the next key sign where the present one did long enough (rule T14)."""
    settings, now = runtime.settings, runtime.now()
    publish = timedelta(hours=settings.key_publish_hours)
    lifetime = timedelta(days=settings.key_rotation_days)
    with runtime.sessions.begin() as session:
        due = keys.due(session, lifetime=lifetime, publish=publish, now=now)
    for tenant_id in due:
        rotation = keys.Rotation(
            tenant_id=tenant_id, actor="countersign", now=now, fresh=keys.make(1)
        )
        try:
            with runtime.sessions.begin() as session:
                keys.rotate(session, runtime.keyring, rotation, publish=publish)
        except (keys.NoKeyError, keys.TooSoonError):
            log.info("tenant=%s keys were rotated elsewhere", tenant_id)


def _forget_expired(runtime: Runtime) -> None:
    """Forget what has a time of its own, whoever's it is."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        vault.delete_expired(session, now=now)
        tenants.forget_departed(session, runtime.settings, now=now)
        before = now - timedelta(days=runtime.settings.secret_retention_days)
        preferences.forget_departed(session, before=before)
        destinations.forget_departed(session, before=before)
        tenants.forget_expired_tokens(session, now=now)
        tickets.delete_expired(session, now=now)
        forge.forget_calls(session, now=now)
        listeners.rules.forget_calls(session, now=now)
        audit.prune_unproven(session)


def _sites(runtime: Runtime) -> Sequence[uuid.UUID]:
    """Return all of them: what those that left have here is kept no longer."""
    with runtime.sessions.begin() as session:
        return list(session.scalars(sa.select(Tenant.id).order_by(Tenant.id)))


def _keep_site(runtime: Runtime, tenant_id: uuid.UUID) -> Iterator[None]:
    """Count a site's hours first, then forget what they were counted from."""
    yield from _count_up(runtime, tenant_id)
    yield from _retain(runtime, tenant_id)


def _count_up(runtime: Runtime, tenant_id: uuid.UUID) -> Iterator[None]:
    """Count what is over, to the end: what is forgotten next cannot be counted."""
    is_left = True
    while is_left:
        with runtime.sessions.begin() as session:
            is_left = figures.count_up(session, tenant_id, now=runtime.now())
        yield


def _retain(runtime: Runtime, tenant_id: uuid.UUID) -> Iterator[None]:
    """Forget what the site's admins do not want kept, and what nobody needs."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        kept = preferences.find(session, tenant_id)

    def forget_exchanges(session: Session) -> int:
        before = now - timedelta(days=kept.exchange_days)
        return runs.forget_exchanges(session, tenant_id, before=before, limit=BATCH)

    def forget_runs(session: Session) -> int:
        before = now - timedelta(days=kept.run_days)
        return runs.prune(session, tenant_id, before=before, limit=BATCH)

    def forget_events(session: Session) -> int:
        before = now - timedelta(days=kept.audit_days)
        return checkpoints.prune(
            session, runtime.keyring, tenant_id, before=before, now=now, limit=BATCH
        )

    def forget_hours(session: Session) -> int:
        before = now - timedelta(days=HOUR_DAYS)
        gone = sa.delete(Hour).where(
            Hour.tenant_id == tenant_id, Hour.begins_at < before
        )
        session.execute(gone)
        return 0

    for name, forget in (
        ("exchanges", forget_exchanges),
        ("runs", forget_runs),
        ("events", forget_events),
        ("hours", forget_hours),
    ):
        yield from _in_batches(runtime, tenant_id, name, forget)


def _in_batches(
    runtime: Runtime, tenant_id: uuid.UUID, name: str, forget: Forget
) -> Iterator[None]:
    total = 0
    for _ in range(BATCHES):
        with runtime.sessions.begin() as session:
            count = forget(session)
        total += count
        yield
        if not count:
            break
    if total:
        log.info("tenant=%s forgot %s=%s", tenant_id, name, total)
