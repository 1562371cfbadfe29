"""A receiver outside, and a desk from which rules deliver to it."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import undefer

from app import destinations, keys
from app.audit import AuditEvent
from app.crypto import Secret
from app.destinations import (
    Change,
    Definition,
    Destination,
    DestinationHealth,
    DestinationState,
)
from app.http import Request, Response
from app.runs import Attempt, Run, RunStep
from app.runtime import Runtime
from app.steps.deliver import reference
from app.tenants import State, Tenant
from app.worker import Worker
from sandbox import Jira
from sandbox.world import Rule
from tests.functional.conftest import BASE_URL, rule
from tests.functional.fakes import Answer, Clock, Wire, call

HOST = "deploy.example"
URL = f"https://{HOST}/in"
START = "Start progress"
DEMO = "10000"


@dataclass
class Receiver:
    """Answers what it was told to, then 200; keeps what it got."""

    answers: list[Answer | Callable[[Request], Answer]] = field(default_factory=list)
    got: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.got.append(request)
        answer = self.answers.pop(0) if self.answers else Response(status=200)
        return answer(request) if callable(answer) else answer

    @property
    def tokens(self) -> list[str]:
        return [token_of(request) for request in self.got]

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.got]


@dataclass(kw_only=True)
class Desk:
    """A site that has installed us, a worker, and one receiver."""

    runtime: Runtime
    app: Flask
    jira: Jira
    worker: Worker
    clock: Clock
    receiver: Receiver
    rules: list[Rule] = field(default_factory=list)

    @property
    def tenant_id(self) -> uuid.UUID:
        with self.runtime.sessions.begin() as session:
            wanted = sa.select(Tenant.id).where(Tenant.base_url == self.jira.base_url)
            return session.scalars(wanted).one()

    def change(self) -> Change:
        return Change(tenant_id=self.tenant_id, actor="ada", now=self.clock())

    def define(self, **changes: Any) -> Definition:
        default = {"name": "Deploy", "url": URL, "project_ids": [DEMO]}
        return Definition(**(default | changes))

    def set_up(self, **changes: Any) -> tuple[uuid.UUID, Secret | None]:
        """Create a destination as its admin does; return its id and its secret."""
        definition, change = self.define(**changes), self.change()
        rotation = keys.Rotation(
            tenant_id=change.tenant_id, actor="ada", now=self.clock(), fresh=PAIRS()
        )
        with self.runtime.sessions.begin() as session:
            keys.ensure(session, self.runtime.keyring, rotation)
            return destinations.create(
                session, self.runtime.keyring, change, definition
            )

    def redefine(self, destination_id: uuid.UUID, **changes: Any) -> Secret | None:
        """Change a destination as its admin does."""
        definition, change = self.define(**changes), self.change()
        with self.runtime.sessions.begin() as session:
            return destinations.change_to(
                session, self.runtime.keyring, change, destination_id, definition
            )

    def another_tenant(self) -> uuid.UUID:
        """Let there be another site; return whose it is."""
        now = self.clock()
        other = Tenant(
            id=uuid.uuid4(),
            state=State.ACTIVE,
            base_url="https://other.atlassian.net",
            enabled=True,
            installed_at=now,
            lifecycle_at=now,
        )
        with self.runtime.sessions.begin() as session:
            session.add(other)
            session.flush()
            return other.id

    def move_to_another_tenant(self, destination_id: uuid.UUID) -> uuid.UUID:
        """Let a destination have been another site's from the start; return whose."""
        other_id = self.another_tenant()
        with self.runtime.sessions.begin() as session:
            session.execute(sa.delete(DestinationHealth))
            session.get_one(Destination, destination_id).tenant_id = other_id
        return other_id

    def rule(self, destination_id: uuid.UUID, **members: Any) -> str:
        inputs = {"version": "{{ issue.key }}-rc", "about": "{{ issue.summary }}"}
        return rule(
            {
                "do": "deliver",
                "destination": reference(destination_id),
                "inputs": inputs,
            },
            **members,
        )

    def publish(self, destination_id: uuid.UUID, **members: Any) -> str:
        """Put a rule that delivers there into the workflow, alone; return its text."""
        for known in self.rules:
            self.jira.remove_post_function(known.id)
        text = self.rule(destination_id, **members)
        self.rules = [self.jira.add_post_function(START, text)]
        return text

    def fire(self, key: str = "DEMO-1") -> None:
        """Let the issue make its transition; nothing is carried out yet."""
        self.jira.set_status(key, "To Do")
        self.jira.transition(key, START)
        self.jira.deliver_pending()

    def deliver(self, destination_id: uuid.UUID, **members: Any) -> None:
        """Publish, fire, and let the worker do what is due."""
        self.publish(destination_id, **members)
        self.fire()
        self.worker.drain()

    def later(self, **by: float) -> None:
        """Let time pass, and the worker do what is due then."""
        self.clock.advance(timedelta(**by))
        self.worker.drain()

    def act(self, what: Any, destination_id: uuid.UUID, *more: Any) -> Any:
        """Have an admin pause, resume, approve or delete it."""
        with self.runtime.sessions.begin() as session:
            return what(session, self.change(), destination_id, *more)

    def runs(self) -> list[Run]:
        with self.runtime.sessions.begin() as session:
            found = list(session.scalars(sa.select(Run).order_by(Run.id)))
            session.expunge_all()
        return found

    def step(self) -> RunStep:
        """Return the one delivery that there is."""
        with self.runtime.sessions.begin() as session:
            wanted = sa.select(RunStep).where(RunStep.role == "step")
            found = session.scalars(wanted).one()
            session.expunge_all()
        return found

    def attempts(self) -> list[Attempt]:
        with self.runtime.sessions.begin() as session:
            wanted = sa.select(Attempt).order_by(Attempt.id).options(undefer("*"))
            found = list(session.scalars(wanted))
            session.expunge_all()
        return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        with self.runtime.sessions.begin() as session:
            rows = session.scalars(
                sa.select(AuditEvent)
                .where(AuditEvent.kind == kind)
                .order_by(AuditEvent.id)
            )
            return [dict(row.facts) for row in rows]

    def state_of(self, destination_id: uuid.UUID) -> DestinationState:
        with self.runtime.sessions.begin() as session:
            return destinations.get(session, self.tenant_id, destination_id).state

    def key_set(self) -> dict[str, Any]:
        """Return what our issuer publishes now."""
        url = f"{BASE_URL}/issuers/{self.tenant_id}/jwks.json"
        found: dict[str, Any] = json.loads(call(self.app, "GET", url, {}, b"").body)
        return found

    def verified(self, token: str, audience: str = URL) -> dict[str, Any]:
        """Return the claims of a token that our published key set proves, in time."""
        known = jwt.PyJWKSet.from_dict(self.key_set())
        key = known[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=audience,
            # By the test's clock, below.
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims["iat"] <= self.clock().timestamp() < claims["exp"]
        return claims


class _Pairs:
    """Two key pairs for whoever needs some; made once, as that is slow."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def __call__(self) -> list[Any]:
        self.made = self.made or keys.make(2)
        return self.made


PAIRS = _Pairs()


def token_of(request: Request) -> str:
    scheme, _, token = request.headers["Authorization"].partition(" ")
    assert scheme == "Bearer"
    return token


def open_desk(
    runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire
) -> Desk:
    """Set up a desk whose receiver is at `HOST`."""
    clock = runtime.now
    assert isinstance(clock, Clock)
    receiver = Receiver()
    wire.elsewhere[HOST] = receiver
    return Desk(
        runtime=runtime,
        app=app,
        jira=site,
        worker=worker,
        clock=clock,
        receiver=receiver,
    )
