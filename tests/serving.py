"""Serves an app on a socket of this machine, in a thread, and ends when told."""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server

TICK_SECONDS = 0.05


@contextmanager
def serving(
    app: WSGIApplication, listening: socket.socket, *, threads: int = 8
) -> Iterator[None]:
    """Serve until the block ends, then close what is still open.

    The loop is ours: waitress's own goes on while a browser keeps a connection.
    """
    sockets: dict[int, Any] = {}
    server = create_server(
        _keeping_files(app), map=sockets, sockets=[listening], threads=threads, ident=""
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
        # With a channel goes what it has not sent yet, which may be in a file; and only
        # when no thread is left at work, what wakes the loop.
        for opened in tuple(sockets.values()):
            if isinstance(opened, HTTPChannel):
                opened.handle_close()
        server.task_dispatcher.shutdown()
        for opened in tuple(sockets.values()):
            opened.close()


def _keeping_files(app: WSGIApplication) -> WSGIApplication:
    """Let the app read its files itself, and close each with its answer.

    Waitress offers to take an open file over, and closes it once it is sent. One that
    a browser did not wait for is left to the garbage collector, which warns in whatever
    test runs by then. An answer that the app reads, waitress always closes.
    """

    def call(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        del environ["wsgi.file_wrapper"]
        return app(environ, start)

    return call
