"""What Jira answers is read for what it is, and quotes nothing that opens it."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from app.crypto import Secret
from app.http import Request, Response
from app.jira import Jira, JiraError, issue_of
from app.jira.signing import AccessToken
from app.tenants import Door

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAT = "MDM0NTY3/ODkwMTI+NDU2"


@dataclass
class _Echo:
    """A proxy whose page of errors quotes what it was sent."""

    is_escaped: bool
    sent: list[str] = field(default_factory=list)

    def send(self, request: Request) -> Response:
        quoted = request.headers["Authorization"]
        self.sent.append(quoted)
        shown = quoted.replace("/", "\\/") if self.is_escaped else quoted
        body = f'{{"message": "bad gateway, headers: {shown}"}}'
        return Response(status=502, body=body.encode())


@pytest.mark.parametrize("is_escaped", [False, True])
def test_t8_personal_access_token_is_in_no_words_of_an_error(
    *, is_escaped: bool
) -> None:
    echo = _Echo(is_escaped)
    jira = Jira(
        tenant_id=uuid.uuid4(),
        base_url="https://jira.example",
        door=Door.DATACENTER,
        signers=[AccessToken(token=Secret(PAT), renews=False)],
        http=echo,
        now=lambda: NOW,
    )

    with pytest.raises(JiraError) as caught:
        jira.own_account()

    assert echo.sent == [f"Bearer {PAT}"]
    assert str(caught.value) == "Jira answered 502: bad gateway, headers: Bearer ***"


def changed(**item: str) -> dict[str, Any]:
    move = {"from": "1", "fromString": "To Do", "to": "2", "toString": "Done"}
    return {
        "id": "7",
        "created": "2026-11-23T10:00:00.000+0000",
        "items": [move | item],
    }


@pytest.mark.parametrize(
    ("item", "is_status"),
    [
        ({"field": "status", "fieldtype": "jira", "fieldId": "status"}, True),
        ({"field": "Status", "fieldtype": "jira", "fieldId": "status"}, True),
        ({"field": "status", "fieldtype": "jira"}, True),
        ({"field": "status", "fieldtype": "custom"}, False),
        ({"field": "status", "fieldtype": "custom", "fieldId": "customfield_1"}, False),
        ({"field": "summary", "fieldtype": "jira"}, False),
    ],
)
def test_t1_field_that_is_called_status_is_no_status(
    item: dict[str, str], *, is_status: bool
) -> None:
    """Attack: whoever may edit such a field makes transitions that never were."""
    issue = issue_of(
        {
            "id": "1",
            "key": "DEMO-1",
            "fields": {},
            "changelog": {"histories": [changed(**item)]},
        }
    )

    assert bool(issue.changes) is is_status
