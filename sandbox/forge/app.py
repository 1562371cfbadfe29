"""The Forge app on this site: its modules, its tokens and every call to its remote."""

import json
import secrets
import threading
from collections import deque
from dataclasses import replace
from typing import Any

from sandbox import people, wire
from sandbox.addon import Addon, Answer, Call
from sandbox.forge import invocations, manifest
from sandbox.forge.access import Access
from sandbox.forge.installation import Installation
from sandbox.forge.invocations import Invocation, Place, Slip
from sandbox.forge.manifest import Manifest
from sandbox.world import CONDITION, POST_FUNCTION, Rule, World

Json = dict[str, Any]

KINDS = {POST_FUNCTION: manifest.POST_FUNCTION, CONDITION: manifest.CONDITION}
"""How Forge calls what a rule of Connect's is."""
EVENT_SECONDS = 5.0
PAGE_SECONDS = 25.0
_KEPT = 100


class ForgeApp:
    """Its remote is the server under test, whatever baseUrl the manifest has."""

    def __init__(self, world: World, addon: Addon) -> None:
        self.world = world
        self.addon = addon
        self.access = Access(world)
        self.gateway = ""
        self.nests_payload = False
        """Whether an event comes as `{"payload": event}`; both are documented."""
        self.hides_status = False
        """Whether a page gets no answer but 2xx: so the documentation has it, while
        Atlassian's own bridge hands on every status."""
        self.names_page_module = False
        """Whether the token of a page's call names the page's module: the table of the
        documentation says that it is the endpoint, its example that it is the page."""
        self.armed: list[Slip] = []
        """How the next events go wrong, one each; then well again."""
        self.accepted: deque[Call] = deque(maxlen=_KEPT)
        """Events the app took, the newest last, byte for byte."""
        self._lock = threading.Lock()

    @property
    def kept(self) -> Installation:
        return self.world.state.forge

    @property
    def is_installed(self) -> bool:
        return self.kept.is_live

    @property
    def manifest(self) -> Manifest:
        """As it was deployed last."""
        return self.kept.app

    @property
    def place(self) -> Place:
        site = self.world.state.site
        gateway = self.gateway or f"{site.base_url}/ex/jira"
        api = f"{gateway}/{site.cloud_id}"
        return Place(site.cloud_id, site.base_url, api)

    def modules(self, kind: str) -> list[Json]:
        """Of the installed app; none of one that is gone."""
        return self.manifest.modules(kind) if self.is_installed else []

    def module_of(self, rule: Rule) -> Json | None:
        """The module that a rule belongs to, one that Connect saved included."""
        found = self.modules(KINDS[rule.kind])
        return next((m for m in found if m["key"] == rule.module), None)

    def takes(self, rule: Rule) -> bool:
        """Whether the rule is the Forge app's: one with the module's key."""
        return self.module_of(rule) is not None

    def searchable_paths(self) -> frozenset[str]:
        return frozenset(
            f"{module['propertyKey']}.{value['path']}"
            for module in self.modules(manifest.ENTITY_PROPERTY)
            for value in module["values"]
        )

    def send_event(
        self,
        module: Json,
        event: Json,
        *,
        note: str,
        issue: str = "",
        slip: Slip | None = None,
    ) -> Answer:
        """One try of an event; without a `slip`, a mishap that was armed is used up."""
        slip = slip or self._armed()
        note = " · ".join(part for part in (note, slip.note) if part)
        body = {"payload": event} if self.nests_payload else event
        slip = replace(slip, note=note)
        return self.call(self.invocation(module), body, slip, issue=issue)

    def call(
        self,
        what: Invocation,
        body: Json,
        slip: Slip,
        *,
        seconds: float = EVENT_SECONDS,
        issue: str = "",
    ) -> Answer:
        """Post to an endpoint of the manifest, with a fresh token."""
        headers = self.headers(what, slip) | {"Content-Type": "application/json"}
        url = self.url(what.endpoint.path)
        raw = json.dumps(body).encode()
        call = Call("POST", url, raw, headers, f"Forge · {slip.note}", issue)
        answer = self.send(call, seconds)
        if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP
            self.accepted.append(call)
        return answer

    def send(self, call: Call, seconds: float) -> Answer:
        """Over the wire that the add-on's calls take as well."""

        def carried(given: Call) -> Answer:
            exchange = wire.exchange_by(self.addon.transport)
            reply = exchange(
                given.method, given.url, given.headers, given.body, seconds
            )
            text = reply.body.decode("utf-8", "replace")
            return Answer(reply.status, text, headers=reply.headers)

        return self.addon.send(call, carried)

    def headers(self, what: Invocation, slip: Slip | None = None) -> dict[str, str]:
        """Those that Forge adds to every call."""
        slip = slip or Slip()
        now = self.world.now()
        made = invocations.claims(self.kept, self.place, what, now, slip)
        key = invocations.stray_key() if slip.has_stray_key else self.kept.keys[-1]
        headers = {
            "Authorization": f"Bearer {invocations.sign(made, key)}",
            "x-b3-traceid": secrets.token_hex(16),
            "x-b3-spanid": secrets.token_hex(8),
        }
        if what.endpoint.wants_system_token:
            access = self.access
            headers["x-forge-oauth-system"] = (
                access.refused_token()
                if slip.is_token_refused
                else access.system_token()
            )
        person = people.find(what.principal)
        # only who looks at a page has a token: an event is nobody's
        if what.endpoint.wants_user_token and person is not None:
            headers["x-forge-oauth-user"] = self.access.token(person)
        return headers

    def url(self, path: str) -> str:
        return self.addon.base_url + path

    def invocation(self, module: Json) -> Invocation:
        endpoint = self.manifest.endpoint(str(module["endpoint"]))
        return Invocation(endpoint, str(module["key"]))

    def _armed(self) -> Slip:
        with self._lock:
            return self.armed.pop(0) if self.armed else Slip()
