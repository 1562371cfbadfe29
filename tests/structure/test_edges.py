"""Promises about the whole app that no single test would notice breaking."""

import ast
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import jsonschema
import pytest

from app import web
from app.connect import descriptor
from app.crypto import Sealed
from app.db import Base
from app.resealing import PLACES
from app.runtime import Runtime
from app.settings import PREFIX, Settings
from bench.writing import COLUMNS
from tests.shared import ROOT, needs_shared

EDGES = ("app/web/", "app/worker/", "app/watchdog/", "app/cli/")
MAY_BEGIN = (*EDGES, "app/db/sessions.py")
"""The edges, and what they begin by."""

MAX_FILE = 300
MAX_FUNCTION = 40
BASE_URL = "https://countersign.example"


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def descriptor_urls() -> Iterator[tuple[str, str]]:
    described = descriptor.render(BASE_URL, "countersign")
    for url in described["lifecycle"].values():
        yield "POST", url
    for module in described["modules"]["jiraWorkflowPostFunctions"]:
        for name in ("create", "edit", "view"):
            yield "GET", module[name]["url"]
        yield "POST", module["triggered"]["url"]
    for module in described["modules"]["jiraWorkflowConditions"]:
        for name in ("create", "edit", "view"):
            yield "GET", module[name]["url"]
    yield "GET", described["modules"]["configurePage"]["url"]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    runtime = Runtime.build(
        Settings.from_env(
            {
                "COUNTERSIGN_BASE_URL": BASE_URL,
                "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path}/structure.sqlite",
                "COUNTERSIGN_QUEUE_URL": f"sqlite:///{tmp_path}/queue.sqlite",
                "COUNTERSIGN_ENCRYPTION_KEYS": base64.b64encode(b"k" * 32).decode(),
            }
        )
    )
    yield runtime
    runtime.sessions.kw["bind"].dispose()


@pytest.mark.parametrize(("method", "url"), sorted(set(descriptor_urls())))
def test_descriptor_points_at_routes(runtime: Runtime, method: str, url: str) -> None:
    flask = web.create_app(runtime)

    flask.url_map.bind("countersign.example").match(url.partition("?")[0], method)


def test_descriptor_keeps_the_published_schema() -> None:
    path = needs_shared("contracts/connect-descriptor-2019.schema.json")
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    allow_newer_migrations(schema)

    described = descriptor.render(BASE_URL, "countersign")

    jsonschema.Draft4Validator(schema).validate(described)


def allow_newer_migrations(node: Any) -> None:
    """Let `apiMigrations` hold what Connect has asked for since 2019."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict) and "gdpr" in properties:
            properties |= {"signed-install": {}, "context-qsh": {}}
        for child in node.values():
            allow_newer_migrations(child)
    elif isinstance(node, list):
        for child in node:
            allow_newer_migrations(child)


def test_descriptor_asks_for_read_and_write_only() -> None:
    assert descriptor.render(BASE_URL, "countersign")["scopes"] == ["READ", "WRITE"]


def test_every_blueprint_has_the_one_guard_it_is_registered_with(
    runtime: Runtime,
) -> None:
    flask = web.create_app(runtime)

    served = list(web.served(runtime.settings))
    registered = {each.name: each.guard.__name__ for each in served}
    assert len(registered) == len(served)
    assert set(flask.blueprints) == set(registered)
    for name, guard in registered.items():
        [before] = flask.before_request_funcs[name]
        assert before.__name__ == guard
    loose = {
        rule.endpoint for rule in flask.url_map.iter_rules() if "." not in rule.endpoint
    }
    assert loose == {"static"}


def test_only_edges_begin_transactions() -> None:
    for name, text in sources("app"):
        if name.startswith(MAY_BEGIN):
            continue
        calls = {
            node.func.attr
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        assert not calls & {"begin", "commit", "rollback"}, name


def test_files_and_functions_fit_a_screen() -> None:
    too_long = []
    for name, text in sources("app", "sandbox"):
        if len(text.splitlines()) > MAX_FILE:
            too_long.append(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MAX_FUNCTION + docstring_lines(node):
                    too_long.append(f"{name}:{node.name}")
    assert not too_long, too_long


def docstring_lines(node: ast.FunctionDef) -> int:
    return len((ast.get_docstring(node, clean=False) or "").splitlines())


def test_migrations_stand_without_the_app() -> None:
    for name, text in sources("migrations/versions"):
        assert "app" not in {
            (
                alias.name if isinstance(node, ast.Import) else node.module or ""
            ).partition(".")[0]
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }, name


def test_readme_has_every_setting_as_it_is() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("<!-- settings -->")[2].partition("<!-- /settings -->")[0]

    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else shown(field.default)
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")

    assert table.strip().splitlines() == rows, "\n" + "\n".join(rows)


def shown(default: object) -> str:
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`" if default else ""
    return f"`{default}`" if default != "" else ""


def test_benchmarks_history_fills_what_its_tables_demand() -> None:
    """It is written past the ORM, which would fill in a new column by itself."""
    for table, names in COLUMNS.items():
        columns = table.__table__.c
        needed = {each.name for each in columns if not each.nullable}
        assert needed <= set(names) <= {each.name for each in columns}, table


def test_every_column_of_ciphertext_is_resealed() -> None:
    """What is not on the list stays on the old key, and is lost with it."""
    found = {
        (mapper.class_.__tablename__, name)
        for mapper in Base.registry.mappers
        for name, hint in get_type_hints(mapper.class_).items()
        if Sealed in (*get_args(hint), *map(get_args, get_args(hint)))
    }

    assert found
    assert {(each.table.__tablename__, each.column) for each in PLACES} == found
