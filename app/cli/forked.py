"""Processes that begin as copies of this one, and answer as `subprocess.Popen` does."""

import os
import signal
from collections.abc import Callable
from typing import NoReturn


class Forked:
    """A copy of this process that does one thing, and ends.

    Fork before anything is opened: a connection that two processes have is nobody's.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._status: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            _do(work)

    def poll(self) -> int | None:
        """Return its status once it has ended."""
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def wait(self) -> int:
        if self._status is None:
            _, status = os.waitpid(self._pid, 0)
            self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self._pid, number)


def _do(work: Callable[[], None]) -> NoReturn:
    # Not by `sys.exit`: what this process would tidy up on its way out is its parent's.
    status = 1
    try:
        work()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(status)
