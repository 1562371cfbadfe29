"""The worker: takes due runs until none is left, sweeps, keeps house."""

import logging
import threading
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from app import audit, keys, runs, tenants, vault
from app.jira import open_jira
from app.rules.inventory import Inventory
from app.runs import Claim, LostClaimError, TenantGoneError
from app.runtime import Runtime
from app.worker.carrying import Carrying
from app.worker.retrying import BACKOFF

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
"""How often due runs are looked for without a wake-up: retries, and lost wake-ups."""

HOUSEKEEPING = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One carrier of runs; start as many processes as needed."""

    runtime: Runtime
    inventory: Inventory = field(default_factory=Inventory)
    stop: threading.Event = field(default_factory=threading.Event)

    def step(self) -> bool:
        """Carry one due run as far as it goes; return False if none was due."""
        with self.runtime.sessions.begin() as session:
            claim = runs.claim(session, now=self.runtime.now())
            if claim is None:
                return False
        try:
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
            runtime=self.runtime, inventory=self.inventory, claim=claim, jira=jira
        )
        try:
            carrying.carry_out()
        except TenantGoneError:
            carrying.end_without_tenant()

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
        """Carry out runs until `stop` is set: woken by the queue, and by sweeping."""
        kept_at = self.runtime.now() - HOUSEKEEPING
        while not self.stop.wait(SWEEP_SECONDS):
            try:
                self.drain()
                if self.runtime.now() - kept_at >= HOUSEKEEPING:
                    kept_at = self.runtime.now()
                    self.keep_house()
            except sa.exc.DBAPIError as error:
                # The database is away: the runs are in it, so wait for it.
                log.error("database: %s", type(error).__name__)  # noqa: TRY400 -- the text has values

    def keep_house(self) -> None:
        """Forget what may be forgotten: expired secrets and tokens, old refusals."""
        now = self.runtime.now()
        with self.runtime.sessions.begin() as session:
            vault.delete_expired(session, now=now)
            tenants.forget_departed(session, self.runtime.settings, now=now)
            tenants.forget_expired_tokens(session, now=now)
            audit.prune_unproven(session)
        self.rotate_keys()

    def rotate_keys(self) -> None:
        """Let the next key sign where the present one did long enough (rule T14)."""
        settings, now = self.runtime.settings, self.runtime.now()
        publish = timedelta(hours=settings.key_publish_hours)
        lifetime = timedelta(days=settings.key_rotation_days)
        with self.runtime.sessions.begin() as session:
            due = keys.due(session, lifetime=lifetime, publish=publish, now=now)
        for tenant_id in due:
            rotation = keys.Rotation(
                tenant_id=tenant_id, actor="countersign", now=now, fresh=keys.make(1)
            )
            try:
                with self.runtime.sessions.begin() as session:
                    keys.rotate(
                        session, self.runtime.keyring, rotation, publish=publish
                    )
            except (keys.NoKeyError, keys.TooSoonError):
                log.info("tenant=%s keys were rotated elsewhere", tenant_id)
