"""What a worker counted, for Prometheus: a worker has no web server of its own."""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import click
from prometheus_client.exposition import ThreadingWSGIServer

from app import metrics
from app.settings import Settings

PATIENCE = 10
"""Seconds for which a silent connection is kept."""

PATH = "/metrics"


@contextlib.contextmanager
def shown(settings: Settings) -> Iterator[None]:
    """Show them at the address that the operator chose, if he did, inside the block.

    To whom `/metrics` of the web server shows its own, and nothing else: 404.
    """
    if not settings.worker_metrics:
        yield
        return
    host, _, port = settings.worker_metrics.rpartition(":")

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        is_asked = (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("GET", PATH)
        if not is_asked or not metrics.may_read(environ, settings.metrics_token):
            start("404 Not Found", [("Content-Length", "0")])
            return [b""]
        text = metrics.exposed()
        head = {"Content-Type": metrics.CONTENT_TYPE, "Content-Length": str(len(text))}
        start("200 OK", list(head.items()))
        return [text]

    try:
        server = make_server(host, int(port), answer, ThreadingWSGIServer, _Handler)
    except (OSError, OverflowError) as error:
        words = f"no metrics at {settings.worker_metrics}: {error}"
        raise click.ClickException(words) from error
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


class _Handler(WSGIRequestHandler):
    """Reads a request; who says nothing is let go."""

    timeout = PATIENCE

    def address_string(self) -> str:
        """Return the address as it is: no name is looked up for a scrape."""
        return str(self.client_address[0])

    def log_message(self, *_: object) -> None:
        """Write no line: a monitor asks four times a minute."""
