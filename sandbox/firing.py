"""Post functions on their way: composed, signed, delivered, tried again.

Best effort and in no order, as Jira does it: nobody waits for the outcome, and
nobody is told when it is lost.
"""

import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox import catalogue, people, workflow
from sandbox.addon import Addon, Answer, Call, Signing
from sandbox.beans import Beans
from sandbox.world import POST_FUNCTION, Issue, Rule, World

Json = dict[str, Any]

RETRIES = 5
KEPT = 500
_RETRIED = frozenset({408, 409, 425, 429})
_BROKEN = 500
_WORKERS = 16
_NAP = 0.05
_ENTRY_ID_DISTANCE = 20_000


@dataclass
class Delivery:
    call: Call
    identifier: str
    due: datetime
    tries: int = 0


@dataclass(frozen=True)
class Sent:
    """A call as it went out, for the mishap that repeats it."""

    call: Call = field(repr=False)
    issue: str = ""


class Firing:
    """The queue of calls; `background` delivers by itself, else `deliver_pending`."""

    def __init__(self, world: World, addon: Addon, *, background: bool) -> None:
        self.world = world
        self.addon = addon
        self.background = background
        self.retry_delay = timedelta(seconds=3)
        """Before the first retry; it doubles from one to the next."""
        self.identifier_header = True
        self.armed: list[Signing] = []
        """How the next calls are signed, one each; then well again."""
        self.accepted: deque[Sent] = deque(maxlen=KEPT)
        """Calls the add-on took, the newest last, byte for byte."""
        self._queue: list[Delivery] = []
        self._wake = threading.Condition()
        self._pool: ThreadPoolExecutor | None = None
        self._closed = False
        self._in_flight = 0
        world.on_transition.append(self.fire)

    def fire(self, issue: Issue, made: catalogue.Transition, before: str) -> None:
        """Queue one call for each live post function of the transition."""
        if not self.addon.site.installed:
            return
        for function in workflow.live_on(self.world, issue, made, POST_FUNCTION):
            call = self.compose(issue, made, function, before)
            if call is not None:
                identifier = str(uuid.uuid4())
                self._enqueue(Delivery(call, identifier, self.world.now()))

    def compose(
        self,
        issue: Issue,
        made: catalogue.Transition,
        function: Rule,
        before: str,
    ) -> Call | None:
        """The unsigned call; None when the add-on has no such module any more."""
        modules = self.addon.modules(POST_FUNCTION)
        module = next((m for m in modules if m["key"] == function.module), None)
        if module is None:
            return None
        with self.world.lock:
            body = self._body(issue, made, function, before)
        url = self.addon.url(module["triggered"]["url"])
        return Call(
            "POST", url, json.dumps(body).encode(), note=made.name, issue=issue.key
        )

    def _body(
        self,
        issue: Issue,
        made: catalogue.Transition,
        function: Rule,
        before: str,
    ) -> Json:
        bean = Beans(self.world, people.ADA, api=2).issue(issue, ["*navigable"])
        target = next(s.name for s in catalogue.STATUSES if s.id == made.to)
        return {
            "issue": {name: bean[name] for name in ("id", "key", "self", "fields")},
            "transition": {
                "workflowId": int(issue.id) + _ENTRY_ID_DISTANCE,
                "workflowName": workflow.of_project(self.world, issue.project).name,
                "transitionId": int(made.id),
                "transitionName": made.name,
                "from_status": before,
                "to_status": target,
            },
            "configuration": {"value": function.value},
        }

    def pending(self) -> int:
        """Calls that wait or are under way."""
        with self._wake:
            return len(self._queue) + self._in_flight

    def forget(self) -> None:
        with self._wake:
            self._queue.clear()

    def deliver_pending(self) -> int:
        """Deliver what is due, and what that makes due; the number of calls."""
        count = 0
        while due := self._take_due():
            for delivery in due:
                self._try(delivery)
            count += len(due)
        return count

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _enqueue(self, delivery: Delivery) -> None:
        with self._wake:
            self._queue.append(delivery)
            if self.background and self._pool is None:
                self._pool = ThreadPoolExecutor(_WORKERS, "post-function")
                threading.Thread(
                    target=self._work, args=(self._pool.submit,), daemon=True
                ).start()
            self._wake.notify_all()

    def _work(
        self, submit: Callable[[Callable[[Delivery], None], Delivery], Any]
    ) -> None:
        while not self._closed:
            for delivery in self._take_due():
                submit(self._try, delivery)
            with self._wake:
                # a retry becomes due by the clock, which nobody announces
                self._wake.wait(timeout=_NAP if self._queue else None)

    def _take_due(self) -> list[Delivery]:
        now = self.world.now()
        with self._wake:
            due = [d for d in self._queue if d.due <= now]
            self._queue = [d for d in self._queue if d.due > now]
            self._in_flight += len(due)
        return due

    def _try(self, delivery: Delivery) -> None:
        headers = {}
        if self.identifier_header:
            headers["X-Atlassian-Webhook-Identifier"] = delivery.identifier
            headers["X-Atlassian-Webhook-Flow"] = "Primary"
        if delivery.tries:
            headers["X-Atlassian-Webhook-Retry"] = str(delivery.tries)
        try:
            answer = self.send(delivery.call, headers)
            if is_retried(answer) and delivery.tries < RETRIES:
                delay = self.retry_delay * 2**delivery.tries
                delivery.tries += 1
                delivery.due = self.world.now() + delay
                self._enqueue(delivery)
        finally:
            with self._wake:
                self._in_flight -= 1

    def send(self, call: Call, headers: Json, signing: Signing | None = None) -> Answer:
        """Sign and send once; a mishap that was armed is used up."""
        how = signing or self._armed()
        plain = Call(call.method, call.url, call.body, headers, call.note, call.issue)
        signed = self.addon.signed(plain, how)
        answer = self.addon.send(signed)
        if answer.is_good:
            self.accepted.append(Sent(signed, call.issue))
        return answer

    def _armed(self) -> Signing | None:
        with self._wake:
            return self.armed.pop(0) if self.armed else None


def is_retried(answer: Answer) -> bool:
    if answer.is_lost:
        return False
    return not answer.status or answer.status in _RETRIED or answer.status >= _BROKEN


def settle(firing: Firing, seconds: float) -> bool:
    """Wait until the background has nothing left to send; False when time is up."""
    end = time.monotonic() + seconds
    while firing.pending() and time.monotonic() < end:
        time.sleep(_NAP)
    return not firing.pending()
