"""Whatever a caller can send: never a 500, never a trace, always the same refusal."""

import json
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import web
from app.audit import AuditEvent
from app.http import Response
from app.runtime import Runtime
from app.settings import Settings
from app.web.server import MAX_BODY
from sandbox import Jira
from tests.functional.callers import Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock
from tests.serving import serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")
OPEN = {
    "arriving.tell",
    "descriptor.show",
    "health.healthz",
    "health.readyz",
    "health.metrics",  # guards itself: for this machine, or by its own bearer token
    "issuers.configuration",
    "issuers.key_set",
    "security_txt.security_txt",
    "static",
    "tickets.fetch",  # 404 without a ticket; test_downloads has its own matrix
}
TRIGGERED = "/post-function/triggered"
HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
}
relaxed = hypothesis_settings(
    max_examples=75,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Return endpoint, method and a path of every route there is."""
    for found in app.url_map.iter_rules():
        path = found.rule
        for argument in sorted(found.arguments - set(found.defaults or ())):
            start, _, rest = path.partition("<")
            converter, _, rest = rest.partition(">")
            none_such = "0" if "uuid" not in converter else str(uuid.UUID(int=0))
            value = "app.css" if argument == "name" else none_such
            path = start + value + rest
        for method in sorted((found.methods or set()) - {"HEAD", "OPTIONS"}):
            yield found.endpoint, method, path


def sound(response: Response) -> None:
    """Assert what every answer must be, whatever was asked."""
    assert response.status < 500, response.status
    body = response.body.decode("utf-8", "replace")
    for word in ("Traceback", "werkzeug", "sqlalchemy", 'File "'):
        assert word not in body
    headers = {name.lower(): value for name, value in response.headers.items()}
    for name, value in HEADERS.items():
        assert headers[name.lower()] == value
    if response.status >= 400:
        assert headers["cache-control"] == "no-cache, no-store"
    assert "set-cookie" not in headers


def tokens(caller: Caller, method: str, path: str) -> dict[str, str]:
    """Return one token of each kind, and some that are of no kind."""
    bound = caller.url_bound(method, path, sub="712020:someone")
    return {
        "none": "",
        "garbage": "not.a.token",
        "wrong secret": caller.url_bound(method, path, secret="x" * 40),
        "another URL": caller.url_bound(method, path + "x"),
        "expired": caller.url_bound(method, path, iat=1, exp=100),
        "install": caller.install_token(),
        "URL-bound": bound,
        "context": caller.context("ada"),
    }


FAMILY = {
    "lifecycle": "install",
    "notices": "URL-bound",
    "triggered": "URL-bound",
    "pages": "URL-bound",
    "issue_page": "URL-bound",
    "issue_panel": "context",
    "issue_replays": "context",
    "api": "context",
    "destinations": "context",
    "downloads": "context",
    "listeners": "context",
    "listening": "of a listener",  # tried everywhere in test_token_families
    "log": "context",
    "keys": "context",
    "checkup": "context",
    "conditions": "context",
    "gates": "context",
    "rules": "context",
    "preview": "context",
    "proof": "context",
    "replays": "context",
    "overview": "context",
    "personal": "context",
    "runs": "context",
    "settings": "context",
}


def test_t0_token_families_open_their_own_routes_only(
    app: Flask, caller: Caller
) -> None:
    """The matrix over the whole route table (CVE-2021-26073, -26077)."""
    for endpoint, method, path in list(routes(app)):
        if endpoint in OPEN:
            continue
        name = endpoint.partition(".")[0]
        # Forge's tokens are none of these; test_token_families tries them everywhere.
        family = "of Forge" if name.startswith("forge_") else FAMILY[name]
        for kind, token in tokens(caller, method, path).items():
            answer = caller.send(method, path, token=token, body={})
            sound(answer)
            if kind != family:
                assert answer.status == 401, (endpoint, kind)


def test_t0_genuine_install_token_opens_its_own_route_only(
    app: Flask, caller: Caller
) -> None:
    for endpoint, method, path in list(routes(app)):
        if endpoint in OPEN:
            continue
        token = caller.install_token(**caller.claims(method, path))
        answer = caller.send(method, path, token=token, body={})
        sound(answer)
        if not endpoint.startswith("lifecycle."):
            assert answer.status == 401, endpoint


def test_t0c_refusals_look_the_same_and_have_their_reasons_inside(
    app: Flask, caller: Caller, runtime: Runtime
) -> None:
    wrong = [k for k in tokens(caller, "POST", TRIGGERED) if k != "URL-bound"]
    answers = {
        (answer.status, answer.body, tuple(sorted(answer.headers.items())))
        for kind in wrong
        for answer in [
            caller.send(
                "POST",
                TRIGGERED,
                token=tokens(caller, "POST", TRIGGERED)[kind],
                body={},
            )
        ]
    }
    assert len(answers) == 1
    with runtime.sessions.begin() as session:
        events = session.scalars(
            sa.select(AuditEvent)
            .where(AuditEvent.kind == "verification-refused")
            .order_by(AuditEvent.id)
        )
        assert [event.facts["reason"] for event in events] == [
            "missing",
            "malformed",
            "bad-signature",
            "wrong-qsh",
            "expired",
            "wrong-algorithm",
            "wrong-family",
        ]
    del app


def test_every_route_by_every_method_without_a_token(
    app: Flask, caller: Caller
) -> None:
    for endpoint, _, path in list(routes(app)):
        for method in METHODS:
            answer = caller.send(method, path)
            sound(answer)
            if endpoint not in OPEN:
                assert answer.status in {401, 405} or method == "OPTIONS"


@pytest.mark.parametrize(
    "path",
    ["/", "/nowhere", "/api/v1/nowhere", "/post-function/", "/static/0/../../cli.py"],
)
def test_unknown_routes_are_404(caller: Caller, path: str) -> None:
    answer = caller.send("GET", path)

    sound(answer)
    assert answer.status == 404


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\x00", "\ud800", "1", "10100", "9" * 30, 10**400, -1, 1e308]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def bodies(draw: Callable[[Any], Any]) -> bytes:
    """Draw what Jira posts, with something else in some of its places."""
    body: dict[str, Any] = {
        "issue": {"id": "10100", "key": "DEMO-1"},
        "transition": {
            "workflowName": "DEMO: Delivery workflow",
            "transitionId": 11,
            "transitionName": "Start progress",
            "from_status": "To Do",
            "to_status": "In Progress",
        },
        "configuration": {"value": rule()},
    }
    for _ in range(draw(st.integers(0, 3))):
        place: dict[str, Any] = body
        if draw(st.booleans()):
            inner = place.get(draw(st.sampled_from(sorted(body))))
            place = inner if isinstance(inner, dict) and inner else body
        place[draw(st.sampled_from(sorted(place)))] = draw(json_values)
    return json.dumps(draw(st.just(body) | json_values)).encode()


@given(data=bodies())
@relaxed
def test_verified_callers_bodies(caller: Caller, data: bytes) -> None:
    answer = caller.send(
        "POST", TRIGGERED, token=caller.url_bound("POST", TRIGGERED), body=data
    )

    sound(answer)
    assert answer.status in {204, 400}


@given(value=json_values)
@relaxed
def test_rules_in_the_making(caller: Caller, value: Any) -> None:
    for member in ("rule", "value"):
        for path in ("rules/check", "pages/rule-editor", "pages/rule-view"):
            data = json.dumps({member: value}).encode()
            answer = caller.send(
                "POST", f"/api/v1/{path}", token=caller.context(), body=data
            )
            sound(answer)
            assert answer.status in {200, 400, 422}


@given(
    value=st.dictionaries(
        st.sampled_from(["clientKey", "key", "sharedSecret", "baseUrl", "displayUrl"]),
        json_values,
    )
)
@relaxed
def test_install_bodies(caller: Caller, value: dict[str, Any]) -> None:
    caller.later(seconds=1)
    data = json.dumps(caller.installed() | value).encode()
    answer = caller.send(
        "POST", "/lifecycle/installed", token=caller.install_token(), body=data
    )

    sound(answer)
    assert answer.status in {204, 400, 401}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"issue": NaN',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"issue":{"id":"1"},"transition":[]}',
    ],
)
def test_malformed_json_is_400(caller: Caller, data: bytes) -> None:
    token = caller.url_bound("POST", TRIGGERED)

    answer = caller.send("POST", TRIGGERED, token=token, body=data)

    sound(answer)
    assert answer.status == 400


def test_body_over_a_megabyte_is_413(caller: Caller) -> None:
    token = caller.url_bound("POST", TRIGGERED)

    answer = caller.send("POST", TRIGGERED, token=token, body=b" " * (MAX_BODY + 1))

    sound(answer)
    assert answer.status == 413


@pytest.mark.parametrize("token", [True, False])
def test_database_down_is_503(
    caller: Caller,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
    *,
    token: bool,
) -> None:
    signed = caller.url_bound("POST", TRIGGERED) if token else ""

    def away(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("SELECT", {}, Exception("no route to host"))

    monkeypatch.setattr(runtime.sessions, "begin", away)
    monkeypatch.setattr(runtime.reading, "begin", away)
    answers = [
        caller.send("POST", TRIGGERED, token=signed, body={}),
        caller.send("GET", "/readyz"),
    ]

    # That there is no token is seen without it.
    assert [answer.status for answer in answers] == [503 if token else 401, 503]
    assert all(b"route" not in answer.body for answer in answers)
    assert caller.send("GET", "/healthz").status == 200


class TestOverTheWire:
    """Bytes as no client library would send them, to the server that we ship."""

    @pytest.fixture
    def address(self, app: Flask, site: Jira) -> Iterator[tuple[str, int]]:
        del site
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            serving(app, listening, threads=2),
        ):
            yield listening.getsockname()

    def ask(self, address: tuple[str, int], data: bytes) -> bytes:
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return answer

    @pytest.mark.parametrize(
        "target",
        [
            b"//lifecycle/installed",
            b"/lifecycle//installed",
            b"http://other.example/config",
            b"http://[",
            b"*",
            b"/%",
            b"/%ff%fe",
            b"/config?jwt=%",
            b"/config;x&a=b?c=d",
            b"/%2e%2e/%2e%2e/etc/passwd",
            b"/static/0/%2e%2e/%2e%2e/cli.py",
            b"/static/0/..%2f..%2fcli.py",
            b"/config?" + b"a=1&" * 2000,
            b"/" + b"a" * 20_000,
            b"/\xc3\xa9",
            b"/config#x",
        ],
    )
    @pytest.mark.parametrize("method", [b"GET", b"POST"])
    def test_strange_targets(
        self, address: tuple[str, int], method: bytes, target: bytes
    ) -> None:
        head = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

        answer = self.ask(address, method + b" " + target + head)

        # What is no HTTP at all gets no answer, and costs nobody else theirs.
        status = int(answer.split(b" ", 2)[1]) if answer else 400
        assert 400 <= status < 500, answer[:200]
        assert b"Traceback" not in answer
        assert self.lives(address)

    @pytest.mark.parametrize(
        "headers",
        [
            b"Authorization: JWT a\r\nAuthorization: JWT b",
            b"Authorization: JWT " + b"a" * 20_000,
            b"Authorization: " + b"\xff" * 100,
            b"X-Atlassian-Webhook-Identifier: " + b"a" * 20_000,
            b"Content-Length: 5\r\nTransfer-Encoding: chunked",
            b"Content-Length: -1",
            b"Transfer-Encoding: gzip",
        ],
    )
    def test_strange_headers(self, address: tuple[str, int], headers: bytes) -> None:
        line = b"POST /post-function/triggered HTTP/1.1\r\nHost: x\r\n"

        answer = self.ask(address, line + headers + b"\r\nConnection: close\r\n\r\n")

        if answer:
            status = int(answer.split(b" ", 2)[1])
            assert 400 <= status < 502, answer[:200]
            assert status != 500
        assert self.lives(address)

    def lives(self, address: tuple[str, int]) -> bool:
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        return self.ask(address, request).startswith(b"HTTP/1.1 200")


class TestPrefix:
    """The add-on under a path of a larger site."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"base_url": "https://countersign.example/apps/cs"}
        )

    def test_what_is_signed_is_relative_to_the_prefix(
        self, app: Flask, runtime: Runtime
    ) -> None:
        mounted = web.create_app(runtime)
        client = mounted.test_client()

        assert client.get("/apps/cs/healthz").status_code == 200
        assert client.get("/apps/cs/atlassian-connect.json").get_json()["baseUrl"] == (
            "https://countersign.example/apps/cs"
        )
        for outside in ("/healthz", "/apps/csx/healthz", "/apps/healthz"):
            answer = client.get(outside)
            assert answer.status_code == 404
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        del app
