"""What a site calls its fields, types and projects, for who writes a rule."""

import logging
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.http import SendError
from app.jira import Jira, JiraError, open_jira
from app.runtime import Runtime

log = logging.getLogger(__name__)

KEPT = timedelta(seconds=60)
"""How long Jira's answer is good, and how long it is left alone if it gave none."""

CACHED = 200
"""Tenants whose names are remembered."""

MAX_NAMES = 5000
"""Names of one sort that are remembered; a site with more is not judged by them."""

MAX_PROJECTS, PROJECTS_PER_PAGE = 2000, 100
"""Projects that a form offers, by key; and how many Jira is asked for at once."""

Named = Sequence[Mapping[str, Any]]


class Sort(StrEnum):
    """What may be asked for: the path that lists it."""

    FIELDS = "/rest/api/3/field"
    ISSUE_TYPES = "/rest/api/3/issuetype"
    LINK_TYPES = "/rest/api/3/issueLinkType"
    PROJECTS = "/rest/api/3/project/search"
    STATUSES = "/rest/api/3/status"


_KEYS = ("id", "key", "name", "schema", "subtask")
"""What is kept of an entry."""


@dataclass
class _Known:
    """What we know of one tenant's names, and since when."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    away_since: datetime | None = None
    answers: dict[Sort, tuple[datetime, Named | None]] = field(default_factory=dict)


@dataclass
class SiteNames:
    """Answers of Jira, remembered for a minute. Safe for threads."""

    runtime: Runtime
    _tenants: OrderedDict[uuid.UUID, _Known] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, tenant_id: uuid.UUID, sort: Sort) -> Named | None:
        """Return all entries of that sort; None if Jira does not say."""
        known, now = self._known(tenant_id), self.runtime.now()
        with known.lock:  # one thread asks Jira, the others wait for its answer
            at, names = known.answers.get(sort, (None, None))
            if at is not None and now - at < KEPT:
                return names
            if known.away_since is not None and now - known.away_since < KEPT:
                return None
            try:
                names = _read(self._open(tenant_id), sort)
            except (JiraError, SendError) as error:
                log.info("tenant=%s no names: %s", tenant_id, error)
                if not isinstance(error, JiraError):
                    known.away_since = now
                names = None
            known.answers[sort] = (now, names)
            return names

    def _open(self, tenant_id: uuid.UUID) -> Jira:
        with self.runtime.sessions.begin() as session:
            return open_jira(session, self.runtime, tenant_id)

    def _known(self, tenant_id: uuid.UUID) -> _Known:
        with self._lock:
            known = self._tenants.setdefault(tenant_id, _Known())
            self._tenants.move_to_end(tenant_id)
            while len(self._tenants) > CACHED:
                self._tenants.popitem(last=False)
            return known


def _read(jira: Jira, sort: Sort) -> Named | None:
    """Return what the site has; None for an answer that nobody can judge by."""
    answer = _projects(jira) if sort is Sort.PROJECTS else jira.get(sort)
    if sort is Sort.LINK_TYPES and isinstance(answer, Mapping):
        answer = answer.get("issueLinkTypes")
    if not isinstance(answer, list) or not 1 <= len(answer) <= MAX_NAMES:
        # Nothing at all is what an account sees that may browse no project.
        return None
    return [
        {key: entry[key] for key in _KEYS if key in entry}
        for entry in answer
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
    ]


def _projects(jira: Jira) -> list[Any]:
    """Read page after page (Jira Cloud REST API v3, "Get projects paginated")."""
    found: list[Any] = []
    while True:
        query = {"startAt": str(len(found)), "maxResults": str(PROJECTS_PER_PAGE)}
        page = jira.get(Sort.PROJECTS, query)
        values = page.get("values") if isinstance(page, Mapping) else None
        if not isinstance(values, list) or not values:
            return found
        found += values
        if page.get("isLast") is not False or len(found) >= MAX_PROJECTS:
            return found[:MAX_PROJECTS]
