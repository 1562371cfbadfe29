"""The web server, in one process or several, until it is stopped."""

import gc
import socket
import sys
import threading
from collections.abc import Sequence

from app.cli import environment, opening
from app.cli.forked import Forked
from app.cli.signals import stopping
from app.cli.supervising import supervise
from app.web import create_app, draining, left_out, measuring, server
from app.web.context import KEY


def serve() -> None:
    """Answer calls and pages; end what is in hand when told to stop.

    Several processes take turns at the same sockets, one for each core of the machine.
    """
    settings = environment.settings()
    listening = server.listen(settings.listen)
    if settings.web_processes == 1:
        _serve(listening)
        return
    # What is loaded by now the processes share; nobody looks through it for garbage.
    gc.collect()
    gc.freeze()
    children = [
        Forked(lambda: _serve(listening)) for _ in range(settings.web_processes)
    ]
    for each in listening:
        # Theirs alone: when the last of them listens no more, nobody does.
        each.close()
    sys.exit(supervise(children, drain_seconds=settings.drain_seconds))


def _serve(listening: Sequence[socket.socket]) -> None:
    runtime = opening.runtime(serves=True, names=measuring.ids)
    flask = create_app(runtime)
    settings, web = runtime.settings, flask.extensions[KEY]
    serving = server.create(
        flask,
        listening=listening,
        threads=settings.web_threads,
        draining=web.draining,
    )
    # A look for garbage through all that was loaded takes a tenth of a second, in which
    # nobody is answered; none of it will ever be any.
    gc.collect()
    gc.freeze()
    hurry = threading.Event()
    with stopping(web.draining, hurry=hurry.set):
        draining.run(
            serving,
            stop=web.draining,
            hurry=hurry,
            drain_seconds=settings.drain_seconds,
        )
        left_out.write(web)
