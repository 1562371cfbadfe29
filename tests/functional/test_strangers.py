"""Strangers, and tenants who sign nonsense: whatever a token, target or header holds.

What `test_fuzz` does by routes and bodies, this does by tokens: each claim may be
anything that JSON can hold, signed by nobody, by a stranger or by the tenant himself.
"""

import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jwt
import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import db
from app.audit import AuditEvent
from app.http import Response
from app.runtime import Runtime
from app.tokens.checks import Reason
from app.web import create_app
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.fakes import Clock, call
from tests.functional.test_fuzz import (
    FAMILY,
    OPEN,
    TRIGGERED,
    json_values,
    relaxed,
    routes,
    sound,
    tokens,
)
from tests.processes import free_port

CLAIMS = ("iss", "aud", "sub", "iat", "exp", "nbf", "qsh", "jti")
READ_HEADERS = (
    "Accept",
    "Authorization",
    "Content-Type",
    "Cookie",
    "Host",
    "If-None-Match",
    "Range",
    "X-Atlassian-Webhook-Identifier",
    "X-Forwarded-Host",
)
odd = json_values | st.sampled_from([float("inf"), 2**40, 2**63, True, [], {}, ""])
anything = st.dictionaries(st.sampled_from(CLAIMS), odd, max_size=4)


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def signed(claims: dict[str, Any], headers: dict[str, Any], key: str) -> str:
    """Return a token with these claims, as PyJWT itself would refuse to write some."""
    return jwt.api_jws.encode(
        jwt.api_jwt.PyJWT()._encode_payload(claims),  # noqa: SLF001 -- no check of `iss`
        key,
        algorithm="HS256",
        headers=headers,
    )


@given(
    claims=anything,
    header=st.dictionaries(st.sampled_from(["kid", "typ", "x5u", "jwk"]), st.text()),
    place=st.integers(0, 99),
)
@example(claims={"iss": "\x00"}, header={}, place=0)
@example(claims={"iss": "\ud800"}, header={}, place=3)
@relaxed
def test_t0c_stranger_is_refused_alike_whatever_his_token_says(
    app: Flask,
    caller: Caller,
    runtime: Runtime,
    claims: dict[str, Any],
    header: dict[str, Any],
    place: int,
) -> None:
    guarded = [route for route in routes(app) if route[0] not in OPEN]
    endpoint, method, path = guarded[place % len(guarded)]
    caller.later(minutes=1)  # what strangers may have written down is limited
    token = signed(caller.claims(method, path) | claims, header, "stranger" * 8)

    by_bearer = endpoint.startswith(("forge_", "listening."))
    scheme = "Bearer" if by_bearer else "JWT"
    answer = caller.send(method, path, Authorization=f"{scheme} {token}", body={})
    without = caller.send(method, path, body={})

    sound(answer)
    assert (answer.status, answer.body) == (without.status, without.body)
    assert answer.status == 401
    with runtime.sessions.begin() as session:
        events = session.scalars(
            sa.select(AuditEvent).order_by(AuditEvent.id.desc()).limit(2)
        ).all()
        facts = [event.facts for event in events]
        assert {event.tenant_id for event in events} == {None}
    assert facts[0]["reason"] == Reason.MISSING
    assert facts[1]["reason"] in set(Reason) - {Reason.MISSING}
    assert {fact["route"] for fact in facts} == {endpoint}


@given(claims=anything, place=st.integers(0, 99))
@example(claims={"sub": "\x00"}, place=5)
@example(claims={"sub": "\ud800"}, place=5)
@relaxed
def test_tenant_who_signs_nonsense_is_refused_or_served(
    app: Flask, caller: Caller, claims: dict[str, Any], place: int
) -> None:
    guarded = [route for route in routes(app) if route[0] not in OPEN]
    _, method, path = guarded[place % len(guarded)]
    caller.later(minutes=1)
    token = signed(
        caller.claims(method, path) | claims, {}, caller.jira.site.shared_secret
    )

    sound(caller.send(method, path, token=token, body={}))


@given(
    path=st.text(string.printable[:94], max_size=40),
    prefix=st.sampled_from(["", "/config", "/post-function/", "/static/", "/api/v1/"]),
    mark=st.sampled_from(["", "?", "?jwt=", "?jwt=a&jwt="]),
    query=st.text(string.printable[:94], max_size=40),
)
@relaxed
def test_any_target_is_answered(
    app: Flask, path: str, prefix: str, mark: str, query: str
) -> None:
    sound(get(app, f"{prefix or '/'}{path}", f"{mark}{query}"))


def get(app: Flask, path: str, query: str) -> Response:
    """Ask for a target that no client library would send, as waitress hands it on."""
    builder = EnvironBuilder(base_url="https://countersign.example")
    environ = builder.get_environ()
    builder.close()
    environ["REQUEST_URI"] = path + query
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
    environ["QUERY_STRING"] = query.removeprefix("?")
    chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
    return Response(
        status=int(status[:3]), headers=dict(headers), body=b"".join(chunks)
    )


@given(
    headers=st.dictionaries(
        st.sampled_from(READ_HEADERS),
        st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])),
    )
)
@relaxed
def test_any_header_is_answered(app: Flask, headers: dict[str, str]) -> None:
    for method, path in (("POST", TRIGGERED), ("GET", "/static/0/app.css")):
        sound(call(app, method, f"https://countersign.example{path}", headers, b"{}"))


@pytest.fixture(params=["no such folder", "no such server", "no tables"])
def broken(
    request: pytest.FixtureRequest, runtime: Runtime, tmp_path: Path
) -> Iterator[Flask]:
    """The add-on on a database that is not there."""
    url = {
        "no such folder": f"sqlite:///{tmp_path / 'nowhere' / 'app.sqlite'}",
        "no such server": f"postgresql+psycopg://u@127.0.0.1:{free_port()}/nothing",
        "no tables": f"sqlite:///{tmp_path / 'empty.sqlite'}",
    }[request.param]
    sessions = db.make_sessions(url)
    yield create_app(replace(runtime, sessions=sessions))
    sessions.kw["bind"].dispose()


def test_every_route_says_503_while_the_database_is_away(
    broken: Flask, caller: Caller
) -> None:
    caller.app = broken

    for endpoint, method, path in list(routes(broken)):
        if endpoint in OPEN:
            continue
        caller.later(minutes=1)  # what strangers may have written down is limited
        for kind, token in tokens(caller, method, path).items():
            answer = caller.send(method, path, token=token, body={})
            is_good = kind == FAMILY.get(endpoint.partition(".")[0])
            if answer.status == 401 and not (is_good and "uninstalled" not in path):
                continue  # what is wrong with it is seen without the database
            assert (answer.status, answer.body) == (503, b'{"error":"unavailable"}\n')
            assert answer.headers["Cache-Control"] == "no-cache, no-store"
            assert answer.headers["Retry-After"] == "10"
    assert caller.send("GET", "/readyz").status == 503
    for path in ("/healthz", "/atlassian-connect.json", "/static/0/app.css"):
        assert caller.send("GET", path).status == 200
