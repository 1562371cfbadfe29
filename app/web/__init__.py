"""The HTTP edge, and the only Flask code: who may call what, on one screen."""

from pathlib import Path

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from app.runtime import Runtime
from app.web import (
    api,
    conditions,
    context,
    descriptor,
    destinations,
    errors,
    gates,
    guards,
    headers,
    health,
    issuers,
    keys_page,
    lifecycle,
    pages,
    preview,
    replays,
    triggered,
)
from app.web.permissions import JIRA_ADMIN, NO_PERMISSION

ROOT = Path(__file__).parents[2]
MAX_BODY = 1024 * 1024
"""Bytes of a request body; Jira's calls have a few thousand."""

BLUEPRINTS = (
    (descriptor.bp, guards.open_to_all, NO_PERMISSION),
    (health.bp, guards.open_to_all, NO_PERMISSION),
    (issuers.bp, guards.open_to_all, NO_PERMISSION),
    (lifecycle.signed, guards.signed_install, NO_PERMISSION),
    (lifecycle.notices, guards.url_bound, NO_PERMISSION),
    (triggered.bp, guards.url_bound, NO_PERMISSION),
    (pages.bp, guards.url_bound, JIRA_ADMIN),
    (api.bp, guards.context_token, JIRA_ADMIN),
    (conditions.bp, guards.context_token, JIRA_ADMIN),
    (gates.bp, guards.context_token, JIRA_ADMIN),
    (destinations.bp, guards.context_token, JIRA_ADMIN),
    (keys_page.bp, guards.context_token, JIRA_ADMIN),
    (preview.bp, guards.context_token, JIRA_ADMIN),
    (replays.bp, guards.context_token, JIRA_ADMIN),
)


def create_app(runtime: Runtime) -> Flask:
    """Wire the web edge over the process's runtime."""
    flask = Flask("app", template_folder=str(ROOT / "templates"), static_folder=None)
    flask.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    # A redirect to a tidier URL would break a signed call (docs/design.md, Doors).
    flask.url_map.merge_slashes = False
    flask.url_map.strict_slashes = False
    flask.jinja_env.autoescape = True
    context.init_app(flask, runtime)
    for blueprint, guard, permission in BLUEPRINTS:
        flask.before_request_funcs[blueprint.name] = [
            guards.of(guard, permission=permission)
        ]
        flask.register_blueprint(blueprint)
    flask.add_url_rule(
        "/static/<path:name>", "static", headers.static_file, methods=["GET"]
    )
    errors.init_app(flask)
    headers.init_app(flask)
    if prefix := runtime.settings.base_path:
        # Nothing is served outside the prefix: what Jira signs is relative to it.
        nowhere = Flask("nowhere", static_folder=None)
        errors.init_app(nowhere)
        headers.init_app(nowhere)
        mounted = DispatcherMiddleware(nowhere.wsgi_app, {prefix: flask.wsgi_app})
        flask.wsgi_app = mounted  # type: ignore[method-assign]
    return flask
