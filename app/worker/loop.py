"""The worker: takes due runs until none is left, sweeps, keeps house."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import sqlalchemy as sa

from app import forge, patience, runs, stops, tenants, tracing
from app.destinations import Borrowed, Line
from app.http import DEADLINE_SECONDS, SendError
from app.jira import ODD, Jira, JiraError, open_jira
from app.rules.inventory import Inventory
from app.runs import Claim, LostClaimError, TenantGoneError
from app.runtime import Runtime
from app.stops import StoppedError
from app.worker import housekeeping, proving
from app.worker.carrying import Carrying
from app.worker.doors import Doors
from app.worker.in_hand import InHand, StoppingError
from app.worker.proving import Prover
from app.worker.retrying import BACKOFF

log = logging.getLogger(__name__)

ANSWER_WITHIN = timedelta(seconds=DEADLINE_SECONDS)
"""How long a call of ours may wait for its answer at most."""

SWEEP_SECONDS = 1.0
"""How often due runs are looked for without a wake-up: retries, and lost wake-ups."""

Work = Callable[[Runtime], Iterator[None]]
"""Does something bit by bit, a transaction or two at a time."""


class Chore(NamedTuple):
    """What a worker does beside its runs, and how often."""

    every: timedelta
    work: Work


CHORES = (
    # What is deleted before it comes under a checkpoint, nobody misses.
    Chore(timedelta(minutes=5), housekeeping.seal),
    Chore(timedelta(hours=1), housekeeping.keep_house),
    # Whether a person is to be forgotten.
    Chore(timedelta(seconds=10), housekeeping.erase),
)


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One carrier of runs; start as many processes as needed."""

    runtime: Runtime
    inventory: Inventory = field(default_factory=Inventory)
    doors: Doors = field(default_factory=Doors)
    borrowed: Borrowed = field(default_factory=Borrowed)
    stop: threading.Event = field(default_factory=threading.Event)
    in_hand: InHand = field(default_factory=InHand)

    def step(self) -> bool:
        """Carry one due run as far as it goes; return False if none was due."""
        with self.runtime.sessions.begin() as session:
            claim = runs.claim(session, now=self.runtime.now())
            if claim is None:
                return False
        try:
            with (
                self.in_hand.held(claim),
                tracing.carried(claim.run_id, claim.tenant_id, claim.unverified_hint),
            ):
                self._carry_out_or_put_off(claim)
        except LostClaimError:
            # Its lease ran out meanwhile; whoever has it now looks before repeating.
            log.warning("run=%s claim lost", claim.run_id)
        return True

    def _carry_out_or_put_off(self, claim: Claim) -> None:
        try:
            self._carry_out(claim)
        except LostClaimError:
            raise
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated or isinstance(
                error, sa.exc.OperationalError
            ):
                raise
            self._put_off(claim, error)
        except Exception as error:  # noqa: BLE001 -- the one place that outlives a bug
            self._put_off(claim, error)

    def _carry_out(self, claim: Claim) -> None:
        with self.runtime.sessions.begin() as session:
            jira = open_jira(session, self.runtime, claim.tenant_id)
        carrying = Carrying(
            runtime=self.runtime,
            inventory=self.inventory,
            doors=self.doors,
            claim=claim,
            stop=self.stop,
            jira=jira,
            line=Line(
                http=self.runtime.http,
                mail=self.runtime.mail,
                now=self.runtime.now,
                borrowed=self.borrowed,
                jira=jira,
            ),
        )
        try:
            carrying.carry_out()
        except TenantGoneError:
            carrying.end_without_tenant()
        except StoppedError:
            # What is under way was brought to its end; the next step waits.
            with self.runtime.sessions.begin() as session:
                runs.put_back(session, claim)
            log.info("run=%s is laid down: stopped", claim.run_id)
        except StoppingError:
            self._lay_down(claim)
        finally:
            self._note_refused_token(claim, jira)

    def lay_down_all(self) -> None:
        """Give back what is in hand: the process ends before it can be brought to rest.

        Another worker goes on with it at once, not only once its lease is over.
        """
        for claim in self.in_hand.listed():
            try:
                self._lay_down(claim)
            except LostClaimError:
                log.info("run=%s is settled or another's by now", claim.run_id)

    def _lay_down(self, claim: Claim) -> None:
        now = self.runtime.now()
        with self.runtime.sessions.begin() as session:
            runs.lay_down(session, claim, answer_within=ANSWER_WITHIN, now=now)
        log.info("run=%s is laid down: this worker ends", claim.run_id)

    def _note_refused_token(self, claim: Claim, jira: Jira) -> None:
        """Use a token of Forge's no more that Jira refused, and say so (T16)."""
        if not jira.refusals or _is_taken(jira):
            return
        now, because = self.runtime.now(), jira.refusals[0]
        with self.runtime.sessions.begin() as session:
            if jira.generation is not None:
                forge.drop_token(session, claim.tenant_id, jira.generation, now=now)
            access = forge.find_access(
                session, self.runtime.keyring, claim.tenant_id, now=now
            )
            if access is not None and access.token is not None:
                # The next one came while this one was refused.
                runs.wake(session, claim.tenant_id, now=now)
                return
            tenants.note_refusal(session, claim.tenant_id, because, now=now)

    def _put_off(self, claim: Claim, error: Exception) -> None:
        """Let one run's surprise cost that run time, and no other run anything."""
        log.error("run=%s", claim.run_id, exc_info=error)
        now = self.runtime.now()
        wait = BACKOFF[min(claim.tries, len(BACKOFF)) - 1]
        message = f"a fault of Countersign: {type(error).__name__}"
        with self.runtime.sessions.begin() as session:
            runs.rest(session, claim, until=now + wait, message=message)

    def drain(self) -> None:
        """Carry out runs until none is due, or until the worker is to stop."""
        while not self.stop.is_set() and self.step():
            pass

    def run(self) -> None:
        """Carry out runs until `stop` is set: woken by the queue, and by sweeping.

        Secrets that re-installs offered are proven beside them (rule T4).
        """
        with proving.scheduled(Prover(runtime=self.runtime), self.stop):
            self._run()

    def _run(self) -> None:
        due_at = dict.fromkeys(CHORES, self.runtime.now())
        while not self.stop.wait(SWEEP_SECONDS):
            try:
                self.drain()
                self._do_chores(due_at)
            except sa.exc.DBAPIError as error:
                # The database is away: the runs are in it, so wait for it.
                log.error("database: %s", patience.words_of(error))  # noqa: TRY400 -- the text has values

    def _do_chores(self, due_at: dict[Chore, datetime]) -> None:
        """Do what is due beside the runs, unless a backup waits for its operator.

        He wants to find it whole. What people want forgotten is forgotten during any
        other stop, too.
        """
        due = [chore for chore in CHORES if due_at[chore] <= self.runtime.now()]
        if not due or self._is_restored():
            return
        for chore in due:
            due_at[chore] = self.runtime.now() + chore.every
            self._between_runs(chore.work)

    def _is_restored(self) -> bool:
        with self.runtime.sessions.begin() as session:
            return stops.is_restored(session)

    def _between_runs(self, work: Work) -> None:
        for _ in work(self.runtime):
            if self.stop.is_set():
                return
            self.drain()

    def keep_house(self, pace: housekeeping.Pace | None = None) -> None:
        """Do all that is due in an hour, at once; or more, at another pace."""
        for work in (
            housekeeping.seal,
            partial(housekeeping.keep_house, pace=pace),
            housekeeping.erase,
        ):
            for _ in work(self.runtime):
                pass

    def rotate_keys(self) -> None:
        """Let the next key sign where the present one did long enough (rule T14)."""
        housekeeping.rotate_keys(self.runtime)


def _is_taken(jira: Jira) -> bool:
    """Say whether Jira takes the token for itself, whatever it refused it for."""
    try:
        jira.own_account()
    except (JiraError, SendError, *ODD):
        return False
    return True
