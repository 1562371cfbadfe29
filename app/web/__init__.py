"""The HTTP edge, and the only Flask code: who may call what, on one screen."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from flask import Blueprint, Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from app.forge import manifest
from app.runtime import Runtime
from app.settings import Settings
from app.web import (
    arriving,
    context,
    descriptor,
    downloads,
    errors,
    guards,
    headers,
    health,
    issue_panel,
    issuers,
    left_out,
    lifecycle,
    measuring,
    pages,
    security_txt,
    server,
    triggered,
)
from app.web.destinations import destinations_page
from app.web.editor import conditions, editing, preview
from app.web.express.lane import Lane
from app.web.forge import answering, events
from app.web.forge.guarding import event, forge_page
from app.web.guards import Guard
from app.web.keys import keys_page
from app.web.listeners import listeners_page, listening
from app.web.log import log_page, proof
from app.web.overview import overview_page
from app.web.permissions import JIRA_ADMIN, NO_PERMISSION, ON_CALL, SEES_ISSUE
from app.web.rules import gates, rules_page
from app.web.runs import replays, runs_page
from app.web.settings import checkup, personal_page, settings_page

ROOT = Path(__file__).parents[2]
Row = tuple[Blueprint, Guard, str]


class Served(NamedTuple):
    """A blueprint with its one guard, and the permission that a person needs."""

    blueprint: Blueprint
    guard: Guard
    permission: str
    below: str = ""
    """What goes before its own addresses, where it is served a second time."""

    @property
    def name(self) -> str:
        return f"{self.below.strip('/')}_{self.blueprint.name}".lstrip("_")

    @property
    def url_prefix(self) -> str | None:
        prefix = f"{self.below}{self.blueprint.url_prefix or ''}"
        return prefix or None


COMMON: Sequence[Row] = (
    (health.bp, guards.open_to_all, NO_PERMISSION),
    (issuers.bp, guards.open_to_all, NO_PERMISSION),
    (security_txt.bp, guards.open_to_all, NO_PERMISSION),
    (arriving.bp, guards.open_to_all, NO_PERMISSION),
    (downloads.fetched, guards.ticket, NO_PERMISSION),
    (listening.bp, guards.listener, NO_PERMISSION),
)
CONNECT: Sequence[Row] = (
    (descriptor.bp, guards.open_to_all, NO_PERMISSION),
    (lifecycle.signed, guards.signed_install, NO_PERMISSION),
    (lifecycle.notices, guards.url_bound_or_stored, NO_PERMISSION),
    (triggered.bp, guards.url_bound_or_stored, NO_PERMISSION),
    (pages.bp, guards.url_bound, JIRA_ADMIN),
    (pages.of_issue, guards.url_bound, SEES_ISSUE),
)
FORGE: Sequence[Row] = (
    (events.post_function, event(manifest.POST_FUNCTION.key), NO_PERMISSION),
    (events.lifecycle, event(manifest.LIFECYCLE.key), NO_PERMISSION),
    (events.tick, event(manifest.TICK.key), NO_PERMISSION),
    (events.pre_uninstall, event(manifest.PRE_UNINSTALL.key), NO_PERMISSION),
)
PAGES: Sequence[Row] = (
    (editing.bp, guards.context_token, JIRA_ADMIN),
    (overview_page.bp, guards.context_token, JIRA_ADMIN),
    (conditions.bp, guards.context_token, JIRA_ADMIN),
    (gates.bp, guards.context_token, JIRA_ADMIN),
    (rules_page.bp, guards.context_token, JIRA_ADMIN),
    (destinations_page.bp, guards.context_token, JIRA_ADMIN),
    (listeners_page.bp, guards.context_token, JIRA_ADMIN),
    (issue_panel.bp, guards.context_token, SEES_ISSUE),
    (issue_panel.on_call, guards.context_token, ON_CALL),
    (keys_page.bp, guards.context_token, JIRA_ADMIN),
    (preview.bp, guards.context_token, JIRA_ADMIN),
    (runs_page.bp, guards.context_token, JIRA_ADMIN),
    (replays.bp, guards.context_token, JIRA_ADMIN),
    (log_page.bp, guards.context_token, JIRA_ADMIN),
    (proof.bp, guards.context_token, JIRA_ADMIN),
    (settings_page.bp, guards.context_token, JIRA_ADMIN),
    (personal_page.bp, guards.context_token, JIRA_ADMIN),
    (checkup.bp, guards.context_token, JIRA_ADMIN),
    (downloads.bp, guards.context_token, JIRA_ADMIN),
)
"""What our pages call: by a context token, and through Forge by Forge's own."""


def served(settings: Settings) -> Iterator[Served]:
    """Yield what is served, by the doors that the operator keeps open."""
    yield from itertools.starmap(Served, COMMON)
    if settings.is_connect_open:
        yield from itertools.starmap(Served, (*CONNECT, *PAGES))
    if settings.is_forge_open:
        yield from itertools.starmap(Served, FORGE)
        for blueprint, _, permission in PAGES:
            # The same views a second time, for Forge's front end.
            yield Served(blueprint, forge_page, permission, below="/forge")


def create_app(runtime: Runtime) -> Flask:
    """Wire the web edge over the process's runtime."""
    flask = Flask("app", template_folder=str(ROOT / "templates"), static_folder=None)
    flask.config["MAX_CONTENT_LENGTH"] = server.MAX_BODY
    # A redirect to a tidier URL would break a signed call (docs/design.md, Doors).
    flask.url_map.merge_slashes = False
    flask.url_map.strict_slashes = False
    flask.jinja_env.autoescape = True
    context.init_app(flask, runtime)
    for each in served(runtime.settings):
        flask.before_request_funcs[each.name] = [
            guards.of(each.guard, permission=each.permission)
        ]
        flask.register_blueprint(
            each.blueprint, name=each.name, url_prefix=each.url_prefix
        )
        if each.below:
            flask.after_request_funcs[each.name] = [answering.as_json]
    flask.add_url_rule(
        "/static/<version>/<name>", "static", headers.static_file, methods=["GET"]
    )
    errors.init_app(flask)
    headers.init_app(flask)
    left_out.init_app(flask)
    measuring.init_app(flask)
    if prefix := runtime.settings.base_path:
        # Nothing is served outside the prefix: what Jira signs is relative to it.
        nowhere = Flask("nowhere", static_folder=None)
        errors.init_app(nowhere)
        headers.init_app(nowhere)
        mounted = DispatcherMiddleware(nowhere.wsgi_app, {prefix: flask.wsgi_app})
        flask.wsgi_app = mounted  # type: ignore[method-assign]
    if runtime.settings.is_connect_open:
        lane = Lane(flask, flask.wsgi_app)
        flask.wsgi_app = lane  # type: ignore[method-assign]
    return flask
