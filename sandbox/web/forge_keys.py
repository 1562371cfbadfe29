"""Where Atlassian publishes the keys of Forge's invocation tokens."""

from typing import Any

from flask import Blueprint, Response, jsonify

from sandbox.forge import invocations
from sandbox.web import asking

Json = dict[str, Any]

BLUEPRINT = Blueprint("forge_keys", __name__)


@BLUEPRINT.get("/forge/jwks.json")
def keys() -> Response:
    # Atlassian has keys, whoever installs what; ours has one before the first app.
    kept = asking.jira().forge.app.kept.keys or [invocations.first_key()]
    answer = jsonify(invocations.published(kept))
    answer.headers["Cache-Control"] = "public, max-age=300"
    return answer
