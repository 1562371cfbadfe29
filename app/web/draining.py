"""Ends a web server so that no call that reached it goes without an answer.

First it says on `/readyz` that it is going, and serves on, so that a load balancer
sends new calls elsewhere. Then it lets nobody in, answers what came before, and ends.
"""

import select
import threading
import time
from collections.abc import Sequence
from typing import Any

from waitress import wasyncore
from waitress.server import BaseWSGIServer, MultiSocketServer

from app.web.server import CONNECTIONS, Channel, is_waiting

TURN_SECONDS = 0.2
"""How often it is looked whether the server is to stop."""

LINGER_SECONDS = 1.0
"""How long a connection that is kept may still bring a request which was on its way."""

ANSWER_SECONDS = 8.0
"""How long what came in may take to be answered, once nobody is let in any more."""

Sockets = dict[int, Any]


def run(
    server: BaseWSGIServer | MultiSocketServer,
    *,
    stop: threading.Event,
    hurry: threading.Event,
    drain_seconds: float,
) -> None:
    """Serve until `stop` is set, `drain_seconds` longer, and until all is answered.

    `hurry` cuts the latter two short: then a call whose answer is cut off is recorded
    or not.
    """
    sockets: Sockets = vars(server).get("_map") or vars(server)["map"]
    while not stop.is_set():
        _turn(sockets)
    until = time.monotonic() + drain_seconds
    while time.monotonic() < until and not hurry.is_set():
        _turn(sockets)
    _let_nobody_in(sockets)
    closed_at = time.monotonic()
    until = closed_at + ANSWER_SECONDS
    while _let_go(sockets, closed_at) and time.monotonic() < until:
        if hurry.is_set():
            break
        _turn(sockets)
    server.task_dispatcher.shutdown(timeout=1)
    wasyncore.close_all(sockets)


def _turn(sockets: Sockets) -> None:
    wasyncore.loop(TURN_SECONDS, use_poll=True, map=sockets, count=1)


def _let_nobody_in(sockets: Sockets) -> None:
    """Take the connections that the system has accepted for us; then listen no more.

    What it still held when the socket closes would be cut off without an answer.
    """
    for listening in list(sockets.values()):
        if not isinstance(listening, BaseWSGIServer) or not listening.socket:
            continue
        poll = select.poll()
        poll.register(listening.socket, select.POLLIN)
        for _ in range(CONNECTIONS):
            if not poll.poll(0):
                break
            listening.handle_accept()
        # Not its own `close`: by what that ends, threads tell that an answer is ready.
        wasyncore.dispatcher.close(listening)


def _let_go(sockets: Sockets, closed_at: float) -> Sequence[Channel]:
    """End connections that wait for nothing; return those that are still there."""
    left = [each for each in list(sockets.values()) if isinstance(each, Channel)]
    is_over = time.monotonic() - closed_at > LINGER_SECONDS
    for channel in left:
        if is_over and is_waiting(channel) and channel.request is None:
            channel.will_close = True
    return left
