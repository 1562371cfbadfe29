"""The pages that Jira opens in an iframe: each a shell that its script then fills."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.web.context import runtime
from app.web.headers import static_url

bp = Blueprint("pages", __name__)

CONDITION = "Only Countersign may move this on"
TITLES = {
    "create": "Countersign rule",
    "edit": "Countersign rule",
    "view": "Countersign rule",
    "condition-create": CONDITION,
    "condition-edit": CONDITION,
    "condition-view": CONDITION,
    "config": "Countersign",
}


@bp.get("/post-function/create", defaults={"view": "create"})
@bp.get("/post-function/edit", defaults={"view": "edit"})
@bp.get("/post-function/view", defaults={"view": "view"})
@bp.get("/condition/create", defaults={"view": "condition-create"})
@bp.get("/condition/edit", defaults={"view": "condition-edit"})
@bp.get("/condition/view", defaults={"view": "condition-view"})
@bp.get("/config", defaults={"view": "config"})
def shell(view: str) -> ResponseReturnValue:
    """Show the frame of a page; what it holds comes by calls of its script."""
    return render_template(
        "shell.html",
        view=view,
        title=TITLES[view],
        ap_js_url=runtime().settings.ap_js_url,
        stylesheet=static_url("app.css"),
        script=static_url("app.js"),
    )
