"""A self-managed Jira in one process, what calls it, and what hears from it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from sandbox import Jira

Json = dict[str, Any]
CONTEXT = "/jira"


@dataclass
class Ear:
    """Takes every call, and keeps it."""

    status: int = 204
    heard: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        assert method == "POST"
        self.heard.append((url, headers, body))
        return self.status, b""

    @property
    def last(self) -> tuple[Mapping[str, str], Json]:
        _, headers, body = self.heard[-1]
        return headers, json.loads(body)


@dataclass
class Api:
    """REST v2, by the personal access token that the site made."""

    client: FlaskClient
    jira: Jira

    def __call__(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> TestResponse:
        pat = {"Authorization": f"Bearer {self.jira.datacenter.pat}"}
        return self.bare(method, f"/rest/api/2{path}", body, **(pat | headers))

    def bare(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> TestResponse:
        """Without a token, and by any path of the site."""
        data = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json"} | headers
        return self.client.open(CONTEXT + path, method=method, headers=sent, data=data)

    def get(self, path: str) -> Any:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.get_json()
