"""One look at every site's gates: stuck tickets, open ways out, a Jira that refuses."""

import logging
import smtplib
import threading
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from app import alerts, stops, tenants
from app.http import SendError
from app.jira import ODD, Jira, JiraError, open_jira
from app.queue import QueueError
from app.rules import adopting, inventory, knowing
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.watchdog import turns
from app.watchdog.gates import Gate, gate_of
from app.watchdog.holds import HoldWatch
from app.watchdog.turns import Turn

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Watchdog:
    """Looks after all sites; only one of however many processes looks at a time."""

    runtime: Runtime
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the process is to end: the next look goes on with the other sites."""

    def watch(self, *, due_only: bool = False) -> int | None:
        """Look once; return how many tickets are being rescued.

        None if another process is looking, or, with `due_only`, if it is too soon; and
        while everything is stopped. The first look after that is one after an outage
        of ours, for nobody looked meanwhile.
        """
        settings, now = self.runtime.settings, self.runtime.now()
        every = timedelta(seconds=settings.watch_seconds)
        with self.runtime.sessions.begin() as session:
            if stops.find_everything(session) is not None:
                return None
            turn = turns.take(session, every=every, due_only=due_only, now=now)
        if turn is None:
            return None
        rescued = 0
        for tenant_id in self._sites():
            if self.stop.is_set():
                break
            try:
                rescued += self._watch_site(tenant_id, turn)
            except turns.LostTurnError:
                log.warning("the look took too long, another process goes on")
                return rescued
        with self.runtime.sessions.begin() as session:
            turns.give_back(session, turn)
        if rescued:
            self._wake()
        self._tell()
        return rescued

    def _sites(self) -> Sequence[uuid.UUID]:
        with self.runtime.sessions.begin() as session:
            active = sa.select(Tenant.id).where(Tenant.state == State.ACTIVE)
            return list(session.scalars(active.order_by(Tenant.id)))

    def _watch_site(self, tenant_id: uuid.UUID, turn: Turn) -> int:
        """Look at one site; its Jira's troubles cost no other site anything."""
        every = timedelta(seconds=self.runtime.settings.watch_seconds)
        with self.runtime.sessions.begin() as session:
            turns.keep(session, turn, now=self.runtime.now())
            if stops.find(session, tenant_id) is not None:
                return 0
            turn = turn.after(stops.last_ended(session, tenant_id), every=every)
            jira = open_jira(session, self.runtime, tenant_id)
        rescued = 0
        self._adopt_conditions(tenant_id, jira)
        try:
            for gates in self._gates(tenant_id, jira):
                rescued += HoldWatch(
                    runtime=self.runtime, jira=jira, turn=turn, gates=gates
                ).watch()
        except (JiraError, SendError) as error:
            self._note_trouble(tenant_id, error)
        except (turns.LostTurnError, sa.exc.DBAPIError):
            raise
        except Exception as error:
            # Attack: one site's Jira answers what nobody can read, and every site
            # after it is looked after no more.
            log.exception("tenant=%s the look failed", tenant_id)
            words = f"what it answered cannot be read: {type(error).__name__}"
            self._note_trouble(tenant_id, SendError(words, sent=True))
        return rescued

    def _adopt_conditions(self, tenant_id: uuid.UUID, jira: Jira) -> None:
        """Let the conditions of a site that changed doors name the account of today.

        If that fails, held tickets are looked after all the same.
        """
        with self.runtime.sessions.begin() as session:
            former = tenants.former_accounts(session, tenant_id, jira.door)
        if not former:
            return
        try:
            count = adopting.adopt(jira, former=former)
        except (JiraError, SendError, *ODD) as error:
            name = type(error).__name__
            log.warning("tenant=%s conditions not mended: %s", tenant_id, name)
            return
        if count <= 0:
            return
        with self.runtime.sessions.begin() as session:
            adopting.note(session, tenant_id, count, now=self.runtime.now())

    def _gates(self, tenant_id: uuid.UUID, jira: Jira) -> Sequence[Sequence[Gate]]:
        """Read the site's rules; return its gates, those with one hold together."""
        seen = knowing.readable(inventory.read(jira))
        now = self.runtime.now()
        with self.runtime.sessions.begin() as session:
            tenants.note_answer(session, tenant_id, now=now)
            knowing.note_all(session, tenant_id, seen, now=now)
            gates = list(map(gate_of, knowing.gates(session, tenant_id)))
        by_hold: defaultdict[str, list[Gate]] = defaultdict(list)
        for gate in sorted(gates, key=lambda gate: gate.since):
            by_hold[gate.hold.status].append(gate)
        return list(by_hold.values())

    def _note_trouble(self, tenant_id: uuid.UUID, error: JiraError | SendError) -> None:
        log.warning("tenant=%s Jira cannot be asked: %s", tenant_id, error)
        refused = isinstance(error, JiraError) and error.refuses_us
        note = tenants.note_refusal if refused else tenants.note_silence
        with self.runtime.sessions.begin() as session:
            note(session, tenant_id, str(error), now=self.runtime.now())

    def _tell(self) -> None:
        """Mail what is wrong; what fails is tried at the next look.

        What a site's own addresses do not take is not tried again for a day.
        """
        settings, now = self.runtime.settings, self.runtime.now()
        if not settings.smtp_url:
            return
        with self.runtime.sessions.begin() as session:
            due = alerts.due(session, now=now)
        for trouble in due:
            try:
                alerts.send(settings, trouble)
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
                # Attack: a site names an address that our server takes no mail for,
                # and the sites after it are told nothing.
                log.error("alert not sent: %s", type(error).__name__)  # noqa: TRY400
                if not trouble.notice_to:
                    continue
            except (OSError, smtplib.SMTPException) as error:
                # Its text may quote what we said to the server: our password, say.
                log.error("alert not sent: %s", type(error).__name__)  # noqa: TRY400
                return
            with self.runtime.sessions.begin() as session:
                alerts.note_sent(session, trouble, now=now)

    def _wake(self) -> None:
        try:
            self.runtime.queue.wake()
        except QueueError as error:
            # The runs are recorded, and workers sweep: they only start later.
            log.warning("queue: %s", error)
