"""A Jira of answers written down beforehand, for steps that talk to it."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.crypto import Secret
from app.http import Request, Response
from app.jira import Issue, Jira, StatusChange
from app.jira.signing import SharedSecret
from app.steps.base import Context
from app.steps.view import view
from app.tenants import Door

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
SITE = "https://acme.atlassian.net"
ISSUE = "/rest/api/3/issue/10001"
RUN_ID = uuid.UUID("0199b1a0-0000-7000-8000-000000000001")
STEP_ID = uuid.UUID("0199b1a0-0000-7000-8000-000000000002")

Fields = dict[str, Any]


@dataclass
class Sent:
    """One request as Jira got it."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class FakeHttp:
    """Answers by method and path, records what it was asked, and knows nothing else."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    def send(self, request: Request) -> Response:
        parts = urlsplit(request.url.removeprefix(SITE))
        query = dict(parse_qsl(parts.query))
        body = json.loads(request.body) if request.body else None
        sent = Sent(request.method, parts.path, query, body)
        self.sent.append(sent)
        answer = self.answers.get((sent.method, sent.path))
        if callable(answer):
            answer = answer(sent)
        if answer is None:
            return Response(status=404, body=b'{"errorMessages":["not here"]}')
        if isinstance(answer, Response):
            return answer
        return Response(status=200, body=json.dumps(answer).encode())

    @property
    def writes(self) -> list[Sent]:
        reads = {"/rest/api/3/comment/list"}
        return [s for s in self.sent if s.method != "GET" and s.path not in reads]


@dataclass
class World:
    """The triggering issue, and Jira around it."""

    http: FakeHttp
    fields: Fields
    history: list[dict[str, Any]] = field(default_factory=list)
    actor: str | None = "ann"

    def answer(self, method: str, path: str, answer: Any) -> None:
        self.http.answers[method, path] = answer

    def move(self, number: int, to: tuple[str, str], *, by: str = "ann") -> None:
        """Let somebody have moved the issue."""
        item = {"fieldId": "status", "to": to[0], "toString": to[1]}
        self.history.append(
            {
                "id": str(number),
                "created": f"2026-11-23T09:{number:02}:00.000+0000",
                "author": {"accountId": by},
                "items": [item],
            }
        )
        self.fields["status"] = {"id": to[0], "name": to[1]}

    @property
    def context(self) -> Context:
        """What a step is given now."""
        jira = Jira(
            tenant_id=uuid.UUID(int=1),
            base_url=SITE,
            door=Door.CONNECT,
            signers=[SharedSecret(secret=Secret("s" * 32), app_key="countersign")],
            http=self.http,
            now=lambda: NOW,
        )
        issue = confirmed(self.fields)
        return Context(
            run_id=RUN_ID,
            step_id=STEP_ID,
            issue=issue,
            view=view(
                issue,
                transition={"id": "31", "name": "Ship", "from": "Open", "to": "Done"},
                actor=self.actor,
                run={"id": str(RUN_ID)},
            ),
            actor=self.actor,
            jira=jira,
        )

    def issue_answer(self, _sent: Sent) -> dict[str, Any]:
        return {
            "id": "10001",
            "key": "DEMO-1",
            "fields": self.fields,
            "changelog": {"histories": self.history[::-1]},
        }


def confirmed(fields: Fields, changes: tuple[StatusChange, ...] = ()) -> Issue:
    return Issue(
        id="10001", key="DEMO-1", fields=fields, changes=changes, properties={}
    )


def plain_fields() -> Fields:
    return {
        "summary": "Ship it",
        "project": {"id": "10000", "key": "DEMO", "name": "Demo"},
        "status": {"id": "3", "name": "In Progress"},
        "labels": ["release"],
        "assignee": None,
        "reporter": {"accountId": "rita"},
        "customfield_10010": "DEMO-2",
        "updated": "2026-11-23T09:59:00.000+0000",
    }


@pytest.fixture
def world() -> World:
    world = World(http=FakeHttp(), fields=plain_fields())
    world.answer("GET", ISSUE, world.issue_answer)
    return world


@pytest.fixture
def http(world: World) -> FakeHttp:
    return world.http


Answer = Callable[[Sent], Any]
