"""Being told to stop: SIGTERM from the system, Ctrl-C from a person."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 1.0
"""Signals that come closer together are one: Ctrl-C reaches every process of a
terminal, and `serve` hands it on to its children beside that."""


def _nothing() -> None:
    """Do as before."""


@contextmanager
def stopping(
    stop: threading.Event,
    *,
    hurry: Callable[[], None] = _nothing,
    within: float | None = None,
) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT inside the block.

    A second signal calls `hurry`, on a thread of its own; so do `within` seconds after
    the first, unless the process has ended by then.
    """
    told_at: list[float] = []

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        now = time.monotonic()
        if not told_at:
            told_at.append(now)
            stop.set()
            if within is not None:
                _start(threading.Timer(within, hurry))
        elif now - told_at[0] > AGAIN_SECONDS:
            _start(threading.Thread(target=hurry))

    before = {n: signal.signal(n, handle) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(thread: threading.Thread) -> None:
    # It must not keep a process alive that has done its work.
    thread.daemon = True
    thread.start()
