"""The door for callers other than Jira: who gets in, and what is told of it (T17)."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app import listeners
from app.audit import AuditEvent
from app.http import Response
from app.listeners import Called, Listener
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.tokens.checks import Reason
from app.tokens.listener import Heard
from app.web import refusals as limits
from app.web.limits import Limit
from app.web.listeners import answering
from app.worker import Worker
from sandbox import Jira
from tests.functional import bots
from tests.functional.bots import Bot
from tests.functional.callers import BASE_URL, Caller
from tests.functional.doors import ANSWER
from tests.functional.fakes import Clock, Wire, call
from tests.functional.receiving import Desk, open_desk

REFUSED = b'{"error":"unauthorized"}\n'
Said = list[tuple[Called, Heard, Mapping[str, Any]]]
NOW = int(Clock()().timestamp())


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture
def bot(desk: Desk) -> Bot:
    return bots.create(desk)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What comes through the door, where somebody waits for it."""
    found: Said = []
    monkeypatch.setattr(answering, "hear", lambda *given: found.append(given))
    return found


def post(
    desk: Desk,
    bot: Bot,
    body: object = ANSWER,
    *,
    query: str = "",
    token: str | None = None,
    scheme: str = "Bearer",
    **claims: Any,
) -> Response:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    shown = bot.token(sent, desk.clock, **claims) if token is None else token
    headers = {"Authorization": f"{scheme} {shown}"} if shown else {}
    return call(desk.app, "POST", f"{BASE_URL}{bot.path}{query}", headers, sent)


def refusals(desk: Desk) -> list[AuditEvent]:
    wanted = sa.select(AuditEvent).where(AuditEvent.kind == "verification-refused")
    with desk.runtime.sessions.begin() as session:
        found = list(session.scalars(wanted.order_by(AuditEvent.id)))
        session.expunge_all()
    return found


def test_good_call_goes_through_with_what_its_token_says(
    desk: Desk, bot: Bot, said: Said
) -> None:
    answer = post(desk, bot, sub="job-7")

    assert (answer.status, answer.body) == (204, b"")
    [(called, heard, body)] = said
    assert (called.tenant_id, called.id) == (desk.tenant_id, bot.id)
    assert (heard.subject, body) == ("job-7", ANSWER)
    with desk.runtime.sessions.begin() as session:
        assert session.get_one(Listener, bot.id).heard_at == desk.clock()
    assert refusals(desk) == []


def test_answer_that_no_run_waits_for_is_refused_in_the_tenants_log(
    desk: Desk, bot: Bot
) -> None:
    answer = post(desk, bot)

    assert (answer.status, answer.body) == (401, REFUSED)
    [event] = refusals(desk)
    assert (event.tenant_id, event.actor) == (desk.tenant_id, "listener")
    assert event.facts["reason"] == Reason.UNKNOWN_ANSWER
    assert event.facts["listener"] == str(bot.id)
    assert event.facts["route"] == "listening.hear"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"body_sha256": "0" * 64}, Reason.BODY_MISMATCH),
        ({"iat": NOW - 900, "exp": NOW - 720}, Reason.EXPIRED),
        ({"aud": BASE_URL}, Reason.WRONG_AUDIENCE),
        ({"jti": None}, Reason.MISSING_CLAIM),
        ({"iss": "somebody"}, Reason.WRONG_ISSUER),
    ],
    ids=str,
)
def test_t13_what_the_signature_proves_stands_in_the_tenants_log(
    desk: Desk, bot: Bot, said: Said, how: dict[str, Any], reason: Reason
) -> None:
    answer = post(desk, bot, **how)

    assert (answer.status, answer.body) == (401, REFUSED)
    [event] = refusals(desk)
    assert (event.tenant_id, event.facts["reason"]) == (desk.tenant_id, reason)
    assert said == []


def test_t13_one_caller_does_not_hide_another_ones_refusals_nor_jiras(
    desk: Desk, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack, or accident: a build answers with a wrong key, again and again."""
    monkeypatch.setattr(limits, "PROVEN", Limit(per_minute=3, per_hour=9))
    other = bots.create(desk, "Other")
    for _ in range(5):
        post(desk, bot)
    post(desk, other)
    jira = Caller(app=desk.app, jira=desk.jira, clock=desk.clock)
    late = jira.url_bound("POST", "/lifecycle/enabled", iat=NOW - 900, exp=NOW - 720)
    assert jira.lifecycle("enabled", late, {}) == 401

    found = [(event.actor, event.facts.get("listener")) for event in refusals(desk)]
    assert found == [
        *[("listener", str(bot.id))] * 3,
        ("listener", str(other.id)),
        ("jira", None),
    ]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"token": ""}, Reason.MISSING),
        ({"token": "garbage"}, Reason.MALFORMED),
        ({"token": "a" * 9000}, Reason.TOO_LONG),
        ({"scheme": "JWT"}, Reason.MISSING),
        ({"scheme": "Basic"}, Reason.MISSING),
        ({"query": "?jwt=a.b.c"}, Reason.TWO_PLACES),
    ],
    ids=str,
)
def test_t0_token_is_in_one_place_and_nowhere_else(
    desk: Desk, bot: Bot, said: Said, how: dict[str, Any], reason: Reason
) -> None:
    answer = post(desk, bot, **how)

    assert (answer.status, answer.body) == (401, REFUSED)
    [event] = refusals(desk)
    assert (event.tenant_id, event.facts["reason"]) == (None, reason)
    assert event.claimed_issuer == f"{BASE_URL}{bot.path}"
    assert said == []


def test_t0_two_tokens_in_one_header_are_none(desk: Desk, bot: Bot) -> None:
    good = bot.token(ANSWER, desk.clock)

    assert post(desk, bot, token=f"{good}, Bearer {good}").body == REFUSED
    assert [event.facts["reason"] for event in refusals(desk)] == [Reason.MALFORMED]


def test_t0c_whoever_asks_finds_out_nothing_about_listeners(
    desk: Desk, bot: Bot, said: Said
) -> None:
    """Attack: answers that differ tell which listeners there are, and how they are."""
    others = [bots.create(desk, name) for name in ("paused", "deleted")]
    change = desk.change()
    with desk.runtime.sessions.begin() as session:
        listeners.pause(session, change, others[0].id)
        listeners.delete(session, change, others[1].id)
    nobodys = Bot(uuid.uuid4(), bot.secret)
    stranger = Bot(bot.id, "x" * 43)

    found = [post(desk, each) for each in (*others, nobodys, stranger)]
    tenant_id = desk.tenant_id
    with desk.runtime.sessions.begin() as session:
        session.get_one(Tenant, tenant_id).state = State.UNINSTALLED
    found.append(post(desk, bot))

    assert {(each.status, each.body) for each in found} == {(401, REFUSED)}
    assert [event.facts["reason"] for event in refusals(desk)] == [
        Reason.LISTENER_PAUSED,
        Reason.UNKNOWN_LISTENER,
        Reason.UNKNOWN_LISTENER,
        Reason.BAD_SIGNATURE,
        Reason.TENANT_UNINSTALLED,
    ]
    assert {event.tenant_id for event in refusals(desk)} == {None}
    assert said == []


@pytest.mark.parametrize(
    "changes",
    [
        {"run": "7"},
        {"run": None},
        {"answer_key": "k" * 15},
        {"answer_key": "k" * 201},
        {"answer_key": "k" * 20 + "\n"},
        {"answer_key": "k" * 20 + "/"},
        {"result": "skipped"},
        {"message": "x" * 1001},
        {"message": "a\nb"},
        {"message": "\x1b[0m done"},
        {"url": "javascript:alert(1)"},
        {"url": "https://ci.example/\n"},
        {"url": "https://" + "x" * 2000},
        {"more": 1},
    ],
    ids=range(14),
)
def test_what_is_no_answer_is_named_by_its_key_and_never_quoted(
    desk: Desk, bot: Bot, changes: dict[str, Any]
) -> None:
    answer = post(desk, bot, ANSWER | changes)

    assert answer.status == 400
    [key] = changes
    assert key in json.loads(answer.body)["message"]
    assert b"kkkkk" not in answer.body


def test_whole_answer_is_understood() -> None:
    whole = ANSWER | {"message": "Déployé ✓", "url": "https://ci.example/runs/7?a=b"}

    assert answering.read(whole).result == "succeeded"
    assert "kkkk" not in repr(answering.read(whole))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 5000, b"\xff"])
def test_body_is_a_json_object(desk: Desk, bot: Bot, body: bytes, said: Said) -> None:
    assert post(desk, bot, body).status == 400
    assert said == []


def test_body_has_at_most_64_kilobytes(desk: Desk, bot: Bot, said: Said) -> None:
    filler = "x" * (64 * 1024 - len(json.dumps({"a": ""})))

    assert post(desk, bot, {"a": filler}).status == 204
    assert post(desk, bot, {"a": filler + "x"}).status == 413
    assert len(said) == 1
