"""Puts the doors together around one Jira."""

import secrets

from flask import Flask, Response, render_template
from werkzeug.exceptions import NotFound

from sandbox.jira import Jira
from sandbox.receiver import Receivers
from sandbox.receiver import control as receiver_control
from sandbox.receiver import pages as receiver_pages
from sandbox.web import (
    apps_pages,
    asking,
    control,
    hosting,
    issue_api,
    mishap_pages,
    pages,
    rest,
    search_api,
    site_api,
    workflow_control,
    workflow_pages,
)

# imported for their routes, which hang on rest.BLUEPRINT and control.BLUEPRINT
APIS = (issue_api, search_api, site_api, workflow_control)
DOORS = (
    hosting,
    pages,
    workflow_pages,
    apps_pages,
    mishap_pages,
    control,
    receiver_pages,
    receiver_control,
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
    app.extensions["jira"] = jira
    # another company's service, which lives at this address for convenience only
    app.extensions["receivers"] = Receivers(
        jira.base_url, jira.addon_base_url, now=jira.now, transport=jira.transport
    )
    app.register_blueprint(rest.BLUEPRINT)
    for door in DOORS:
        app.register_blueprint(door.BLUEPRINT)

    @app.get("/install-keys/<path:kid>")
    def install_key(kid: str) -> Response:
        """Where the add-on finds the key of a signed-install token."""
        key = jira.site.key
        if kid != key.kid:
            return Response("no such key", 404, mimetype="text/plain")
        return Response(key.public_pem, mimetype="text/plain")

    @app.errorhandler(NotFound)
    def not_here(error: NotFound) -> tuple[str, int]:
        text = error.description if error.description != NotFound.description else None
        return render_template("error.html", text=text or _NOTHING), 404

    return app
