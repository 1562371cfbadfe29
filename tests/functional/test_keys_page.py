"""Signing keys on their page: what they are, who rotates and revokes them (T14)."""

import ast
import html
import json
import re

import pytest
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import audit, vault
from app.audit import Kind
from app.crypto import Secret
from app.http import Response
from app.runtime import Runtime
from app.tenants import Tenant
from app.worker import Prover, Worker
from sandbox import Jira, people
from tests.functional.callers import BASE_URL, Caller
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire
from tests.functional.receiving import START, URL, Desk, open_desk
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
    """Return how the signing keys stand, in the order of the page."""
    signing = page(caller).partition("Where receivers find them")[0]
    return re.findall(r'class="lozenge(?: [a-z-]+)?">([^<]*)<', signing)


def code(caller: Caller, query: str = "") -> dict[str, str]:
    """Return the programs that the page shows, by their names."""
    path = f"/api/v1/pages/keys{query}"
    answer = caller.send("GET", path, token=caller.context())
    boxes = re.findall(
        r'<textarea id="copy-sample-(\w+)"[^>]*>\n([^<]*)</textarea>',
        answer.body.decode(),
    )
    return {name: html.unescape(text) for name, text in boxes}


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
    due = '<time datetime="2027-02-21T12:00:00Z" data-relative'
    assert f"The next key signs {due}" in shown
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
    assert "Rotating is possible <time" in page(caller)


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


def test_receivers_match_three_claims_of_a_real_destination(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(project_ids=["10000", "10001"])
    issuer = f"{BASE_URL}/issuers/{desk.tenant_id}"
    subject = f"tenant:{desk.tenant_id}:project:10000:destination:{key}"

    shown = page(caller)

    for value in (issuer, URL, subject):
        assert f'class="control" value="{value}" readonly' in shown
    assert "Its 1 other project has a subject of its own" in shown
    for text in code(caller).values():
        for value in (issuer, URL, subject, subject.replace("10000", "10001")):
            assert f'"{value}"' in text


def test_code_has_examples_until_there_is_a_destination_with_a_key_set(
    caller: Caller, desk: Desk
) -> None:
    desk.set_up(signing="secret")

    shown = page(caller)

    assert "There is no destination yet that is signed by these keys" in shown
    assert sorted(code(caller)) == ["node", "python"]
    assert f"{BASE_URL}/issuers/{desk.tenant_id}" in code(caller)["python"]


def test_code_is_for_the_destination_that_was_chosen(
    caller: Caller, desk: Desk
) -> None:
    desk.set_up(name="A first one")
    other, _ = desk.set_up(name="B", audience="urn:b")

    query = f"?destination={other}"

    assert f'value="{other}"' in page(caller)
    assert '"urn:b"' in code(caller, query)["python"]
    assert '"urn:b"' not in code(caller)["python"]
    assert code(caller, "?destination=nonsense") == code(caller)


def test_t5_code_never_names_another_tenants_destination(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up(audience="urn:theirs")
    desk.move_to_another_tenant(key)

    for text in code(caller, f"?destination={key}").values():
        assert "urn:theirs" not in text
        assert str(key) not in text


def test_t15_audience_stays_a_text_in_the_code(caller: Caller, desk: Desk) -> None:
    nasty = "\"+__import__('os').abort()+\"</textarea>\\"
    desk.set_up(audience=nasty)

    found = code(caller)

    named = {
        target.id: node.value
        for node in ast.parse(found["python"]).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert ast.literal_eval(named["AUDIENCE"]) == nasty
    assert f"const audience = {json.dumps(nasty)};" in found["node"]


def test_of_many_projects_only_the_first_are_in_the_code(
    caller: Caller, desk: Desk
) -> None:
    desk.set_up(project_ids=[str(number) for number in range(1, 500)])

    assert code(caller)["python"].count(":project:") == 20
    assert "the code below has the first 20" in page(caller)


def shared(caller: Caller) -> str:
    """Return what the page says of the secret that Jira shares."""
    return page(caller).partition("Secret shared with Jira")[2]


def test_shared_secret_is_shown_with_its_age_and_its_last_use(
    caller: Caller, desk: Desk
) -> None:
    caller.jira.add_post_function(START, rule())
    assert "Number 1" in shared(caller)
    assert "Not used by any of the last 2000" in shared(caller)
    caller.later(hours=1)
    desk.fire()

    said = shared(caller)

    assert 'Last used by Jira <time datetime="2026-11-23T13:00:00Z"' in said
    assert ">Current<" in said
    assert caller.jira.site.shared_secret not in page(caller)


def test_old_shared_secret_says_until_when_it_counts_and_when_it_was_used(
    caller: Caller, desk: Desk, runtime: Runtime
) -> None:
    caller.jira.add_post_function(START, rule())
    desk.fire()
    caller.later(hours=1)
    assert caller.jira.addon.install(secret="another-secret-" * 4).is_good
    Prover(runtime=runtime).prove()
    caller.later(seconds=5)
    desk.fire()

    new, old = shared(caller).split("<strong>Number 1</strong>")

    assert "<strong>Number 2</strong>" in new
    assert 'Last used by Jira <time datetime="2026-11-23T13:00:05Z"' in new
    assert ">Ends<" in old
    assert 'Last used by Jira <time datetime="2026-11-23T12:00:00Z"' in old
    caller.later(minutes=runtime.settings.secret_grace_minutes)
    assert ">Ended<" in shared(caller)


def test_number_of_a_secret_is_not_taken_for_the_start_of_another(
    caller: Caller, sessions: sessionmaker[Session], desk: Desk
) -> None:
    with sessions.begin() as session:
        audit.record(
            session,
            desk.tenant_id,
            Kind.VERIFICATION_ACCEPTED,
            actor="jira",
            now=desk.clock(),
            secret_generation=12,
        )

    assert "Not used by any" in shared(caller)


def test_t5_shared_secret_of_another_tenant_is_not_shown(
    caller: Caller, desk: Desk
) -> None:
    key, _ = desk.set_up()
    other = desk.move_to_another_tenant(key)
    with desk.runtime.sessions.begin() as session:
        owner = session.get_one(Tenant, other).shared_secret
        for _ in range(3):
            vault.put(
                session,
                desk.runtime.keyring,
                owner,
                Secret("x" * 40),
                now=desk.clock(),
            )

    assert "Number 3" not in page(caller)


def test_t10_who_is_no_admin_sees_no_keys(caller: Caller) -> None:
    answer = caller.send("GET", "/api/v1/pages/keys", token=caller.context("dee"))

    assert answer.status == 403
