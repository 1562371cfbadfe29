"""The Mishaps page: a button for each thing that goes wrong in the real world."""

from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, flash, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from sandbox import iframes, mishaps
from sandbox.jira import Jira
from sandbox.web import asking, causing

BLUEPRINT = Blueprint("mishaps", __name__, url_prefix="/mishaps")


@dataclass(frozen=True)
class Button:
    name: str
    label: str
    says: str
    seconds: int | None = None
    can_arm: bool = False


FORGE, DATACENTER, NETWORK = "Forge", "Data Center", "A difficult network"


def _spoiling(name: str, label: str, says: str) -> Button:
    return Button(f"forge-{name}", label, says, can_arm=True)


def _datacenter(name: str, label: str, says: str) -> Button:
    return Button(f"dc-{name}", label, says, can_arm=True)


GROUPS: tuple[tuple[str, str, tuple[Button, ...]], ...] = (
    (
        "Calls that must be refused",
        "Sent at once for the chosen issue, or in place of the next post function.",
        (
            Button(
                "expired-token",
                "Expired token",
                "The token is ten minutes old.",
                can_arm=True,
            ),
            Button(
                "wrong-secret",
                "Wrong secret",
                "Signed with a secret the add-on never saw.",
                can_arm=True,
            ),
            Button(
                "tampered-url",
                "Tampered URL",
                "A genuine token, and a query parameter it does not know.",
            ),
        ),
    ),
    (
        "Calls that look right",
        "Properly signed; the add-on has to look closer than the signature.",
        (
            Button(
                "swapped-body",
                "Swapped body",
                "The signature fits, the body names another issue.",
            ),
            Button("replay", "Replay", "The last accepted call, byte for byte."),
            Button(
                "foreign-secret",
                "Foreign secret",
                "A genuine installation; its body has another's secret.",
            ),
            Button(
                "clock-drift",
                "Clock 60 s ahead",
                "Jira's clock is fast.",
                seconds=60,
                can_arm=True,
            ),
            Button(
                "clock-drift",
                "Clock 60 s behind",
                "Jira's clock is slow.",
                seconds=-60,
                can_arm=True,
            ),
        ),
    ),
    (
        NETWORK,
        "Armed: it happens the next time somebody calls.",
        (
            Button(
                "drop-next",
                "Drop the next call",
                "To the add-on; only Jira Cloud retries.",
            ),
            Button("answer-429", "Answer 429", "Jira says: later, in 5 s.", seconds=5),
            Button("answer-500", "Answer 500", "Jira breaks once."),
            Button("answer-slow", "Answer slowly", "Jira needs 8 s.", seconds=8),
        ),
    ),
    (
        "Life of a site",
        "What an administrator or Atlassian does without asking the add-on.",
        (
            Button("rename-site", "Rename the site", "installed with a new base URL."),
            Button("rotate-secret", "Rotate the secret", "installed with a new one."),
            Button("uninstall", "Uninstall", "disabled, then uninstalled."),
            Button("install", "Install again", "The same secret once more."),
        ),
    ),
    (
        FORGE,
        "An event for the chosen issue at once, or in place of the next one.",
        (
            _spoiling("expired", "Expired invocation", "The token is ten minutes old."),
            _spoiling("other-app", "Another app", "The token is for somebody else."),
            _spoiling("other-environment", "Another environment", "From staging."),
            _spoiling("other-endpoint", "Another endpoint", "Meant for lifecycle."),
            _spoiling("principal", "With a principal", "An event that names somebody."),
            _spoiling("unknown-key", "Unknown key", "Its key is published nowhere."),
            _spoiling("refused-token", "Refused token", "Jira takes no such token."),
            Button("forge-replay", "Replay the event", "Byte for byte, its token too."),
            Button("forge-rotate-keys", "Rotate the keys", "Signed with a new one."),
            Button("forge-revoke-tokens", "Revoke the tokens", "All that were given."),
            Button("forge-nest-payload", "Nest the payload", "Or no longer."),
            Button("forge-reinstall", "Install anew", "With another installation id."),
            Button("forge-vanish", "Vanish", "Uninstalled without a word."),
        ),
    ),
    (
        DATACENTER,
        "A webhook or a script for the chosen issue at once, or in place of the next.",
        (
            _datacenter(
                "tampered-body", "Tampered body", "The signature is another's."
            ),
            _datacenter("stale-timestamp", "Stale timestamp", "Ten minutes old."),
            _datacenter("wrong-secret", "Wrong secret", "By one nobody knows."),
            Button("dc-send-twice", "Send twice", "The last call, byte for byte."),
            Button("dc-revoke-pat", "Revoke the token", "The add-on's own, for good."),
        ),
    ),
)


@BLUEPRINT.get("/")
def overview() -> str:
    jira = asking.jira()
    return render_template(
        "mishaps.html",
        section="mishaps",
        groups=[group for group in GROUPS if _is_shown(jira, group[0])],
        network=NETWORK,
        issues=sorted(jira.world.state.issues.values(), key=lambda i: int(i.id)),
        chosen=request.args.get("issue", ""),
    )


def _is_shown(jira: Jira, group: str) -> bool:
    if jira.is_datacenter:
        return group in {NETWORK, DATACENTER}
    return group != DATACENTER and (group != FORGE or jira.forge.is_installed)


@BLUEPRINT.post("/<name>")
def cause(name: str) -> Response:
    form = request.form
    # the seconds are part of the button's address, the issue of the form
    given: mishaps.Json = {
        name: value
        for name in ("issue", "seconds")
        if (value := request.values.get(name))
    }
    if "arm" in form:
        given["arm"] = True
    try:
        outcome = causing.cause(asking.jira(), name, given)
    except mishaps.MishapError as error:
        flash(str(error), "error")
    else:
        flash(_told(name, outcome))
    return redirect(url_for("mishaps.overview", issue=form.get("issue", "")))


_CHECKED = frozenset(
    {"expired-token", "wrong-secret", "tampered-url", "swapped-body", "clock-drift"}
)
_LOOK = {
    "replay": "nothing new there; the call was seen before",
    "answer-429": "the next run there waits as long as it was told to",
    "answer-500": "the next run there tries once more",
    "answer-slow": "the next run there takes longer",
    "drop-next": "the next run comes there a few seconds late",
    "cut-wire": "a transition made while the wire is cut has no run there",
    "refuse-addon": "while Jira refuses, a run there cannot be confirmed",
    "rename-site": "its new name stands there",
    "foreign-secret": "the secret that is offered stands there, and is dropped",
    "rotate-secret": "the number of its shared secret stands there",
    "install": "when it was installed stands there",
}
"""What the add-on has to show for it; a call that is judged comes in `_look_for`."""


def _told(name: str, outcome: mishaps.Outcome) -> str:
    said = outcome.did
    if outcome.status is not None:
        answer = " ".join(outcome.answer.split())
        said += f" The add-on answered {outcome.status or 'nothing'}"
        said += f" ({answer})." if answer else "."
    what, addon = _look_for(name, outcome), asking.jira().addon
    page = next((m for m in iframes.pages(addon) if m.kind == "configurePage"), None)
    if not what or page is None or not addon.site.installed:
        return said
    href = url_for(
        "hosting.module_page", addon_key=addon.descriptor["key"], key=page.key
    )
    link = Markup('{} Look at its <a href="{}">Configure page</a>: {}.')
    return link.format(said, href, what)


def _look_for(name: str, outcome: mishaps.Outcome) -> str:
    if outcome.status is None and name in _CHECKED:
        return "what comes of the next call stands there"
    if outcome.status == HTTPStatus.UNAUTHORIZED:
        return "the refused call stands there with its reason"
    if name == "swapped-body":
        return "its run there is unconfirmed"
    if name in _CHECKED:
        return "the call was taken, and has a run there"
    return _LOOK.get(name, "")
