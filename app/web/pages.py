"""The pages that Jira opens in an iframe: each a shell that its script then fills."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.connect import descriptor
from app.web import guards
from app.web.context import runtime
from app.web.headers import script_urls, static_url

bp = Blueprint("pages", __name__)
of_issue = Blueprint("issue_page", __name__)

TITLES = descriptor.titles()


@bp.get("/post-function/create", defaults={"view": "create"})
@bp.get("/post-function/edit", defaults={"view": "edit"})
@bp.get("/post-function/view", defaults={"view": "view"})
@bp.get("/condition/create", defaults={"view": "condition-create"})
@bp.get("/condition/edit", defaults={"view": "condition-edit"})
@bp.get("/condition/view", defaults={"view": "condition-view"})
@bp.get("/config", defaults={"view": "config"})
def shell(view: str) -> ResponseReturnValue:
    """Show the frame of a page; what it holds comes by calls of its script."""
    return _shell(view)


@of_issue.get("/issue-panel", endpoint="shell")
def issue_panel() -> ResponseReturnValue:
    """Show the frame of the panel beside the issue that Jira signed into the address.

    The script strips the address, so the issue's number is handed on in the page.
    """
    return _shell("issue", issue=guards.issue_id())


def _shell(view: str, *, issue: str = "") -> str:
    return render_template(
        "shell.html",
        view=view,
        title=TITLES[view],
        base=request.script_root,
        issue=issue,
        library=runtime().settings.ap_js_url,
        stands_alone=False,
        stylesheet=static_url("app.css"),
        # In this order: the first says whose page is around ours.
        scripts=[static_url("connect.js"), static_url("app.js")],
        preloads=script_urls(),
    )
