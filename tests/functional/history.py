"""A site's history, made by hand: as long and as odd as a test needs it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app import audit
from app.audit import AuditEvent
from app.db import new_id
from app.runtime import Runtime
from app.tenants import State, Tenant
from sandbox import Jira


@dataclass(frozen=True, kw_only=True)
class History:
    """Writes into one tenant's log what its doors and workers would."""

    runtime: Runtime
    tenant_id: uuid.UUID

    def add(
        self, kind: str, *, times: int = 1, actor: str = "jira", **detail: Any
    ) -> uuid.UUID:
        """Add events of now; return the last one's id."""
        now = self.runtime.now()
        with self.runtime.sessions.begin() as session:
            for _ in range(times):
                audit.record(
                    session, self.tenant_id, kind, actor=actor, now=now, **detail
                )
            session.flush()
            newest = sa.select(AuditEvent.id).where(
                AuditEvent.tenant_id == self.tenant_id
            )
            return session.scalars(newest.order_by(AuditEvent.id.desc())).first() or (
                uuid.UUID(int=0)
            )

    def add_many(self, kind: str, times: int, **detail: Any) -> None:
        """Add events of now in one go, for a history that is long."""
        now = self.runtime.now()
        row = {
            "tenant_id": self.tenant_id,
            "kind": kind,
            "actor": "jira",
            "happened_at": now,
            "detail": audit.canonical(detail),
        }
        with self.runtime.sessions.begin() as session:
            rows = [row | {"id": new_id(now)} for _ in range(times)]
            session.execute(sa.insert(AuditEvent), rows)

    def ids(self) -> list[str]:
        """Return all of its events, the newest first."""
        with self.runtime.sessions.begin() as session:
            wanted = sa.select(AuditEvent.id).where(
                AuditEvent.tenant_id == self.tenant_id
            )
            found = session.scalars(wanted.order_by(AuditEvent.id.desc()))
            return [str(each) for each in found]

    def clear(self) -> None:
        """Forget what the installation wrote."""
        with self.runtime.sessions.begin() as session:
            session.execute(
                sa.delete(AuditEvent).where(AuditEvent.tenant_id == self.tenant_id)
            )


def of(runtime: Runtime, jira: Jira) -> History:
    """Return the empty history of a site that has installed us."""
    with runtime.sessions.begin() as session:
        wanted = sa.select(Tenant.id).where(Tenant.base_url == jira.base_url)
        tenant_id = session.scalars(wanted).one()
    history = History(runtime=runtime, tenant_id=tenant_id)
    history.clear()
    return history


def of_another(runtime: Runtime, now: datetime) -> History:
    """Return the empty history of some other site."""
    tenant_id = uuid.uuid4()
    with runtime.sessions.begin() as session:
        session.add(
            Tenant(
                id=tenant_id,
                state=State.ACTIVE,
                base_url="https://other.atlassian.net",
                enabled=True,
                installed_at=now,
                lifecycle_at=now,
            )
        )
    return History(runtime=runtime, tenant_id=tenant_id)
