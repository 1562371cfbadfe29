"""What is served: the product, its guard alone, and one empty view.

Each is made from the environment's settings, as `countersign serve` does.
"""

from collections.abc import Callable, Mapping

from flask import Blueprint, Flask
from flask.typing import ResponseReturnValue

from app.cli import opening
from app.runtime import Runtime
from app.web import context, create_app, guards
from app.web.permissions import NO_PERMISSION

TARGET = "/triggered"
"""Where the two that are not the product are called."""


def _answer() -> ResponseReturnValue:
    return "", 204


def verifying(runtime: Runtime) -> Flask:
    """Return the product with one view more, behind Jira's guard, that does nothing."""
    flask = create_app(runtime)
    bp = Blueprint("bench", __name__)
    bp.add_url_rule(TARGET, view_func=_answer, methods=["POST"])
    guard = guards.of(guards.url_bound_or_stored, permission=NO_PERMISSION)
    flask.before_request_funcs[bp.name] = [guard]
    flask.register_blueprint(bp)
    return flask


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
