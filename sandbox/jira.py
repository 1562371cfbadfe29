"""One Jira: its world, its add-on, its queue; what tests and pages hold on to."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox import (
    adf,
    catalogue,
    comments,
    creation,
    iframes,
    issues,
    panels,
    people,
    seed,
    transitions,
    wire,
    workflow,
    world,
)
from sandbox.addon import Addon, Answer
from sandbox.armed import ArmedAnswer
from sandbox.beans import Beans
from sandbox.datacenter import translation
from sandbox.datacenter.beans import ServerBeans
from sandbox.datacenter.site import DataCenter
from sandbox.deliveries import Deliveries
from sandbox.firing import Firing
from sandbox.forge.app import KINDS
from sandbox.forge.life import Forge
from sandbox.people import Person
from sandbox.traffic import Traffic
from sandbox.world import CONDITION, POST_FUNCTION, Issue, Rule, Site, World

Json = dict[str, Any]


@dataclass(kw_only=True)
class Jira:
    """A site with its add-on.

    `background=True` delivers post functions by itself; with False call
    `deliver_pending()`, which delivers what is due by `now`.
    """

    now: Callable[[], datetime] = world.utc_now
    addon_base_url: str = "http://127.0.0.1:8040"
    base_url: str = "http://localhost:8041"
    transport: wire.Transport = wire.send
    background: bool = True
    state_path: Path | None = None
    lag: float = 10.0
    """Seconds until the search sees a change."""
    retry_seconds: float = 3.0
    """Before the first retry of a post function; it doubles each time."""
    forge_manifest: Path | None = None
    """Of an app that may be installed beside the add-on, or instead of it."""
    forge_gateway: str = ""
    """Under which Forge apps find the API of sites; of its own, if it is empty."""
    forge_retry_seconds: float = 60.0
    """Before each retry of an event of Forge's."""
    is_datacenter: bool = False
    """Self-managed: REST v2 by personal access tokens, no Connect, no Forge."""
    context_path: str = ""
    """Below which a self-managed Jira is, such as `/jira`; `base_url` is without it."""
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self.traffic = Traffic()
        self.armed_answers: deque[ArmedAnswer] = deque()
        self.refuses_addon = False
        """Every call of the add-on is answered 401, as after a drifted secret."""
        saved = self.state_path is not None and self.state_path.exists()
        state = (
            world.load(self.state_path)
            if self.state_path is not None and saved
            else world.fresh(self.base_url + self.context_path)
        )
        self.base_url = state.site.base_url
        self.world = World(state, clock=self.now, path=self.state_path)
        self._connect()
        if not saved:
            seed.plant(self.world)

    def _connect(self) -> None:
        self.world.lag = timedelta(seconds=self.lag)
        self.addon = Addon(
            self.world, self.traffic, self.transport, self.addon_base_url
        )
        self.deliveries = Deliveries(self.world, background=self.background)
        self.firing = Firing(self.world, self.addon, self.deliveries)
        self.firing.retry_delay = timedelta(seconds=self.retry_seconds)
        self.forge = Forge(self.world, self.addon, self.deliveries)
        self.forge.manifest_path = self.forge_manifest
        self.forge.app.gateway = self.forge_gateway
        self.forge.events.pause = timedelta(seconds=self.forge_retry_seconds)
        self.firing.is_elsewhere = self.forge.app.takes
        self._datacenter = None
        if self.is_datacenter:
            self._datacenter = DataCenter(self.world, self.addon, self.deliveries)

    @property
    def datacenter(self) -> DataCenter:
        if self._datacenter is None:
            raise LookupError("this Jira is not self-managed")
        return self._datacenter

    @property
    def origin(self) -> str:
        return self.base_url.removesuffix(self.context_path)

    def beans(self, viewer: Person) -> Beans:
        """How its REST API shows things to this person."""
        return (ServerBeans if self.is_datacenter else Beans)(self.world, viewer)

    def document(self, text: str) -> Json:
        """What somebody typed, as this Jira keeps long texts."""
        return adf.from_wiki(text) if self.is_datacenter else adf.document(text)

    @property
    def site(self) -> Site:
        return self.world.state.site

    def reset(self) -> None:
        """A new site: other clientKey, other secret, seed issues, no add-on."""
        self.deliveries.close()
        self.traffic.clear()
        self.armed_answers.clear()
        self.refuses_addon = False
        fresh = world.fresh(self.base_url)
        self.world = World(fresh, clock=self.now, path=self.state_path)
        self._connect()
        seed.plant(self.world)

    def close(self) -> None:
        self.deliveries.close()

    def install(self) -> Answer:
        return self.addon.install()

    def uninstall(self) -> Answer:
        return self.addon.uninstall()

    def page_url(self, module: str, user: str = "ada") -> str:
        """The signed iframe URL of a page module, configurePage for example."""
        found = iframes.page(self.addon, module)
        if found is None:
            raise LookupError(f"there is no page {module!r}")
        return iframes.url(self.addon, iframes.Frame(found), self._person(user))

    def post_function_url(
        self,
        view: str,
        user: str = "ada",
        *,
        function: Rule | None = None,
        module: str | None = None,
    ) -> str:
        """The signed iframe URL for `create`, `edit` or `view`, of a condition too."""
        key = function.module if function else module or self._module(POST_FUNCTION)
        found = iframes.rule(self.addon, key, view)
        if found is None:
            raise LookupError(f"{key!r} has no {view}")
        variables = {} if function is None else iframes.variables(function)
        frame = iframes.Frame(found, variables)
        return iframes.url(self.addon, frame, self._person(user))

    def panel_url(self, id_or_key: str, user: str = "ada") -> str:
        """The signed iframe URL of the first panel that Jira shows beside an issue."""
        person = self._person(user)
        found = panels.of_issue(self.addon, self.issue(id_or_key), person)
        if not found:
            raise LookupError(f"{person.name} is shown no panel")
        return iframes.url(self.addon, found[0], person)

    def context_token(self, user: str = "ada", context: Json | None = None) -> str:
        person = self._person(user)
        return iframes.context_token(self.addon, person, context or {})

    def _person(self, user: str) -> Person:
        return self.world.as_of_now(people.named(user))

    def _module(self, kind: str) -> str:
        """The key of the first of its kind; empty when the add-on has none."""
        modules = self.forge.app.modules(KINDS[kind]) or self.addon.modules(kind)
        return str(modules[0]["key"]) if modules else ""

    def set_permission(self, user: str, permission: str, *, granted: bool) -> None:
        """Take a permission from somebody, ADMINISTER too, or give it back."""
        self.world.set_permission(people.named(user), permission, granted=granted)

    def deliver_pending(self) -> int:
        return self.deliveries.deliver_pending()

    def wait_until_delivered(self, seconds: float = 10.0) -> bool:
        """For a background queue: False if something is still under way."""
        return self.deliveries.settle(seconds)

    def issue(self, id_or_key: str) -> Issue:
        return self.world.issue(id_or_key)

    def status_of(self, id_or_key: str) -> str:
        number = self.issue(id_or_key).status
        return next(s.name for s in catalogue.STATUSES if s.id == number)

    def create_issue(self, user: str = "ada", **fields: object) -> Issue:
        """By hand; project and issue type may be given as plain names."""
        given = creation.by_hand(fields)
        if self.is_datacenter:
            given = translation.values(given)
        return creation.create(self.world, given, self._person(user))

    def delete_issue(self, id_or_key: str) -> None:
        with self.world.change() as state:
            gone = self.issue(id_or_key)
            del state.issues[gone.id]
            state.links = [
                link
                for link in state.links
                if gone.id not in {link["inward"], link["outward"]}
            ]

    def transition(self, id_or_key: str, to: str, user: str = "ada") -> None:
        """Make the transition of this id or name, as this person."""
        made = catalogue.transition(to)
        number = made.id if made else to
        issue = issues.get(self.world, id_or_key, self._person(user))
        body = {"transition": {"id": number}}
        transitions.transition(self.world, issue, body, self._person(user))

    def comment(self, id_or_key: str, body: Json | str, user: str = "ada") -> Json:
        """Say it; a text is what somebody typed."""
        said = self.document(body) if isinstance(body, str) else body
        person = self._person(user)
        issue = issues.get(self.world, id_or_key, person)
        return comments.add(self.world, issue, {"body": said}, person)

    def set_status(self, id_or_key: str, status: str) -> None:
        """Behind Jira's back, without history or post function: for set-up only."""
        found = catalogue.status(status)
        if found is None:
            raise LookupError(f"there is no status {status!r}")
        with self.world.change():
            issue = self.issue(id_or_key)
            issue.status = found.id
            self.world.touched(issue)

    def add_post_function(
        self,
        transition: str,
        value: str,
        *,
        flow: str = catalogue.WORKFLOW,
        module: str | None = None,
        function_id: str | None = None,
    ) -> Rule:
        """Put a post function on the transition (id or name), and publish."""
        key = module or self._module(POST_FUNCTION)
        made = Rule(function_id or workflow.new_id(), key, value)
        return self._put(transition, made, flow)

    def add_condition(
        self,
        transition: str,
        value: str,
        *,
        flow: str = catalogue.WORKFLOW,
        module: str | None = None,
    ) -> Rule:
        """Put a condition on the transition (id or name), and publish."""
        key = module or self._module(CONDITION)
        made = Rule(workflow.new_id(), key, value, CONDITION)
        return self._put(transition, made, flow)

    def _put(self, transition: str, made: Rule, flow: str) -> Rule:
        found = catalogue.transition(transition)
        if found is None:
            raise LookupError(f"there is no transition {transition!r}")
        workflow.add(self.world, workflow.Place(flow, found.id), made)
        workflow.publish(self.world, flow)
        return made

    def remove_post_function(
        self, rule_id: str, flow: str = catalogue.WORKFLOW
    ) -> None:
        """Take it, or a condition, off the workflow, and publish."""
        workflow.delete(self.world, flow, rule_id)
        workflow.publish(self.world, flow)

    def copy_workflow(self, source: str, name: str) -> None:
        """Configurations and ids of the rules are copied as they are."""
        workflow.clone(self.world, source, name)

    def use_workflow(self, project: str, name: str) -> None:
        workflow.assign(self.world, project, name)
