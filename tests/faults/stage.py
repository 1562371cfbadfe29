"""One scenario's stage: the product in processes, a Jira with people, and the judge."""

import contextlib
import http
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import db, destinations, keys
from app.crypto import KeyPair, Keyring
from app.destinations import Change, Definition
from app.runs import RunState
from app.runtime import utc_now
from app.steps.deliver import reference
from app.tenants import Tenant
from tests.faults import judging, site
from tests.faults.judging import ACCOUNTED, Verdict
from tests.faults.kept import Kept, kept, wait_until
from tests.faults.load import Load, Times
from tests.faults.site import FLOW, HONEST, OWN_FLOW, PLAIN, Carry, Site
from tests.processes import ProcessError, free_port

KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
LOAD_SECONDS = 5.0
QUIET_SECONDS = 90.0
"""How long all that was begun may take to its end; then a run counts as lost."""

LATENCY = 0.1
LOOK_SECONDS = 0.25
"""Between two looks whether it is quiet."""

DEMO, OPS = "10000", "10001"
COMMENT = {"do": "add-comment", "body": "By {{ run.id }}"}
MOVE = {"do": "transition-issue", "transition": "Send to review"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a scenario plays, and what is unusual there."""

    folder: Path
    random: random.Random
    database: str
    through: str = ""
    """What the product is given instead: the same database, by another way."""
    queue: str = ""
    """Its own SQLite file, if nothing else is said."""
    workers: int = 1
    prefix: tuple[str, ...] = ()
    """What its processes are started by."""
    env_of: Callable[[str], Mapping[str, str]] = lambda _: {}
    """What the environment of the process of this name has beside."""
    host: str = "127.0.0.1"
    """Where the web process listens."""
    jira_host: str = "127.0.0.1"
    module: str = "tests.faults.product"
    carry: Carry = lambda wire: wire
    beside: Callable[[Site], Kept] | None = None
    """One process more."""
    rounds: int = 1000
    """Of each issue; with one, no two changes of an issue are alike."""
    pairs: tuple[KeyPair, ...] = ()


@dataclass(kw_only=True)
class Stage:
    """What a scenario does its harm to."""

    setting: Setting
    site: Site
    load: Load
    web: Kept
    workers: list[Kept]
    sessions: sessionmaker[Session]
    """The judge's own way to the database."""

    @property
    def random(self) -> random.Random:
        return self.setting.random

    @contextlib.contextmanager
    def under_load(self, seconds: float = LOAD_SECONDS) -> Iterator[Times]:
        """Let people work inside the block; give it random moments."""
        until = time.monotonic() + seconds
        with self.load.going_on():
            yield Times(random=self.random, until=until)
            time.sleep(max(0.0, until - time.monotonic()))

    def judge(
        self, allowed: frozenset[RunState] = ACCOUNTED, *, in_order: bool = True
    ) -> Verdict:
        """Wait until all is quiet, and say what came of it."""
        with contextlib.suppress(ProcessError):
            self.settle(QUIET_SECONDS)
        how = {"allowed": allowed, "in_order": in_order}
        return judging.read(self.sessions, self.site, **how).judge()

    def settle(self, seconds: float = QUIET_SECONDS) -> None:
        """Wait until it is quiet; raise `ProcessError` if it does not become so."""
        deadline = time.monotonic() + seconds
        while not self.is_quiet():
            if time.monotonic() > deadline:
                raise ProcessError(self.tails())
            time.sleep(LOOK_SECONDS)

    def is_quiet(self) -> bool:
        """Say whether no call is under way and no run is open."""
        if self.site.jira.deliveries.pending():
            return False
        try:
            return not judging.open_runs(db.reading(self.sessions))
        except sa.exc.DBAPIError:
            return False

    def tails(self) -> str:
        each = (self.web, *self.workers)
        return "\n".join(
            f"--- {one.name} ({one.starts}):\n{one.tail()}" for one in each
        )

    def install(self) -> None:
        """Install the add-on, with two receivers and the rules of two projects."""
        jira = self.site.jira
        jira.copy_workflow(FLOW, OWN_FLOW)
        jira.use_workflow("OPS", OWN_FLOW)
        assert jira.install().is_good
        to_honest, to_plain = self._destinations()
        rules: tuple[tuple[str, str, list[Any]], ...] = (
            (FLOW, "Start progress", [COMMENT, to_honest]),
            (FLOW, "Send to review", [to_plain]),
            (FLOW, "Deploy", [to_honest, COMMENT]),
            (OWN_FLOW, "Start progress", [COMMENT, MOVE]),
        )
        for number, (flow, name, steps) in enumerate(rules):
            rule = {"v": 1, "id": f"r_{number}", "name": name, "steps": steps}
            jira.add_post_function(name, json.dumps(rule), flow=flow)
        self.load.prepare()

    def _destinations(self) -> Iterator[dict[str, Any]]:
        with self.sessions.begin() as session:
            tenant_id = session.scalars(sa.select(Tenant.id)).one()
        now, keyring = utc_now(), Keyring.from_base64([KEY])
        change = Change(tenant_id=tenant_id, actor="test", now=now)
        rotation = keys.Rotation(
            tenant_id=tenant_id, actor="test", now=now, fresh=self.setting.pairs
        )
        for name in (HONEST, PLAIN):
            self.site.receiver(name).settings.honours_delivery_id = name == HONEST
            definition = Definition(
                name=name,
                url=f"{self.site.jira.base_url}/receiver/{name}",
                project_ids=(DEMO,),
                honours_delivery_id=name == HONEST,
                per_minute=6000,
            )
            with self.sessions.begin() as session:
                keys.ensure(session, keyring, rotation)
                made, _ = destinations.create(session, keyring, change, definition)
            yield {
                "do": "deliver",
                "destination": reference(made),
                "inputs": {"issue": "{{ issue.key }}"},
            }

    def slow_down(self, most: float) -> None:
        """Let each call to Jira or a receiver take up to so many seconds.

        Then there are always some that harm meets on their way.
        """
        choice = random.Random(self.random.random())
        self.site.record.latency = lambda: choice.uniform(0, most)

    def warm_up(self) -> None:
        """Let one issue go round undisturbed: then every key and rule is known."""
        key = next(iter(self.load.places))
        for _ in range(4):
            self.load.go_on(key)
            self.settle()


@contextlib.contextmanager
def opened(setting: Setting) -> Iterator[Stage]:
    """Start everything, install it, and see it work once."""
    port = free_port()
    addon, at = f"http://127.0.0.1:{port}", (setting.host, port)
    with (
        database(setting.database) as sessions,
        site.opened(
            addon, at=at, listen=setting.jira_host, carry=setting.carry
        ) as playing,
    ):
        env = environment(setting, playing.jira.base_url, port)
        # Who chooses in another thread chooses for himself, or no seed repeats it.
        people = random.Random(setting.random.random())
        stage = Stage(
            setting=setting,
            site=playing,
            load=Load(jira=playing.jira, random=people, rounds=setting.rounds),
            web=process(setting, "web", env),
            workers=[
                process(setting, f"worker-{n}", env) for n in range(setting.workers)
            ],
            sessions=sessions,
        )
        beside = [setting.beside(playing)] if setting.beside else []
        with kept(*beside, stage.web, *stage.workers):
            wait_until(lambda: is_ready(stage), or_say=stage.tails)
            stage.install()
            stage.warm_up()
            stage.slow_down(LATENCY)
            yield stage


@contextlib.contextmanager
def database(url: str) -> Iterator[sessionmaker[Session]]:
    sessions = db.make_sessions(url)
    try:
        yield sessions
    finally:
        sessions.kw["bind"].dispose()


def process(setting: Setting, name: str, env: Mapping[str, str]) -> Kept:
    what = ["serve", "--web-only"] if name == "web" else ["worker"]
    return Kept(
        name=name,
        command=[*setting.prefix, sys.executable, "-m", setting.module, *what],
        env={**env, **setting.env_of(name)},
        folder=setting.folder,
    )


def environment(setting: Setting, jira: str, port: int) -> dict[str, str]:
    return {
        "COUNTERSIGN_MODE": "development",
        "COUNTERSIGN_BASE_URL": f"http://127.0.0.1:{port}",
        "COUNTERSIGN_LISTEN": f"{setting.host}:{port}",
        "COUNTERSIGN_DATABASE_URL": setting.through or setting.database,
        "COUNTERSIGN_QUEUE_URL": setting.queue
        or f"sqlite:///{setting.folder}/queue.sqlite",
        "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
        "COUNTERSIGN_INSTALL_KEYS_URL": f"{jira}/install-keys",
        "COUNTERSIGN_SITE_SUFFIXES": "127.0.0.1",
        "COUNTERSIGN_TENANTS": "open",
        "COUNTERSIGN_LOG_LEVEL": "WARNING",
    }


def is_ready(stage: Stage) -> bool:
    try:
        status, _ = stage.site.wire("GET", "/readyz", {}, b"")
    except OSError:
        return False
    return status == http.HTTPStatus.OK
