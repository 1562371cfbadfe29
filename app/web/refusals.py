"""Writes refusals down: what a signature proves to the tenant, the rest apart."""

import logging
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from app import audit
from app.runtime import Runtime
from app.tokens.checks import Reason, Refused

log = logging.getLogger(__name__)

UNPROVEN_PER_MINUTE = 300
"""Unproven refusals written down a minute, of all strangers together (rule T13)."""

PROVEN_PER_MINUTE = 60
"""Refusals written down a minute that one tenant's signature proves: so many of its
Jira's calls, and so many of each of its listeners'."""

PRUNE_EVERY = 1000

_OF_PEOPLE = frozenset({Reason.NOT_PERMITTED, Reason.NO_SUBJECT})
"""Somebody opened a page that is not for them. The call itself was verified, and must
not hide a refused call of Jira's from who looks for one."""


_Prover = tuple[uuid.UUID, uuid.UUID | None]
"""Whose signature proves a refusal: a tenant's listener's, or its Jira's."""


@dataclass(kw_only=True)
class Refusal:
    """One call that was not served, as far as we know it."""

    error: Refused
    route: str
    claimed_issuer: str
    tenant_id: uuid.UUID | None
    listener_id: uuid.UUID | None = None
    """Which listener was called, where one was."""
    account_id: str | None = None
    """The person in session, where a verified token names one."""


@dataclass
class Refusals:
    """The log of refusals, which strangers can make as long as its limits."""

    runtime: Runtime
    _counts: Counter[_Prover | None] = field(default_factory=Counter)
    _minute: int = 0
    _written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, refusal: Refusal) -> None:
        """Write it down; raise SQLAlchemy's errors when the database is down."""
        error, now = refusal.error, self.runtime.now()
        detail: dict[str, audit.Value] = {
            "route": refusal.route,
            "reason": error.reason,
            "detail": error.detail,
        }
        if refusal.listener_id is not None:
            detail["listener"] = str(refusal.listener_id)
        prover = _prover(refusal)
        if not self._within_limit(prover, now):
            return
        log.warning(
            "refused route=%s reason=%s proven=%s",
            refusal.route,
            error.reason,
            prover is not None,
        )
        with self.runtime.sessions.begin() as session:
            if prover is not None:
                of_people = error.reason in _OF_PEOPLE
                kind = "permission-refused" if of_people else "verification-refused"
                itself = "listener" if refusal.listener_id else "jira"
                actor = refusal.account_id or itself
                audit.record(session, prover[0], kind, actor=actor, now=now, **detail)
                return
            audit.record_unproven(
                session, claimed_issuer=refusal.claimed_issuer, now=now, **detail
            )
            self._written += 1
            if self._written % PRUNE_EVERY == 0:
                audit.prune_unproven(session)

    def _within_limit(self, prover: _Prover | None, now: datetime) -> bool:
        """Say whether this one is written down, in the log and in the database.

        Attack: one expired token, sent a thousand times, is a thousand lines of its
        tenant's history; made-up ones are a thousand of the operator's. And one
        build with a wrong key hides that the site's Jira is refused.
        """
        minute = int(now.timestamp() // 60)
        limit = UNPROVEN_PER_MINUTE if prover is None else PROVEN_PER_MINUTE
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._counts.clear()
            self._counts[prover] += 1
            count = self._counts[prover]
        if count == limit + 1:
            log.warning("more refusals this minute than are written down")
        return count <= limit


def _prover(refusal: Refusal) -> _Prover | None:
    if refusal.tenant_id is None or not refusal.error.proven:
        return None
    return refusal.tenant_id, refusal.listener_id
