"""Looks after processes that are worth something only together."""

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from app.cli.signals import stopping

STOP_SECONDS = 10
"""How long a child may take to stop before it is killed, beside its draining."""

ASK_SECONDS = 0.05


class Child(Protocol):
    """As much of `subprocess.Popen` as is needed."""

    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def supervise(children: Sequence[Child], *, drain_seconds: float) -> int:
    """Wait for a signal or the first child that ends; stop the rest; return a status.

    A child that died takes the other with it: half an add-on that looks alive is worse
    than one that its init system starts again.
    """
    stop, hurry = threading.Event(), threading.Event()
    with stopping(stop, hurry=hurry.set):
        while not stop.wait(0.2) and all(c.poll() is None for c in children):
            pass
        failed = not stop.is_set()
        _terminate(children)
        deadline = time.monotonic() + drain_seconds + STOP_SECONDS
        while any(c.poll() is None for c in children) and time.monotonic() < deadline:
            if hurry.is_set():
                hurry.clear()
                _terminate(children)
            time.sleep(ASK_SECONDS)
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()
    return 1 if failed else 0


def _terminate(children: Sequence[Child]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
