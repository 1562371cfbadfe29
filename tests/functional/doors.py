"""Every door of the add-on, from its own route table, and what stands behind each."""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import Rule

from app import datacenter, vault, web
from app.audit import AuditEvent
from app.datacenter import Sitting
from app.http import Request, Response
from app.rules import KnownRule
from app.runs import Attempt, Run, RunStep
from app.tenants import Door, Tenant, TenantIdentity, preferences
from app.web.context import KEY
from sandbox import Jira, people, qsh, tokens
from sandbox.forge.invocations import Invocation, Slip
from tests import lending
from tests.functional import bots
from tests.functional.bots import BOT, Bot
from tests.functional.callers import BASE_URL, Caller
from tests.functional.fakes import Wire, call
from tests.functional.opening import NEW, START
from tests.functional.receiving import DEMO, URL, Desk

Ids = Mapping[str, str]
OTHER_SITE = "https://other.atlassian.net"
PERSONS = frozenset({"context_token", "forge_page", "session_token"})
"""Families of tokens that a person has on our pages."""
DATACENTER = "/datacenter"
ON_CALL = "10006"
"""The sandbox's role that Vic has, by his group."""

WHOLE = {"name": "Elsewhere", "url": URL, "project_ids": [DEMO], "headers": []}
CHOICES = {
    "run_days": 90,
    "audit_days": 365,
    "exchange_days": 14,
    "notice_to": [],
    "on_call_role": ON_CALL,
}
READ_ISSUE = {
    "id": "10100",
    "key": "DEMO-1",
    "fields": {
        "project": {"id": DEMO, "key": "DEMO"},
        "status": {"id": "10001", "name": "In Progress"},
        "created": "2026-11-23T10:00:00.000+0000",
        "creator": {"accountId": people.ADA.account_id},
    },
}
TRIGGERED = {
    "issue": {"id": "10100", "key": "DEMO-1"},
    "transition": {
        "workflowName": "DEMO: Delivery workflow",
        "transitionId": 11,
        "transitionName": START,
        "from_status": "To Do",
        "to_status": "In Progress",
    },
    "configuration": {"value": json.dumps(NEW)},
}
FORGE_EVENT = {
    "issue": {"id": "10100", "key": "DEMO-1"},
    "transition": {
        "id": "11",
        "name": START,
        "executionId": "e-1",
        "from": {"id": "1", "name": "To Do"},
        "to": {"id": "2", "name": "In Progress"},
    },
    "workflow": {"id": "w", "name": "DEMO: Delivery workflow"},
    "configuration": NEW,
    "postFunction": {"id": "p-1"},
}

ANSWER = {"run": str(uuid.UUID(int=0)), "answer_key": "k" * 22, "result": "succeeded"}

BODIES: Mapping[str, Any] = {
    "POST /listeners/<listener_id>": ANSWER,
    "PUT /api/v1/listeners/<listener_id>/rule": {"value": json.dumps(NEW), "over": 0},
    "POST /datacenter/session": {"ticket": "A" * 43},
    "POST /api/v1/listeners": BOT | {"name": "New bot"},
    "PUT /api/v1/listeners/<listener_id>": BOT,
    "POST /post-function/triggered": TRIGGERED,
    "POST /forge/post-function": FORGE_EVENT,
    "POST /api/v1/pages/rule-editor": {"value": ""},
    "POST /api/v1/pages/rule-view": {"value": json.dumps(NEW)},
    "POST /api/v1/pages/condition-editor": {"value": ""},
    "POST /api/v1/pages/condition-view": {"value": ""},
    "POST /api/v1/rules/check": {"rule": NEW},
    "POST /api/v1/rules/preview": {"rule": NEW, "issue": READ_ISSUE},
    "POST /api/v1/runs/<run_id>/steps/<step_id>/resolve": {"happened": True},
    "POST /api/v1/destinations": WHOLE | {"name": "New"},
    "PUT /api/v1/destinations/<destination_id>": WHOLE,
    "POST /api/v1/destinations/<destination_id>/approve": {"hash": "0" * 64},
    "POST /api/v1/destinations/<destination_id>/withdraw": {"hash": "0" * 64},
    "POST /api/v1/keys/revoke": {"scope": "active"},
    "PUT /api/v1/preferences": CHOICES,
    "POST /api/v1/erasures": {"account_id": "712020:nobody-we-know"},
    "POST /api/v1/downloads": {"what": "log", "period": "24h"},
}
"""What is sent along, so that nothing but the caller can be wrong."""

FORGE_EVENTS = frozenset(
    f"POST /forge/{event}"
    for event in ("post-function", "lifecycle", "tick", "pre-uninstall")
)

BELOW = f"/forge|{DATACENTER}"
"""Where our pages' routes are served once more."""

QUERIES = {"GET /issue-panel": "?issue={issue_id}"}


@dataclass(frozen=True)
class Pass:
    """What somebody shows at a door."""

    token: str = ""
    scheme: str = "JWT"
    lent: Mapping[str, str] = field(default_factory=dict)
    """Tokens for Jira that Forge sends beside its own."""

    @property
    def headers(self) -> dict[str, str]:
        shown = {"Authorization": f"{self.scheme} {self.token}"} if self.token else {}
        return shown | dict(self.lent)


NOBODY = Pass()


def doors(app: Flask) -> dict[str, Rule]:
    """Return every route by its method and its address, `GET /a/<id>`."""
    return {
        f"{method} {re.sub(r'<[^<>]*:', '<', rule.rule)}": rule
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    }


def families(app: Flask) -> dict[str, str]:
    """Return the guard of every route; what has none is open."""
    settings = app.extensions[KEY].runtime.settings
    # Two guards take one family: pages refuse a secret that is still to be proven.
    guards = {
        each.name: each.guard.__name__.removesuffix("_or_stored")
        for each in web.served(settings)
    }
    return {
        key: guards.get(rule.endpoint.partition(".")[0], "open_to_all")
        for key, rule in doors(app).items()
    }


def mutations(app: Flask) -> Iterator[str]:
    """Yield the routes with a person's token that change something."""
    kinds = families(app)
    for key, rule in doors(app).items():
        reads = key.startswith("GET ") or hasattr(
            app.view_functions[rule.endpoint], "reads_only"
        )
        if kinds[key] in PERSONS and not reads:
            yield key


def path_of(key: str, ids: Ids) -> str:
    """Return the address of a door for these ids."""
    path = key.partition(" ")[2] + QUERIES.get(key, "").format(**ids)
    return re.sub(r"<(\w+)>", lambda found: ids[found[1]], path)


def made_up() -> Ids:
    """Return ids that nobody has."""
    found = {name: str(uuid.uuid4()) for name in MAKERS}
    return found | {"issue_id": "987654", "unverified_ticket": "A" * 43, "rest": "a"}


@dataclass(frozen=True)
class House:
    """A site with something behind every door of ours, and another site beside it."""

    desk: Desk
    caller: Caller
    stranger: Caller
    """Of the other site; everybody may be there what he is here."""
    ids: Ids = field(default_factory=dict)
    bot: Bot = bots.NONE
    sessions: Mapping[str, tuple[uuid.UUID, str]] = field(default_factory=dict)
    """By address, each site with what signs the sessions of its people on our pages."""

    def token(self, key: str, sub: str | None, **changes: Any) -> Pass:
        """Return a good token of the family that the door asks for."""
        return self.signed(self.caller, families(self.desk.app)[key], key, sub, changes)

    def signed(
        self, by: Caller, family: str, key: str, sub: str | None, changes: Any
    ) -> Pass:
        method, path = key.partition(" ")[0], path_of(key, self.ids)
        if family.startswith("forge"):
            return invocation(by.jira, family, path, sub, changes)
        if family == "listener":
            return Pass(self.bot.token(ANSWER, by.clock, **changes), "Bearer")
        if family == "session_token":
            return self.session(by, sub, changes)
        if family == "url_bound":
            return Pass(by.url_bound(method, path, sub=sub, **changes))
        claims = by.claims(method, path, sub=sub, qsh=qsh.CONTEXT, **changes)
        return Pass(tokens.sign(claims, by.jira.site.shared_secret))

    def session(self, by: Caller, sub: str | None, changes: Any) -> Pass:
        """Return what a page of ours shows that no Jira frames (ADR 21)."""
        tenant_id, secret = self.sessions[by.jira.site.base_url]
        claims: dict[str, Any] = {
            **tokens.times(by.clock()),
            "typ": "session",
            "iss": str(tenant_id),
            "aud": f"{BASE_URL}{DATACENTER}",
            "sub": sub,
            "auth_time": int(by.clock().timestamp()),
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return Pass(tokens.sign(kept, secret), "Bearer")

    def knock(self, key: str, shown: Pass, ids: Ids | None = None) -> Response:
        """Ask at a door with all that belongs to it."""
        method = key.partition(" ")[0]
        answer = self.caller.send(
            method,
            path_of(key, ids or self.ids),
            body=BODIES.get(key, BODIES.get(re.sub(BELOW, "", key), {})),
            **shown.headers,
        )
        return meant(answer) if "/forge/api/" in key else answer


def meant(answer: Response) -> Response:
    """Return what an answer through Forge says inside it; a refusal as it is."""
    said = json.loads(answer.body)
    if "answered" not in said:
        return answer
    return Response(
        status=said["answered"], body=json.dumps(said["body"], sort_keys=True).encode()
    )


def invocation(
    jira: Jira, family: str, path: str, sub: str | None, changes: Mapping[str, Any]
) -> Pass:
    """Return what Forge sends along, for an event or for a person's page."""
    forge = jira.forge.app
    event = path.removeprefix("/forge/")
    # At doors that are no event's, that of the hour is as good as any.
    name = event if f"POST /forge/{event}" in FORGE_EVENTS else "tick"
    endpoint = forge.manifest.endpoint(name if family == "forge_event" else "pages")
    slip = Slip(shift=timedelta(seconds=changes.get("shift", 0)))
    what = Invocation(endpoint, "countersign-config", principal=sub or "")
    sent = forge.headers(what, slip)
    scheme, _, token = sent.pop("Authorization").partition(" ")
    lent = {name: value for name, value in sent.items() if "oauth" in name}
    return Pass(token, scheme, lent)


def build(desk: Desk, wire: Wire) -> House:
    """Let a delivery be made for an issue that only this site has."""
    clock = desk.clock
    caller = Caller(app=desk.app, jira=desk.jira, clock=clock)
    issue = desk.jira.create_issue(summary="Of this site only")
    destination, _ = desk.set_up()
    desk.publish(destination)
    desk.jira.transition(issue.key, START)
    desk.jira.deliver_pending()
    desk.worker.drain()
    [installed] = desk.jira.forge.install()
    assert installed.is_good, installed
    choose(desk, ON_CALL)
    house = House(desk=desk, caller=caller, stranger=_beside(desk, wire))
    bot = bots.create(desk)
    made = replace(house, ids=_ids(house, issue.id, destination, bot), bot=bot)
    sites = (caller, house.stranger)
    return replace(
        made, sessions={s.jira.site.base_url: _seated(desk, s) for s in sites}
    )


def _seated(desk: Desk, by: Caller) -> tuple[uuid.UUID, str]:
    """Let a site's people have sessions on our pages, as those of a third door do."""
    runtime, now = desk.runtime, desk.clock()
    with runtime.sessions.begin() as session:
        wanted = sa.select(Tenant).where(Tenant.base_url == by.jira.base_url)
        tenant = session.scalars(wanted).one()
        session.add(
            TenantIdentity(
                id=uuid.uuid4(),
                tenant_id=tenant.id,
                door=Door.DATACENTER,
                external_id=str(tenant.id),
            )
        )
        sitting = Sitting(tenant_id=tenant.id, person="ada", since=now)
        datacenter.issue(session, runtime.keyring, sitting, audience="", now=now)
        session.flush()
        secret = tenant.session_secret
        [made] = vault.accepted(session, runtime.keyring, secret, now=now)
        return tenant.id, made.secret.reveal()


def choose(desk: Desk, role: str) -> None:
    """Let an admin make this role the site's on-call role."""
    wanted = preferences.Wanted(**(CHOICES | {"on_call_role": role}))
    tenant_id = desk.tenant_id
    with desk.runtime.sessions.begin() as session:
        preferences.change(session, tenant_id, wanted, actor="ada", now=desk.clock())


def _beside(desk: Desk, wire: Wire) -> Caller:
    other = Jira(
        now=desk.clock,
        addon_base_url=BASE_URL,
        base_url=OTHER_SITE,
        transport=desk.jira.transport,
        background=False,
        forge_manifest=desk.jira.forge_manifest,
        forge_gateway=f"{desk.jira.base_url}/ex/jira",
    )
    other.site.kid = desk.jira.site.kid
    other.site.private_pem = desk.jira.site.private_pem
    flask = lending.jira(other, beside=True)

    def answer(request: Request) -> Response:
        return call(flask, request.method, request.url, request.headers, request.body)

    wire.elsewhere[OTHER_SITE.partition("//")[2]] = answer
    other.world.state.forge.keys = desk.jira.forge.app.kept.keys
    wire.gateways[other.site.cloud_id] = answer
    stranger = Caller(app=desk.app, jira=other, clock=desk.clock)
    assert other.install().is_good
    assert other.forge.install()[0].is_good
    return stranger


def _ids(house: House, issue_id: str, destination: uuid.UUID, bot: Bot) -> Ids:
    desk = house.desk
    tenant_id = desk.tenant_id
    with desk.runtime.sessions.begin() as session:
        [run] = session.scalars(sa.select(Run.id))
        [step] = session.scalars(sa.select(RunStep.id))
        [attempt] = session.scalars(sa.select(Attempt.id))
        [known] = session.scalars(sa.select(KnownRule.id))
        events = sa.select(AuditEvent.id).where(AuditEvent.tenant_id == tenant_id)
        event = session.scalars(events.limit(1)).one()
    asked = "POST /api/v1/downloads"
    answer = house.knock(asked, house.token(asked, people.ADA.account_id))
    assert answer.status == 201, answer.body
    return {
        "tenant_id": str(tenant_id),
        "known_id": str(known),
        "destination_id": str(destination),
        "listener_id": str(bot.id),
        "issue_id": issue_id,
        "run_id": str(run),
        "step_id": str(step),
        "attempt_id": str(attempt),
        "event_id": str(event),
        "unverified_ticket": json.loads(answer.body)["ticket"],
        "version": "0123456789ab",
        "name": "app.css",
        "rest": "a%2Fb",
    }


MAKERS = (
    "tenant_id",
    "known_id",
    "destination_id",
    "listener_id",
    "issue_id",
    "run_id",
    "step_id",
    "attempt_id",
    "event_id",
    "unverified_ticket",
)
"""Whose ids a route may have in its address; `_ids` makes a real one of each."""

OF_OUR_FILES = frozenset({"version", "name", "rest"})
"""Parts of an address that are no ids of anything."""
