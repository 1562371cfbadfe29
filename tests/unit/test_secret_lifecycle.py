"""T4: the life of a tenant's secrets, in any order, against a model of the promise.

The add-on, its database and a Jira are real and in one process; only the clock is not.
The model knows which secret counts, which one ends when, and which one is offered.
Every secret that was ever seen may sign a call at any time.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app import db
from app.crypto import Keyring
from app.db import Base
from app.http import NoMail
from app.queue import Queue
from app.runs import Run, RunState
from app.runtime import Runtime
from app.settings import Settings
from app.tenants.candidates import LIFE
from app.tenants.promoting import WAITS
from app.tenants.tables import SHARED_SECRET
from app.vault import SecretVersion
from app.web import create_app
from app.worker import Prover
from sandbox import Jira
from tests import lending
from tests.functional.callers import Caller
from tests.functional.conftest import BASE_URL, KEY, SITE
from tests.functional.fakes import Clock, Wire

PATH = "/post-function/triggered"
GRACE = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
HINT = {"workflowName": "W", "transitionId": 11, "from_status": "A", "to_status": "B"}

OFTEN = Counter(install=3, prove=5, wait=4, replay=2, install_again=1, uninstall=1)


@dataclass
class World:
    """An add-on and a Jira that share a clock; emptied for each life."""

    folder: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        url = f"sqlite:///{self.folder / 'life.sqlite'}"
        self.jira = Jira(
            now=self.clock, addon_base_url=BASE_URL, base_url=SITE, background=False
        )
        self.jira.site.descriptor = {
            "key": "countersign",
            "baseUrl": BASE_URL,
            "scopes": ["READ", "WRITE"],
        }
        sessions = db.make_sessions(url)
        Base.metadata.create_all(sessions.kw["bind"])
        given = Settings.from_env(
            {
                "COUNTERSIGN_BASE_URL": BASE_URL,
                "COUNTERSIGN_DATABASE_URL": url,
                "COUNTERSIGN_QUEUE_URL": f"sqlite:///{self.folder / 'queue.sqlite'}",
                "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
                "COUNTERSIGN_INSTALL_KEYS_URL": f"{SITE}/install-keys",
                "COUNTERSIGN_TENANTS": "open",
                "COUNTERSIGN_SECRET_GRACE_MINUTES": "10",
            }
        )
        self.runtime = Runtime(
            settings=given,
            sessions=sessions,
            keyring=Keyring.from_base64(given.sealing_keys),
            http=Wire(jira=lending.jira(self.jira), in_transaction=db.in_transaction),
            mail=NoMail(),
            queue=Queue(given.queue_url),
            now=self.clock,
        )
        self.flask: Flask = create_app(self.runtime)
        self.caller = Caller(app=self.flask, jira=self.jira, clock=self.clock)

    def empty(self) -> None:
        with self.runtime.sessions.begin() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(table.delete())


class Life(RuleBasedStateMachine):
    """What the rule promises, and what the add-on does."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.empty()
        self.site = self.world.jira.site
        self.site.installed = False
        self.current: str | None = None
        self.ending: dict[str, datetime] = {}
        self.offered: tuple[str, datetime] | None = None
        self.seen: list[str] = []
        self.calls: list[tuple[str, str]] = []
        """Each with the secret that signed it, and what became of it."""
        self.install()

    @property
    def edges(self) -> list[datetime]:
        """When something is to end that has not ended yet."""
        ends = [*self.ending.values(), *([self.offered[1]] if self.offered else [])]
        return [each for each in ends if each > self.now]

    @property
    def now(self) -> datetime:
        return self.world.clock()

    # One rule for all of them: by itself, hypothesis leaves rules out of most lives.
    @rule(what=st.sampled_from(sorted(OFTEN.elements())))
    def happen(self, what: str) -> None:
        getattr(self, what)()
        if what in {"install", "prove", "wait"}:
            self.call()

    def install(self) -> None:
        """Jira installs with a new secret, and goes over to it."""
        self._install(self._fresh())
        self.site.shared_secret, self.site.installed = self.seen[-1], True

    def install_again(self) -> None:
        """Jira sends its install again, with the secret that it has."""
        if self.site.installed:
            self._install(self.site.shared_secret)

    def replay(self) -> None:
        """Attack: an install token that was never applied, with another secret."""
        if self.current is not None:
            self._install(self._fresh())

    def uninstall(self) -> None:
        if not self.site.installed:
            return
        self.world.clock.advance(SECOND)
        caller = self.world.caller
        token = caller.install_token("uninstalled")
        assert caller.lifecycle("uninstalled", token, caller.installed()) == 204
        self.site.installed = False
        self.current, self.ending = None, {}
        self._drop()

    def wait(self) -> None:
        """Time passes, and no worker looks: to the last second of what ends next."""
        edge = min(self.edges, default=self.now + timedelta(hours=1))
        if edge - SECOND > self.now:
            self.world.clock.time = edge - SECOND
            self.call()
        self.world.clock.time = edge

    def prove(self) -> None:
        """Let a worker look: after the longest wait, so that whatever waits is due."""
        self.world.clock.advance(WAITS[-1])
        Prover(runtime=self.world.runtime).prove()
        if self.offered is None:
            return
        secret, until = self.offered
        if until <= self.now:
            self._drop()
        elif self.site.installed and secret == self.site.shared_secret:
            self._promote(secret)

    @invariant()
    def one_secret_is_current(self) -> None:
        with self.world.runtime.sessions.begin() as session:
            found = sa.select(sa.func.count()).where(
                SecretVersion.kind == SHARED_SECRET, SecretVersion.expires_at.is_(None)
            )
            assert session.scalar(found) == (self.current is not None)

    @invariant()
    def calls_run_only_by_a_secret_that_counts(self) -> None:
        with self.world.runtime.sessions.begin() as session:
            number = sa.cast(Run.issue_id, sa.Integer)
            rows = session.scalars(sa.select(Run).order_by(number))
            found = [_fate(row) for row in rows]
        assert found == [fate for _, fate in self.calls]

    def call(self) -> None:
        """Transitions' calls come, signed by each of the last secrets seen."""
        for secret in self.seen[-3:]:
            self._call(secret)

    def _call(self, secret: str) -> None:
        caller, issue = self.world.caller, str(len(self.calls) + 1)
        body = {"issue": {"id": issue}, "transition": HINT}
        token = caller.url_bound("POST", PATH, secret=secret)
        answer = caller.send("POST", PATH, token=token, body=body)
        if self._counts(secret):
            self.calls.append((secret, "due"))
        elif self._is_offered(secret):
            self.calls.append((secret, "stored"))
        else:
            assert answer.status == 401
            return
        assert answer.status == 204

    def _install(self, secret: str) -> None:
        self.world.clock.advance(SECOND)
        assert self.world.caller.install(sharedSecret=secret) == 204
        if self.current is None:
            self.current = secret
        elif secret == self.current:
            self._drop()
        elif self._is_offered(secret):
            self.offered = (secret, self.now + LIFE)
        else:
            self._drop()
            self.offered = (secret, self.now + LIFE)

    def _fresh(self) -> str:
        self.seen.append(f"secret-number-{len(self.seen):04}-of-this-life-of-a-site")
        return self.seen[-1]

    def _promote(self, secret: str) -> None:
        assert self.current is not None
        self.ending[self.current] = self.now + GRACE
        self.ending.pop(secret, None)
        self.current, self.offered = secret, None
        self._settle(secret, "due")

    def _drop(self) -> None:
        if self.offered is not None:
            self._settle(self.offered[0], "nothing")
        self.offered = None

    def _settle(self, secret: str, fate: str) -> None:
        self.calls = [
            (by, fate if by == secret and was == "stored" else was)
            for by, was in self.calls
        ]

    def _counts(self, secret: str) -> bool:
        ends = self.ending.get(secret)
        return secret == self.current or (ends is not None and ends > self.now)

    def _is_offered(self, secret: str) -> bool:
        return (
            self.offered is not None
            and self.offered[0] == secret
            and self.offered[1] > self.now
        )


def _fate(run: Run) -> str:
    if run.state is RunState.RECEIVED:
        return "stored" if run.due_at is None else "due"
    assert run.state is RunState.UNCONFIRMED
    return "nothing"


def test_t4_life_of_a_tenants_secrets(tmp_path: Path) -> None:
    Life.world = World(tmp_path)
    try:
        machine = Life.TestCase
        machine.settings = settings(
            max_examples=20,
            stateful_step_count=12,
            # A life is short enough to be read as it is; to shorten it takes a minute.
            phases=(Phase.generate,),
            deadline=None,
            database=None,
            # Other tests may have the machine at the same time.
            suppress_health_check=list(HealthCheck),
        )
        machine("runTest").runTest()
    finally:
        Life.world.jira.close()
        Life.world.runtime.sessions.kw["bind"].dispose()
