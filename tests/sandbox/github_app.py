"""An App's owner: asks GitHub as a careful client does; any part can be made wrong."""

import json
from dataclasses import dataclass, field
from typing import Any

import jwt

from sandbox.github import Build, GitHub, Reply
from tests.sandbox.conftest import Clock

Json = dict[str, Any]

SHOP = "/repos/acme/shop"
DISPATCHES = f"{SHOP}/actions/workflows/deploy.yml/dispatches"
ANSWER_TO = "https://stand-in.test/answers"
ASKED = {
    "run": "0b0e7c3a-35a6-4c0b-9f0e-0a8d6b9f8f11",
    "delivery": "7d0e7c3a-35a6-4c0b-9f0e-0a8d6b9f8f22",
    "answer_to": ANSWER_TO,
    "answer_key": "only-this-delivery-knows-it",
}


@dataclass
class Owner:
    github: GitHub
    clock: Clock
    headers: Json = field(
        default_factory=lambda: {
            "User-Agent": "countersign",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2026-03-10",
        }
    )

    def app_jwt(self, key: Any = None, alg: str = "RS256", **changes: Any) -> str:
        today = int(self.clock().timestamp())
        claims = {
            "iat": today - 60,
            "exp": today + 540,
            "iss": str(self.github.installation.app_id),
        }
        kept = {k: v for k, v in (claims | changes).items() if v is not None}
        # to read a PEM takes longer than to sign: its numbers are proved each time
        return jwt.encode(kept, key or self.github.app_keys[-1].private, alg)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str = "",
        **more: Any,
    ) -> Reply:
        headers = self.headers | more
        if token:
            headers["Authorization"] = f"Bearer {token}"
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.github.call(
            method,
            self.github.api_url + path,
            {k: v for k, v in headers.items() if v is not None},
            b"" if body is None else sent,
        )

    def tokens(self, body: object = None) -> Reply:
        number = self.github.installation.id
        path = f"/app/installations/{number}/access_tokens"
        return self.ask("POST", path, body, token=self.app_jwt())

    def token(self, **body: Any) -> str:
        reply = self.tokens(body)
        assert reply.status == 201, reply
        return str((reply.body or {})["token"])

    def dispatch(self, body: Json | None = None, token: str = "") -> Reply:
        token = token or self.token()
        return self.ask("POST", DISPATCHES, body or order(), token=token)

    def started(self, **asked: Any) -> Build:
        assert self.dispatch(order(countersign=json.dumps(ASKED | asked))).status == 200
        return self.github.builds[-1]


def order(**inputs: Any) -> Json:
    """The body of a dispatch; an input that is None is left away."""
    given = {"version": "2.4.0", "environment": "staging"} | inputs
    kept = {name: value for name, value in given.items() if value is not None}
    return {"ref": "main", "return_run_details": True, "inputs": kept}
