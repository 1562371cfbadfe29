"""The scopes that we ask of Forge are those that our calls need, and no others.

The calls are read out of the code, as its authors write them: `jira.get(PATH)`,
`jira.call(METHOD, PATH)` and `Act(method=…, path=…)`, and what our page's script reads
as the viewer. What each needs is what Jira's OpenAPI document says; whether a site's
gateway agrees with that document only a site can tell.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from app.forge import manifest
from tests.shared import ROOT, needs_shared

ISSUE = "/rest/api/3/issue/{}"
"""What `Context.path` is (app/steps/base.py)."""

PASSED_ON = {
    "jira.call('GET', f'{path}?{text}' if text else path)",
    "self.jira.call(act.method, act.path, body=act.body)",
    "self.answer(method, path, body=body)",
}
"""Where a call is only passed on; where it is made, it is found."""

UNLISTED: dict[tuple[str, str], list[str]] = {
    # The document knows only how to write it, which needs no scope.
    ("GET", "/rest/forge/1/app/properties/{}"): [],
    # Of Jira Software's document, which is not among ours. The scopes are those that
    # Forge's validator knows by these names.
    ("POST", "/rest/builds/0.1/bulk"): ["write:build-info:jira"],
    ("POST", "/rest/deployments/0.1/bulk"): ["write:deployment-info:jira"],
}

MODULES = {"read:jira-work", "manage:jira-configuration"}
"""What Forge's documentation asks for to be a post function."""


@dataclass(frozen=True)
class Module:
    """One file, and how its expressions for paths read."""

    name: str
    tree: ast.Module

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        nodes = ast.walk(self.tree)
        return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}

    @cached_property
    def listed(self) -> dict[str, list[str]]:
        """The members of its classes, by the class's name."""
        return {
            node.name: [
                line.value.value
                for line in node.body
                if isinstance(line, ast.Assign)
                and isinstance(line.value, ast.Constant)
                and isinstance(line.value.value, str)
            ]
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ClassDef)
        }

    def calls(self) -> Iterator[tuple[str, str]]:
        """Yield method and path of each call, as it stands there if it says no path."""
        nodes = ast.walk(self.tree)
        for function in (n for n in nodes if isinstance(n, ast.FunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and (found := _asked(node)):
                    method, path = found
                    for read in self._paths(path, function) or [ast.unparse(path)]:
                        yield method, read.partition("?")[0]

    def _paths(self, node: ast.expr, function: ast.FunctionDef) -> list[str]:
        found: list[str] = []
        match node:
            case ast.Constant(value=str(text)):
                found = [text]
            case ast.JoinedStr(values=values):
                found = ["".join(self._part(value, function) for value in values)]
            case ast.Attribute(attr="path"):
                found = [ISSUE]
            case ast.Attribute(value=ast.Name(id=name)) if name in self.listed:
                found = self.listed[name]
            case ast.Call(func=ast.Attribute(attr=name)) if name in self.functions:
                found = self._returned(self.functions[name])
            case ast.Name(id=name):
                found = self._named(name, function)
            case _:
                pass
        return found

    def _part(self, node: ast.expr, function: ast.FunctionDef) -> str:
        match node:
            case ast.FormattedValue(value=ast.Name() | ast.Attribute() as value):
                return "".join(self._paths(value, function)) or "{}"
            case ast.Constant(value=str(text)):
                return text
            case _:
                return "{}"

    def _named(self, name: str, function: ast.FunctionDef) -> list[str]:
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=to)], value=value) if to == name:
                    return [p for p in self._paths(value, function) if "/" in p]
                case ast.arg(arg=to, annotation=ast.Name(id=kind)) if to == name:
                    return self.listed.get(kind, [])
        return []

    def _returned(self, function: ast.FunctionDef) -> list[str]:
        [returned] = [n for n in ast.walk(function) if isinstance(n, ast.Return)]
        return self._paths(returned.value, function) if returned.value else []


def _asked(call: ast.Call) -> tuple[str, ast.expr] | None:
    """Return the method and the path's expression of what is a call of Jira."""
    if ast.unparse(call) in PASSED_ON:
        return None
    match call:
        case ast.Call(func=ast.Name(id="Act")):
            given = {word.arg: word.value for word in call.keywords}
            method = given["method"]
            assert isinstance(method, ast.Constant)
            return str(method.value), given["path"]
        case ast.Call(
            func=ast.Attribute(value=receiver, attr="get" | "call" | "answer" as verb),
            args=[first, *others],
        ) if _is_jira(receiver):
            if verb == "get":
                return "GET", first
            assert isinstance(first, ast.Constant), ast.unparse(call)
            return str(first.value), others[0]
    return None


def _is_jira(receiver: ast.expr) -> bool:
    match receiver:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == "jira"
        case _:
            return False


def modules() -> Iterator[Module]:
    for path in sorted((ROOT / "app").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "jira":
            text = re.sub(r"\bself\.(get|call)\(", r"jira.\1(", text)
        yield Module(path.relative_to(ROOT).as_posix(), ast.parse(text))


def places() -> set[str]:
    """Return where in Jira's API the code says something is, or begins."""
    return {
        node.value.partition("?")[0]
        for module in modules()
        # What is said instead to a self-managed Jira needs no scope of Forge's.
        if module.name != "app/jira/datacenter.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("/rest/")
    }


def as_app() -> dict[tuple[str, str], str]:
    return {call: module.name for module in modules() for call in module.calls()}


def as_viewer(folder: Path) -> set[tuple[str, str]]:
    """Return what our script reads; its other reads are below these."""
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))
    found = re.findall(r'[`"](/rest/[^`"?]+)', text)
    return {("GET", re.sub(r"\$\{.*?\}", "{}", path)) for path in found}


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], list[str]]:
    """What Jira's document says each call needs; ids are `{}`."""
    path = needs_shared("contracts/jira-openapi-v3.json")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return UNLISTED | {
        (method.upper(), re.sub(r"\{.*?\}", "{}", place)): [
            scope
            for needed in operation.get("x-atlassian-oauth2-scopes", [])
            if needed["state"] == "Current"
            for scope in needed["scopes"]
        ]
        for place, operations in document["paths"].items()
        for method, operation in operations.items()
        if isinstance(operation, dict)
    }


def test_every_call_can_be_read_and_is_one_of_jiras(
    operations: dict[tuple[str, str], list[str]],
) -> None:
    found = as_app()

    assert {
        call: place for call, place in found.items() if call not in operations
    } == {}
    assert as_viewer(ROOT / "app" / "static") <= set(operations)
    paths = {path for _, path in found}
    assert {p for p in places() if not any(q.startswith(p) for q in paths)} == set()


def test_scopes_are_what_the_calls_need_and_no_more(
    operations: dict[tuple[str, str], list[str]],
) -> None:
    asked = set(as_app()) | as_viewer(ROOT / "app" / "static")
    needed = {scope for call in asked for scope in operations[call]} | MODULES
    actors = {endpoint.acts_as for endpoint in manifest.ENDPOINTS}
    tokens = {"app": "read:app-system-token", "person": "read:app-user-token"}

    assert actors <= {"nobody", *tokens}
    needed |= {tokens[actor] for actor in actors if actor in tokens}
    assert set(manifest.SCOPES) == needed
