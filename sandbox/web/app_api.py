"""REST: what an app, of Connect or of Forge, may know about itself."""

from typing import Any

from flask import request

from sandbox import people
from sandbox.issues import RestError
from sandbox.web import asking, rest

Json = dict[str, Any]

route = rest.BLUEPRINT.route
RESERVED_PROPERTY = "connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8"


@route("/atlassian-connect/1/addons/<key>", methods=["GET"])
def addon(key: str) -> Json:
    """What an add-on learns about itself; licences are not played."""
    jira = asking.jira()
    descriptor = jira.addon.descriptor
    if rest.caller() != people.APP or key != descriptor.get("key"):
        raise RestError(404, [f"There is no app {key!r}."])
    return {
        "key": key,
        "version": "1.0.0-AC",
        "state": "ENABLED",
        "host": {"product": "Jira", "contacts": []},
        "links": {
            "marketplace": [],
            "self": [{"href": f"{jira.site.base_url}{request.path}"}],
        },
    }


@route("/atlassian-connect/1/addons/<key>/properties/<name>", methods=["GET"])
def get_addon_property(key: str, name: str) -> Json | tuple[Json, int]:
    """Of them all only the reserved one is played.

    It tells a Forge app with `app.connect.key` which site it was as an add-on.
    """
    jira, caller = asking.jira(), rest.caller()
    connect_key = str(jira.addon.descriptor.get("key", ""))
    own = {people.APP: connect_key, people.FORGE: jira.forge.app.manifest.connect_key}
    if not own.get(caller) or own[caller] != key:
        return _said(401, "Access to this resource must be authenticated as an app.")
    if name != RESERVED_PROPERTY or key != connect_key:
        return _said(404, "Property with key not found.")
    return {
        "self": f"{jira.site.base_url}{request.path}",
        "key": name,
        "value": jira.site.client_key,
    }


@route("/forge/1/app/properties/<name>", methods=["GET"])
def get_forge_property(name: str) -> tuple[Json, int]:
    """An app's own properties are not played: there is none."""
    if rest.caller() != people.FORGE:
        return _said(403, "The request is not made directly by a Forge app.")
    return _said(404, f"Property with key {name} not found.")


def _said(status: int, words: str) -> tuple[Json, int]:
    return {"message": words, "statusCode": status}, status
