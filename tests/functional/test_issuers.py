"""Discovery and key sets, as receivers read them; T14 where two hands turn the keys."""

import json
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from flask import Flask

from app import keys
from app.destinations import issuer
from app.http import Response
from app.keys import KeyState, Rotation, SigningKey
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.conftest import BASE_URL
from tests.functional.fakes import Wire, call
from tests.functional.receiving import Desk, open_desk

DAY = timedelta(days=1)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    made = open_desk(runtime, app, site, worker, wire)
    made.set_up()
    return made


def get(desk: Desk, path: str, **headers: str) -> Response:
    return call(desk.app, "GET", f"{BASE_URL}/issuers/{path}", headers, b"")


def read(answer: Response) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(answer.body)
    return found


def states(desk: Desk) -> list[KeyState]:
    with desk.runtime.sessions.begin() as session:
        return [key.state for key in keys.listed(session, desk.tenant_id)]


def test_discovery_says_what_receivers_need(desk: Desk) -> None:
    tenant_id = desk.tenant_id

    answer = get(desk, f"{tenant_id}/.well-known/openid-configuration")

    found = read(answer)
    assert answer.status == 200
    assert found["issuer"] == issuer(BASE_URL, tenant_id)
    assert found["jwks_uri"] == f"{found['issuer']}/jwks.json"
    assert found["response_types_supported"] == ["id_token"]
    assert found["subject_types_supported"] == ["public"]
    assert found["id_token_signing_alg_values_supported"] == ["RS256"]


def test_every_claim_of_a_token_is_listed(desk: Desk) -> None:
    destination_id, _ = desk.set_up(name="Another", environment="production")
    desk.deliver(destination_id)

    claims = desk.verified(desk.receiver.tokens[0])

    path = f"{desk.tenant_id}/.well-known/openid-configuration"
    assert set(claims) <= set(read(get(desk, path))["claims_supported"])


@pytest.mark.parametrize("name", [".well-known/openid-configuration", "jwks.json"])
def test_both_may_be_kept_for_five_minutes_by_anybody(desk: Desk, name: str) -> None:
    answer = get(desk, f"{desk.tenant_id}/{name}")

    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Content-Type"] == "application/json"
    assert "Set-Cookie" not in answer.headers


def test_t14_key_set_is_what_receivers_take(desk: Desk) -> None:
    found = desk.key_set()

    assert len(found["keys"]) == 2
    for key in found["keys"]:
        assert set(key) == {"kty", "kid", "use", "alg", "n", "e"}
        assert jwt.PyJWK(key).key.key_size == 2048


@pytest.mark.parametrize("name", [".well-known/openid-configuration", "jwks.json"])
def test_unknown_tenant_has_no_issuer(desk: Desk, name: str) -> None:
    assert get(desk, f"{uuid.uuid4()}/{name}").status == 404
    assert get(desk, f"not-a-tenant/{name}").status == 404


def test_t14_last_tokens_can_be_checked_after_an_uninstall(desk: Desk) -> None:
    assert desk.jira.uninstall().is_good
    assert len(desk.key_set()["keys"]) == 1

    desk.clock.advance(keys.reading.RETIREMENT)

    assert desk.key_set()["keys"] == []


def test_t14_site_that_comes_back_signs_with_other_keys(desk: Desk) -> None:
    destination_id, _ = desk.set_up(name="Another")
    before = {key["kid"] for key in desk.key_set()["keys"]}
    assert desk.jira.uninstall().is_good
    desk.clock.advance(timedelta(minutes=10))
    assert desk.jira.install().is_good

    desk.deliver(destination_id)

    assert desk.verified(desk.receiver.tokens[0])
    assert before.isdisjoint(key["kid"] for key in desk.key_set()["keys"])


def test_site_that_never_had_keys_gets_none_by_itself(
    app: Flask, site: Jira, runtime: Runtime
) -> None:
    del app
    assert site.install().is_good

    with runtime.sessions.begin() as session:
        assert session.scalars(sa.select(SigningKey)).all() == []


def test_t14_worker_rotates_on_schedule(desk: Desk) -> None:
    desk.clock.advance(90 * DAY - timedelta(seconds=1))
    desk.worker.rotate_keys()
    assert states(desk) == [KeyState.NEXT, KeyState.ACTIVE]

    desk.clock.advance(timedelta(seconds=1))
    desk.worker.rotate_keys()
    desk.worker.rotate_keys()

    assert states(desk) == [KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING]
    assert len(desk.events("key-rotated")) == 1


def test_t14_two_workers_at_once_rotate_once(desk: Desk) -> None:
    desk.clock.advance(90 * DAY)
    together = threading.Barrier(2)

    def rotate() -> None:
        together.wait()
        Worker(runtime=desk.runtime).rotate_keys()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(rotate), pool.submit(rotate)]:
            done.result()

    assert states(desk) == [KeyState.NEXT, KeyState.ACTIVE, KeyState.RETIRING]
    assert len(desk.events("key-rotated")) == 1


def test_t14_two_hands_at_once_give_a_tenant_one_set(desk: Desk) -> None:
    with desk.runtime.sessions.begin() as session:
        keys.end(session, desk.tenant_id, now=desk.clock())
    together = threading.Barrier(2)
    tenant_id = desk.tenant_id

    def ensure() -> None:
        fresh = keys.make(2)
        rotation = Rotation(
            tenant_id=tenant_id, actor="ada", now=desk.clock(), fresh=fresh
        )
        together.wait()
        with desk.runtime.sessions.begin() as session:
            keys.ensure(session, desk.runtime.keyring, rotation)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(ensure), pool.submit(ensure)]:
            done.result()

    assert sorted(states(desk))[:2] == [KeyState.ACTIVE, KeyState.NEXT]
    assert states(desk).count(KeyState.ACTIVE) == 1
    assert states(desk).count(KeyState.NEXT) == 1


def test_t14_revoked_key_proves_nothing_from_now_on(desk: Desk) -> None:
    destination_id, _ = desk.set_up(name="Another")
    desk.deliver(destination_id)
    token = desk.receiver.tokens[0]
    assert desk.verified(token)

    rotation = Rotation(
        tenant_id=desk.tenant_id, actor="ada", now=desk.clock(), fresh=keys.make(1)
    )
    with desk.runtime.sessions.begin() as session:
        keys.revoke_active(session, desk.runtime.keyring, rotation)

    with pytest.raises(KeyError):
        desk.verified(token)
    desk.fire("DEMO-3")
    desk.worker.drain()
    assert desk.verified(desk.receiver.tokens[1])


def test_t5_key_of_one_tenant_is_in_no_other_tenants_set(desk: Desk) -> None:
    destination_id, _ = desk.set_up(name="Another")
    other = desk.move_to_another_tenant(destination_id)

    assert get(desk, f"{other}/.well-known/openid-configuration").status == 200
    assert read(get(desk, f"{other}/jwks.json")) == {"keys": []}
