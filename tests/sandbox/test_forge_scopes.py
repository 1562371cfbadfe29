"""The scopes that the gateway asks for are those of Atlassian's OpenAPI description."""

import json
import re
from collections.abc import Iterator

from sandbox import Jira, create_app
from sandbox.forge import scopes
from tests.shared import needs_shared

ANNOUNCED = ("POST", "/rest/api/3/permissions/check")
"""Free in the description, whose text announces `read:jira-work`; we ask for it."""


def bare(path: str) -> str:
    """Without the names of its variables, which differ."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "*", path)


def served(jira: Jira) -> Iterator[tuple[str, str, frozenset[str]]]:
    for rule in create_app(jira).url_map.iter_rules():
        name = rule.endpoint.removeprefix("rest.")
        if name not in {rule.endpoint, "unknown"} and rule.methods:
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                yield method, bare(rule.rule), scopes.of(method, name)


def test_scopes_are_those_of_openapi(jira: Jira) -> None:
    contract = json.loads(needs_shared("contracts/jira-openapi-v3.json").read_text())
    wanted = {
        (method.upper(), bare(path)): frozenset(
            scope
            for way in operation.get("security", [])
            for scope in way.get("OAuth2", [])
        )
        for path, operations in contract["paths"].items()
        for method, operation in operations.items()
        if isinstance(operation, dict)
    }
    compared = {(m, p): s for m, p, s in served(jira) if (m, p) in wanted}
    assert len(compared) > 30
    assert compared.pop(ANNOUNCED) == {"read:jira-work"}
    assert compared == {operation: wanted[operation] for operation in compared}
