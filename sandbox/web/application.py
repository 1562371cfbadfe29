"""Puts the doors together around one Jira."""

import secrets

from flask import Flask, Response, render_template
from werkzeug.exceptions import NotFound

from sandbox.github import GitHub
from sandbox.github import control as github_control
from sandbox.github import pages as github_pages
from sandbox.jira import Jira
from sandbox.receiver import Receivers
from sandbox.receiver import control as receiver_control
from sandbox.receiver import pages as receiver_pages
from sandbox.web import (
    app_api,
    apps_pages,
    asking,
    control,
    datacenter_control,
    datacenter_issues,
    datacenter_pages,
    datacenter_rest,
    datacenter_site,
    devops_api,
    forge_cdn,
    forge_control,
    forge_hosting,
    forge_keys,
    hosting,
    issue_api,
    mishap_pages,
    mounting,
    pages,
    rest,
    rules_api,
    search_api,
    site_api,
    workflow_control,
    workflow_pages,
)

# imported for their routes, which hang on the blueprints of others
APIS = (
    app_api,
    devops_api,
    issue_api,
    rules_api,
    search_api,
    site_api,
    workflow_control,
    forge_control,
    datacenter_control,
    datacenter_issues,
    datacenter_site,
)
DOORS = (
    datacenter_rest,
    datacenter_pages,
    hosting,
    pages,
    workflow_pages,
    apps_pages,
    mishap_pages,
    forge_hosting,
    forge_cdn,
    forge_keys,
    control,
    receiver_pages,
    receiver_control,
    github_pages,
    github_control,
)

_NOTHING = "There is nothing at this address."


def create_app(jira: Jira) -> Flask:
    app = Flask(
        "sandbox",
        root_path=asking.FOLDER,
        static_folder="static",
        static_url_path="/sandbox/static",
    )
    # only for the one-line messages of the pages; nothing here is secret
    app.secret_key = secrets.token_bytes(32)
    app.json.sort_keys = False  # type: ignore[attr-defined] # DefaultJSONProvider has it
    app.url_map.merge_slashes = False
    app.wsgi_app = mounting.mounted(app)  # type: ignore[assignment,method-assign] # Flask's way
    speak_for(jira, app)
    app.register_blueprint(rest.BLUEPRINT)
    app.register_blueprint(rest.BLUEPRINT, name="forge_rest", url_prefix=rest.GATEWAY)
    for door in DOORS:
        app.register_blueprint(door.BLUEPRINT)

    @app.get("/install-keys/<path:kid>")
    def install_key(kid: str) -> Response:
        """Where the add-on finds the key of a signed-install token."""
        key = asking.jira().site.key
        if kid != key.kid:
            return Response("no such key", 404, mimetype="text/plain")
        return Response(key.public_pem, mimetype="text/plain")

    @app.errorhandler(NotFound)
    def not_here(error: NotFound) -> tuple[str, int]:
        text = error.description if error.description != NotFound.description else None
        return render_template("error.html", text=text or _NOTHING), 404

    return app


def speak_for(jira: Jira, app: Flask) -> None:
    """Let `app` answer for `jira` from now on: all that it knows of one is here."""
    app.extensions["jira"] = jira
    # other companies' services, which live at this address for convenience only
    app.extensions["receivers"] = Receivers(
        jira.origin, jira.addon_base_url, now=jira.now, transport=jira.transport
    )
    app.extensions["github"] = GitHub(
        now=jira.now,
        url=f"{jira.origin}/github",
        api_url=f"{jira.origin}/github/api",
        issuer_url=f"{jira.origin}/github/token",
        transport=jira.transport,
        background=jira.background,
        key_path=jira.state_path and jira.state_path.with_suffix(".github.pem"),
    )
