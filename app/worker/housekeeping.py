"""What a worker does beside its runs: seal events, count, rotate keys, forget.

Everything is done in small transactions of their own, and what does them is handed back
to between two: runs that are due do not wait for a big site's old rows.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from app import (
    audit,
    checkpoints,
    destinations,
    figures,
    keys,
    personal,
    tenants,
    tickets,
    vault,
)
from app.runtime import Runtime
from app.tenants import preferences
from app.worker import retaining
from app.worker.retaining import Sort, Went

log = logging.getLogger(__name__)

BATCHES = 250
"""Transactions for one sort of rows of one site in an hour: the others have their turn
too, and the rest goes an hour later. A site may have 5000 runs an hour."""


BREATH_SECONDS = 0.02
"""Between two transactions that took something away: SQLite's writers do not queue up,
they look now and then whether it is their turn."""


def _log(went: Went) -> None:
    log.info("tenant=%s forgot %s=%s", went.tenant_id or "all", went.name, went.count)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much goes at once, and who is told what went."""

    batches: int | None = BATCHES
    """None goes on until nothing is left that may go."""
    tell: Callable[[Went], None] = _log


def keep_house(runtime: Runtime, pace: Pace | None = None) -> Iterator[None]:
    """Do what is due once an hour; each step taken is one transaction or two.

    Whoever leaves off in the middle has lost nothing: what is left is still due.
    """
    pace = pace or Pace()
    yield from _forget_expired(runtime)
    yield from _retain(runtime, None, retaining.of_all(runtime), pace)
    rotate_keys(runtime)
    yield
    for tenant_id in retaining.sites(runtime):
        # One site's odd row must not let every other site's data stay for ever.
        with _apart(f"tenant={tenant_id} housekeeping failed"):
            try:
                # Its hours first, then what they were counted from.
                yield from _count_up(runtime, tenant_id)
                sorts = retaining.of_site(runtime, tenant_id)
                yield from _retain(runtime, tenant_id, sorts, pace)
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


def _forget_expired(runtime: Runtime) -> Iterator[None]:
    """Forget what has a time of its own, whoever's it is; each sort for itself."""
    now, settings = runtime.now(), runtime.settings
    before = now - timedelta(days=settings.secret_retention_days)
    for forget in (
        partial(vault.delete_expired, now=now),
        partial(tenants.forget_departed, settings=settings, now=now),
        partial(preferences.forget_departed, before=before),
        partial(destinations.forget_departed, before=before),
        partial(tenants.forget_expired_tokens, now=now),
        partial(tickets.delete_expired, now=now),
        audit.prune_unproven,
    ):
        with runtime.sessions.begin() as session:
            forget(session)
        yield


def _count_up(runtime: Runtime, tenant_id: uuid.UUID) -> Iterator[None]:
    """Count what is over, to the end: what is forgotten next cannot be counted."""
    is_left = True
    while is_left:
        with runtime.sessions.begin() as session:
            is_left = figures.count_up(session, tenant_id, now=runtime.now())
        yield


def _retain(
    runtime: Runtime, tenant_id: uuid.UUID | None, sorts: Sequence[Sort], pace: Pace
) -> Iterator[None]:
    """Forget what is old enough, some in a transaction, and say what went."""
    for sort in sorts:
        total, batches = 0, 0
        while pace.batches is None or batches < pace.batches:
            with runtime.sessions.begin() as session:
                count = sort.forget(session)
            total, batches = total + count, batches + 1
            yield
            if not count:
                break
            time.sleep(BREATH_SECONDS)
        if total:
            pace.tell(Went(tenant_id=tenant_id, name=sort.name, count=total))
