"""How long one exchange may take in all, whatever its parts do with their time."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

CONNECT_SECONDS = 5
READ_SECONDS = 10
DEADLINE_SECONDS = 20
"""The longest that one request may take in all, its name's look-up and its connection
included; leases are longer than this."""


class Current(threading.local):
    """This thread's request: the connection that it uses, and when it must be over."""

    connection: Any = None
    """What has the socket that is cut, as `sock`."""
    sock: Any = None
    """The same socket, while an answer is read that has no end but the connection's:
    then the connection has given it away."""
    until: float = 0.0
    """By `time.monotonic()`."""
    target: str | None = None
    """Path and query to be sent as they are, if the request has such."""

    def left(self, most: float) -> float:
        """Return the seconds that one part of it may take: `most`, or fewer."""
        return min(most, max(0.0, self.until - time.monotonic()))


current = Current()


@contextlib.contextmanager
def cut_at(until: float) -> Iterator[None]:
    """Cut the connection when the whole request has taken too long.

    Attack: a byte every nine seconds keeps each single read within its timeout, in the
    head of an answer as in its body.
    """
    holder = current.__dict__
    holder.update(connection=None, sock=None, until=until)

    def cut() -> None:
        connection = holder.get("connection")
        sock = getattr(connection, "sock", None) or holder.get("sock")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(until - time.monotonic(), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        holder.update(connection=None, sock=None)


def connected(address: str, port: int) -> socket.socket:
    """Connect, and leave a TLS handshake the rest of the time; raise `OSError`.

    Attack: a name with forty addresses, none of which answers, holds a worker for forty
    times the limit of one.
    """
    if not (left := current.left(CONNECT_SECONDS)):
        raise TimeoutError
    made = socket.create_connection((address, port), timeout=left)
    # As urllib3 does: without it head and body wait for each other, 40 ms.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Never 0, which means not to wait at all.
    made.settimeout(max(0.001, current.left(CONNECT_SECONDS)))
    return made
