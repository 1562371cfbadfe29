"""The control API's share of Forge, under `/sandbox/api/forge/`.

    GET    forge                   the app, its installation, what it may
    POST   forge/install           deploy the manifest, install it anew
    POST   forge/upgrade           a new major version of the same installation
    POST   forge/uninstall {quietly?}   `quietly`: the app is not told
    POST   forge/tick              what comes every hour
    POST   forge/headers {endpoint, module?}        what an event comes with
    POST   forge/headers {module?, user?, issue?}   what a call by a page comes with
    POST   forge/settings {retry_seconds?, nests_payload?, hides_status?,
                           names_page_module?}

Mishaps are those of `mishaps/<name>` whose name begins with `forge-`. A `user` may be
"Countersign (Forge)": the app's own account.

An answer of the app is `{status, answer}`, `answers` has one for each module called.
"""

from datetime import timedelta
from typing import Any

from sandbox.addon import Answer
from sandbox.forge.life import ForgeError
from sandbox.web import asking, control

Json = dict[str, Any]

route = control.BLUEPRINT.route
_SWITCHES = {"nests_payload", "hides_status", "names_page_module"}
"""Of ForgeApp: what the documentation leaves open."""


@control.BLUEPRINT.errorhandler(ForgeError)
def impossible(error: Exception) -> tuple[Json, int]:
    return {"error": str(error)}, 409


def _answers(answers: list[Answer]) -> Json:
    return forge_state() | {"answers": [control.answer(one) for one in answers]}


@route("/forge", methods=["GET"])
def forge_state() -> Json:
    forge = asking.jira().forge
    kept, place = forge.app.kept, forge.app.place
    if not kept.manifest:
        return {"installed": False, "deployable": forge.manifest_path is not None}
    return {
        "installed": kept.is_live,
        "deployable": forge.manifest_path is not None,
        "appId": kept.app.id,
        "appVersion": kept.app_version,
        "installationId": kept.id,
        "environment": {"type": kept.environment_type, "id": kept.environment_id},
        "cloudId": place.cloud_id,
        "apiBaseUrl": place.api_base_url,
        "scopes": sorted(kept.app.scopes),
        "kids": [key.kid for key in kept.keys],
    }


@route("/forge/install", methods=["POST"])
def forge_install() -> Json:
    return _answers(asking.jira().forge.install())


@route("/forge/upgrade", methods=["POST"])
def forge_upgrade() -> Json:
    return _answers(asking.jira().forge.upgrade())


@route("/forge/uninstall", methods=["POST"])
def forge_uninstall() -> Json:
    forge = asking.jira().forge
    if control.given_json().get("quietly"):
        forge.vanish()
        return _answers([])
    return _answers(forge.uninstall())


@route("/forge/tick", methods=["POST"])
def forge_tick() -> Json:
    return _answers(asking.jira().forge.tick())


@route("/forge/settings", methods=["POST"])
def forge_settings() -> Json:
    given, forge = control.given_json(), asking.jira().forge
    if "retry_seconds" in given:
        forge.events.pause = timedelta(seconds=float(given["retry_seconds"]))
    for name in _SWITCHES & given.keys():
        setattr(forge.app, name, bool(given[name]))
    shown = {name: getattr(forge.app, name) for name in sorted(_SWITCHES)}
    return {"retry_seconds": forge.events.pause.total_seconds(), **shown}


@route("/forge/headers", methods=["POST"])
def forge_headers() -> Json:
    given, forge = control.given_json(), asking.jira().forge
    module = str(given.get("module", ""))
    if "endpoint" in given:
        return dict(forge.event_headers(str(given["endpoint"]), module))
    issue, user = str(given.get("issue", "")), str(given.get("user", "ada"))
    return dict(forge.page_headers(user, module, issue=issue))
