"""The web server, until it is stopped."""

import threading

from app.cli import opening
from app.cli.signals import stopping
from app.web import create_app, draining, left_out, measuring, server
from app.web.context import KEY


def serve() -> None:
    """Answer calls and pages; end what is in hand when told to stop."""
    runtime = opening.runtime(serves=True, names=measuring.ids)
    flask = create_app(runtime)
    settings, web = runtime.settings, flask.extensions[KEY]
    serving = server.create(
        flask,
        listen=settings.listen,
        threads=settings.web_threads,
        draining=web.draining,
    )
    hurry = threading.Event()
    with stopping(web.draining, hurry=hurry.set):
        draining.run(
            serving,
            stop=web.draining,
            hurry=hurry,
            drain_seconds=settings.drain_seconds,
        )
        left_out.write(web)
