"""One run at work: it starts, answers who asked for an answer, and is complete."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox import wire
from sandbox.github import runs
from sandbox.github.issuer import Issuer
from sandbox.github.keys import Key
from sandbox.github.manners import Manner
from sandbox.github.runs import Run, stamp

Json = dict[str, Any]

_BODY = ("run", "answer_key", "result", "message", "url")
_LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class Answered:
    """What the add-on said to one answer of the build."""

    at: str
    note: str
    """How the answer was wrong; empty for a true one."""
    status: int
    """0: it said nothing."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a build needs of GitHub and of the world."""

    site: str
    """Below which the pages are."""
    issuer: Issuer
    now: Callable[[], datetime]
    transport: wire.Transport


class Build:
    """As the workflow's last step does, it answers before it is complete itself."""

    def __init__(self, run: Run, around: Surroundings, manner: Manner) -> None:
        self.run = run
        self.manner = manner
        self.answers: list[Answered] = []
        """The oldest first."""
        self._around = around
        self._lock = threading.Lock()

    @property
    def id(self) -> int:
        return self.run.id

    def now(self) -> datetime:
        return self._around.now()

    @property
    def url(self) -> str:
        return f"{self._around.site}/{self.run.path}"

    @property
    def is_awaited(self) -> bool:
        return bool(self.run.countersign.answer_to)

    @property
    def conclusion(self) -> str:
        """What it comes to, once it is complete."""
        fails = self.manner.name == "fails" or self.run.countersign.fault
        return runs.FAILURE if fails else runs.SUCCESS

    def go(self) -> None:
        """All that it does by itself, in its manner."""
        self.start()
        self.work()

    def start(self) -> None:
        with self._lock:
            if self.run.status == runs.QUEUED:
                self._becomes(runs.IN_PROGRESS)

    def work(self) -> None:
        """Answer and finish, unless it is one that does not."""
        if self.manner.name in {"cut", "late"} or self.run.status != runs.IN_PROGRESS:
            return
        for _ in range(2 if self.manner.name == "twice" else 1):
            if self.is_awaited:
                self.answer()
        self.finish()

    def finish(self) -> None:
        with self._lock:
            if self.run.status != runs.COMPLETED:
                self._becomes(runs.COMPLETED, self.conclusion)

    def answer(
        self, *, note: str = "", key: Key | None = None, **changes: object
    ) -> int:
        """Answer once; return the status, or 0 where nothing was said.

        `changes` are of the body for run, answer_key, result, message and url, and of
        the token's claims for every other name; None takes one away. `key` signs
        instead of the issuer's.
        """
        asked = self.run.countersign
        if not asked.answer_to:
            raise LookupError("nobody asked this run for an answer")
        body = _changed(self._body(), changes, of_body=True)
        now = self.now()
        claims = self._around.issuer.claims(self.run, asked.answer_to, now)
        claims = _changed(claims, changes, of_body=False)
        headers = {
            "Authorization": f"Bearer {self._around.issuer.sign(claims, key)}",
            "Content-Type": "application/json",
            "User-Agent": "curl/8.5.0",
        }
        try:
            status, said = self._around.transport(
                "POST", asked.answer_to, headers, json.dumps(body).encode()
            )
            text = said.decode("utf-8", "replace")
        except (OSError, wire.NotLoopbackError) as error:
            status, text = 0, f"{type(error).__name__}: {error}"
        said_so = Answered(stamp(now), note, status, text[:_LONGEST_TEXT])
        with self._lock:
            self.answers.append(said_so)
        return status

    def _body(self) -> Json:
        asked, version = self.run.countersign, self.run.inputs.get("version", "")
        is_good = self.conclusion == runs.SUCCESS
        where = self.run.inputs.get("environment") or "staging"
        good = f"Deployed {version} to {where}."
        return {
            "run": asked.run,
            "answer_key": asked.answer_key,
            "result": "succeeded" if is_good else "failed",
            "message": good if is_good else f"{version} was not deployed to {where}.",
            "url": self.url,
        }

    def _becomes(self, status: str, conclusion: str | None = None) -> None:
        self.run.status, self.run.conclusion = status, conclusion
        self.run.updated = self.now()


def _changed(true: Json, changes: Json, *, of_body: bool) -> Json:
    mine = {name: v for name, v in changes.items() if (name in _BODY) == of_body}
    return {name: v for name, v in (true | mine).items() if v is not None}
