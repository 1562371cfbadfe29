"""Where the files of Custom UI are served from, on another origin than Jira's pages.

In Atlassian's cloud each app has a domain of its own for that. What it allows a page is
written from "Add content security and egress controls" and "Custom UI iframe": its own
files, nothing inline that the manifest does not ask for, no call to anybody.
"""

import re
from pathlib import Path

from flask import Blueprint, Response, abort, send_from_directory, url_for

from sandbox.web import asking, forge_hosting

BLUEPRINT = Blueprint("forge_cdn", __name__)
_HEAD = re.compile(r"<head(\s[^>]*)?>", re.IGNORECASE)


@BLUEPRINT.get("/forge/bridge.js")
def bridge() -> Response:
    return send_from_directory(Path(asking.FOLDER, "static"), "forge-bridge.js")


@BLUEPRINT.get("/forge/cdn/<resource>/")
@BLUEPRINT.get("/forge/cdn/<resource>/index.html")
def index(resource: str) -> Response:
    """The page, with the bridge before everything else in it."""
    folder = _folder(resource)
    try:
        html = (folder / "index.html").read_text()
    except OSError:
        abort(404, f"{folder.name} has no index.html: is the Forge app built?")
    answer = Response(_with_bridge(html), mimetype="text/html")
    return _guarded(answer, resource)


@BLUEPRINT.get("/forge/cdn/<resource>/<path:name>")
def file(resource: str, name: str) -> Response:
    return _guarded(send_from_directory(_folder(resource), name), resource)


def _folder(resource: str) -> Path:
    app = asking.jira().forge.app
    found = app.manifest.resource(resource) if app.is_installed else None
    if found is None:
        abort(404)
    return found


def _with_bridge(html: str) -> str:
    host = asking.jira().site.base_url
    tag = f'<script src="{url_for("forge_cdn.bridge")}" data-host="{host}"></script>'
    found = _HEAD.search(html)
    at = found.end() if found else 0
    return html[:at] + tag + html[at:]


def _guarded(answer: Response, resource: str) -> Response:
    manifest = asking.jira().forge.app.manifest
    scripts = " ".join(f"'{source}'" for source in manifest.content("scripts"))
    styles = " ".join(f"'{source}'" for source in manifest.content("styles"))
    own = f"{forge_hosting.cdn_origin()}/forge/cdn/{resource}/"
    answer.headers["Content-Security-Policy"] = "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {scripts}".strip(),
            f"style-src 'self' {styles}".strip(),
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            # this Jira's API has the same origin here, which is not so in the cloud
            f"connect-src {own}",
            "form-action 'self'",
            "object-src 'none'",
            f"frame-ancestors {asking.jira().site.base_url}",
        ]
    )
    return answer
