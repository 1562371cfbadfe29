"""Writes refusals down: what a signature proves to the tenant, the rest apart."""

import logging
import threading
from dataclasses import dataclass, field
from uuid import UUID

from app import audit
from app.audit import Kind
from app.runtime import Runtime
from app.tokens.checks import Reason, Refused
from app.web.limits import LeftOut, Limit, Limits, Source

log = logging.getLogger(__name__)

UNPROVEN = Limit(per_minute=60, per_hour=600)
"""Unproven refusals that are written, of one reason: of all strangers who name nobody
we know together, and apart from them of each site or listener that they name."""

PROVEN = Limit(per_minute=20, per_hour=60)
"""Refusals of one reason that are written and that one tenant's signature proves: so
many of its Jira's calls, of each of its listeners', and of its people's."""

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
    tenant_id: UUID | None
    listener_id: UUID | None = None
    """Which listener was called, where one was."""
    account_id: str | None = None
    """The person in session, where a verified token names one."""

    @property
    def source(self) -> Source:
        """Say with which others it is counted.

        Attack: one expired token, sent a thousand times, is a thousand lines of its
        tenant's history; made-up ones are a thousand of the operator's. And one build
        with a wrong key, or one person who may not, hides that Jira is refused.
        """
        reason, known = self.error.reason, self.tenant_id is not None
        if known and self.error.proven:
            return Source(
                tenant_id=self.tenant_id,
                kind=_kind(reason),
                reason=reason,
                listener_id=self.listener_id,
            )
        # Only names that we know are told apart: others are as many as one makes up.
        named = self.claimed_issuer if known else ""
        return Source(
            tenant_id=None,
            kind=Kind.VERIFICATION_REFUSED,
            reason=reason,
            claimed_issuer=named,
        )


@dataclass
class Refusals:
    """The log of refusals, which strangers can make as long as its limits."""

    runtime: Runtime
    limits: Limits
    _written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, refusal: Refusal) -> None:
        """Write it down, unless there were enough like it; then it is counted.

        Raise SQLAlchemy's errors when the database is down.
        """
        error, now, source = refusal.error, self.runtime.now(), refusal.source
        is_proven = source.tenant_id is not None
        if not self.limits.admit(source, PROVEN if is_proven else UNPROVEN, now=now):
            return
        log.warning(
            "refused route=%s reason=%s proven=%s",
            refusal.route,
            error.reason,
            is_proven,
        )
        detail: dict[str, audit.Value] = {
            "route": refusal.route,
            "reason": error.reason,
            "detail": error.detail,
        }
        if refusal.listener_id is not None:
            detail["listener"] = str(refusal.listener_id)
        with self.runtime.sessions.begin() as session:
            if source.tenant_id is not None:
                itself = "listener" if refusal.listener_id else "jira"
                actor = refusal.account_id or itself
                kind, of = source.kind, source.tenant_id
                audit.record(session, of, kind, actor=actor, now=now, **detail)
                return
            audit.record_unproven(
                session, claimed_issuer=refusal.claimed_issuer, now=now, **detail
            )
            if self._is_time_to_prune():
                audit.prune_unproven(session)

    def put_off(self, refusal: Refusal) -> None:
        """Count one that could not be written: it is told of once that can be."""
        one = LeftOut(source=refusal.source, count=1, since=self.runtime.now())
        self.limits.give_back([one])

    def _is_time_to_prune(self) -> bool:
        with self._lock:
            self._written += 1
            return self._written % PRUNE_EVERY == 0


def _kind(reason: Reason) -> Kind:
    of_people = reason in _OF_PEOPLE
    return Kind.PERMISSION_REFUSED if of_people else Kind.VERIFICATION_REFUSED
