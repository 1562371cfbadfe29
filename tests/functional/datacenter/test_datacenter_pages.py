"""Our pages for a self-managed Jira: who opens them, and for how long (ADR 21)."""

import json
from datetime import timedelta

import jwt
import pytest

from app import datacenter, tickets, vault
from app.http import Request, Response
from app.runtime import Runtime
from app.tenants import Tenant
from app.tokens import checks
from app.tokens import session as sessions
from app.tokens.checks import Refused
from sandbox import Jira, people
from sandbox.datacenter import users
from tests.functional.callers import BASE_URL
from tests.functional.conftest import rule
from tests.functional.fakes import Clock, Wire, call
from tests.functional.self_managed import ADA_KEY, Office

OVERVIEW = "/datacenter/api/v1/pages/overview"


def looks(office: Office) -> int:
    return office.send("GET", OVERVIEW).status


def test_frame_is_nobodys_and_may_be_framed_by_nobody(office: Office) -> None:
    answer = office.send("GET", "/datacenter", token="")

    policy = answer.headers["Content-Security-Policy"]
    assert answer.status == 200
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert office.jira.base_url.encode() not in answer.body


def test_t10_link_is_good_once_and_for_a_minute(office: Office, clock: Clock) -> None:
    used, late = office.ticket(), office.ticket()
    assert office.sign_in(used).status == 201
    assert office.sign_in(used).status == 404
    clock.advance(timedelta(seconds=61))
    assert office.sign_in(late).status == 404

    invited = office.history("person-invited")
    signed_in = office.history("person-signed-in")
    assert {(e.actor, e.facts["account"]) for e in invited} == {("operator", ADA_KEY)}
    assert {e.actor for e in signed_in} == {ADA_KEY}


def test_t10_ticket_for_a_file_is_none_for_a_session_nor_the_other_way(
    office: Office,
) -> None:
    asked = office.send(
        "POST", "/datacenter/api/v1/downloads", {"what": "log", "period": "24h"}
    )
    file = json.loads(asked.body)["ticket"]

    assert office.sign_in(file).status == 404
    assert office.send("GET", f"/downloads/{office.ticket()}").status == 404
    assert office.send("GET", f"/downloads/{file}").status == 200
    waiting = office.ticket()
    assert office.send("GET", f"/downloads/session%00{waiting}").status == 404
    assert office.sign_in(waiting).status == 201


def test_session_ends_after_fifteen_minutes_unless_it_is_renewed(
    office: Office, clock: Clock
) -> None:
    clock.advance(timedelta(minutes=14))
    first, renewed = office.token, office.send("POST", "/datacenter/session/renew", {})
    office.token = json.loads(renewed.body)["token"]
    clock.advance(timedelta(minutes=2))
    assert looks(office) == 200

    office.token = first
    assert looks(office) == 401


def test_session_is_renewed_for_eight_hours_and_no_longer(
    office: Office, clock: Clock
) -> None:
    seconds = 0
    for _ in range(8 * 6 - 1):
        clock.advance(timedelta(minutes=10))
        answer = office.send("POST", "/datacenter/session/renew", {})
        assert answer.status == 200
        office.token, seconds = (
            json.loads(answer.body)[n] for n in ("token", "seconds")
        )

    assert seconds == 600
    clock.advance(timedelta(minutes=10))
    assert office.send("POST", "/datacenter/session/renew", {}).status == 401


@pytest.mark.parametrize("how", ["close", "remove"])
def test_t10_operator_ends_all_sessions_at_once(office: Office, how: str) -> None:
    waiting = office.ticket()
    assert looks(office) == 200

    said = ("--yes",) if how == "remove" else ()
    assert office.shell("tenants", how, str(office.tenant), *said).exit_code == 0

    assert looks(office) == 401
    # A link that was made before is the operator's word still, until the site leaves.
    assert office.sign_in(waiting).status == (201 if how == "close" else 404)


def test_t10_renewal_that_was_judged_before_sessions_ended_begins_none(
    office: Office, runtime: Runtime, clock: Clock
) -> None:
    """Attack: a session is renewed on and on, so that one renewal is under way."""
    keyring, audience = runtime.keyring, f"{BASE_URL}/datacenter"
    with runtime.sessions.begin() as session:
        tenant = session.get_one(Tenant, office.tenant)
        token = checks.read(office.token)
        sitting, _ = datacenter.judge(
            session, keyring, tenant, token, audience=audience, now=clock()
        )
    assert office.shell("tenants", "close", str(office.tenant)).exit_code == 0

    for _ in range(2):  # before anybody signed in again, and after
        with pytest.raises(Refused), runtime.sessions.begin() as session:
            datacenter.issue(session, keyring, sitting, audience=audience, now=clock())
        assert office.sign_in().status == 201
    assert looks(office) == 200


def test_t10_person_who_is_shut_out_of_jira_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.delitem(users.USERS, people.ADA.account_id)

    assert office.send("PUT", "/datacenter/api/v1/preferences", {}).status == 403
    clock.advance(timedelta(seconds=61))
    assert looks(office) == 403
    gone = office.shell("tenants", "open", str(office.tenant), "--user", "ada")
    assert "no active user" in gone.output


def test_t10_owner_of_our_own_token_is_asked_about(office: Office) -> None:
    """Jira says of him alone whether he administers it; the sandbox's does not."""
    assert office.sign_in(office.ticket("countersign")).status == 201

    assert looks(office) == 403


def test_t5_rule_of_another_sites_listener_is_not_there(
    office: Office, jira: Jira, wire: Wire
) -> None:
    listener = office.listen()
    path = f"/datacenter/api/v1/pages/listeners/{listener}/rule"
    assert office.send("GET", path).status == 200

    def beside(request: Request) -> Response:
        return call(
            wire.jira, request.method, request.url, request.headers, request.body
        )

    wire.elsewhere["other.example"] = beside
    jira.base_url = "https://other.example/jira"
    office.add()
    assert office.sign_in().status == 201

    assert looks(office) == 200
    assert office.send("GET", path).status == 404
    assert office.save(listener, rule()).status == 404


def test_token_of_another_family_signed_by_the_same_secret_is_none(
    office: Office, runtime: Runtime, clock: Clock
) -> None:
    """Attack: our own secret signs something else one day, and it is brought here."""
    claims = jwt.decode(office.token, options={"verify_signature": False})
    with runtime.sessions.begin() as session:
        owner = session.get_one(Tenant, office.tenant).session_secret
        [known] = vault.accepted(session, runtime.keyring, owner, now=clock())
    secret = known.secret.reveal()
    for wrong in (
        {"typ": "other"},
        {"aud": BASE_URL},
        {"exp": claims["iat"] + 3600},
        {"auth_time": claims["iat"] - 8 * 3600},
        {"sub": None},
    ):
        kept = {k: v for k, v in (claims | wrong).items() if v is not None}
        office.token = jwt.encode(kept, secret, algorithm=sessions.ALGORITHM)
        assert looks(office) == 401, wrong


def test_page_of_a_listener_shows_its_rule_and_the_form_to_change_it(
    office: Office,
) -> None:
    assert "A transition, by a webhook of Jira" in office.page("listeners/new")
    form = office.page("listeners/new?proof=jira-webhook")
    assert "Transition's number" in form.replace("&#39;", "'")
    listener = office.listen()
    assert "No rule yet" in office.page(f"listeners/{listener}")

    assert office.save(listener, rule(name="Tell all")).status == 200

    shown = office.page(f"listeners/{listener}")
    assert "Tell all" in shown
    assert "Version 1, saved" in shown
    edited = office.page(f"listeners/{listener}/rule")
    assert 'data-over="1"' in edited
    assert "Tell all" in edited
    assert 'data-action="keep"' in edited


@pytest.mark.parametrize(
    "view", ["overview", "rules", "runs", "keys", "log", "settings"]
)
def test_every_view_is_there(office: Office, view: str) -> None:
    listener = office.listen()
    office.save(listener, rule())
    office.place(listener)
    office.dispatch()
    office.worker.drain()

    assert "<h1" in office.page(view)


def test_forgotten_tickets_are_not_kept(office: Office, clock: Clock) -> None:
    office.ticket()
    clock.advance(timedelta(minutes=2))
    office.worker.keep_house()

    with office.runtime.sessions.begin() as session:
        assert session.query(tickets.Ticket).count() == 0


def test_pages_of_jira_cloud_open_by_no_session(office: Office) -> None:
    shown = {"Authorization": f"JWT {office.token}"}

    for path in ("/config", "/api/v1/pages/overview"):
        assert call(office.app, "GET", BASE_URL + path, shown, b"").status == 401
