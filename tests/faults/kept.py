"""Processes that are started again whenever they end, as systemd would."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ENVIRON, READY_SECONDS, ROOT, ProcessError, unmeasured

RESTART_SECONDS = 0.2
"""Before one that ended is started again."""

STOP_SECONDS = 10
PAUSE_SECONDS = 0.02


@dataclass(kw_only=True)
class Kept:
    """One process at a time, in a group of its own; `starts` counts them."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    user: str | None = None
    starts: int = 0
    down_until: float = 0.0
    popen: subprocess.Popen[bytes] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self, *, away: float = 0.0) -> None:
        """End it with SIGKILL; start it again after so many seconds."""
        with self.lock:
            self.down_until = time.monotonic() + away
            self._signal(signal.SIGKILL)

    def ask(self, number: signal.Signals, *, away: float = 0.0) -> None:
        """Send the process alone a signal on which it is to end."""
        with self.lock:
            self.down_until = time.monotonic() + away
            if self.popen is not None:
                self.popen.send_signal(number)

    def children(self) -> list[int]:
        """Return the numbers of the processes that it has started."""
        if self.popen is None:
            return []
        number = self.popen.pid
        listed = Path(f"/proc/{number}/task/{number}/children")
        with contextlib.suppress(OSError):
            return [int(each) for each in listed.read_text(encoding="ascii").split()]
        return []

    def keep(self) -> None:
        """Start it, and again whenever it ended, until told to stop."""
        while not self.stop.is_set():
            with self.lock:
                self.popen = self._started()
            while self.popen.poll() is None and not self.stop.wait(PAUSE_SECONDS):
                pass
            if self.stop.wait(RESTART_SECONDS):
                break
            while time.monotonic() < self.down_until:
                if self.stop.wait(PAUSE_SECONDS):
                    break
        self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 -- what we test
                self.command,
                cwd=ROOT,
                env={**unmeasured(ENVIRON), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
            )

    def _end(self) -> None:
        if self.popen is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)


@contextlib.contextmanager
def kept(*processes: Kept) -> Iterator[None]:
    """Keep processes going until the block ends."""
    threads = [threading.Thread(target=each.keep) for each in processes]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each in processes:
            each.stop.set()
        for thread in threads:
            thread.join()


def wait_until(
    condition: Callable[[], bool],
    *,
    or_say: Callable[[], str],
    seconds: float = READY_SECONDS,
) -> None:
    """Return once the condition holds; raise with what `or_say` returns."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ProcessError(or_say())
        time.sleep(PAUSE_SECONDS)
