"""A Forge app comes, is renewed, ticks and goes; its invocation token at each step."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwt import PyJWKSet

from sandbox import Jira, create_app
from sandbox.forge.life import ForgeError
from tests.sandbox import forge_stand_in
from tests.sandbox.conftest import Clock
from tests.sandbox.forge_stand_in import APP_ID
from tests.sandbox.stand_in import StandIn

Json = dict[str, Any]


def calls(stand_in: StandIn, path: str) -> list[tuple[dict[str, str], Json]]:
    """Headers and body of every call of this path."""
    return [(h, json.loads(b)) for _, at, h, b in stand_in.seen if at == path]


def verified(jira: Jira, headers: dict[str, str]) -> Json:
    """The claims, by the published keys alone."""
    token = headers["Authorization"].removeprefix("Bearer ")
    published = create_app(jira).test_client().get("/forge/jwks.json").get_json()
    keys = {key.key_id: key for key in PyJWKSet.from_dict(published).keys}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: Json = jwt.decode(
        token,
        key,
        algorithms=["RS256"],
        audience=APP_ID,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    return claims


def test_installed_is_told_with_a_token_for_its_endpoint(
    forge: Jira, stand_in: StandIn
) -> None:
    [(headers, body)] = calls(stand_in, "/forge/lifecycle")
    claims = verified(forge, headers)
    app = claims["app"]
    assert claims["iss"] == "forge/invocation-token"
    assert claims["exp"] - claims["iat"] == 25
    assert app["module"] == {"type": "core:endpoint", "key": "lifecycle"}
    assert app["installationId"] == app["installation"]["id"] == body["id"]
    assert app["apiBaseUrl"] == f"http://jira.test/ex/jira/{forge.site.cloud_id}"
    assert app["environment"]["type"] == "PRODUCTION"
    assert claims["context"]["moduleKey"] == "on-lifecycle"
    assert "principal" not in claims
    assert body["eventType"] == "avi:forge:installed:app"


def test_remote_is_where_the_sandbox_was_told_and_not_the_manifest(
    forge: Jira, stand_in: StandIn
) -> None:
    entry = forge.traffic.newest(1)[0]
    assert entry.url == f"{stand_in.base_url}/forge/lifecycle"
    assert entry.note == "Forge · avi:forge:installed:app"
    assert "x-forge-oauth-system" not in str(entry.json())


def test_reinstall_is_another_installation_of_the_same_site(
    forge: Jira, stand_in: StandIn
) -> None:
    forge.forge.install()
    first, second = (verified(forge, h) for h, _ in calls(stand_in, "/forge/lifecycle"))
    assert first["app"]["installationId"] != second["app"]["installationId"]
    assert first["context"]["cloudId"] == second["context"]["cloudId"]
    assert first["app"]["environment"] == second["app"]["environment"]
    assert first["jti"] != second["jti"]


def test_upgrade_keeps_the_installation(forge: Jira, stand_in: StandIn) -> None:
    forge.forge.upgrade()
    first, second = (body for _, body in calls(stand_in, "/forge/lifecycle"))
    assert first["id"] == second["id"]
    assert second["app"]["version"] == "2.0.0"
    assert second["eventType"] == "avi:forge:upgraded:app"


def test_tick_brings_a_system_token(forge: Jira, stand_in: StandIn) -> None:
    forge.forge.tick()
    [(headers, _)] = calls(stand_in, "/forge/tick")
    assert verified(forge, headers)["context"]["moduleKey"] == "hourly"
    token = headers["X-Forge-Oauth-System"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 4 * 3600


def test_system_token_is_the_same_until_two_hours_are_left(
    forge: Jira, stand_in: StandIn, clock: Clock
) -> None:
    for seconds in (0, 7199, 2):
        clock.advance(seconds)
        forge.forge.tick()
    tokens = [h["X-Forge-Oauth-System"] for h, _ in calls(stand_in, "/forge/tick")]
    assert tokens[0] == tokens[1] != tokens[2]


def test_goodbye_is_said_once_and_without_a_system_token(
    forge: Jira, stand_in: StandIn
) -> None:
    stand_in.status = 500
    forge.forge.uninstall()
    [(headers, _)] = calls(stand_in, "/forge/pre-uninstall")
    assert "X-Forge-Oauth-System" not in headers
    assert not forge.forge.is_installed
    assert forge.deliveries.pending() == 0


def test_vanishing_says_nothing(forge: Jira, stand_in: StandIn) -> None:
    forge.forge.vanish()
    assert calls(stand_in, "/forge/pre-uninstall") == []
    with pytest.raises(ForgeError, match="not installed"):
        forge.forge.tick()


def test_new_key_signs_and_the_one_before_stays_published(
    forge: Jira, stand_in: StandIn
) -> None:
    before = forge.forge.app.kept.keys[-1].kid
    kid = forge.forge.rotate_keys()
    forge.forge.tick()
    [(headers, _)] = calls(stand_in, "/forge/tick")
    token = headers["Authorization"].removeprefix("Bearer ")
    assert jwt.get_unverified_header(token)["kid"] == kid != before
    assert verified(forge, headers)["aud"] == APP_ID
    assert [key.kid for key in forge.forge.app.kept.keys] == [before, kid]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"app": {"id": "stand-in"}}, "app.id is no"),
        ({"remotes": []}, "no remote"),
        ({"modules": {"trigger": [{"key": "x", "endpoint": "none"}]}}, "no endpoint"),
        ({"app": None}, "has no app"),
    ],
)
def test_bad_manifest_is_not_deployed(
    make_jira: Callable[..., Jira], tmp_path: Path, changes: Json, why: str
) -> None:
    path = forge_stand_in.write(tmp_path, forge_stand_in.manifest() | changes)
    jira = make_jira(forge_manifest=path)
    with pytest.raises(ForgeError, match=why):
        jira.forge.install()
    assert not jira.forge.is_installed


def test_restart_goes_on_with_the_same_installation(
    make_jira: Callable[..., Jira], tmp_path: Path, stand_in: StandIn
) -> None:
    given = {
        "forge_manifest": forge_stand_in.write(tmp_path),
        "state_path": tmp_path / "state.json",
    }
    make_jira(**given).forge.install()
    again = make_jira(**given)
    again.forge.tick()
    [(_, installed)] = calls(stand_in, "/forge/lifecycle")
    [(headers, _)] = calls(stand_in, "/forge/tick")
    assert verified(again, headers)["app"]["installationId"] == installed["id"]


def test_reset_takes_the_app_away(forge: Jira) -> None:
    forge.reset()
    assert not forge.forge.is_installed
    assert forge.forge.manifest_path is not None
