"""Every answer of the REST API, against two contracts.

Our own small one, always; and Atlassian's OpenAPI description, where it is at hand.
Both see the same calls, in this order, on one Jira.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft7Validator
from werkzeug.test import TestResponse

from sandbox import Jira
from tests.sandbox.conftest import Rest

Json = dict[str, Any]
HERE = Path(__file__).parent
OPENAPI = HERE.parents[2] / "shared" / "contracts" / "jira-openapi-v3.json"
CONTRACT = json.loads((HERE / "jira_contract.json").read_text())


def schema_of(text: object) -> Json:
    """A JSON Schema from the contract's shorthand."""
    if isinstance(text, dict):
        members = {name.rstrip("?"): schema_of(kind) for name, kind in text.items()}
        required = [name for name in text if not name.endswith("?")]
        return {"type": "object", "properties": members, "required": required}
    kind = str(text)
    if kind.endswith("|null"):
        return {"anyOf": [schema_of(kind.removesuffix("|null")), {"type": "null"}]}
    if kind.startswith("[]"):
        return {"type": "array", "items": schema_of(kind[2:])}
    if kind.startswith("#"):
        return schema_of(CONTRACT["shapes"][kind[1:]])
    return {} if kind == "any" else {"type": kind}


@pytest.fixture
def answers(rest: Rest, jira: Jira) -> list[tuple[Json, TestResponse]]:
    jira.add_post_function("Deploy", '{"v": 1}')
    jira.add_condition("Deployed", '{"account": "another"}')
    jira.transition("DEMO-1", "Touch")
    jira.transition("DEMO-1", "Deploy")
    jira.transition("DEMO-1", "Reopen")
    jira.transition("DEMO-1", "Start progress")
    return [
        (call, rest(call["method"], call["path"], call.get("body")))
        for call in CONTRACT["calls"]
    ]


def test_own_contract(answers: list[tuple[Json, TestResponse]]) -> None:
    for call, answer in answers:
        where = f"{call['method']} {call['path']}"
        assert answer.status_code == call["status"], (where, answer.text)
        if "answer" not in call:
            assert answer.data == b"", where
            continue
        assert answer.mimetype == "application/json", where
        schema = schema_of(call["answer"])
        faults = list(Draft7Validator(schema).iter_errors(answer.get_json()))
        assert faults == [], (where, faults[:1])


def test_openapi(answers: list[tuple[Json, TestResponse]]) -> None:
    if not OPENAPI.exists():
        pytest.skip(f"the OpenAPI file is not on this machine: {OPENAPI.name}")
    openapi = json.loads(OPENAPI.read_text())
    for member in openapi["components"]["schemas"]["ChangeDetails"][
        "properties"
    ].values():
        # Jira has null there for a value that was not set; the file does not say so
        member["nullable"] = True
    judged = 0
    for call, answer in answers:
        operation = find(openapi, call)
        if operation is None:
            continue
        where = f"{call['method']} {call['path']}"
        assert str(call["status"]) in operation["responses"], where
        told = operation["responses"][str(call["status"])]
        schema = told.get("content", {}).get("application/json", {}).get("schema")
        if schema and call["status"] < 300 and answer.data:
            whole = nullable({**schema, "components": openapi["components"]})
            faults = list(Draft7Validator(whole).iter_errors(answer.get_json()))
            assert faults == [], (where, faults[0].message, list(faults[0].path))
            judged += 1
    assert judged > 15


def find(openapi: Json, call: Json) -> Json | None:
    """The operation of this call; the longest template wins, as a router would."""
    path = urlsplit(call["path"]).path
    for template in sorted(openapi["paths"], key=lambda t: t.count("{")):
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
        operations = openapi["paths"][template]
        if re.fullmatch(pattern, path) and call["method"].lower() in operations:
            operation: Json = operations[call["method"].lower()]
            return operation
    return None


def nullable(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: nullable(value) for key, value in schema.items()}
    if made.pop("nullable", False) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made
