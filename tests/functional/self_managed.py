"""A self-managed Jira that the operator added, and the people on our pages for it."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from flask import Flask

from app.audit import AuditEvent
from app.cli import main, opening
from app.http import Response
from app.jira.opening import NOBODY
from sandbox import Jira, catalogue
from sandbox.datacenter.kept import Webhook
from tests.functional.conftest import BASE_URL, Heard
from tests.functional.fakes import Clock, call
from tests.functional.receiving import Desk

HOST = "https://jira.example"
CONTEXT = "/jira"
ADA_KEY = "JIRAUSER10100"
DISPATCH = {
    "name": "Dispatch",
    "workflow": catalogue.WORKFLOW,
    "transition": "Dispatch",
    "transition_id": "71",
    "to_status": "Deploying",
}
WEBHOOK = DISPATCH | {"proof": "jira-webhook"}


def jira_of(clock: Clock, addon: dict[str, Flask], heard: list[Heard]) -> Jira:
    """Return a self-managed Jira whose calls go to the add-on of the test."""

    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        heard.append((method, url, headers, body))
        answer = call(addon["app"], method, url, headers, body)
        return answer.status, answer.body

    return Jira(
        now=clock,
        addon_base_url=BASE_URL,
        base_url=HOST,
        context_path=CONTEXT,
        transport=transport,
        background=False,
        is_datacenter=True,
    )


@dataclass(kw_only=True)
class Office(Desk):
    """The operator's shell, an admin's page, and what both of them set up."""

    monkeypatch: pytest.MonkeyPatch
    tenant: uuid.UUID = NOBODY
    token: str = ""
    """Of the admin's session on our pages."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Of listeners, by their ids: shown once."""

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.tenant

    def shell(self, *arguments: str, typed: str = "") -> Result:
        """Give a command, with what is typed into it."""
        self.monkeypatch.setattr(opening, "runtime", lambda: self.runtime)
        return CliRunner().invoke(main, arguments, input=typed, catch_exceptions=False)

    def add(self) -> None:
        """Let the operator add the site, by the token that its admin gave him."""
        site, pat = self.jira.base_url, self.jira.datacenter.pat
        done = self.shell("tenants", "add-datacenter", "--url", site, typed=pat)
        assert done.exit_code == 0, done.output
        found = re.search(r"tenant (\S+)", done.output)
        assert found, done.output
        self.tenant = uuid.UUID(found[1])

    def ticket(self, user: str = "ada") -> str:
        """Return what the operator's sign-in link has behind its `#`."""
        done = self.shell("tenants", "open", str(self.tenant), "--user", user)
        assert done.exit_code == 0, done.output
        return done.output.strip().partition("#ticket=")[2]

    def sign_in(self, ticket: str | None = None) -> Response:
        """Open the link, and keep the session's token as our script does."""
        shown = {"ticket": self.ticket() if ticket is None else ticket}
        answer = self.send("POST", "/datacenter/session", shown, token="")
        if answer.status == 201:
            self.token = json.loads(answer.body)["token"]
        return answer

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        **headers: str,
    ) -> Response:
        shown = self.token if token is None else token
        sent = {"Content-Type": "application/json"} | headers
        if shown:
            sent["Authorization"] = f"Bearer {shown}"
        data = b"" if body is None else json.dumps(body).encode()
        return call(self.app, method, BASE_URL + path, sent, data)

    def page(self, path: str) -> str:
        answer = self.send("GET", f"/datacenter/api/v1/pages/{path}")
        assert answer.status == 200, answer.body
        return " ".join(answer.body.decode().split())

    def listen(self, **values: Any) -> uuid.UUID:
        """Add a listener on our page."""
        answer = self.send("POST", "/datacenter/api/v1/listeners", WEBHOOK | values)
        assert answer.status == 201, answer.body
        made = json.loads(answer.body)
        self.secrets[made["id"]] = made["secret"]
        return uuid.UUID(made["id"])

    def save(self, listener: uuid.UUID, text: str, over: int = 0) -> Response:
        """Save a rule on our page, over the version that was opened."""
        path = f"/datacenter/api/v1/listeners/{listener}/rule"
        return self.send("PUT", path, {"value": text, "over": over})

    def place(
        self, listener: uuid.UUID, transition: str = "Dispatch", **values: Any
    ) -> Webhook:
        """Let Jira's admin add the webhook and bind it to the transition."""
        site, url = self.jira.datacenter, f"{BASE_URL}/listeners/{listener}"
        made = site.add_webhook(url, secret=self.secrets[str(listener)], **values)
        if transition:
            site.place(transition, made)
        return made

    def dispatch(self, key: str = "DEMO-1") -> None:
        """Move an issue by hand, and let what Jira sends about it arrive."""
        self.jira.set_status(key, "In Review")
        self.jira.transition(key, "Dispatch")
        self.jira.deliver_pending()

    def history(self, kind: str) -> list[AuditEvent]:
        wanted = sa.select(AuditEvent).where(AuditEvent.kind == kind)
        with self.runtime.sessions.begin() as session:
            found = list(session.scalars(wanted.order_by(AuditEvent.id)))
            session.expunge_all()
        return found


def open_office(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Office:
    """Let the operator add the site, and sign its admin in."""
    office = Office(**vars(desk), monkeypatch=monkeypatch)
    office.add()
    assert office.sign_in().status == 201
    return office
