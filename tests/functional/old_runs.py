"""Runs as they are in a database that has been in use for long."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker, undefer

from app.db import Base, new_id
from app.runs import (
    Attempt,
    Result,
    Role,
    Run,
    RunState,
    RunStep,
    StepAnswer,
    StepState,
)
from app.tenants import Door, State, Tenant

Sessions = sessionmaker[Session]
Table = TypeVar("Table", bound=Base)


def tenant(session: Session, now: datetime) -> uuid.UUID:
    """Add one more site; nobody can call as it."""
    made = Tenant(
        id=uuid.uuid4(),
        state=State.ACTIVE,
        base_url=f"https://{uuid.uuid4().hex}.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )
    session.add(made)
    session.flush()
    return made.id


@dataclass(frozen=True, kw_only=True)
class OldRuns:
    """Adds runs to one site, and looks what is left of them."""

    sessions: Sessions
    tenant_id: uuid.UUID

    def add(self, at: datetime, *, act: str | None = None, **changes: Any) -> uuid.UUID:
        """Add a run that came and ended then, with one delivery that was answered."""
        run_id, step_id = new_id(at), new_id(at)
        values: dict[str, Any] = {
            "id": run_id,
            "tenant_id": self.tenant_id,
            "door": Door.CONNECT,
            "state": RunState.SUCCEEDED,
            "received_at": at,
            "finished_at": at,
            "issue_id": "10001",
            "config": "{}",
            "rule_hash": "h",
            "unverified_hint": {},
            "token_hash": run_id.hex,
            "call_hash": run_id.hex,
        }
        with self.sessions.begin() as session:
            session.add(Run(**(values | changes)))
            session.flush()
            step = RunStep(
                id=step_id,
                tenant_id=self.tenant_id,
                run_id=run_id,
                role=Role.STEP,
                position=0,
                state=StepState.DONE,
                config={"do": "deliver"},
                act=act or '{"sent": true}',
            )
            session.add(step)
            session.flush()
            attempt = Attempt(
                id=new_id(at),
                tenant_id=self.tenant_id,
                run_step_id=step_id,
                begun_at=at,
                issue_id="10001",
                request_head="POST",
                response_head="200",
                response_body="ok",
            )
            session.add(attempt)
        return run_id

    def answer(self, run_id: uuid.UUID, at: datetime, **said: Any) -> uuid.UUID:
        """Add what was said of how the run's delivery ended."""
        values: dict[str, Any] = {
            "id": new_id(at),
            "tenant_id": self.tenant_id,
            "run_step_id": self.step(run_id).id,
            "at": at,
            "result": Result.SUCCEEDED,
            "message": "",
            "url": "",
            "claims": {},
            "token_hash": uuid.uuid4().hex,
            "counts": False,
        }
        with self.sessions.begin() as session:
            row = StepAnswer(**(values | said))
            session.add(row)
            return row.id

    def left(self) -> set[uuid.UUID]:
        with self.sessions.begin() as session:
            wanted = sa.select(Run.id).where(Run.tenant_id == self.tenant_id)
            return set(session.scalars(wanted))

    def find(self, run_id: uuid.UUID) -> Run:
        with self.sessions.begin() as session:
            found = session.get_one(Run, run_id, options=[undefer("*")])
            session.expunge_all()
        return found

    def step(self, run_id: uuid.UUID) -> RunStep:
        return self._one(RunStep, RunStep.run_id == run_id)

    def attempt(self, run_id: uuid.UUID) -> Attempt:
        step_id = self.step(run_id).id
        return self._one(Attempt, Attempt.run_step_id == step_id)

    def said(self, run_id: uuid.UUID) -> StepAnswer:
        return self._one(StepAnswer, StepAnswer.run_step_id == self.step(run_id).id)

    def count(self, table: type[Base]) -> int:
        with self.sessions.begin() as session:
            counted = sa.select(sa.func.count()).select_from(table)
            return session.scalar(counted) or 0

    def _one(self, table: type[Table], where: sa.ColumnElement[bool]) -> Table:
        with self.sessions.begin() as session:
            wanted = sa.select(table).where(where).options(undefer("*"))
            found = session.scalars(wanted).one()
            session.expunge_all()
        return found
