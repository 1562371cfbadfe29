"""What is served: the product, its judgement alone, and one empty view.

Each is made from the environment's settings, as `countersign serve` does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from flask import Flask
from flask.typing import ResponseReturnValue

from app.cli import opening
from app.runtime import Runtime
from app.tenants import callers
from app.web import context, create_app
from app.web.express.lane import Lane, Let

TARGET = "/triggered"
"""Where the empty view is called, and the peers."""


class Verifying(Lane):
    """The short way without its record: who calls, and that it counts at this moment.

    A site's first call in five minutes goes the long way, and is recorded there.
    """

    def _written(self, many: Sequence[Let]) -> Sequence[bool]:
        runtime = self._web.runtime
        proofs = [each.proof for each in many]
        with runtime.recording.begin() as connection:
            still = callers.still_callers(connection, proofs, now=runtime.now())
        return [proof in still for proof in proofs]


def verifying(runtime: Runtime) -> Flask:
    """Return the product, which judges a transition's call and writes nothing down."""
    flask = create_app(runtime)
    lane = cast("Lane", flask.wsgi_app)
    flask.wsgi_app = Verifying(flask, lane.long_way)  # type: ignore[method-assign]
    return flask


def _answer() -> ResponseReturnValue:
    return "", 204


def empty(runtime: Runtime) -> Flask:
    """Return an application that only answers."""
    flask = Flask("empty", static_folder=None)
    context.init_app(flask, runtime)  # what stops the server looks there
    flask.add_url_rule(TARGET, view_func=_answer, methods=["POST"])
    return flask


APPS: Mapping[str, Callable[[Runtime], Flask]] = {
    "product": create_app,
    "verifying": verifying,
    "empty": empty,
}


def make(name: str) -> Flask:
    """Make an app from the environment's settings."""
    return APPS[name](opening.runtime())
