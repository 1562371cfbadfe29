"""The genuine AP library, and the pages that hold an iframe of the add-on.

Both halves come out of node_modules (`npm ci --ignore-scripts`); Jira's own share of
them is `static/host.js` and `static/jira-plugin.js`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    redirect,
    render_template,
    request,
    send_from_directory,
)
from werkzeug.wrappers import Response as BaseResponse

from sandbox import iframes, panels
from sandbox.forge import manifest
from sandbox.iframes import Frame
from sandbox.web import asking
from sandbox.world import Issue

Json = dict[str, Any]

BLUEPRINT = Blueprint("hosting", __name__)
MODULES = Path(asking.FOLDER).parent / "node_modules"
LIBRARY = MODULES / "atlassian-connect-js" / "dist"
JQUERY = MODULES / "jquery" / "dist"
_CDN_LINE = 'var CDN_URL = "https://" + CDN_DOMAIN;'


def is_there() -> bool:
    return (LIBRARY / "connect-host.js").exists() and (JQUERY / "jquery.js").exists()


@BLUEPRINT.get("/atlassian-connect/all.js")
def all_js() -> Response:
    """What Atlassian's CDN serves, with themes from this place instead of the CDN."""
    try:
        generic = (LIBRARY / "iframe.js").read_text()
    except OSError:
        text = "console.error('The sandbox lacks node_modules: npm ci');"
        return Response(text, 503, mimetype="text/javascript")
    if _CDN_LINE not in generic:
        raise RuntimeError("iframe.js is not the version this sandbox was made for")
    own = f'var CDN_URL = "{request.host_url}atlassian-connect";'
    plugin = Path(asking.FOLDER, "static", "jira-plugin.js").read_text()
    text = f"{generic.replace(_CDN_LINE, own)}\n{plugin}"
    return Response(text, mimetype="text/javascript")


@BLUEPRINT.get("/atlassian-connect/<path:name>")
def library_style(name: str) -> Response:
    if not name.endswith(".css"):
        abort(404)
    return send_from_directory(LIBRARY, name)


@BLUEPRINT.get("/sandbox/vendor/<name>")
def vendor(name: str) -> Response:
    folders = {"connect-host.js": LIBRARY, "jquery.js": JQUERY}
    if name not in folders:
        abort(404)
    return send_from_directory(folders[name], name)


@BLUEPRINT.post("/sandbox/host/context-token")
def context_token() -> Json:
    given = request.get_json()
    token = iframes.context_token(
        asking.jira().addon, asking.visitor(), given.get("context") or {}
    )
    return {"token": token}


@BLUEPRINT.post("/sandbox/host/iframe")
def dialog_iframe() -> Json:
    """Where a dialog's content comes from: a page module of the descriptor."""
    addon = asking.jira().addon
    module = iframes.page(addon, str(request.get_json().get("module")))
    if module is None:
        abort(404)
    return {"url": iframes.url(addon, Frame(module), asking.visitor())}


@BLUEPRINT.get("/plugins/servlet/ac/<addon_key>/<key>")
def module_page(addon_key: str, key: str) -> str | tuple[str, int] | BaseResponse:
    addon = asking.jira().addon
    module = iframes.page(addon, key)
    if module is None or addon_key != addon.descriptor.get("key"):
        abort(404)
    return page("module.html", Frame(module), full_page=True)


def page(
    template: str, frame: Frame, *, full_page: bool = False, **given: object
) -> str | tuple[str, int] | BaseResponse:
    """A page with one iframe; said plainly when it cannot be had."""
    jira = asking.jira()
    if not is_there():
        return render_template("missing.html"), 503
    if not jira.site.installed:
        return render_template("not_installed.html"), 409
    if (home := at_home()) is not None:
        return home
    warn = frame.module.kind in iframes.ADMIN_ONLY and not asking.visitor().is_admin
    is_rule = frame.module.kind in iframes.RULES
    given.setdefault("section", "workflows" if is_rule else "apps")
    return render_template(
        template,
        frames=[_shown(frame, "iframe-slot", full_page=full_page)],
        module=frame.module,
        warn=warn,
        **given,
    )


def at_home() -> BaseResponse | None:
    """To where this page can hold an iframe, if it cannot here."""
    base_url = asking.jira().site.base_url
    if request.host == urlsplit(base_url).netloc:
        return None
    # the add-on lets itself be framed by the site's current name only
    return redirect(base_url + request.full_path.rstrip("?"))


def panels_of(issue: Issue) -> list[Json]:
    """What apps show beside an issue to who looks; nothing where nothing can be had."""
    jira = asking.jira()
    if not (is_there() and jira.site.installed):
        return []
    mine = {str(m["key"]) for m in jira.forge.app.modules(manifest.ISSUE_PANEL)}
    found = [
        frame
        for frame in panels.of_issue(jira.addon, issue, asking.visitor())
        # the Forge app shows its own in its place
        if frame.module.key not in mine
    ]
    return [
        _shown(frame, f"iframe-slot{f'-{number}' if number else ''}")
        for number, frame in enumerate(found)
    ]


def _shown(frame: Frame, slot: str, *, full_page: bool = False) -> Json:
    """What host.js needs to know of one iframe."""
    jira, person = asking.jira(), asking.visitor()
    return {
        "slot": slot,
        "addon_key": jira.addon.descriptor["key"],
        "key": frame.module.key,
        "kind": frame.module.kind,
        "title": frame.module.name,
        "url": iframes.url(jira.addon, frame, person),
        "account_id": person.account_id,
        "context": frame.context,
        "product_context": dict(frame.variables),
        "full_page": full_page,
    }
