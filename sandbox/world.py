"""All state of the site behind one lock, kept as one JSON file if a path is given.

A change is made inside `with world.change():`, which saves when it ends. No one
holds the lock while the network is used.
"""

import contextlib
import copy
import json
import os
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox import catalogue, tokens
from sandbox.datacenter.kept import Kept
from sandbox.forge.installation import Installation
from sandbox.people import Person

Json = dict[str, Any]


def utc_now() -> datetime:
    return datetime.now(UTC)


ALWAYS = datetime.min.replace(tzinfo=UTC)
_FORMAT = "%Y-%m-%dT%H:%M:%S"


def stamp(moment: datetime) -> str:
    """How Jira writes a moment."""
    milliseconds = moment.microsecond // 1000
    return f"{moment.astimezone(UTC).strftime(_FORMAT)}.{milliseconds:03d}+0000"


def parse_stamp(text: str) -> datetime:
    return datetime.strptime(text, _FORMAT + ".%f%z")  # noqa: DTZ007 - it has %z


@dataclass
class Issue:
    id: str
    key: str
    project: str
    issuetype: str
    status: str
    created: str
    updated: str
    creator: str
    fields: Json
    """As stored: ids for people, priority and options; ADF for long texts."""
    comments: list[Json] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)
    properties: Json = field(default_factory=dict)
    watchers: list[str] = field(default_factory=list)
    """Accounts; only a self-managed Jira asks for them here."""


POST_FUNCTION = "jiraWorkflowPostFunctions"
CONDITION = "jiraWorkflowConditions"


@dataclass
class Rule:
    """A post function or a condition of an app on a transition."""

    id: str
    """Made by Jira when it is added; a copied workflow copies it too."""
    module: str
    value: str
    kind: str = POST_FUNCTION
    """As the descriptor calls its modules: POST_FUNCTION or CONDITION."""


@dataclass(frozen=True)
class Moved:
    """A transition that was made."""

    issue: Issue
    transition: catalogue.Transition
    before: str
    """The name of the status it left; empty when the issue was created."""
    person: Person
    entry: Json | None = None
    """What it wrote into the history; None for a creation or a looped transition."""


@dataclass(frozen=True)
class Event:
    """Something that Jira tells those who listen to all that happens."""

    name: str
    issue: Issue
    person: Person
    entry: Json | None = None
    comment: Json | None = None


@dataclass
class Workflow:
    name: str
    live: dict[str, list[Rule]] = field(default_factory=dict)
    draft: dict[str, list[Rule]] | None = None
    """By transition id; None when nothing waits to be published."""


@dataclass
class Site:
    base_url: str
    client_key: str = field(default_factory=lambda: str(uuid.uuid4()))
    shared_secret: str = field(
        default_factory=lambda: secrets.token_urlsafe(72), repr=False
    )
    display_url: str = ""
    cloud_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    kid: str = ""
    private_pem: str = field(default="", repr=False)
    installed: bool = False
    descriptor: Json = field(default_factory=dict)

    @property
    def key(self) -> tokens.InstallKey:
        return tokens.InstallKey(self.kid, self.private_pem)


@dataclass
class State:
    site: Site
    issues: dict[str, Issue] = field(default_factory=dict)
    links: list[Json] = field(default_factory=list)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    project_workflow: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    revoked: dict[str, list[str]] = field(default_factory=dict)
    """What people may no longer, by their accounts: permissions of Jira's."""
    forge: Installation = field(default_factory=Installation)
    devops: Json = field(default_factory=dict)
    """Builds and deployments that apps told us of (devops.py)."""
    datacenter: Kept = field(default_factory=Kept)


def fresh(base_url: str) -> State:
    key = tokens.install_key()
    return State(
        site=Site(base_url, kid=key.kid, private_pem=key.private_pem),
        workflows={catalogue.WORKFLOW: Workflow(catalogue.WORKFLOW)},
        project_workflow={p.key: catalogue.WORKFLOW for p in catalogue.PROJECTS},
    )


def load(path: Path) -> State:
    raw = json.loads(path.read_text())
    return State(
        site=Site(**raw["site"]),
        issues={number: Issue(**issue) for number, issue in raw["issues"].items()},
        links=raw["links"],
        workflows={
            name: Workflow(name, _rules(flow["live"]) or {}, _rules(flow["draft"]))
            for name, flow in raw["workflows"].items()
        },
        project_workflow=raw["project_workflow"],
        counters=raw["counters"],
        revoked=raw.get("revoked", {}),
        forge=Installation.restored(raw.get("forge", {})),
        devops=raw.get("devops", {}),
        datacenter=Kept.restored(raw.get("datacenter", {})),
    )


def _rules(raw: Json | None) -> dict[str, list[Rule]] | None:
    if raw is None:
        return None
    return {key: [Rule(**one) for one in several] for key, several in raw.items()}


class World:
    """The state, its clock, its lock and what the search index has seen so far."""

    def __init__(
        self, state: State, *, clock: Callable[[], datetime], path: Path | None = None
    ) -> None:
        self.state = state
        self.lock = threading.RLock()
        self.path = path
        self.offset = timedelta()
        """How far this Jira's clock is wrong on purpose."""
        self.lag = timedelta(seconds=10)
        """What the search index needs to see a change."""
        self.on_transition: list[Callable[[Moved], None]] = []
        self.on_event: list[Callable[[Event], None]] = []
        self._clock = clock
        self._index: dict[str, list[tuple[datetime, Issue]]] = {}
        for issue in state.issues.values():
            self._remember(issue, ALWAYS)

    def now(self) -> datetime:
        return self._clock() + self.offset

    def stamp(self) -> str:
        return stamp(self.now())

    @contextlib.contextmanager
    def change(self) -> Iterator[State]:
        """Hold the lock; what was changed is on disk when the block ends."""
        with self.lock:
            yield self.state
            self.save()

    def save(self) -> None:
        if self.path is None:
            return
        with self.lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_suffix(".writing")
            # the file holds the site's secret and key: for its owner only
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                json.dump(asdict(self.state), file, indent=1)
            draft.replace(self.path)

    def as_of_now(self, person: Person) -> Person:
        """The person with the permissions that are left."""
        gone = self.state.revoked.get(person.account_id, [])
        return replace(
            person,
            is_admin=person.is_admin and "ADMINISTER" not in gone,
            project_permissions=person.project_permissions - set(gone),
        )

    def set_permission(self, person: Person, permission: str, *, granted: bool) -> None:
        """Take a permission from somebody, or give it back."""
        with self.change() as state:
            gone = set(state.revoked.get(person.account_id, [])) - {permission}
            kept = gone if granted else gone | {permission}
            state.revoked[person.account_id] = sorted(kept)

    def next_number(self, counter: str, first: int) -> int:
        """Never given out twice for one site, restarts included."""
        number = self.state.counters.get(counter, first)
        self.state.counters[counter] = number + 1
        return number

    def find_issue(self, id_or_key: str) -> Issue | None:
        """The issue itself: read or change it under the lock."""
        by_id = self.state.issues.get(id_or_key)
        if by_id:
            return by_id
        wanted = id_or_key.upper()
        return next((i for i in self.state.issues.values() if i.key == wanted), None)

    def issue(self, id_or_key: str) -> Issue:
        issue = self.find_issue(id_or_key)
        if issue is None:
            raise LookupError(f"there is no issue {id_or_key!r}")
        return issue

    def tell(self, event: Event) -> None:
        for listener in self.on_event:
            listener(event)

    def touched(self, issue: Issue) -> None:
        """The issue changed now; the index learns it `lag` later."""
        issue.updated = self.stamp()
        self._remember(issue, self.now())

    def settled(self, issue: Issue) -> None:
        """The issue is as it always was: no lag, for what the site starts with."""
        self._index.pop(issue.id, None)
        self._remember(issue, ALWAYS)

    def indexed(self, *, reconciled: frozenset[str] = frozenset()) -> list[Issue]:
        """Every issue as the search sees it now, `reconciled` ids as they are."""
        seen_until = self.now() - self.lag
        found = []
        for number, versions in self._index.items():
            live = self.state.issues.get(number)
            if live is not None and number in reconciled:
                found.append(live)
                continue
            visible = [(at, issue) for at, issue in versions if at <= seen_until]
            if visible and live is not None:
                found.append(visible[-1][1])
        return found

    def _remember(self, issue: Issue, moment: datetime) -> None:
        versions = self._index.setdefault(issue.id, [])
        seen = [v for v in versions if v[0] <= self.now() - self.lag]
        # older ones can no longer be the newest visible one
        del versions[: max(0, len(seen) - 1)]
        versions.append((moment, copy.deepcopy(issue)))
