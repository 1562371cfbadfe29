"""REST of Jira Software: what apps say of builds and deployments."""

from typing import Any

from sandbox import devops, people
from sandbox.issues import RestError
from sandbox.web import asking, rest

Json = dict[str, Any]

route = rest.BLUEPRINT.route


@route("/builds/0.1/bulk", methods=["POST"])
def submit_builds() -> tuple[Json, int]:
    return _submit("builds")


@route("/deployments/0.1/bulk", methods=["POST"])
def submit_deployments() -> tuple[Json, int]:
    return _submit("deployments")


def _submit(kind: str) -> tuple[Json, int]:
    """For apps only, and of those for the ones that declare the module."""
    jira, caller = asking.jira(), rest.caller()
    connect, forge = devops.MODULES[kind]
    declared = {
        people.APP: jira.addon.modules(connect),
        people.FORGE: jira.forge.app.modules(forge),
    }
    if not declared.get(caller):
        raise RestError(403, [f"The app does not define the module {connect}."])
    several = asking.body().get(kind)
    if not isinstance(several, list) or not several:
        raise RestError(400, [f"{kind} is no list of entries"])
    return devops.submit(jira.world, kind, several), 202
