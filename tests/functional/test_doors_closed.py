"""Each door can be shut by a setting; the other, and what both share, stay open."""

import dataclasses
from collections.abc import Mapping

import pytest
from flask import Flask

from app.runtime import Runtime
from app.web import create_app
from tests.functional.conftest import BASE_URL
from tests.functional.fakes import call

OF_CONNECT = [
    "GET /atlassian-connect.json",
    "POST /lifecycle/installed",
    "POST /lifecycle/uninstalled",
    "POST /lifecycle/enabled",
    "POST /lifecycle/disabled",
    "POST /post-function/triggered",
    "GET /post-function/create",
    "GET /config",
    "GET /api/v1/pages/overview",
    "POST /api/v1/downloads",
]
OF_FORGE = [
    "POST /forge/post-function",
    "POST /forge/lifecycle",
    "POST /forge/tick",
    "POST /forge/pre-uninstall",
    "GET /forge/api/v1/pages/overview",
    "POST /forge/api/v1/downloads",
]
OF_DATACENTER = [
    "POST /datacenter/session/renew",
    "GET /datacenter/api/v1/pages/overview",
    "POST /datacenter/api/v1/downloads",
]
OF_BOTH = ["GET /healthz", "GET /readyz"]
SHUT = 404
PREFIXES = ("/forge/", "/datacenter", "/api/v1/", "/lifecycle/", "/post-function/")
FORGE_ONLY = {"doors": ("forge",)}
CONNECT_ONLY = {"doors": ("connect", "datacenter")}
DATACENTER_ONLY = {"doors": ("datacenter",)}
NO_APP_ID = {"forge_app_id": ""}


def built(runtime: Runtime, changes: Mapping[str, object]) -> Flask:
    """Make the web edge anew: which doors there are is settled when it is made."""
    settings = runtime.settings.model_copy(update=changes)
    return create_app(dataclasses.replace(runtime, settings=settings))


def status(app: Flask, door: str) -> int:
    method, path = door.split(" ")
    return call(app, method, f"{BASE_URL}{path}", {}, b"{}").status


def prefixes(app: Flask) -> set[str]:
    """Return how the addresses of doors begin, of those that only one side has."""
    paths = [rule.rule for rule in app.url_map.iter_rules()]
    return {known for known in PREFIXES if any(p.startswith(known) for p in paths)}


def test_connect_can_be_shut(runtime: Runtime) -> None:
    app = built(runtime, FORGE_ONLY)

    assert {door: status(app, door) for door in OF_CONNECT} == dict.fromkeys(
        OF_CONNECT, SHUT
    )
    assert prefixes(app) == {"/forge/"}
    assert {status(app, door) for door in OF_FORGE} == {401}
    assert {status(app, door) for door in OF_BOTH} == {200}


@pytest.mark.parametrize("changes", [CONNECT_ONLY, NO_APP_ID], ids=["door", "app-id"])
def test_forge_is_shut_by_its_door_and_without_an_app(
    runtime: Runtime, changes: Mapping[str, object]
) -> None:
    app = built(runtime, changes)

    assert {door: status(app, door) for door in OF_FORGE} == dict.fromkeys(
        OF_FORGE, SHUT
    )
    assert prefixes(app) == set(PREFIXES) - {"/forge/"}
    assert status(app, OF_CONNECT[0]) == 200
    assert {status(app, door) for door in OF_CONNECT[1:]} == {401}
    assert {status(app, door) for door in OF_BOTH} == {200}


def test_self_managed_sites_have_a_door_of_their_own(runtime: Runtime) -> None:
    app = built(runtime, DATACENTER_ONLY)

    assert prefixes(app) == {"/datacenter"}
    assert {status(app, door) for door in OF_DATACENTER} == {401}
    assert {status(app, door) for door in (*OF_CONNECT, *OF_FORGE)} == {SHUT}
    shut = built(runtime, FORGE_ONLY)
    assert {status(shut, door) for door in OF_DATACENTER} == {SHUT}


def test_all_are_open_at_first(runtime: Runtime) -> None:
    app = built(runtime, {})

    assert prefixes(app) == set(PREFIXES)
    found = {status(app, door) for door in (*OF_CONNECT, *OF_FORGE)}
    assert found == {200, 401}


def test_what_both_share_is_all_that_is_left_beside_forge(runtime: Runtime) -> None:
    app = built(runtime, FORGE_ONLY)

    paths = {rule.rule for rule in app.url_map.iter_rules()}
    shared = {path for path in paths if not path.startswith("/forge/")}
    assert shared == {
        "/.well-known/security.txt",
        "/healthz",
        "/readyz",
        "/metrics",
        "/doctor/target/<path:rest>",
        "/downloads/<unverified_ticket>",
        "/issuers/<uuid:tenant_id>/.well-known/openid-configuration",
        "/issuers/<uuid:tenant_id>/jwks.json",
        "/listeners/<uuid:listener_id>",
        "/static/<version>/<name>",
    }
