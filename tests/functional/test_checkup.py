"""The doctor on a site's page: what its admin may know, within a page's patience."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
from flask import Flask

from app import keys
from app.doctor import arrivals
from app.http import Request, Response, SendError
from app.runtime import Runtime
from app.web.context import KEY, Web
from app.worker import Worker
from sandbox import Jira
from tests.functional.callers import BASE_URL, Caller
from tests.functional.fakes import Answer, Clock, Wire, call
from tests.functional.receiving import Desk, open_desk

HERE = BASE_URL.partition("//")[2]
PATH = "/api/v1/checkup"


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture(autouse=True)
def outside(app: Flask, wire: Wire) -> None:
    """Our own address leads to us, each target exactly as it was sent."""
    wire.elsewhere[HERE] = way_in(app)


def way_in(
    app: Flask, change: Callable[[str], str] = lambda target: target
) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Response:
        target = request.target or request.url.removeprefix(BASE_URL)
        return call(app, request.method, BASE_URL + change(target), {}, b"")

    return answer


def looked(caller: Caller, token: str = "") -> dict[str, str]:
    """Look, and return what is said by the name of each check."""
    answer = caller.send("POST", PATH, token=token or caller.context(), body={})
    assert answer.status == 200, answer.body
    html = answer.body.decode()
    found = re.findall(r'<li class="answer">(.*?)</li>', html, re.DOTALL)
    said: dict[str, str] = {}
    for each in found:
        [name] = re.findall("<strong>(.*?)</strong>", each)
        words = " ".join(re.sub("<[^>]*>", " ", each).replace(name, "").split())
        said[name] = f"{said[name]} | {words}" if name in said else words
    return said


def test_admin_sees_that_the_connection_works(caller: Caller, desk: Desk) -> None:
    desk.set_up()

    said = looked(caller)

    assert said.keys() == {
        *("Shared secret", "Clocks", "Signing keys", "Published keys"),
        *("Our address", "Addresses on their way", "Descriptor"),
    }
    fine = {name for name, words in said.items() if words.startswith("OK")}
    assert fine == said.keys() - {"Clocks"}
    assert "says what time it is" in said["Clocks"]


def test_t5_nothing_of_the_operators_and_of_other_sites_is_shown(
    caller: Caller, desk: Desk, runtime: Runtime
) -> None:
    key, _ = desk.set_up()
    other = desk.move_to_another_tenant(key)

    said = str(looked(caller))

    assert str(other) not in said
    for word in ("atabase", "queue", "revision", "worker", runtime.keyring.key_ids[0]):
        assert word not in said
    assert desk.jira.site.shared_secret not in said


def test_wrong_secret_and_wrong_clock_are_told_apart(
    caller: Caller, desk: Desk, wire: Wire, clock: Clock
) -> None:
    del desk
    host = caller.jira.base_url.partition("//")[2]
    permitted = wire.jira

    def refuses(request: Request) -> Answer:
        if not request.url.endswith("/myself"):
            return call(
                permitted, request.method, request.url, request.headers, request.body
            )
        date = format_datetime(clock() + by, usegmt=True)
        return Response(status=401, headers={"Date": date})

    wire.elsewhere[host] = refuses
    by = timedelta(0)
    said = looked(caller)
    assert "Failed Wrong secret:" in said["Shared secret"].replace("wrong", "Wrong")
    assert "Install the app anew" in said["Shared secret"]
    assert said["Clocks"].startswith("OK")

    by = timedelta(minutes=5)
    said = looked(caller)
    assert "as it does to whose clock is wrong" in said["Shared secret"]
    assert "this machine is 300 s behind" in said["Clocks"].replace("This", "this")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda target: target.replace("%2F", "/"), "an encoded slash (%2F)"),
        (
            lambda target: target.replace("b//", "b/").replace("a//", "a/"),
            "two slashes",
        ),
        # Refused before it is hashed, either way: only its bytes tell them apart.
        (lambda target: target.replace("a//b", "a///b"), "slashes (//)"),
        (lambda target: target.replace("%2B", "+"), "an encoded plus sign (%2B)"),
        (lambda target: target.replace("%20", "+"), "a space (%20)"),
        (lambda target: target.replace("&d=", ""), "empty values"),
    ],
)
def test_proxy_that_changes_addresses_is_named(
    caller: Caller, wire: Wire, change: Callable[[str], str], named: str
) -> None:
    wire.elsewhere[HERE] = way_in(caller.app, change)

    said = looked(caller)["Addresses on their way"]

    assert said.startswith("Failed")
    assert named in said


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda target: target.replace("%2f", "%2F"), "escapes in small letters"),
        (lambda target: target.replace("/./", "/").replace("/b/..", ""), "dots in"),
        # A space either way, and so it is signed.
        (lambda target: target.replace("+", "%20"), "a plus sign (+)"),
    ],
)
def test_change_that_harms_no_signature_of_jiras_is_a_warning(
    caller: Caller, wire: Wire, change: Callable[[str], str], named: str
) -> None:
    wire.elsewhere[HERE] = way_in(caller.app, change)

    said = looked(caller)["Addresses on their way"]

    assert said.startswith("Look at it")
    assert named in said


def test_look_takes_eight_seconds_at_most(caller: Caller, wire: Wire) -> None:
    through = way_in(caller.app)

    def slow(request: Request) -> Answer:
        caller.later(seconds=3)
        return through(request)

    wire.elsewhere[HERE] = slow

    said = looked(caller)

    asked = [each for each in wire.sent if each.url.startswith(BASE_URL)]
    assert [each.seconds for each in asked] == [5, 5, 2]
    way = said["Addresses on their way"]
    assert way.startswith("Not looked at")
    assert f"{HERE} took all the time" in way


def test_t11_site_has_one_look_at_a_time_and_ten_a_minute(
    caller: Caller, desk: Desk
) -> None:
    web: Web = caller.app.extensions[KEY]
    with web.asking.place(desk.tenant_id):
        busy = caller.send("POST", PATH, token=caller.context(), body={})
    assert busy.status == 429

    for _ in range(10):
        looked(caller)
    many = caller.send("POST", PATH, token=caller.context(), body={})
    assert many.status == 429
    assert b"Try again in a minute" in many.body


def test_key_set_that_lost_a_key_is_told(
    caller: Caller, desk: Desk, wire: Wire, clock: Clock
) -> None:
    desk.set_up()
    kept = call(
        caller.app, "GET", f"{BASE_URL}/issuers/{desk.tenant_id}/jwks.json", {}, b""
    )
    revoked(desk)
    clock.advance(timedelta(minutes=6))
    through = way_in(caller.app)

    def stale(request: Request) -> Answer:
        if request.url.endswith("/jwks.json"):
            return replace(kept, headers={**kept.headers, "Age": "360"})
        return through(request)

    wire.elsewhere[HERE] = stale
    said = looked(caller)["Published keys"]
    assert "served stale: it still has the key" in said
    assert "(Age: 360 s)" in said


def test_key_set_may_be_remembered_for_five_minutes(
    caller: Caller, desk: Desk, wire: Wire, clock: Clock
) -> None:
    desk.set_up()
    kept = call(
        caller.app, "GET", f"{BASE_URL}/issuers/{desk.tenant_id}/jwks.json", {}, b""
    )
    revoked(desk)
    clock.advance(timedelta(minutes=4))
    through = way_in(caller.app)
    wire.elsewhere[HERE] = lambda request: (
        kept if "jwks.json" in request.url else through(request)
    )

    assert looked(caller)["Published keys"].startswith("OK")


def revoked(desk: Desk) -> None:
    runtime = desk.runtime
    rotation = keys.Rotation(
        tenant_id=desk.tenant_id, actor="test", now=desk.clock(), fresh=keys.make(1)
    )
    with runtime.sessions.begin() as session:
        keys.revoke_active(session, runtime.keyring, rotation)


def test_door_of_the_doctor_tells_strangers_nothing(caller: Caller) -> None:
    marked = f"{arrivals.PATH}/<b>x</b>?callback=evil&jwt=secret"
    answer = caller.send("GET", marked)

    assert answer.status == 200
    assert re.fullmatch(
        rb'\{"raw":"[0-9a-f]{64}","signed":"([0-9a-f]{64})?"\}\s*', answer.body
    )
    assert answer.headers["Content-Type"] == "application/json"


def test_answer_that_is_not_there_is_a_finding(caller: Caller, wire: Wire) -> None:
    wire.elsewhere[HERE] = lambda _: SendError("the name x was not found", sent=False)

    said = looked(caller)

    assert "DNS: the name x was not found" in said["Our address"]
    assert said["Published keys"].startswith("Not looked at")
