"""The Apps page: what is installed, and how it gets in and out."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from sandbox import iframes
from sandbox.addon import AddonError, Answer
from sandbox.forge import pages as forge_pages
from sandbox.forge.life import Forge, ForgeError
from sandbox.web import asking, forge_hosting

BLUEPRINT = Blueprint("apps", __name__, url_prefix="/apps")


def _vanish(forge: Forge) -> list[Answer]:
    forge.vanish()
    return []


FORGE: dict[str, tuple[Callable[[Forge], list[Answer]], str]] = {
    "install": (Forge.install, "The Forge app is installed."),
    "upgrade": (Forge.upgrade, "The Forge app is upgraded."),
    "tick": (Forge.tick, "An hour is over, as far as the Forge app knows."),
    "uninstall": (Forge.uninstall, "The Forge app is uninstalled."),
    "vanish": (_vanish, "The Forge app is uninstalled, and was not told."),
}
"""What the buttons do, and what is said about it."""


@BLUEPRINT.get("/")
def overview() -> str:
    addon = asking.jira().addon
    return render_template(
        "apps.html",
        section="apps",
        descriptor=addon.descriptor,
        pages=iframes.pages(addon),
        addon=addon,
        forge=asking.jira().forge,
        forge_pages=[
            (found, forge_hosting.address(found))
            for found in forge_pages.admin_pages(asking.jira().forge.app)
        ],
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


@BLUEPRINT.post("/forge/<any(install, upgrade, tick, uninstall, vanish):what>")
def forge(what: str) -> Response:
    act, said = FORGE[what]
    try:
        answers = act(asking.jira().forge)
        for answer in answers:
            said += f" It answered {answer.status or 'nothing'}."
        flash(said)
    except ForgeError as error:
        flash(str(error), "error")
    return redirect(url_for("apps.overview"))
