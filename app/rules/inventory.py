"""Which rules Jira itself has: the proof that a call's configuration is no invention.

Attack (T1): no signature covers the body of a call, so whoever can swap it could bring
a rule of his own. A rule is carried out only if Jira, asked by our own signed call, has
it in that workflow.
"""

import threading
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.connect import descriptor
from app.jira import Jira
from app.listeners import Version
from app.rules.parsing import rule_hash

KEPT = timedelta(minutes=5)
"""How long an answer of Jira's is believed."""

PAUSE = timedelta(seconds=10)
"""How often, at most, a tenant's Jira is asked because a rule was not found."""

LOOK = timedelta(seconds=2)
"""How old an answer may be that is shown to an admin."""

SKEW = timedelta(seconds=2)
"""How far the clocks of web server and worker may be apart."""

MAX_TENANTS = 1000


class InventoryBusyError(Exception):
    """Jira was asked a moment ago, before this call came: ask again after `wait`."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"the rule inventory may be read again in {wait}")
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One post function of ours in a live workflow, as Jira stores it."""

    workflow: str
    transition_id: str
    transition_name: str
    text: str
    hash: str


class _Wanted(NamedTuple):
    workflow: str
    hash: str


@dataclass
class _Known:
    """What we know of one tenant's rules, and since when."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    read_at: datetime | None = None
    entries: Mapping[_Wanted, Sequence[Entry]] = field(default_factory=dict)


class Inventory:
    """Every tenant's rules as Jira has them, read when needed. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tenants: OrderedDict[uuid.UUID, _Known] = OrderedDict()

    def find(
        self,
        tenant_id: uuid.UUID,
        jira: Jira,
        *,
        workflow: str,
        text_hash: str,
        received: datetime,
        now: datetime,
    ) -> Sequence[Entry]:
        """Return the entries of that workflow with that hash; none if Jira has none.

        `received` is when the call came. Raise `InventoryBusyError` if what we know is
        older than the call, and Jira was asked less than `PAUSE` ago: swapped bodies
        must not make us hammer it, and a rule published in between is no forgery.
        `JiraError` and `SendError` are passed on.
        """
        wanted = _Wanted(workflow, text_hash)
        if jira.own_rules is not None:
            # They are ours: as this call's Jira was opened, so they are.
            entries = map(entry_of, jira.own_rules)
            return [e for e in entries if _Wanted(e.workflow, e.hash) == wanted]
        known = self._known(tenant_id)
        with known.lock:  # one thread asks Jira, the others wait for its answer
            if known.read_at is None or now - known.read_at >= KEPT:
                _refresh(known, jira, now)
            elif wanted not in known.entries and known.read_at <= received + SKEW:
                wait = known.read_at + PAUSE - now
                if wait > timedelta(0):
                    raise InventoryBusyError(wait)
                _refresh(known, jira, now)
            return known.entries.get(wanted, ())

    def listed(
        self, tenant_id: uuid.UUID, jira: Jira, *, now: datetime
    ) -> Sequence[Entry]:
        """Return all the tenant's rules, as they were at most `LOOK` ago.

        Somebody looks for the rule that he has just published, so `KEPT` is too long.
        `JiraError` and `SendError` are passed on.
        """
        known = self._known(tenant_id)
        with known.lock:
            if known.read_at is None or now - known.read_at >= LOOK:
                _refresh(known, jira, now)
            return [entry for found in known.entries.values() for entry in found]

    def _known(self, tenant_id: uuid.UUID) -> _Known:
        with self._lock:
            known = self._tenants.setdefault(tenant_id, _Known())
            self._tenants.move_to_end(tenant_id)
            while len(self._tenants) > MAX_TENANTS:
                self._tenants.popitem(last=False)
            return known


def read(jira: Jira) -> list[Entry]:
    """Return all the site's rules as Jira has them at this moment."""
    if jira.own_rules is not None:
        # Nothing is asked for, yet who looks after a site wants to know whether it
        # still accepts us.
        jira.own_account()
        return list(map(entry_of, jira.own_rules))
    return [entry for page in jira.rule_inventory() for entry in _entries(page)]


def entry_of(version: Version) -> Entry:
    """Return a rule that is ours to keep, as Jira would have it in its workflow."""
    return Entry(
        workflow=version.place.workflow,
        transition_id=version.place.transition_id,
        transition_name=version.place.transition,
        text=version.config,
        hash=version.rule_hash,
    )


def _refresh(known: _Known, jira: Jira, now: datetime) -> None:
    entries: defaultdict[_Wanted, list[Entry]] = defaultdict(list)
    for entry in read(jira):
        entries[_Wanted(entry.workflow, entry.hash)].append(entry)
    known.entries = dict(entries)
    known.read_at = now


def _entries(workflow: Mapping[str, Any]) -> list[Entry]:
    """Return our live post functions of one workflow; a draft's never fire."""
    place = workflow.get("workflowId") or {}
    if place.get("draft"):
        return []
    found = []
    for function in workflow.get("postFunctions") or []:
        stored = function.get("configuration") or {}
        key = str(function.get("key"))
        is_ours = descriptor.is_of_module(key, descriptor.POST_FUNCTION)
        if not is_ours or stored.get("disabled"):
            continue
        value = stored.get("value")
        # Added in the editor and never saved: no rule yet, and its calls say the same.
        # They are found here, so they end as failed runs and not as forgeries.
        text = value if isinstance(value, str) else ""
        transition = function.get("transition") or {}
        entry = Entry(
            workflow=str(place.get("name")),
            transition_id=str(transition.get("id", "")),
            transition_name=str(transition.get("name", "")),
            text=text,
            hash=rule_hash(text),
        )
        found.append(entry)
    return found
