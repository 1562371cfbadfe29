"""The manifest: Atlassian's validator accepts it, and it says what the descriptor says.

`make test` sets up what this needs: Atlassian's packages, and `forge/static/`.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.connect import descriptor
from app.forge import manifest
from tests.processes import ENVIRON, PYTHON, ROOT

FORGE = ROOT / "forge"
URL = "https://countersign.example.com/sign"
APP = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"
COMMITTED = (
    "countersign forge manifest --base-url https://countersign.invalid"
    f" --app-id {manifest.NO_APP} > forge/manifest.yml"
)


def findings(path: Path) -> str:
    """Return what Atlassian's validator finds wrong with a manifest."""
    # The system's node, or the one of the wheel, as `make` takes it.
    search = os.pathsep.join([ENVIRON.get("PATH", ""), str(Path(PYTHON).parent)])
    node = shutil.which("node", path=search)
    assert node is not None, "node is not there: run `make test`"
    assert (ROOT / "node_modules" / "@forge" / "manifest").is_dir(), "run `make test`"
    assert (FORGE / "static" / "issue").is_dir(), "run `make forge`"
    done = subprocess.run(  # noqa: S603 -- our own script
        [node, str(FORGE / "validate.mjs"), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


def test_committed_manifest_is_what_the_command_writes() -> None:
    written = manifest.dump(
        manifest.render("https://countersign.invalid", manifest.NO_APP)
    )

    assert (FORGE / "manifest.yml").read_text("utf-8") == written, COMMITTED


def test_atlassian_accepts_the_committed_manifest() -> None:
    assert findings(FORGE / "manifest.yml") == ""


def beside_static(folder: Path, written: dict[str, Any]) -> Path:
    (folder / "static").symlink_to(FORGE / "static")
    path = folder / "manifest.yml"
    path.write_text(manifest.dump(written), encoding="utf-8")
    return path


@pytest.mark.parametrize("connect_key", ["", "com.example.rules"])
def test_atlassian_accepts_an_operators_manifest(
    tmp_path: Path, connect_key: str
) -> None:
    rendered = manifest.render(URL, APP, connect_key=connect_key)

    assert findings(beside_static(tmp_path, rendered)) == ""


def test_validator_does_find_faults(tmp_path: Path) -> None:
    rendered = manifest.render(URL, APP)
    rendered["permissions"]["scopes"] += ["read:everything"]

    assert "read:everything" in findings(beside_static(tmp_path, rendered))


# --- descriptor and manifest

MODULES = {
    "jiraWorkflowPostFunctions": "jira:workflowPostFunction",
    "jiraWorkflowConditions": "jira:workflowCondition",
    "configurePage": "jira:adminPage",
    "webPanels": "jira:issuePanel",
    "jiraEntityProperties": "jira:entityProperty",
    "jiraBuildInfoProvider": "devops:buildInfoProvider",
    "jiraDeploymentInfoProvider": "devops:deploymentInfoProvider",
}
"""What one door calls it, and what the other does."""


def described() -> dict[str, dict[str, Any]]:
    """Return the descriptor's modules; each kind has one."""
    modules = descriptor.render(URL, "countersign")["modules"]
    return {
        name: module[0] if isinstance(module, list) else module
        for name, module in modules.items()
    }


def rendered() -> dict[str, dict[str, Any]]:
    return {
        name: module[0] for name, module in manifest.render(URL, APP)["modules"].items()
    }


def test_both_doors_have_the_same_modules_by_the_same_keys() -> None:
    connect, forge = described(), rendered()

    assert set(connect) == set(MODULES)
    assert {name for name in forge if ":" in name} == set(MODULES.values())
    for name, forge_name in MODULES.items():
        assert connect[name]["key"] == forge[forge_name]["key"]


def texts(module: dict[str, Any]) -> Iterator[str]:
    for field in ("name", "title", "description", "expression"):
        value = module.get(field)
        if value is not None:
            yield value["value"] if isinstance(value, dict) else value


@pytest.mark.parametrize("name", [*MODULES][:4] + [*MODULES][5:])
def test_both_doors_say_the_same(name: str) -> None:
    assert list(texts(described()[name])) == list(texts(rendered()[MODULES[name]]))


def test_both_doors_index_the_same_property() -> None:
    [connect] = described()["jiraEntityProperties"]["keyConfigurations"]
    forge = rendered()["jira:entityProperty"]

    assert forge["propertyKey"] == connect["propertyKey"]
    assert [(v["path"], v["type"], v["searchAlias"]) for v in forge["values"]] == [
        (e["objectName"], e["type"], e["alias"]) for e in connect["extractions"]
    ]


def test_panel_is_for_the_same_people() -> None:
    """Forge shows a panel to who may browse the issue; the other is said in words."""
    conditions = {each["condition"] for each in described()["webPanels"]["conditions"]}

    assert conditions == {"user_is_logged_in", "has_issue_permission"}
    assert rendered()["jira:issuePanel"]["displayConditions"] == {"isLoggedIn": True}


def test_both_doors_are_at_one_address() -> None:
    connect = descriptor.render(URL, "countersign")
    forge = manifest.render(URL, APP)

    assert [remote["baseUrl"] for remote in forge["remotes"]] == [connect["baseUrl"]]
    for endpoint in forge["modules"]["endpoint"]:
        assert endpoint["remote"] == forge["remotes"][0]["key"]
        assert endpoint.get("route", {"path": "/forge/"})["path"].startswith("/forge/")


def test_committed_manifest_names_nobody() -> None:
    committed = yaml.safe_load((FORGE / "manifest.yml").read_text(encoding="utf-8"))

    assert committed["app"]["id"] == manifest.NO_APP
    assert committed["remotes"][0]["baseUrl"] == descriptor.read()["baseUrl"]
