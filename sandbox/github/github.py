"""GitHub as a whole: what tests and pages hold on to."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox import wire
from sandbox.github import api, keys, manners
from sandbox.github.build import Build, Surroundings
from sandbox.github.heard import Call, Heard, Hearing
from sandbox.github.installation import Installation
from sandbox.github.issuer import Issuer
from sandbox.github.keys import Key
from sandbox.github.manners import Mood
from sandbox.github.replies import NOT_FOUND, Refused, Reply, refusal
from sandbox.github.runs import Order, Run, Runs

Json = dict[str, Any]

_OK = 200


@dataclass(kw_only=True)
class GitHub:
    """One App, installed in one organisation.

    `background=True` builds by itself; with False call `build()`, which does all that
    was dispatched.
    """

    now: Callable[[], datetime]
    url: str = "https://github.com"
    """Below which the pages of runs are."""
    api_url: str = "https://api.github.com"
    issuer_url: str = "https://token.actions.githubusercontent.com"
    transport: wire.Transport = wire.send
    background: bool = True
    pause: float = 1.0
    """Seconds, in background: before a build starts, and before it answers."""
    key_path: Path | None = None
    """Keep the App's private key in this file, for the next start."""

    def __post_init__(self) -> None:
        self.url, self.api_url = self.url.rstrip("/"), self.api_url.rstrip("/")
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """As on the first day: no runs, no tokens, the first keys."""
        self.installation = Installation()
        self.issuer = Issuer(self.issuer_url)
        self.api_mood, self.build_mood = Mood(), Mood()
        self._app_keys: list[Key] = []
        self._hearing = Hearing()
        self._runs = Runs()
        self._builds: dict[int, Build] = {}

    # -- the App

    @property
    def app_keys(self) -> list[Key]:
        """Those that prove the App; GitHub keeps the public half alone."""
        self._app_keys = self._app_keys or [keys.kept(self.key_path)]
        return self._app_keys

    @property
    def private_key(self) -> str:
        """The newest, as its owner downloads it."""
        return self.app_keys[-1].pem

    def new_private_key(self) -> str:
        """Make another one; those before prove nothing any more."""
        self._app_keys = [keys.new()]
        keys.keep(self._app_keys[-1], self.key_path)
        return self.private_key

    # -- what is asked of it

    def call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Answer a request to the API or to the issuer; 404 elsewhere."""
        if url.startswith(self.issuer.url + "/"):
            document = self.issuer.document(url.removeprefix(self.issuer.url))
            if method == "GET" and document is not None:
                return Reply(_OK, document)
        elif url.startswith(self.api_url + "/"):
            parts = urlsplit(url.removeprefix(self.api_url))
            query = dict(parse_qsl(parts.query))
            names = {name.lower(): value for name, value in headers.items()}
            return self._api(Call(method, unquote(parts.path), query, names, body))
        return Reply(404, refusal(404, NOT_FOUND))

    def _api(self, call: Call) -> Reply:
        mood, now = self._mood(api.kind(call)), self.now()
        manner = mood.manner
        reply = self._instead(mood, now)
        if manner.does:
            try:
                reply = _in_manner(mood, api.answer(self, call, now))
            except Refused as refused:
                reply = _in_manner(mood, refused.reply)
        self._hearing.add(call, reply, manner.name, now)
        return reply

    def _mood(self, kind: str) -> Mood:
        with self._lock:
            mood = self.api_mood
            if not mood.meets(kind):
                return Mood()
            self.api_mood = mood.after_one()
            return mood

    def _instead(self, mood: Mood, now: datetime) -> Reply:
        """The answer of a manner that does nothing."""
        manner, wait = mood.manner, str(round(mood.seconds))
        headers = {}
        if manner.name in {"429", "rate-limit"}:
            headers["Retry-After"] = wait
        if manner.name == "rate-limit":
            headers["x-ratelimit-limit"] = "5000"
            headers["x-ratelimit-remaining"] = "0"
            headers["x-ratelimit-reset"] = str(round(now.timestamp() + mood.seconds))
        return Reply(manner.status, refusal(manner.status, manner.message), headers)

    @property
    def heard(self) -> list[Heard]:
        """What came to the API, the newest first, without credentials."""
        return self._hearing.newest()

    # -- the builds

    def dispatch(self, order: Order) -> Run:
        """Make a run; in background its build begins by itself."""
        with self._lock:
            mood = self.build_mood
            self.build_mood = mood.after_one()
        run = self._runs.add(order, self.now())
        around = Surroundings(
            site=self.url, issuer=self.issuer, now=self.now, transport=self.transport
        )
        build = Build(run, around, mood.manner)
        self._builds[run.id] = build
        if self.background:
            threading.Thread(target=self._at_ease, args=(build,), daemon=True).start()
        return run

    def _at_ease(self, build: Build) -> None:
        time.sleep(self.pause)
        build.start()
        time.sleep(self.pause)
        build.work()

    def build(self) -> int:
        """Let every build go on as far as it does by itself; return how many there are.

        For GitHub that is not in background.
        """
        for build in self.builds:
            build.go()
        return len(self.builds)

    @property
    def builds(self) -> list[Build]:
        """The oldest first."""
        return list(self._builds.values())

    def find(self, run_id: int) -> Build:
        """Raise LookupError for one that is not there."""
        if run_id not in self._builds:
            raise LookupError(f"there is no run {run_id}")
        return self._builds[run_id]

    def runs(self) -> list[Run]:
        return self._runs.all()

    def json_of(self, run: Run) -> Json:
        return run.json(self.url, self.api_url)

    # -- its manners

    def behave(
        self,
        how: str,
        times: int | None = None,
        *,
        seconds: float | None = None,
        on: str = "dispatch",
    ) -> None:
        """The API, by a name of `manners.API`; `on` says in which calls."""
        self.api_mood = manners.of_api(how, times, seconds=seconds, on=on)

    def builds_behave(self, how: str, times: int | None = None) -> None:
        self.build_mood = manners.of_builds(how, times)


def _in_manner(mood: Mood, reply: Reply) -> Reply:
    """The answer to what was done, as it is heard."""
    manner = mood.manner
    if manner.status:
        return Reply(manner.status, refusal(manner.status, manner.message))
    if manner.name == "no-details" and "workflow_run_id" in (reply.body or {}):
        return Reply(204)
    if manner.name == "slow":
        return replace(reply, seconds=mood.seconds)
    return replace(reply, is_lost=manner.name == "drop")
