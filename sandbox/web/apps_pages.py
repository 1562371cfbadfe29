"""The Apps page: what is installed, and how it gets in and out."""

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from sandbox import iframes
from sandbox.addon import AddonError
from sandbox.web import asking

BLUEPRINT = Blueprint("apps", __name__, url_prefix="/apps")


@BLUEPRINT.get("/")
def overview() -> str:
    addon = asking.jira().addon
    return render_template(
        "apps.html",
        section="apps",
        descriptor=addon.descriptor,
        pages=iframes.pages(addon),
        addon=addon,
    )


@BLUEPRINT.post("/install")
def install() -> Response:
    try:
        asking.jira().install()
        flash("installed and enabled were sent and accepted.")
    except AddonError as error:
        flash(str(error), "error")
    return redirect(url_for("apps.overview"))


@BLUEPRINT.post("/uninstall")
def uninstall() -> Response:
    answer = asking.jira().uninstall()
    flash(f"The app is uninstalled; it answered {answer.status or 'nothing'}.")
    return redirect(url_for("apps.overview"))
