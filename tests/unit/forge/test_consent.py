"""Which changes of the manifest admins must approve (facts: Forge's "App versions")."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.forge import consent, manifest
from app.forge.commands import forge

URL = "https://countersign.example.com"
APP = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"
OLD = manifest.render(URL, APP)
ABSENT: Any = object()


def changed(*path: str | int, to: Any) -> list[consent.Change]:
    """Return what `consent` finds if the value at `path` becomes `to`."""
    new = deepcopy(OLD)
    place: Any = new
    for step in path[:-1]:
        place = place[step]
    if to is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return consent.changes(OLD, new)


SCOPES = OLD["permissions"]["scopes"]
PANEL = ("modules", "jira:issuePanel", 0)
REMOTE = ("remotes", 0)


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (
            ("permissions", "scopes"),
            [*SCOPES, "write:x"],
            "permissions.scopes.write:x: added",
        ),
        (
            ("permissions", "scopes"),
            SCOPES[1:],
            "permissions.scopes.read:jira-work: removed",
        ),
        (
            ("permissions", "external"),
            {"images": ["*.example.com"]},
            "permissions.external: added",
        ),
        (
            ("permissions", "content"),
            {"styles": ["unsafe-inline"]},
            "permissions.content: added",
        ),
        (
            (*REMOTE, "baseUrl"),
            "https://b.example.com",
            f"remotes.countersign.baseUrl.default: {URL} -> https://b.example.com",
        ),
        (
            (*REMOTE, "baseUrl"),
            {"default": URL, "EU": "https://eu.example.com"},
            "remotes.countersign.baseUrl.EU: added",
        ),
        (
            (*REMOTE, "operations"),
            ["compute", "storage", "other"],
            "remotes.countersign.operations.other: added",
        ),
        (
            (*REMOTE, "operations"),
            ABSENT,
            "remotes.countersign.operations: removed",
        ),
        (
            ("remotes",),
            [*OLD["remotes"], {"key": "x", "baseUrl": "https://x.example.com"}],
            "remotes.x: added",
        ),
        (("app", "licensing"), {"enabled": True}, "app.licensing: added"),
        (("app", "connect"), {"key": "a"}, "app.connect: added"),
        (("providers",), {"auth": []}, "providers: added"),
        (("app", "id"), manifest.NO_APP, f"app.id: {APP} -> {manifest.NO_APP}"),
    ],
)
def test_admins_approve(path: tuple[str | int, ...], to: Any, told: str) -> None:
    [change] = changed(*path, to=to)

    assert str(change) == told
    assert change.needs_approval


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("app", "description"), "Another"),
        (("app", "runtime", "name"), "nodejs24.x"),
        ((*PANEL, "title"), "Another"),
        (("modules", "jira:issuePanel"), ABSENT),
        (("modules", "jira:issueAction"), [{"key": "new", "title": "New"}]),
        (("modules", "jira:workflowCondition", 0, "expression"), "false"),
        (("resources", 0, "path"), "static/another"),
        ((*REMOTE, "operations"), ["compute"]),
        ((*REMOTE, "storage", "inScopeEUD"), False),
        (("remotes",), []),
    ],
)
def test_it_comes_by_itself(path: tuple[str | int, ...], to: Any) -> None:
    [change] = changed(*path, to=to)

    assert not change.needs_approval


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ((*REMOTE, "baseUrl"), {"default": URL}),
        (("permissions", "scopes"), SCOPES[::-1]),
        (("resources",), OLD["resources"][::-1]),
    ],
)
def test_another_way_to_write_the_same_is_no_change(
    path: tuple[str | int, ...], to: Any
) -> None:
    assert changed(*path, to=to) == []


def test_data_that_is_stored_from_now_on_needs_approval() -> None:
    old = deepcopy(OLD)
    old["remotes"][0]["storage"]["inScopeEUD"] = False

    [change] = consent.changes(old, OLD)

    assert change.needs_approval


def diff(old: Path, url: str = URL) -> Result:
    arguments = ["diff", str(old), "--base-url", url, "--app-id", APP]
    return CliRunner().invoke(forge, arguments)


def test_command_ends_with_1_if_admins_are_asked(tmp_path: Path) -> None:
    deployed = tmp_path / "manifest.yml"
    deployed.write_text(manifest.dump(OLD), encoding="utf-8")

    same, moved = diff(deployed), diff(deployed, "https://b.example.com")

    assert (same.exit_code, same.output) == (0, "Nothing changed.\n")
    assert moved.exit_code == 1
    assert moved.output == (
        "Admins must approve:\n"
        f"  remotes.countersign.baseUrl.default: {URL} -> https://b.example.com\n"
        "Comes by itself:\n"
        "  modules.devops:buildInfoProvider.countersign-builds.homeUrl:"
        f" {URL} -> https://b.example.com\n"
        "  modules.devops:deploymentInfoProvider.countersign-deployments.homeUrl:"
        f" {URL} -> https://b.example.com\n"
    )


def test_command_tells_apart_what_comes_by_itself(tmp_path: Path) -> None:
    deployed = tmp_path / "manifest.yml"
    older = deepcopy(OLD)
    older["app"]["description"] = "Older"
    deployed.write_text(manifest.dump(older), encoding="utf-8")

    told = diff(deployed)

    assert told.exit_code == 0
    assert told.output.startswith("Comes by itself:\n  app.description: Older -> ")


@pytest.mark.parametrize("text", ["a: [", "- a", "\ufeff\x00"])
def test_command_refuses_what_is_no_manifest(tmp_path: Path, text: str) -> None:
    deployed = tmp_path / "manifest.yml"
    deployed.write_text(text, encoding="utf-8")

    refused = diff(deployed)

    assert refused.exit_code == 2  # 1 says that admins are asked
    assert "manifest.yml is no" in refused.output
