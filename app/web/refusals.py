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
"""Refusals written down a minute that one tenant's signature proves."""

PRUNE_EVERY = 1000

_OF_PEOPLE = frozenset({Reason.NOT_PERMITTED, Reason.NO_SUBJECT})
"""Somebody opened a page that is not for them. The call itself was verified, and must
not hide a refused call of Jira's from who looks for one."""


@dataclass(kw_only=True)
class Refusal:
    """One call that was not served, as far as we know it."""

    error: Refused
    route: str
    claimed_issuer: str
    tenant_id: uuid.UUID | None
    account_id: str | None = None
    """The person in session, where a verified token names one."""


@dataclass
class Refusals:
    """The log of refusals, which strangers can make as long as its limits."""

    runtime: Runtime
    _counts: Counter[uuid.UUID | None] = field(default_factory=Counter)
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
        proven = error.proven and refusal.tenant_id is not None
        if not self._within_limit(refusal.tenant_id if proven else None, now):
            return
        log.warning(
            "refused route=%s reason=%s proven=%s",
            refusal.route,
            error.reason,
            proven,
        )
        with self.runtime.sessions.begin() as session:
            if proven and refusal.tenant_id is not None:
                of_people = error.reason in _OF_PEOPLE
                kind = "permission-refused" if of_people else "verification-refused"
                actor = refusal.account_id or "jira"
                audit.record(
                    session, refusal.tenant_id, kind, actor=actor, now=now, **detail
                )
                return
            audit.record_unproven(
                session, claimed_issuer=refusal.claimed_issuer, now=now, **detail
            )
            self._written += 1
            if self._written % PRUNE_EVERY == 0:
                audit.prune_unproven(session)

    def _within_limit(self, tenant_id: uuid.UUID | None, now: datetime) -> bool:
        """Say whether this one is written down, in the log and in the database.

        Attack: one expired token, sent a thousand times, is a thousand lines of its
        tenant's history; made-up ones are a thousand of the operator's.
        """
        minute = int(now.timestamp() // 60)
        limit = UNPROVEN_PER_MINUTE if tenant_id is None else PROVEN_PER_MINUTE
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._counts.clear()
            self._counts[tenant_id] += 1
            count = self._counts[tenant_id]
        if count == limit + 1:
            log.warning("more refusals this minute than are written down")
        return count <= limit
