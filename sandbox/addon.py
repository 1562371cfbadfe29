"""The installed add-on: its descriptor, its lifecycle, and every call to it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from sandbox import people, qsh, tokens, wire
from sandbox.traffic import TO_ADDON, Entry, Traffic
from sandbox.world import Site, World

Json = dict[str, Any]

DESCRIPTOR = "/atlassian-connect.json"
_SCOPES = ("NONE", "READ", "WRITE", "DELETE", "PROJECT_ADMIN", "ADMIN")
_EXCERPT = 300
OK = frozenset({200, 201, 204})


class AddonError(Exception):
    """The add-on did not do its part; the text is for the person at the screen."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status
        """What it answered; 0 when it was not asked or did not answer."""


@dataclass(frozen=True)
class Signing:
    """How a token is made; the defaults make a good one, a mishap changes one."""

    shift: timedelta = timedelta()
    """Added to the moment it is issued at."""
    secret: str | None = field(default=None, repr=False)
    hashed_url: str | None = None
    """Another URL than the one that is called."""
    note: str = ""


@dataclass(frozen=True)
class Call:
    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    issue: str = ""


@dataclass(frozen=True)
class Answer:
    status: int
    """0 when nothing answered."""
    text: str = ""
    is_lost: bool = False
    """The wire is cut: nobody will try again."""
    is_late: bool = False
    """It may have been heard, and may still be answered, to nobody."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those of a Forge remote only; their names are in small letters."""

    @property
    def is_good(self) -> bool:
        return self.status in OK


class Addon:
    def __init__(
        self, world: World, traffic: Traffic, transport: wire.Transport, base_url: str
    ) -> None:
        self.world = world
        self.traffic = traffic
        self.transport = transport
        self.base_url = base_url.rstrip("/")
        self.wire_is_cut = False
        self.calls_to_drop = 0

    @property
    def site(self) -> Site:
        return self.world.state.site

    @property
    def descriptor(self) -> Json:
        return self.site.descriptor

    def modules(self, kind: str) -> list[Json]:
        """Those of the descriptor; a single page counts as a list of one."""
        found = self.descriptor.get("modules", {}).get(kind, [])
        return [found] if isinstance(found, dict) else list(found)

    def may(self, scope: str) -> bool:
        """Scopes imply the lower ones."""
        granted = [str(s).upper() for s in self.descriptor.get("scopes", [])]
        ranks = [_SCOPES.index(s) for s in granted if s in _SCOPES]
        return bool(ranks) and max(ranks) >= _SCOPES.index(scope)

    def searchable_paths(self) -> frozenset[str]:
        """`propertyKey.objectName` that its jiraEntityProperties index."""
        return frozenset(
            f"{config['propertyKey']}.{extraction['objectName']}"
            for module in self.modules("jiraEntityProperties")
            for config in module.get("keyConfigurations", [])
            for extraction in config.get("extractions", [])
        )

    def url(self, path: str) -> str:
        return str(self.descriptor["baseUrl"]).rstrip("/") + path

    def send(self, call: Call, carry: Callable[[Call], Answer] | None = None) -> Answer:
        """One try, recorded in the traffic whatever comes of it.

        `carry` is another way over the same wire: Forge has its own.
        """
        started, answer = time.monotonic(), Answer(0)
        try:
            answer = self._sent(call, carry or self._carried)
        except OSError as error:
            is_late = isinstance(error, TimeoutError)
            answer = Answer(0, f"no answer: {type(error).__name__}", is_late=is_late)
        finally:
            self._record(call, answer, time.monotonic() - started)
        return answer

    def _sent(self, call: Call, carry: Callable[[Call], Answer]) -> Answer:
        if self.wire_is_cut:
            return Answer(0, "lost: the wire is cut", is_lost=True)
        if self.calls_to_drop:
            self.calls_to_drop -= 1
            return Answer(0, "no answer: this call was dropped")
        return carry(call)

    def _carried(self, call: Call) -> Answer:
        status, body = self.transport(call.method, call.url, call.headers, call.body)
        return Answer(status, body.decode("utf-8", "replace"))

    def _record(self, call: Call, answer: Answer, seconds: float) -> None:
        token = call.headers.get("Authorization", "").partition(" ")[2]
        verdict = "accepted" if answer.is_good else "refused"
        if not answer.status:
            verdict = "lost" if answer.is_lost else "no answer"
        entry = Entry(
            at=self.world.stamp(),
            direction=TO_ADDON,
            method=call.method,
            url=call.url,
            claims=tokens.peek(token) if token else {},
            verdict=verdict,
            why="" if answer.is_good else answer.text[:_EXCERPT],
            status=answer.status or None,
            milliseconds=round(seconds * 1000),
            note=call.note,
            issue=call.issue,
        )
        self.traffic.add(entry)

    def signed(self, call: Call, signing: Signing | None = None) -> Call:
        """The call with a fresh HS256 token bound to its URL."""
        how = signing or Signing()
        claims = {
            "iss": self.site.client_key,
            **tokens.times(self.world.now() + how.shift),
            "qsh": qsh.of(call.method, how.hashed_url or call.url, self.base_path()),
        }
        token = tokens.sign(claims, how.secret or self.site.shared_secret)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Atlassian Webhook HTTP Client",
            **call.headers,
            "Authorization": f"JWT {token}",
        }
        note = " · ".join(part for part in (call.note, how.note) if part)
        return replace(call, headers=headers, note=note)

    def base_path(self) -> str:
        return qsh.canonical("GET", str(self.descriptor["baseUrl"])).split("&")[1]

    def fetch_descriptor(self) -> Json:
        call = Call("GET", self.base_url + DESCRIPTOR, note="descriptor")
        answer = self.send(call)
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            raise AddonError(
                f"The descriptor could not be read: {answer.status or answer.text}"
            )
        try:
            descriptor = json.loads(answer.text)
        except ValueError:
            raise AddonError("The descriptor is not JSON.") from None
        if not isinstance(descriptor, dict):
            raise AddonError("The descriptor is not an object.")
        return self._checked(descriptor)

    def _checked(self, descriptor: Json) -> Json:
        if missing := {"key", "baseUrl", "authentication"} - descriptor.keys():
            raise AddonError(f"The descriptor lacks {', '.join(sorted(missing))}.")
        if "installed" not in descriptor.get("lifecycle", {}):
            raise AddonError("Authentication by JWT needs lifecycle.installed.")
        said = str(descriptor["baseUrl"]).rstrip("/")
        if said != self.base_url:
            raise AddonError(f"The descriptor of {self.base_url} says baseUrl {said}.")
        return descriptor

    def install(
        self, *, secret: str | None = None, base_url: str | None = None
    ) -> Answer:
        """Send `installed`, then `enabled`; a new secret counts once it was taken."""
        descriptor = self.fetch_descriptor()
        with self.world.change() as state:
            state.site.descriptor = descriptor
            wanted = replace(
                state.site,
                shared_secret=secret or state.site.shared_secret,
                base_url=base_url or state.site.base_url,
                installed=True,
            )
        answer = self._lifecycle(wanted, "installed")
        if not answer.is_good:
            raise AddonError(
                "The app host returned HTTP response code "
                f"{answer.status or 'none'} for the installation: {answer.text[:200]}",
                answer.status,
            )
        with self.world.change() as state:
            state.site = wanted
        self.announce("enabled")
        return answer

    def send_foreign_install(self, secret: str) -> Answer:
        """Send a genuine token of Atlassian's with a body that somebody else wrote.

        The site itself goes on with the secret that it has.
        """
        return self._lifecycle(replace(self.site, shared_secret=secret), "installed")

    def uninstall(self) -> Answer:
        """Send `disabled` and `uninstalled`; Jira does not ask for their success."""
        self.announce("disabled")
        answer = self._lifecycle(self.site, "uninstalled")
        with self.world.change() as state:
            state.site.installed = False
        return answer

    def announce(self, event: str) -> Answer:
        """`enabled` and `disabled` are signed like a webhook."""
        path = self.descriptor.get("lifecycle", {}).get(event)
        if not path:
            return Answer(204)
        body = json.dumps(_payload(self.site, self.descriptor, event)).encode()
        return self.send(self.signed(Call("POST", self.url(path), body, note=event)))

    def _lifecycle(self, site: Site, event: str) -> Answer:
        """`installed` and `uninstalled` are signed with Atlassian's key."""
        path = self.descriptor.get("lifecycle", {}).get(event)
        if not path:
            return Answer(204)
        call = Call("POST", self.url(path), note=event)
        claims = {
            "iss": site.client_key,
            "sub": people.ADA.account_id,
            "aud": [self.descriptor["baseUrl"]],
            **tokens.times(self.world.now()),
            "qsh": qsh.of("POST", call.url, self.base_path()),
        }
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Atlassian-Connect/sandbox",
            "Authorization": f"JWT {tokens.sign_install(claims, site.key)}",
        }
        body = json.dumps(_payload(site, self.descriptor, event)).encode()
        return self.send(replace(call, headers=headers, body=body))


def _payload(site: Site, descriptor: Json, event: str) -> Json:
    payload = {
        "key": descriptor["key"],
        "clientKey": site.client_key,
        "publicKey": "",
        "serverVersion": "100290",
        "pluginsVersion": "1001.0.0-SNAPSHOT",
        "baseUrl": site.base_url,
        "displayUrl": site.display_url or site.base_url,
        "productType": "jira",
        "description": f"The sandbox at {site.base_url}",
        "cloudId": site.cloud_id,
        "eventType": event,
    }
    # the one event that carries the secret
    return payload | (
        {"sharedSecret": site.shared_secret} if event == "installed" else {}
    )
