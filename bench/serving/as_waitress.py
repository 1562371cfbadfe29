"""`python -m bench.serving.as_waitress NAME PORT PROCESSES THREADS`: waitress, forked.

Its processes take turns at one socket. This is a measurement, not a server: nobody
looks after a process that ends.
"""

import os
import signal
import socket
import sys

from waitress.server import create_server

from bench.serving.apps import make


def _serve(name: str, listening: socket.socket, threads: int) -> None:
    server = create_server(
        make(name),
        sockets=[listening],
        threads=threads,
        asyncore_use_poll=True,
        connection_limit=1000,
        ident="",
    )
    server.run()


if __name__ == "__main__":
    [name, port, processes, threads] = sys.argv[1:]
    shared = socket.create_server(("127.0.0.1", int(port)), backlog=1024)
    for _ in range(int(processes) - 1):
        if os.fork() == 0:
            break
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    _serve(name, shared, int(threads))
