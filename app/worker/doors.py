"""Sites that changed doors: what must be so before a run acts by another account."""

import logging
import threading
import uuid
from collections import defaultdict
from dataclasses import dataclass, field

from app import tenants
from app.http import SendError
from app.jira import Jira, JiraError
from app.rules import adopting
from app.runtime import Runtime
from app.tenants import Door
from app.worker.retrying import may_pass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Doors:
    """Through which door each site's runs were carried out last, by this process.

    Safe for threads: one of them sees to a site, the others of that site wait for it.
    """

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _locks: defaultdict[uuid.UUID, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )
    _last: dict[uuid.UUID, Door] = field(default_factory=dict)

    def enter(self, runtime: Runtime, tenant_id: uuid.UUID, jira: Jira) -> None:
        """See that the site's conditions name the account that this door gives us.

        The watchdog sees to that as well, but later: until then a run that was held
        while its site changed doors could not move its ticket on, nor to the fail
        state. Pass on `JiraError` and `SendError` that may be over soon.
        """
        if self._last.get(tenant_id) is jira.door:
            return
        with self._lock:
            alone = self._locks[tenant_id]
        with alone:
            if self._last.get(tenant_id) is not jira.door:
                self._enter(runtime, tenant_id, jira)

    def _enter(self, runtime: Runtime, tenant_id: uuid.UUID, jira: Jira) -> None:
        with runtime.sessions.begin() as session:
            former = tenants.former_accounts(session, tenant_id, jira.door)
        try:
            count = adopting.adopt(jira, former=former) if former else 0
        except (JiraError, SendError) as error:
            if may_pass(error):
                raise
            name = type(error).__name__
            log.warning("tenant=%s conditions not mended: %s", tenant_id, name)
            count = 0
        if count > 0:
            with runtime.sessions.begin() as session:
                adopting.note(session, tenant_id, count, now=runtime.now())
        self._last[tenant_id] = jira.door
