"""Being told to stop: SIGTERM from the system, Ctrl-C from a person."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT inside the block."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {n: signal.signal(n, handle) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
