"""A Jira with a frozen clock and a stand-in for the add-on, all in one process."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox import Jira, create_app, qsh, speak_for, tokens
from tests.sandbox import forge_stand_in
from tests.sandbox.datacenter import CONTEXT, Api, Ear
from tests.sandbox.stand_in import KEY, StandIn

Json = dict[str, Any]


@dataclass
class Clock:
    time: datetime = field(
        default_factory=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)
    )

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Rest:
    """Calls the REST API as the add-on does; any part can be made wrong."""

    client: FlaskClient
    jira: Jira
    clock: Clock

    def token(self, method: str, target: str, **changes: Any) -> str:
        secret = changes.pop("secret", self.jira.site.shared_secret)
        claims = {
            "iss": KEY,
            **tokens.times(self.clock()),
            "qsh": qsh.of(method, target),
        }
        kept = {k: v for k, v in (claims | changes).items() if v is not None}
        return tokens.sign(kept, secret)

    def __call__(
        self, method: str, target: str, body: object = None, **changes: Any
    ) -> TestResponse:
        token = self.token(method, target, **changes)
        return self.open(method, target, body, token)

    def open(
        self, method: str, target: str, body: object = None, token: str = ""
    ) -> TestResponse:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"JWT {token}"
        data = None if body is None else json.dumps(body)
        return self.client.open(target, method=method, headers=headers, data=data)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def make_jira(clock: Clock, stand_in: StandIn) -> Callable[..., Jira]:
    def make(**given: Any) -> Jira:
        settings: Json = {
            "now": clock,
            "addon_base_url": stand_in.base_url,
            "base_url": "http://jira.test",
            "transport": stand_in.transport,
            "background": False,
        }
        return Jira(**(settings | given))

    return make


@pytest.fixture
def jira(make_jira: Callable[..., Jira]) -> Jira:
    jira = make_jira()
    jira.install()
    return jira


@pytest.fixture(scope="session")
def lent() -> Flask:
    """The doors of one Jira after the other: their routes are compiled once."""
    return create_app(Jira(base_url="http://nobody.test", background=False))


@pytest.fixture
def forge(make_jira: Callable[..., Jira], tmp_path: Path, stand_in: StandIn) -> Jira:
    """A site with the Forge app alone."""
    stand_in.doors.append(forge_stand_in.serve)
    jira = make_jira(forge_manifest=forge_stand_in.write(tmp_path))
    jira.forge.install()
    return jira


@pytest.fixture
def client(lent: Flask, jira: Jira) -> FlaskClient:
    speak_for(jira, lent)
    return lent.test_client()


@pytest.fixture
def rest(client: FlaskClient, jira: Jira, clock: Clock) -> Rest:
    return Rest(client, jira, clock)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def self_managed(make_jira: Callable[..., Jira], ear: Ear) -> Jira:
    return make_jira(is_datacenter=True, context_path=CONTEXT, transport=ear)


@pytest.fixture
def api(lent: Flask, self_managed: Jira) -> Api:
    speak_for(self_managed, lent)
    return Api(lent.test_client(), self_managed)
