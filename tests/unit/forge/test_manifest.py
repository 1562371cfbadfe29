"""The manifest: what the operator gives, what the descriptor says, how it reads."""

import pytest
import yaml
from click.testing import CliRunner, Result

from app.connect import descriptor
from app.forge import manifest
from app.forge.commands import forge

URL = "https://countersign.example.com/sign"
APP = "ari:cloud:ecosystem::app/11111111-2222-4333-8444-555555555555"


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(forge, ["manifest", *arguments], env=env)


def test_operator_gives_the_address_and_the_app() -> None:
    rendered = manifest.render(URL, APP)

    assert rendered["app"]["id"] == APP
    [remote] = rendered["remotes"]
    assert (remote["key"], remote["baseUrl"]) == ("countersign", URL)


def test_new_app_claims_no_connect_app() -> None:
    assert "connect" not in manifest.render(URL, APP)["app"]


def test_app_that_was_there_before_takes_the_place_of_the_connect_one() -> None:
    rendered = manifest.render(URL, APP, connect_key="com.example.rules")

    claimed = {"key": "com.example.rules", "remote": "countersign"}
    assert rendered["app"]["connect"] == claimed


def test_every_resource_shows_a_view_that_has_a_title() -> None:
    keys = [resource["key"] for resource in manifest.render(URL, APP)["resources"]]

    assert keys == list(manifest.VIEWS)
    assert sorted(manifest.VIEWS.values()) == sorted(descriptor.titles())


def test_what_is_written_reads_the_same() -> None:
    rendered = manifest.render(URL, APP)

    written = manifest.dump(rendered)

    assert yaml.safe_load(written) == rendered
    assert "&" not in written.replace("&&", "")  # no YAML anchors: people read it


def test_command_takes_what_the_server_is_configured_with() -> None:
    env = {"COUNTERSIGN_BASE_URL": f"{URL}/", "COUNTERSIGN_FORGE_APP_ID": APP}

    written = run(**env)

    assert written.exit_code == 0
    assert yaml.safe_load(written.output) == manifest.render(URL, APP)


@pytest.mark.parametrize(
    ("url", "app", "why"),
    [
        ("http://countersign.example.com", APP, "https only"),
        ("countersign.example.com", APP, "not an absolute URL"),
        (f"{URL}?a=b", APP, "only scheme, host, port and path"),
        (URL, "11111111-2222-4333-8444-555555555555", "ari:cloud:ecosystem"),
        (URL, f"{APP}/x", "ari:cloud:ecosystem"),
    ],
)
def test_command_says_what_is_wrong(url: str, app: str, why: str) -> None:
    refused = run("--base-url", url, "--app-id", app)

    assert refused.exit_code == 2
    assert why in refused.output


def test_command_names_the_variables_that_are_missing() -> None:
    assert "COUNTERSIGN_BASE_URL" in run("--app-id", APP).output
    assert "COUNTERSIGN_FORGE_APP_ID" in run("--base-url", URL).output
