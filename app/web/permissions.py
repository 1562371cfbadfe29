"""Whether a person may do this: asked of Jira, never guessed (rule T10)."""

import contextlib
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.crypto import Secret
from app.http import SendError
from app.jira import ODD, Jira, JiraError, is_in_role, open_connect, open_jira
from app.runtime import Runtime
from app.tenants import Tenant, preferences
from app.tokens.checks import Reason, Refused
from app.under_way import BusyError

NO_PERMISSION = ""
"""For callers that are no person: a guard without a permission asks for none."""

JIRA_ADMIN = "ADMINISTER"
"""Jira's global permission "Administer Jira"."""

SEES_ISSUE = "BROWSE_PROJECTS"
"""Jira's project permission, asked of the one issue that the request is about."""

ON_CALL = "on-call"
"""Ours: sees the issue, and has the site's on-call role in its project, or
administers Jira."""

OF_ISSUE = frozenset({SEES_ISSUE, ON_CALL})
"""What somebody may on one issue, and perhaps not on the next."""

KEPT = timedelta(seconds=60)
REFUSED_KEPT = timedelta(seconds=10)
"""A no is asked again sooner: somebody may just have been given the right."""

CACHED = 4096

ASKED_AT_ONCE = 4
"""Questions to Jira about one person that are under way at a time."""

Key = tuple[uuid.UUID, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody in session, and what his question to Jira is asked with."""

    tenant_id: uuid.UUID
    account_id: str
    user_token: Secret | None = None
    """Through Forge an app may not ask about others, so Jira is asked as the person."""


class UnseenError(Refused):
    """Jira does not show the person that issue, so for him it is not there (T5)."""


@dataclass
class Permissions:
    """Answers of Jira, remembered for a minute for reading, never for changing."""

    runtime: Runtime
    _answers: OrderedDict[Key, tuple[datetime | None, bool]] = field(
        default_factory=OrderedDict
    )
    _asking: Counter[tuple[uuid.UUID, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def require(
        self, person: Person, permission: str, *, live: bool, issue_id: str = ""
    ) -> None:
        """Return if Jira says that the person has it; raise `Refused` otherwise.

        No answer is a no. What Jira says is remembered by tenant, account, permission
        and issue together: a cache by session let one tenant's admin into another's.
        """
        if permission == ON_CALL:
            # Attack: a role in the project opens no issue that is hidden from him.
            self.require(person, SEES_ISSUE, live=live, issue_id=issue_id)
        key = (person.tenant_id, person.account_id, permission, issue_id)
        now = self.runtime.now()
        with self._lock:
            at, granted = self._answers.get(key, (None, False))
        kept = KEPT if granted else REFUSED_KEPT
        # Attack: somebody who may not asks to change something a thousand times, and
        # has us ask his Jira as often. Only a yes has to be fresh.
        is_stale = live and granted
        if at is None or is_stale or now - at >= kept:
            with self._place(person):
                granted = self._ask(person, permission, issue_id)
            self._remember(key, now, granted=granted)
        if not granted:
            error = UnseenError if permission == SEES_ISSUE else Refused
            raise error(Reason.NOT_PERMITTED, permission)

    @contextlib.contextmanager
    def _place(self, person: Person) -> Iterator[None]:
        """Have Jira asked about a person, a few questions at a time.

        Attack: one person asks about ever other issues, or while Jira is slow, until
        every thread waits for Jira and none is left for Jira's calls.
        """
        who = (person.tenant_id, person.account_id)
        with self._lock:
            if self._asking[who] >= ASKED_AT_ONCE:
                raise BusyError
            self._asking[who] += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking[who] -= 1
                if not self._asking[who]:
                    del self._asking[who]

    def _remember(self, key: Key, now: datetime, *, granted: bool) -> None:
        with self._lock:
            self._answers[key] = (now, granted)
            while len(self._answers) > CACHED:
                self._answers.popitem(last=False)

    def _ask(self, person: Person, permission: str, issue_id: str) -> bool:
        tenant_id, account_id = person.tenant_id, person.account_id
        with self.runtime.sessions.begin() as session:
            jira = open_jira(session, self.runtime, tenant_id)
            asking = self._open(session, person) or jira
            role = preferences.find(session, tenant_id).on_call_role
        try:
            if permission != ON_CALL:
                return asking.is_permitted(account_id, permission, issue_id=issue_id)
            if asking.is_permitted(account_id, JIRA_ADMIN):
                return True
            return _is_in_role(jira, account_id, role, issue_id)
        except (JiraError, SendError, *ODD) as error:
            raise Refused(Reason.NOT_PERMITTED, f"Jira: {error}") from error

    def _open(self, session: Session, person: Person) -> Jira | None:
        """Return the site's Jira for a question about a person, by his own door."""
        if person.user_token is not None:
            token = person.user_token
            return open_jira(session, self.runtime, person.tenant_id, user_token=token)
        tenant = session.get_one(Tenant, person.tenant_id)
        return open_connect(session, self.runtime, tenant)


def _is_in_role(jira: Jira, account_id: str, role: str | None, issue_id: str) -> bool:
    if not role:
        return False
    try:
        return is_in_role(jira, account_id, role, issue_id=issue_id)
    except JiraError:
        # Jira answered and did not say yes: remembered as a no, not asked at each look.
        return False
