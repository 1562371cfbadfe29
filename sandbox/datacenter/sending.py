"""What a self-managed Jira tells others: webhooks, and post functions that call out.

Nobody waits for the answer, and nothing is sent again: as Jira does it.
"""

import json
import threading
from collections import deque
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sandbox import catalogue, jql, people, workflow
from sandbox.addon import Addon, Answer, Call
from sandbox.datacenter import signing
from sandbox.datacenter.beans import ServerBeans
from sandbox.datacenter.kept import Kept, Script, Webhook
from sandbox.datacenter.signing import WELL, Spoil
from sandbox.deliveries import Deliveries, Delivery
from sandbox.world import POST_FUNCTION, Event, Issue, Moved, World

Json = dict[str, Any]

TRIGGER = "trigger-a-webhook"
"""The post function "Trigger a Webhook": its value is the webhook's id."""
SCRIPT = "scriptrunner-post-function"
"""A post function of a script: its value is the script's id."""
NAMES = {TRIGGER: "Trigger a Webhook", SCRIPT: "ScriptRunner script"}
KEPT = 500
_ENTRY_ID_DISTANCE = 20_000


@dataclass(frozen=True)
class Told:
    """One body on its way, and by what it is sent."""

    sender: Webhook | Script
    body: Json
    note: str
    issue: str


class Sender:
    """Composes when something happens, signs when it is sent."""

    def __init__(self, world: World, addon: Addon, deliveries: Deliveries) -> None:
        self.world = world
        self.addon = addon
        self.deliveries = deliveries
        self.armed: list[Spoil] = []
        """What the next calls are spoiled by, one each; then well again."""
        self.accepted: deque[Call] = deque(maxlen=KEPT)
        """Calls that were taken, the newest last, byte for byte."""
        self._lock = threading.Lock()
        world.on_transition.append(self.fire)
        world.on_event.append(self.happened)

    @property
    def kept(self) -> Kept:
        return self.world.state.datacenter

    def fire(self, moved: Moved) -> None:
        """Queue one call for each post function of the transition that makes one."""
        placed = workflow.live_on(
            self.world, moved.issue, moved.transition, POST_FUNCTION
        )
        for rule in placed:
            sender = self.find(rule.module, rule.value)
            if sender is not None:
                self._queue(self.compose(sender, moved))

    def happened(self, event: Event) -> None:
        """Queue one call for each webhook that listens to the event."""
        for webhook in self.kept.webhooks:
            if webhook.is_on and event.name in webhook.events:
                if not self._selects(webhook, event.issue):
                    continue
                body = self._body(event)
                self._queue(Told(webhook, body, webhook.name, event.issue.key))

    def find(self, module: str, value: str) -> Webhook | Script | None:
        """What a post function sends by; None if that is gone, or switched off."""
        if module == TRIGGER:
            return next((w for w in self.kept.webhooks if w.id == value), None)
        if module == SCRIPT:
            return next((s for s in self.kept.scripts if s.id == value), None)
        return None

    def compose(self, sender: Webhook | Script, moved: Moved) -> Told:
        """The body of an event, and the transition that it was."""
        name = "jira:issue_updated"
        if moved.transition.is_initial:
            name = "jira:issue_created"
        event = Event(name, moved.issue, moved.person, moved.entry)
        body = self._body(event) | {"transition": self._transition(moved)}
        note = f"{sender.name} · {moved.transition.name}"
        return Told(sender, body, note, moved.issue.key)

    def _selects(self, webhook: Webhook, issue: Issue) -> bool:
        if not webhook.jql.strip():
            return True
        try:
            query = jql.parse(webhook.jql, is_bounded=False)
            return jql.matcher(self.world, query, frozenset())(issue)
        except jql.JqlError:
            return False

    def _body(self, event: Event) -> Json:
        with self.world.lock:
            shown = ServerBeans(self.world, people.ADA)
            body = {
                "timestamp": self._milliseconds(),
                "webhookEvent": event.name,
                "issue_event_type_name": event.name.removeprefix("jira:"),
                "user": shown.person(event.person.account_id),
                "issue": _without_expand(shown.issue(event.issue, ["*all"])),
            }
            if event.entry is not None:
                change = shown.change(event.entry)
                body["changelog"] = {"id": change["id"], "items": change["items"]}
            if event.comment is not None:
                body["comment"] = shown.comment(event.issue, event.comment)
        return body

    def _transition(self, moved: Moved) -> Json:
        made, issue = moved.transition, moved.issue
        target = next(s.name for s in catalogue.STATUSES if s.id == made.to)
        return {
            "workflowId": int(issue.id) + _ENTRY_ID_DISTANCE,
            "workflowName": workflow.of_project(self.world, issue.project).name,
            "transitionId": int(made.id),
            "transitionName": made.name,
            "from_status": moved.before,
            "to_status": target,
        }

    def _milliseconds(self) -> int:
        return round(self.world.now().timestamp() * 1000)

    def _queue(self, told: Told) -> None:
        def attempt(_tries: int) -> timedelta | None:
            self.send(told)
            return None

        self.deliveries.add(Delivery(self.world.now(), attempt))

    def send(self, told: Told, spoil: Spoil | None = None) -> Answer:
        """Sign and send once; a mishap that was armed is used up."""
        call = self._signed(told, spoil or self._armed())
        answer = self.addon.send(call)
        if answer.is_good:
            self.accepted.append(call)
        return answer

    def _signed(self, told: Told, spoil: Spoil) -> Call:
        late = round(spoil.shift.total_seconds() * 1000)
        said = told.body | {"timestamp": told.body["timestamp"] + late}
        body, sender = json.dumps(said).encode(), told.sender
        if isinstance(sender, Webhook):
            headers = signing.webhook_headers(sender, body, spoil)
        else:
            with self.world.change():
                headers = signing.script_headers(
                    sender, body, self.kept, spoil, now=self.world.now()
                )
        note = " · ".join(part for part in (told.note, spoil.note) if part)
        call = Call("POST", sender.url, body, headers, note, told.issue)
        return call if spoil.body is None else replace(call, body=spoil.body)

    def _armed(self) -> Spoil:
        with self._lock:
            return self.armed.pop(0) if self.armed else WELL


def _without_expand(bean: Json) -> Json:
    return {name: bean[name] for name in ("id", "key", "self", "fields")}
