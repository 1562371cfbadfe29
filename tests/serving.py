"""Serves an app on a socket of this machine, in a thread, and ends when told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

TICK_SECONDS = 0.05


@contextmanager
def serving(
    flask: Flask, listening: socket.socket, *, threads: int = 8
) -> Iterator[None]:
    """Serve until the block ends, then close what is still open.

    The loop is ours: waitress's own goes on while a browser keeps a connection.
    """
    sockets: dict[int, Any] = {}
    server = create_server(
        flask, map=sockets, sockets=[listening], threads=threads, ident=""
    )
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            wasyncore.loop(TICK_SECONDS, use_poll=True, map=sockets, count=1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for opened in tuple(sockets.values()):
            opened.close()
        server.task_dispatcher.shutdown()
