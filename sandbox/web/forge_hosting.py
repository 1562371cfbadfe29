"""Pages of this Jira that hold a frame of the Forge app, and the calls they pass on.

What Atlassian's bridge does in the frame is `static/forge-bridge.js`, the product's
half of it `static/forge-host.js`.
"""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from sandbox import catalogue
from sandbox.forge import page_calls, pages
from sandbox.forge.app import ForgeApp
from sandbox.forge.pages import Page
from sandbox.web import asking, hosting
from sandbox.world import Issue, Rule

Json = dict[str, Any]

BLUEPRINT = Blueprint("forge_hosting", __name__)


def _app() -> ForgeApp:
    return asking.jira().forge.app


@BLUEPRINT.get("/jira/settings/apps/<uuid>/<environment>")
@BLUEPRINT.get("/jira/settings/apps/configure/<uuid>/<environment>")
def admin_page(uuid: str, environment: str) -> str | tuple[str, int] | BaseResponse:
    del uuid, environment
    all_pages = pages.admin_pages(_app())
    found = next((p for p in all_pages if address(p) == request.path), None)
    if found is None:
        abort(404)
    return page("module.html", found, section="apps")


def address(found: Page) -> str:
    """Of the page of this Jira that shows an admin page of the app."""
    app = _app()
    place = f"{app.manifest.uuid}/{app.kept.environment}"
    return f"/jira/settings/apps/{'configure/' * found.is_configuration}{place}"


def page(
    template: str, found: Page, **given: object
) -> str | tuple[str, int] | BaseResponse:
    """A page with one frame."""
    if (home := hosting.at_home()) is not None:
        return home
    return render_template(
        template,
        frames=[],
        forge_frames=[_shown(found, "iframe-slot")],
        module={"name": found.title},
        warn=found.kind in pages.ADMIN_ONLY and not asking.visitor().is_admin,
        **given,
    )


def rule(made: Rule, view: str, transition: catalogue.Transition) -> Page | None:
    return pages.rule(_app(), made, view, transition)


def panels_of(issue: Issue) -> list[Json]:
    """What the Forge app shows beside an issue."""
    return [
        _shown(found, f"forge-slot-{number}")
        for number, found in enumerate(pages.panels(_app(), issue))
    ]


def _shown(found: Page, slot: str) -> Json:
    """What forge-host.js needs to know of one frame."""
    return {
        "slot": slot,
        "title": found.title,
        "url": f"{cdn_origin()}{url_for('forge_cdn.index', resource=found.resource)}",
        "page": {"kind": found.kind, "key": found.key, "extension": found.extension},
        "context": pages.context(_app(), found, asking.visitor()),
    }


def cdn_origin() -> str:
    """Another name of this machine: to the browser, another site."""
    parts = urlsplit(asking.jira().site.base_url)
    other = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}
    host = other.get(parts.hostname or "", parts.hostname)
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


@BLUEPRINT.post("/sandbox/host/forge/invoke")
def invoke() -> Json:
    """`invokeRemote` of a page, in the name of who is signed in here."""
    given, app = request.get_json(), _app()
    told, person = given["page"], asking.signed_in()
    kind, key = str(told["kind"]), str(told["key"])
    module = next((m for m in app.modules(kind) if m["key"] == key), None)
    if module is None or person is None:
        abort(404)
    found = Page(kind, key, "", "", dict(told["extension"]))
    return page_calls.invoke(app, found, person, dict(given["call"]))
