"""Who may what, over the whole route table (rule T10): a cell for each caller and door.

A new route fails here until somebody has said who may use it.
"""

from collections.abc import Callable, Iterable, Mapping

import pytest
from flask import Flask

from app.http import Response
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.doors import (
    NOBODY,
    House,
    Pass,
    build,
    choose,
    doors,
    families,
    mutations,
)
from tests.functional.fakes import Wire
from tests.functional.receiving import open_desk

ADA, DEE, VIC = (person.account_id for person in people.USERS)
Row = dict[str, int]


@pytest.fixture
def house(
    runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire
) -> House:
    return build(open_desk(runtime, app, site, worker, wire), wire)


def other_family(house: House, key: str) -> Pass:
    is_bound = families(house.desk.app)[key] == "url_bound"
    family = "context_token" if is_bound else "url_bound"
    return house.signed(house.caller, family, key, ADA, {})


def expired(house: House, key: str) -> Pass:
    if families(house.desk.app)[key].startswith("forge"):
        return house.token(key, ADA, shift=-60)
    now = int(house.desk.clock().timestamp())
    return house.token(key, ADA, iat=now - 300, exp=now - 31)


def no_permission(house: House, key: str) -> Pass:
    house.desk.jira.set_permission("vic", "BROWSE_PROJECTS", granted=False)
    return house.token(key, VIC)


def other_admin(house: House, key: str) -> Pass:
    family = families(house.desk.app)[key]
    return house.signed(house.stranger, family, key, ADA, {})


CALLERS: Mapping[str, Callable[[House, str], Pass]] = {
    "nobody": lambda *_: NOBODY,
    "garbage": lambda *_: Pass("not.a.token"),
    "other family": other_family,
    "expired": expired,
    "no person": lambda house, key: house.token(key, None),
    # Has the on-call role, which opens no issue that he may not see.
    "no permission": no_permission,
    "on call, no role": lambda house, key: house.token(key, DEE),
    "on call": lambda house, key: house.token(key, VIC),
    "admin": lambda house, key: house.token(key, ADA),
    "other site's admin": other_admin,
}
STRANGERS = ("nobody", "garbage", "other family", "expired")


def everybody(status: int) -> Row:
    """Return the row of a door that asks for no token."""
    return dict.fromkeys(CALLERS, status)


def jira_itself(status: int) -> Row:
    """Return the row of a door for Jira's own calls, whoever set them off."""
    return everybody(status) | dict.fromkeys(STRANGERS, 401)


def admins(status: int, *, theirs: int | None = None) -> Row:
    """Return the row of a door for Jira admins; `theirs` for those of another site."""
    known = {
        "admin": status,
        "other site's admin": status if theirs is None else theirs,
    }
    nobody = dict.fromkeys((*STRANGERS, "no person"), 401)
    return everybody(403) | nobody | known


def viewers(status: int, *, unseen: int = 404, no_role: int | None = None) -> Row:
    """Return the row of a door for people who see the issue, or who are on call."""
    without = status if no_role is None else no_role
    hidden = {"no permission": unseen, "other site's admin": unseen}
    nobody = dict.fromkeys((*STRANGERS, "no person"), 401)
    return everybody(status) | nobody | hidden | {"on call, no role": without}


DESTINATION = "/api/v1/destinations/<destination_id>"
LISTENER = "/api/v1/listeners/<listener_id>"
ISSUE = "issues/<issue_id>"
REPLAY = f"POST /api/v1/{ISSUE}/runs/<run_id>/replay"
STEP = "/api/v1/runs/<run_id>/steps/<step_id>"
EXPECTED: Mapping[str, Row] = {
    "GET /atlassian-connect.json": everybody(200),
    "GET /healthz": everybody(200),
    "GET /readyz": everybody(200),
    # Guards itself, by address and bearer: not there for anybody else.
    "GET /metrics": everybody(404),
    "GET /issuers/<tenant_id>/.well-known/openid-configuration": everybody(200),
    "GET /issuers/<tenant_id>/jwks.json": everybody(200),
    "GET /static/<version>/<name>": everybody(200),
    # This operator named nobody whom to tell.
    "GET /.well-known/security.txt": everybody(404),
    # Tells nobody more than a hash of what he has sent.
    "GET /doctor/target/<rest>": everybody(200),
    # By the listener's own proof; that answers a run that does not wait.
    "POST /listeners/<listener_id>": everybody(401),
    # Whoever has the ticket has the file, once; only an admin gets a ticket.
    "GET /downloads/<unverified_ticket>": everybody(200),
    # Atlassian alone may say this, by another key than a site's.
    "POST /lifecycle/installed": everybody(401),
    "POST /lifecycle/uninstalled": everybody(401),
    "POST /lifecycle/enabled": jira_itself(204),
    "POST /lifecycle/disabled": jira_itself(204),
    "POST /post-function/triggered": jira_itself(204),
    "GET /config": admins(200),
    "GET /condition/create": admins(200),
    "GET /condition/edit": admins(200),
    "GET /condition/view": admins(200),
    "GET /post-function/create": admins(200),
    "GET /post-function/edit": admins(200),
    "GET /post-function/view": admins(200),
    "GET /issue-panel": viewers(200, unseen=403),
    f"GET /api/v1/pages/{ISSUE}": viewers(200),
    f"GET /api/v1/pages/{ISSUE}/runs/<run_id>": viewers(200),
    REPLAY: viewers(202, no_role=403),
    "POST /api/v1/pages/rule-editor": admins(200),
    "POST /api/v1/pages/rule-view": admins(200),
    "POST /api/v1/pages/condition-editor": admins(200),
    "POST /api/v1/pages/condition-view": admins(200),
    "POST /api/v1/rules/check": admins(200),
    "POST /api/v1/rules/preview": admins(200),
    "GET /api/v1/pages/overview": admins(200),
    "GET /api/v1/pages/rules": admins(200),
    "POST /api/v1/rules/<known_id>/pause": admins(204, theirs=404),
    "POST /api/v1/rules/<known_id>/resume": admins(204, theirs=404),
    "GET /api/v1/pages/runs": admins(200),
    "GET /api/v1/pages/runs/<run_id>": admins(200, theirs=404),
    "GET /api/v1/pages/attempts/<attempt_id>": admins(200, theirs=404),
    # It is being repeated by then, and nothing in it is unclear.
    "POST /api/v1/runs/<run_id>/replay": admins(409, theirs=404),
    f"POST {STEP}/replay": admins(409, theirs=404),
    f"POST {STEP}/resolve": admins(409, theirs=404),
    "GET /api/v1/pages/log": admins(200),
    "GET /api/v1/pages/log/<event_id>": admins(200, theirs=404),
    "POST /api/v1/log/verify": admins(200),
    "GET /api/v1/pages/settings": admins(200),
    "PUT /api/v1/preferences": admins(204),
    "POST /api/v1/erasures": admins(202),
    "POST /api/v1/checkup": admins(200),
    "POST /api/v1/downloads": admins(201),
    "GET /api/v1/pages/keys": admins(200),
    # The next key is too new to sign with.
    "POST /api/v1/keys/rotate": admins(409),
    # The other site has no keys.
    "POST /api/v1/keys/revoke": admins(204, theirs=409),
    "GET /api/v1/pages/destinations": admins(200),
    "GET /api/v1/pages/destinations/new": admins(200),
    "GET /api/v1/pages/destinations/<destination_id>": admins(200, theirs=404),
    "POST /api/v1/destinations": admins(201),
    f"PUT {DESTINATION}": admins(200, theirs=404),
    f"POST {DESTINATION}/pause": admins(204, theirs=404),
    f"POST {DESTINATION}/resume": admins(204, theirs=404),
    # It signs with the key set, and no live rule has that text.
    f"POST {DESTINATION}/secret": admins(409, theirs=404),
    f"POST {DESTINATION}/approve": admins(409, theirs=404),
    f"POST {DESTINATION}/withdraw": admins(204, theirs=404),
    f"POST {DESTINATION}/test": admins(200, theirs=404),
    f"DELETE {DESTINATION}": admins(204, theirs=404),
    "GET /api/v1/pages/listeners": admins(200),
    "GET /api/v1/pages/listeners/new": admins(200),
    "GET /api/v1/pages/listeners/<listener_id>": admins(200, theirs=404),
    "POST /api/v1/listeners": admins(201),
    f"PUT {LISTENER}": admins(200, theirs=404),
    f"POST {LISTENER}/pause": admins(204, theirs=404),
    f"POST {LISTENER}/resume": admins(204, theirs=404),
    f"POST {LISTENER}/secret": admins(200, theirs=404),
    f"DELETE {LISTENER}": admins(204, theirs=404),
}
"""Every door in the order in which it is tried, and what each caller is answered."""


def event(status: int) -> Row:
    """Return the row of a door for Forge's events: no person ever knocks there."""
    return everybody(401) | {"no person": status}


THROUGH_FORGE: Mapping[str, Row] = {
    "POST /forge/lifecycle": event(200),
    "POST /forge/tick": event(200),
    "POST /forge/post-function": event(200),
    **{
        key.replace("/api/", "/forge/api/"): row
        for key, row in EXPECTED.items()
        if "/api/" in key
    },
    # The last one: the site removes the app.
    "POST /forge/pre-uninstall": event(200),
}
"""The doors of Forge. Its people may what they may through Connect."""


def seated(status: int) -> Row:
    """Return the row of a door for whoever has a session on our pages."""
    return everybody(status) | dict.fromkeys((*STRANGERS, "no person"), 401)


IN_JIRA_ONLY = ("/issues/", "/condition-", "/rules/preview")
"""What a self-managed Jira has no place for, or nobody's permissions (ADR 21)."""

RULE = f"{LISTENER}/rule".replace("/api/", "/datacenter/api/")
THROUGH_DATACENTER: Mapping[str, Row] = {
    # An empty frame; nothing fills it without a ticket, and that is good once.
    "GET /datacenter": everybody(200),
    "POST /datacenter/session": everybody(404),
    "POST /datacenter/session/renew": seated(200),
    # The bot of this site is a listener that carries out no rule.
    f"GET {RULE.replace('/v1/', '/v1/pages/')}": admins(404),
    f"PUT {RULE}": admins(404),
    **{
        key.replace("/api/", "/datacenter/api/"): row
        for key, row in EXPECTED.items()
        if "/api/" in key and not any(place in key for place in IN_JIRA_ONLY)
    },
    # Nobody beside an issue has asked for it before.
    "POST /datacenter/api/v1/runs/<run_id>/replay": admins(202, theirs=404),
}
"""The doors of people who come by a sign-in link of the operator's."""

DOORS = {
    "connect": EXPECTED,
    "forge": THROUGH_FORGE,
    "datacenter": THROUGH_DATACENTER,
}


def test_t10_every_route_says_who_may(app: Flask) -> None:
    assert {*EXPECTED, *THROUGH_FORGE, *THROUGH_DATACENTER} == set(doors(app))


def answers(house: House, who: str, keys: Iterable[str]) -> dict[str, Response]:
    return {key: house.knock(key, CALLERS[who](house, key)) for key in keys}


@pytest.mark.parametrize("by", DOORS)
@pytest.mark.parametrize("who", CALLERS)
def test_t10_each_door_opens_for_those_it_should(
    house: House, who: str, by: str
) -> None:
    found = answers(house, who, DOORS[by])

    expected = {key: row[who] for key, row in DOORS[by].items()}
    assert {key: answer.status for key, answer in found.items()} == expected


def test_t10_refusals_look_the_same_outside(house: House) -> None:
    guarded = [key for key, row in EXPECTED.items() if row["nobody"] == 401]
    pages = {key for key in guarded if not key.partition(" ")[2].startswith("/api/")}

    seen = {
        (answer.status, key in pages and key.startswith("GET "), answer.body)
        for who in CALLERS
        for key, answer in answers(house, who, guarded).items()
        if answer.status == EXPECTED[key][who] and answer.status in {401, 403}
    }

    # One of each for calls, one of each for pages, and one page that names the issue.
    assert len(seen) == 5, [(status, body[:200]) for status, _, body in seen]


def test_t10_mutation_asks_live_where_a_look_may_be_a_minute_old(
    house: House, app: Flask
) -> None:
    look = "GET /api/v1/pages/keys"
    assert house.knock(look, house.token(look, ADA)).status == 200
    house.desk.jira.set_permission("ada", "ADMINISTER", granted=False)

    seen = house.knock(look, house.token(look, ADA)).status
    changed = {
        key: house.knock(key, house.token(key, ADA)).status
        for key in mutations(app)
        if ISSUE not in key
    }

    assert seen == 200
    assert changed
    assert set(changed.values()) == {403}


def test_t10_replay_asks_live_whether_the_issue_is_seen_and_the_role_held(
    house: House,
) -> None:
    look = f"GET /api/v1/pages/{ISSUE}/runs/<run_id>"
    assert b"Run again" in house.knock(look, house.token(look, VIC)).body
    desk = house.desk

    choose(desk, "10003")
    without_role = house.knock(REPLAY, house.token(REPLAY, VIC)).status
    assert house.knock(look, house.token(look, VIC)).status == 200
    desk.jira.set_permission("vic", "BROWSE_PROJECTS", granted=False)
    seen = house.knock(look, house.token(look, VIC)).status
    unseen = house.knock(REPLAY, house.token(REPLAY, VIC)).status

    assert (without_role, seen, unseen) == (403, 200, 404)
    assert len(desk.runs()) == 1


def test_t10_what_was_seen_is_forgotten_after_a_minute(house: House) -> None:
    look = f"GET /api/v1/pages/{ISSUE}"
    assert house.knock(look, house.token(look, VIC)).status == 200
    house.desk.jira.set_permission("vic", "BROWSE_PROJECTS", granted=False)

    assert house.knock(look, house.token(look, VIC)).status == 200
    house.caller.later(seconds=61)
    assert house.knock(look, house.token(look, VIC)).status == 404
