"""The web server, in one process or several, until it is stopped."""

import gc
import threading

from app.cli import environment, log_copying, metering, opening
from app.cli.signals import stopping
from app.runtime import Runtime
from app.settings import Settings
from app.web import create_app, draining, left_out, measuring, server
from app.web.context import KEY


def serve() -> None:
    """Answer calls and pages; end what is in hand when told to stop."""
    settings = environment.settings()
    if settings.web_processes > 1:
        # Takes a moment to load, and is not needed for one.
        from app.web import many  # noqa: PLC0415

        turn = log_copying.one_of_many()
        many.serve(settings, lambda: create_app(_opened(turn)))
        return
    _serve(settings)


def _opened(turn: log_copying.Turn = log_copying.at_once) -> Runtime:
    runtime = opening.runtime(serves=True, names=measuring.ids)
    metering.begin(runtime)
    log_copying.begin(runtime, turn)
    return runtime


def _serve(settings: Settings) -> None:
    flask = create_app(_opened())
    web = flask.extensions[KEY]
    serving = server.create(
        flask,
        listen=settings.listen,
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
