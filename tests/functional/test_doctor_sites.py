"""What the doctor says of one site, whatever its Jira answers and its keys are."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app import doctor, keys, vault
from app.connect import descriptor
from app.crypto import Secret
from app.doctor import Finding, databases
from app.http import ForbiddenError, Request, Response, SendError
from app.keys import KeyState, SigningKey
from app.runtime import Runtime
from app.tenants import Tenant
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import BASE_URL
from tests.functional.conftest import SITE
from tests.functional.fakes import Answer, Clock, Wire, call
from tests.functional.receiving import Desk, open_desk

HOST = SITE.partition("//")[2]
LONGEST = timedelta(seconds=8)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture(autouse=True)
def outside(app: Flask, wire: Wire) -> None:
    """Our own address leads to us."""
    wire.elsewhere[BASE_URL.partition("//")[2]] = lambda request: call(
        app,
        "GET",
        BASE_URL + (request.target or request.url.removeprefix(BASE_URL)),
        {},
        b"",
    )


def examined(runtime: Runtime) -> dict[str, Finding]:
    """Look at the only site; return the first finding of each check."""
    with runtime.sessions.begin() as session:
        [tenant_id] = doctor.active(session)
        site = doctor.read(session, runtime, tenant_id)
    findings = list(doctor.of_site(runtime, site, LONGEST))
    return {each.check: each for each in reversed(findings)}


@pytest.mark.parametrize(
    ("answer", "health", "said"),
    [
        (Response(status=200), "ok", "takes calls that we sign"),
        (Response(status=401), "fail", "wrong secret: "),
        (Response(status=429), "warn", "with 429"),
        (Response(status=503), "warn", "with 503"),
        (Response(status=302), "fail", "with 302"),
        (SendError(f"the name {HOST} was not found", sent=False), "fail", "DNS: "),
        (SendError("SSLError", sent=True), "fail", "TLS: "),
    ],
    ids=["200", "401", "429", "503", "302", "dns", "tls"],
)
def test_answer_of_jira_is_judged(
    runtime: Runtime, site: Jira, wire: Wire, answer: Answer, health: str, said: str
) -> None:
    del site
    wire.elsewhere[HOST] = lambda _: answer

    found = examined(runtime)["secret"]

    assert found.health == health
    assert said in found.saw
    assert (found.health == "ok") == (not found.do)


def test_jira_that_takes_only_another_secret_is_told(
    runtime: Runtime, site: Jira, clock: Clock
) -> None:
    del site
    with runtime.sessions.begin() as session:
        owner = session.scalars(sa.select(Tenant)).one().shared_secret
        fresh, grace = Secret("n" * 40), timedelta(minutes=10)
        vault.put(session, runtime.keyring, owner, fresh, now=clock(), grace=grace)

    found = examined(runtime)["secret"]

    assert found.health == "warn"
    assert "calls by another secret than the newest one only" in found.saw
    # For a second after a re-install it is so, and nothing is to be done.
    assert found.do.startswith("Look again in a minute")


def test_site_without_a_secret_is_told(runtime: Runtime, site: Jira) -> None:
    del site
    with runtime.sessions.begin() as session:
        vault.forget(session, session.scalars(sa.select(Tenant)).one().shared_secret)

    found = examined(runtime)["secret"]

    assert found.health == "fail"
    assert "we hold no secret of this site" in found.saw


def test_forge_that_lends_no_token_is_told(
    runtime: Runtime, forge_site: Jira, clock: Clock
) -> None:
    del forge_site
    clock.advance(timedelta(hours=5))

    found = examined(runtime)

    assert found["forge-token"].health == "warn"
    assert "Forge lends no token" in found["forge-token"].saw
    assert "secret" not in found


def without_next(key: SigningKey) -> None:
    if key.state is KeyState.NEXT:
        key.state = KeyState.REVOKED


def without_active(key: SigningKey) -> None:
    if key.state is KeyState.ACTIVE:
        key.state = KeyState.REVOKED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_next, "no next key is published"),
        (without_active, "no key of it is active"),
    ],
)
def test_keys_that_cannot_go_on_are_told(
    runtime: Runtime, desk: Desk, change: Callable[[SigningKey], None], said: str
) -> None:
    desk.set_up()
    assert examined(runtime)["signing-keys"].health == "ok"
    with runtime.sessions.begin() as session:
        for key in session.scalars(sa.select(SigningKey)):
            change(key)

    found = examined(runtime)["signing-keys"]

    assert found.health == "fail"
    assert said in found.saw


@pytest.mark.parametrize(
    ("late", "health"), [(timedelta(hours=1), "ok"), (timedelta(hours=3), "fail")]
)
def test_next_key_is_overdue_once_a_worker_should_have_been_there(
    runtime: Runtime, desk: Desk, clock: Clock, late: timedelta, health: str
) -> None:
    desk.set_up()
    clock.advance(timedelta(days=runtime.settings.key_rotation_days) + late)

    assert examined(runtime)["signing-keys"].health == health


@pytest.mark.parametrize(
    ("headers", "health"),
    [
        ({"Cache-Control": "public, max-age=300"}, "ok"),
        ({"Cache-Control": "public,max-age=300", "Age": "299"}, "ok"),
        ({"Cache-Control": "public, max-age=300", "Age": "3600"}, "warn"),
        ({"Cache-Control": "public, max-age=86400"}, "warn"),
        ({}, "warn"),
    ],
    ids=["ours", "remembered", "too old", "another age", "none"],
)
def test_key_set_must_not_be_remembered_for_longer_than_it_says(
    runtime: Runtime,
    desk: Desk,
    wire: Wire,
    headers: dict[str, str],
    health: str,
) -> None:
    desk.set_up()
    here = BASE_URL.partition("//")[2]
    through = wire.elsewhere[here]

    def cached(request: Request) -> Answer:
        answer = through(request)
        if not request.url.endswith("/jwks.json"):
            return answer
        assert isinstance(answer, Response)
        return Response(status=200, headers=headers, body=answer.body)

    wire.elsewhere[here] = cached

    assert examined(runtime)["jwks"].health == health


def test_key_set_of_another_database_is_told_apart_from_a_stale_one(
    runtime: Runtime, desk: Desk, wire: Wire
) -> None:
    desk.set_up()
    here = BASE_URL.partition("//")[2]
    through = wire.elsewhere[here]
    wire.elsewhere[here] = lambda request: (
        Response(status=404) if "/jwks.json" in request.url else through(request)
    )

    found = examined(runtime)["jwks"]

    assert found.health == "fail"
    assert "is not ours: it is answered 404" in found.saw
    assert "the same database" in found.do


@pytest.mark.parametrize(
    ("status", "health"), [(404, "ok"), (403, "ok"), (503, "warn"), (302, "fail")]
)
def test_host_of_install_keys_is_judged_by_its_answer(
    runtime: Runtime, site: Jira, wire: Wire, status: int, health: str
) -> None:
    del site
    wire.elsewhere[HOST] = lambda _: Response(status=status)

    found = {each.check: each for each in doctor.everywhere(runtime, [])}

    assert found["install-keys"].health == health
    assert found["forge-keys"].health == ("warn" if status == 503 else "fail")


def test_disk_that_is_nearly_full_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/countersign.sqlite"
    monkeypatch.setattr(databases, "LEAST_FREE", 0)
    assert [each.health for each in databases.room(url)] == ["ok"]
    monkeypatch.setattr(databases, "LEAST_FREE", 10**18)

    assert [each.health for each in databases.room(url)] == ["warn"]
    assert list(databases.room("postgresql+psycopg://db/x")) == []


@pytest.mark.parametrize(
    ("change", "health", "said"),
    [
        ({"key": "another"}, "fail", "another key than ours"),
        ({"baseUrl": "https://old.example"}, "fail", "is at https://old.example"),
        ({"lifecycle": {}}, "fail", "another lifecycle than ours"),
        ({"modules": {}}, "warn", "differs from ours in modules"),
    ],
    ids=["key", "base URL", "lifecycle", "modules"],
)
def test_descriptor_that_is_not_ours_is_named_by_what_differs(
    runtime: Runtime,
    site: Jira,
    wire: Wire,
    change: dict[str, object],
    health: str,
    said: str,
) -> None:
    del site
    served = descriptor.render(BASE_URL, runtime.settings.app_key) | change
    answered(wire, "/atlassian-connect.json", json.dumps(served).encode())

    found = examined(runtime)["descriptor"]

    assert found.health == health
    assert said in found.saw


@pytest.mark.parametrize("body", [b"[]", b"<html>", b"[" * 100_000])
def test_descriptor_that_is_none_is_told(
    runtime: Runtime, site: Jira, wire: Wire, body: bytes
) -> None:
    del site
    answered(wire, "/atlassian-connect.json", body)

    assert "no descriptor is served there" in examined(runtime)["descriptor"].saw


def answered(wire: Wire, path: str, body: bytes) -> None:
    """Have our own address answer so at one path."""
    here = BASE_URL.partition("//")[2]
    through = wire.elsewhere[here]
    wire.elsewhere[here] = lambda request: (
        Response(status=200, body=body) if path in request.url else through(request)
    )


@pytest.mark.parametrize(
    ("base_url", "health", "said"),
    [
        (BASE_URL, "warn", "from here nobody can look as Jira does"),
        ("https://10.0.0.7", "fail", "we may not ask 10.0.0.7"),
    ],
)
def test_name_that_leads_inside_is_no_proof_and_an_inner_address_is(
    runtime: Runtime, wire: Wire, base_url: str, health: str, said: str
) -> None:
    """Inside, the name may lead to the proxy's inner address, and outside to Jira's."""
    forbidden = ForbiddenError("it leads to an address that is not public")
    wire.elsewhere[base_url.partition("//")[2]] = lambda _: forbidden
    settings = runtime.settings.model_copy(update={"base_url": base_url})

    found = {
        each.check: each
        for each in doctor.everywhere(replace(runtime, settings=settings), [])
    }

    assert found["base-url"].health == health
    assert said in found["base-url"].saw
    assert found["targets"].health == "skipped"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda served: served[:1], "is missing"),
        (lambda served: [each | {"n": "AQAB"} for each in served], "is another one"),
        (lambda served: [*served, {"kid": "\nx"}], r"has the key \u000ax, which ended"),
    ],
    ids=["missing", "changed", "foreign"],
)
def test_key_set_is_compared_key_by_key(
    runtime: Runtime,
    desk: Desk,
    wire: Wire,
    clock: Clock,
    change: Callable[[list[dict[str, str]]], list[dict[str, str]]],
    said: str,
) -> None:
    desk.set_up()
    clock.advance(timedelta(minutes=6))
    with runtime.sessions.begin() as session:
        served = keys.key_set(session, desk.tenant_id, now=clock())
    answered(wire, "/jwks.json", json.dumps({"keys": change(served)}).encode())

    assert said in examined(runtime)["jwks"].saw


def test_key_that_is_new_may_be_missing_for_a_while(
    runtime: Runtime, desk: Desk, wire: Wire
) -> None:
    desk.set_up()
    answered(wire, "/jwks.json", b'{"keys": []}')

    found = examined(runtime)["jwks"]

    assert found.health != "fail"
