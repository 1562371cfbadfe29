"""Post functions on their way: composed, signed, delivered, tried again.

Best effort and in no order, as Jira does it: nobody waits for the outcome, and
nobody is told when it is lost.
"""

import json
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sandbox import catalogue, people, workflow
from sandbox.addon import Addon, Answer, Call, Signing
from sandbox.beans import Beans
from sandbox.deliveries import Deliveries, Delivery
from sandbox.world import POST_FUNCTION, Issue, Moved, Rule, World

Json = dict[str, Any]

RETRIES = 5
KEPT = 500
_RETRIED = frozenset({408, 409, 425, 429})
_BROKEN = 500
_ENTRY_ID_DISTANCE = 20_000


@dataclass(frozen=True)
class Sent:
    """A call as it went out, for the mishap that repeats it."""

    call: Call = field(repr=False)
    issue: str = ""


class Firing:
    """What Connect fires: each call is signed anew every time it is tried."""

    def __init__(self, world: World, addon: Addon, deliveries: Deliveries) -> None:
        self.world = world
        self.addon = addon
        self.deliveries = deliveries
        self.retry_delay = timedelta(seconds=3)
        """Before the first retry; it doubles from one to the next."""
        self.identifier_header = True
        self.is_elsewhere: Callable[[Rule], bool] = lambda _: False
        """Whether another app has taken a rule over."""
        self.armed: list[Signing] = []
        """How the next calls are signed, one each; then well again."""
        self.accepted: deque[Sent] = deque(maxlen=KEPT)
        """Calls the add-on took, the newest last, byte for byte."""
        self._lock = threading.Lock()
        world.on_transition.append(self.fire)

    def fire(self, moved: Moved) -> None:
        """Queue one call for each live post function of the transition."""
        if not self.addon.site.installed:
            return
        issue, made = moved.issue, moved.transition
        for function in workflow.live_on(self.world, issue, made, POST_FUNCTION):
            if self.is_elsewhere(function):
                continue
            call = self.compose(issue, made, function, moved.before)
            if call is not None:
                self.deliveries.add(
                    Delivery(self.world.now(), self._attempts(call, str(uuid.uuid4())))
                )

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
        return self.deliveries.pending()

    def _attempts(
        self, call: Call, identifier: str
    ) -> Callable[[int], timedelta | None]:
        def attempt(tries: int) -> timedelta | None:
            headers = {}
            if self.identifier_header:
                headers["X-Atlassian-Webhook-Identifier"] = identifier
                headers["X-Atlassian-Webhook-Flow"] = "Primary"
            if tries:
                headers["X-Atlassian-Webhook-Retry"] = str(tries)
            answer = self.send(call, headers)
            is_over = tries >= RETRIES or not is_retried(answer)
            return None if is_over else self.retry_delay * 2**tries

        return attempt

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
        with self._lock:
            return self.armed.pop(0) if self.armed else None


def is_retried(answer: Answer) -> bool:
    if answer.is_lost:
        return False
    return not answer.status or answer.status in _RETRIED or answer.status >= _BROKEN
