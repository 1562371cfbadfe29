"""The web server, until it is stopped."""

import signal
from types import FrameType

from app.cli import opening
from app.cli.metering import metered
from app.web import create_app, left_out, server
from app.web.context import KEY


def serve() -> None:
    """Answer calls and pages; end what is in hand when told to stop."""
    runtime = opening.runtime()
    flask = create_app(runtime)
    settings = runtime.settings
    serving = server.create(flask, listen=settings.listen, threads=settings.web_threads)

    def close(number: int, frame: FrameType | None) -> None:
        del number, frame
        flask.extensions[KEY].draining.set()
        # Waitress ends its loop on this and lets its threads finish what they have.
        raise SystemExit

    signal.signal(signal.SIGTERM, close)
    signal.signal(signal.SIGINT, close)
    with metered(runtime):
        serving.run()
    left_out.write(flask.extensions[KEY])
