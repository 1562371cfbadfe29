"""Whether a person may do this: asked of Jira, never guessed (rule T10)."""

import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.http import SendError
from app.jira import JiraError, open_jira
from app.runtime import Runtime
from app.tokens.checks import Reason, Refused

NO_PERMISSION = ""
"""For callers that are no person: a guard without a permission asks for none."""

JIRA_ADMIN = "ADMINISTER"
"""Jira's global permission "Administer Jira"."""

KEPT = timedelta(seconds=60)
REFUSED_KEPT = timedelta(seconds=10)
"""A no is asked again sooner: somebody may just have been given the right."""

CACHED = 4096

Key = tuple[uuid.UUID, str, str]


@dataclass
class Permissions:
    """Answers of Jira, remembered for a minute for reading, never for changing."""

    runtime: Runtime
    _answers: OrderedDict[Key, tuple[datetime | None, bool]] = field(
        default_factory=OrderedDict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def require(
        self, tenant_id: uuid.UUID, account_id: str, permission: str, *, live: bool
    ) -> None:
        """Return if Jira says that the person has it; raise `Refused` otherwise.

        No answer is a no. What Jira says is remembered by tenant, account and
        permission together: a cache by session let one tenant's admin into another's.
        """
        key = (tenant_id, account_id, permission)
        now = self.runtime.now()
        with self._lock:
            at, granted = self._answers.get(key, (None, False))
        kept = KEPT if granted else REFUSED_KEPT
        if at is None or live or now - at >= kept:
            granted = self._ask(*key)
            self._remember(key, now, granted=granted)
        if not granted:
            raise Refused(Reason.NOT_PERMITTED, permission)

    def _remember(self, key: Key, now: datetime, *, granted: bool) -> None:
        with self._lock:
            self._answers[key] = (now, granted)
            while len(self._answers) > CACHED:
                self._answers.popitem(last=False)

    def _ask(self, tenant_id: uuid.UUID, account_id: str, permission: str) -> bool:
        with self.runtime.sessions.begin() as session:
            jira = open_jira(session, self.runtime, tenant_id)
        try:
            return jira.is_permitted(account_id, permission)
        except (JiraError, SendError) as error:
            raise Refused(Reason.NOT_PERMITTED, f"Jira: {error}") from error
