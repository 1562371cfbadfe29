"""Events for the Forge app: composed, delivered, and tried again as Forge does it."""

import json
import uuid
from datetime import timedelta
from typing import Any

from sandbox import catalogue, people, workflow
from sandbox.addon import Answer
from sandbox.beans import Beans
from sandbox.deliveries import Deliveries, Delivery
from sandbox.forge.app import ForgeApp
from sandbox.forge.invocations import Slip
from sandbox.world import POST_FUNCTION, Issue, Moved, Rule

Json = dict[str, Any]

RETRIES = 4
PAUSE = timedelta(seconds=60)
_UNAUTHORISED = 401
_FIELDS = ["summary", "status", "issuetype", "project", "priority", "labels"]


class Event:
    """One event on its way; why its last try failed goes with the next one."""

    def __init__(
        self, app: ForgeApp, module: Json, body: Json, *, note: str, issue: str = ""
    ) -> None:
        self.app = app
        self.module = module
        self.body = body
        self.note = note
        self.issue = issue
        self._installation = app.kept.uuid
        self._reason = ""
        self.last = Answer(0)

    def sent(self, tries: int, slip: Slip | None = None) -> bool:
        """Make this try, counted from 0; whether there is to be another one."""
        app = self.app
        if not app.is_installed or app.kept.uuid != self._installation:
            # what was still on its way went with the installation
            return False
        body = self.body
        if tries:
            context = {
                "retryCount": tries,
                "retryReason": self._reason,
                "retryData": None,
            }
            body = body | {"retryContext": context}
        answer = app.send_event(
            self.module, body, note=self.note, issue=self.issue, slip=slip
        )
        self.last, self._reason = answer, _reason(answer)
        return bool(self._reason) and not answer.is_lost and tries < RETRIES


def _reason(answer: Answer) -> str:
    """Why Forge tries again, in its words; empty when it does not."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP
        return ""
    if answer.is_late:
        return "TIMEOUT_ERROR"
    if answer.status == _UNAUTHORISED:
        return "INVALID_FORGE_INVOCATION_TOKEN"
    return "INVALID_REMOTE_INVOCATION_ERROR"


class Events:
    """What Forge fires on its own: post functions it has, and those it took over."""

    def __init__(self, app: ForgeApp, deliveries: Deliveries) -> None:
        self.app = app
        self.deliveries = deliveries
        self.pause = PAUSE
        """Before each retry."""
        app.world.on_transition.append(self.fire)

    def fire(self, moved: Moved) -> None:
        issue, made = moved.issue, moved.transition
        # the same for all post functions of this one transition
        execution = str(uuid.uuid4())
        for rule in workflow.live_on(self.app.world, issue, made, POST_FUNCTION):
            module = self.app.module_of(rule)
            if module is not None:
                self.queue(self.post_function(moved, rule, module, execution))

    def send_now(self, module: Json, body: Json, *, note: str) -> Answer:
        """The first try, and what it was answered; others follow if need be."""
        event = Event(self.app, module, body, note=note)
        if event.sent(0):
            self.queue(event, tries=1)
        return event.last

    def queue(self, event: Event, *, tries: int = 0) -> None:
        """Try by and by; `tries` were made already."""

        def attempt(number: int) -> timedelta | None:
            return self.pause if event.sent(number + tries) else None

        wait = self.pause if tries else timedelta()
        self.deliveries.add(Delivery(self.app.world.now() + wait, attempt))

    def post_function(
        self, moved: Moved, rule: Rule, module: Json, execution: str
    ) -> Event:
        with self.app.world.lock:
            body = self._body(moved, rule, execution)
        return Event(
            self.app,
            module,
            body,
            note=moved.transition.name,
            issue=moved.issue.key,
        )

    def _body(self, moved: Moved, rule: Rule, execution: str) -> Json:
        """As "Run post function event" lists it; one never saved has no config."""
        world, issue, made = self.app.world, moved.issue, moved.transition
        bean = Beans(world, people.ADA).issue(issue, _FIELDS)
        flow = workflow.of_project(world, issue.project)
        transition = {
            "id": made.id,
            "name": made.name,
            "executionId": execution,
            "to": _status(made.to),
        }
        if not made.is_initial:
            transition["from"] = _status_named(moved.before)
        body: Json = {
            "issue": {name: bean[name] for name in ("id", "key", "fields")},
            "transition": transition,
            "workflow": {"id": _workflow_id(world.state.site.cloud_id, flow.name)}
            | {"name": flow.name},
            "atlassianId": moved.person.account_id,
            "postFunction": {"id": rule.id},
        }
        if (change := _change_of(issue, moved)) is not None:
            body["changelog"] = {"id": change}
        return body | _configuration(rule)


def _configuration(rule: Rule) -> Json:
    try:
        return {"configuration": json.loads(rule.value)}
    except ValueError:
        return {}


def _change_of(issue: Issue, moved: Moved) -> str | None:
    """The history entry of the transition; a looped one leaves none."""
    target = _status(moved.transition.to)["name"]
    if moved.transition.is_initial or moved.before == target or not issue.history:
        return None
    return str(issue.history[-1]["id"])


def _workflow_id(cloud_id: str, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(cloud_id), name))


def _status(number: str) -> Json:
    found = next(s for s in catalogue.STATUSES if s.id == number)
    return {"id": found.id, "name": found.name}


def _status_named(name: str) -> Json:
    found = catalogue.status(name)
    return {"id": found.id, "name": found.name} if found else {"name": name}
