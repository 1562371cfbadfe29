"""Signing keys on their page: what they are, who rotates and revokes them (T14)."""

import json
import re

import pytest
from flask import Flask

from app.http import Response
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.callers import BASE_URL, Caller
from tests.functional.fakes import Clock, Wire
from tests.functional.receiving import Desk, open_desk
from tests.functional.test_destinations import actors


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


def page(caller: Caller) -> str:
    answer = caller.send("GET", "/api/v1/pages/keys", token=caller.context())
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def post(caller: Caller, path: str, body: object = None) -> Response:
    data = json.dumps(body or {}).encode()
    path = f"/api/v1/keys/{path}"
    return caller.send("POST", path, token=caller.context(), body=data)


def kids(desk: Desk) -> list[str]:
    return [key["kid"] for key in desk.key_set()["keys"]]


def states(caller: Caller) -> list[str]:
    return re.findall(r'class="lozenge[^"]*">([^<]*)<', page(caller))


def test_page_without_keys_says_when_they_are_made(caller: Caller, desk: Desk) -> None:
    shown = page(caller)

    assert "None yet. They are made with the first destination" in shown
    assert f'value="{BASE_URL}/issuers/{desk.tenant_id}"' in shown
    for path in ("rotate", "revoke"):
        answer = post(caller, path, {"scope": "all"})
        assert answer.status == 409
        assert "no keys yet" in json.loads(answer.body)["message"]


def test_page_shows_keys_their_days_and_where_receivers_find_them(
    caller: Caller, desk: Desk
) -> None:
    desk.set_up()
    caller.later(days=30)

    shown = page(caller)

    assert states(caller) == ["Next", "Active"]
    assert "in 60 days, by itself" in shown
    for kid in kids(desk):
        assert f"<code>{kid}</code>" in shown
    issuer = f"{BASE_URL}/issuers/{desk.tenant_id}"
    assert f'value="{issuer}/.well-known/openid-configuration"' in shown
    assert f'value="{issuer}/jwks.json"' in shown
    assert "PRIVATE" not in shown


def test_t14_key_that_receivers_may_not_know_does_not_sign_yet(
    caller: Caller, desk: Desk
) -> None:
    desk.set_up()
    before = kids(desk)

    answer = post(caller, "rotate")

    assert answer.status == 409
    said = json.loads(answer.body)["message"]
    assert "published for 24 hours before it signs, until 2026-11-24 12:00 UTC" in said
    assert kids(desk) == before
    assert "Rotating is possible from" in page(caller)


def test_t14_rotated_key_stays_published_until_its_last_token_expired(
    caller: Caller, desk: Desk
) -> None:
    desk.set_up()
    old_active, old_next = kids(desk)
    caller.later(hours=25)

    assert post(caller, "rotate").status == 204

    assert kids(desk)[:2] == [old_active, old_next]
    assert states(caller) == ["Next", "Active", "Retired"]
    assert "published until" in page(caller)
    caller.later(minutes=10)
    assert old_active not in kids(desk)
    assert actors(desk, "key-rotated") == [people.named("ada").account_id]


def test_t14_revoked_active_key_leaves_at_once_and_the_next_one_signs(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    old_active, old_next = kids(desk)

    assert post(caller, "revoke", {"scope": "active"}).status == 204

    assert old_active not in kids(desk)
    assert states(caller) == ["Next", "Active", "Revoked"]
    desk.deliver(key)
    desk.verified(desk.receiver.tokens[0])
    assert old_next in kids(desk)
    assert actors(desk, "key-revoked") == [people.named("ada").account_id]


def test_t14_all_keys_revoked_leave_no_old_one(caller: Caller, desk: Desk) -> None:
    desk.set_up()
    before = set(kids(desk))

    assert post(caller, "revoke", {"scope": "all"}).status == 204

    assert before.isdisjoint(kids(desk))
    assert len(kids(desk)) == 2


@pytest.mark.parametrize("scope", [None, "", "some", ["all"], 7])
def test_revoking_asks_which(caller: Caller, desk: Desk, scope: object) -> None:
    desk.set_up()
    before = kids(desk)

    assert post(caller, "revoke", {"scope": scope}).status == 400
    assert kids(desk) == before


def test_t10_who_is_no_admin_rotates_and_revokes_nothing(
    caller: Caller, desk: Desk
) -> None:
    desk.set_up()
    caller.later(hours=25)
    before = kids(desk)

    for path in ("rotate", "revoke"):
        data = json.dumps({"scope": "all"}).encode()
        token = caller.context("dee")
        answer = caller.send("POST", f"/api/v1/keys/{path}", token=token, body=data)
        assert answer.status == 403
    assert kids(desk) == before
