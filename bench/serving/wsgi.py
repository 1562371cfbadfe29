"""Our apps as other servers want them: `bench.serving.wsgi:product()` and so on."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from bench.serving.apps import make


def _with_target(wsgi: WSGIApplication) -> WSGIApplication:
    """Give the guard a target where the server hides it, as granian does.

    Good enough to measure by, and for nothing else: it is decoded already, and what
    was said by two readers differently is lost (rule T0b).
    """

    def call(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if "RAW_URI" not in environ and "REQUEST_URI" not in environ:
            query = environ.get("QUERY_STRING")
            path = environ["PATH_INFO"]
            environ["REQUEST_URI"] = f"{path}?{query}" if query else path
        return wsgi(environ, start)

    return call


def product() -> WSGIApplication:
    """Make the whole product."""
    return _with_target(make("product"))


def verifying() -> WSGIApplication:
    """Make the product with a view that only verifies."""
    return _with_target(make("verifying"))


def empty() -> WSGIApplication:
    """Make what only answers."""
    return _with_target(make("empty"))
