"""Whether what callers tell us can be written down, once there was a doubt."""

import secrets
import threading
from dataclasses import dataclass, field

from app import audit
from app.runtime import Runtime

PROBE_BYTES = 16_384
"""More than a call takes: a database may have room for a number, and for no call."""


@dataclass(frozen=True)
class Recordability:
    """Whether this process can record calls. Safe for threads.

    A database that only reads, or whose disk is full, answers what it is asked; so it
    has to be tried. Not at every question: only at the first, and from a failure on.
    """

    runtime: Runtime
    _proven: threading.Event = field(default_factory=threading.Event)

    def doubt(self) -> None:
        """Note that something could not be written, or read."""
        self._proven.clear()

    def prove(self) -> None:
        """Return if calls can be recorded; raise SQLAlchemy's errors if they cannot.

        What is written for that, outside every tenant's history, is deleted at once.
        """
        if self._proven.is_set():
            return
        probe = secrets.token_hex(PROBE_BYTES // 2)
        # In two transactions: what is taken back is not written to the disk.
        with self.runtime.sessions.begin() as session:
            audit.put_probe(session, probe, now=self.runtime.now())
        with self.runtime.sessions.begin() as session:
            audit.drop_probes(session)
        self._proven.set()
