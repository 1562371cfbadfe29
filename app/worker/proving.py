"""Proves secrets that re-installs offered, by our own signed calls, or drops them (T4).

Never by a call that comes to us: who replays an install token with a secret of his own
would prove himself with it.
"""

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import jira, runs, stops
from app.http import SendError
from app.jira import JiraError, open_offered
from app.queue import QueueError
from app.runtime import Runtime
from app.tenants import candidates, promoting
from app.tenants.promoting import Promoted, Trial

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
"""How often it is looked whether one is due: most are proven a second after Jira sent
them, and a person may be waiting for a page."""

STOP_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Prover:
    """Looks after the candidates of all sites; several at once do no harm."""

    runtime: Runtime

    def prove(self) -> None:
        """Try each candidate that is due, once, and drop those whose hour is over.

        Also while the operator has stopped what is carried out: no ticket is touched,
        and a secret whose hour goes by is lost. But a backup that waits for its
        operator calls nobody (rule T14).
        """
        with self.runtime.sessions.begin() as session:
            if stops.is_restored(session):
                return
        self._drop_overdue()
        while (candidate_id := self._take()) is not None:
            try:
                self._try(candidate_id)
            except sa.exc.DBAPIError:
                raise
            except Exception:
                # It is due again after a wait; it costs the others nothing.
                log.exception("candidate=%s could not be tried", candidate_id)

    def _take(self) -> uuid.UUID | None:
        with self.runtime.sessions.begin() as session:
            return promoting.take(session, now=self.runtime.now())

    def _try(self, candidate_id: uuid.UUID) -> None:
        """Call, then promote: if a worker is killed between, the call is made again."""
        runtime, now = self.runtime, self.runtime.now()
        with runtime.sessions.begin() as session:
            trial = promoting.trial(session, runtime.keyring, candidate_id, now=now)
        if trial is None:
            return
        words = self._doubt(trial)
        with runtime.sessions.begin() as session:
            if words is not None:
                promoting.note_doubt(session, candidate_id, words)
                return
            promoted = self._promote(session, trial)
        if promoted is not None:
            self._tell(trial, promoted)

    def _tell(self, trial: Trial, promoted: Promoted) -> None:
        what = "secret proven, site renamed" if promoted.renamed else "secret proven"
        log.info("%s tenant=%s number=%s", what, trial.tenant_id, promoted.generation)
        try:
            self.runtime.queue.wake()
        except QueueError as error:
            # What is due is recorded, and workers sweep: it only starts later.
            log.warning("queue: %s", error)

    def _doubt(self, trial: Trial) -> str | None:
        known = open_offered(self.runtime, trial, trial.known_url)
        offered = open_offered(self.runtime, trial, trial.offered_url)
        try:
            return jira.doubt(known, offered, knows_secret=trial.knows_secret)
        except (JiraError, SendError) as error:
            return str(error)

    def _promote(self, session: Session, trial: Trial) -> Promoted | None:
        now = self.runtime.now()
        promoted = promoting.promote(
            session, self.runtime.keyring, self.runtime.settings, trial, now=now
        )
        if promoted is not None:
            runs.release(session, trial.tenant_id, trial.candidate_id, now=now)
        return promoted

    def _drop_overdue(self) -> None:
        with self.runtime.sessions.begin() as session:
            late = candidates.overdue(session, now=self.runtime.now())
        for candidate_id in late:
            self._drop(candidate_id)

    def _drop(self, candidate_id: uuid.UUID) -> None:
        now = self.runtime.now()
        with self.runtime.sessions.begin() as session:
            dropped = candidates.drop(session, candidate_id, now=now)
            if dropped is None:
                return
            tenant_id = dropped.tenant_id
            ended = runs.end_held(session, tenant_id, candidate_id, now=now)
        log.warning("secret dropped tenant=%s calls=%s", tenant_id, ended)


@contextmanager
def scheduled(prover: Prover, stop: threading.Event) -> Iterator[None]:
    """Look every second on a thread of its own: a slow site must hold up no run."""

    def look() -> None:
        while not stop.wait(ASK_SECONDS):
            try:
                prover.prove()
            except sa.exc.DBAPIError as error:
                log.error("database: %s", type(error).__name__)  # noqa: TRY400 -- the text has values
            except Exception:
                # One that cannot be tried is tried again; the others go on.
                log.exception("a candidate could not be tried")

    thread = threading.Thread(target=look, name="prover", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOP_SECONDS)
