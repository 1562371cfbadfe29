"""Calls as Jira makes them, and as nobody should: each part can be changed."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask

from app.http import Response
from sandbox import Jira, qsh, tokens
from tests.functional.fakes import Clock, call

Json = dict[str, Any]
BASE_URL = "https://countersign.example"


@dataclass
class Caller:
    """Signs with the site's own keys, by the sandbox's code, not by ours."""

    app: Flask
    jira: Jira
    clock: Clock

    def claims(self, method: str, path: str, **changes: Any) -> Json:
        claims = {
            "iss": self.jira.site.client_key,
            **tokens.times(self.clock()),
            "qsh": qsh.of(method, BASE_URL + path, ""),
        }
        return {k: v for k, v in (claims | changes).items() if v is not None}

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: Json | bytes = b"",
        **headers: str,
    ) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if token:
            sent["Authorization"] = f"JWT {token}"
        return call(self.app, method, BASE_URL + path, sent, data)

    def url_bound(self, method: str, path: str, **changes: Any) -> str:
        secret = changes.pop("secret", self.jira.site.shared_secret)
        return tokens.sign(self.claims(method, path, **changes), secret)

    def context(self, user: str = "ada") -> str:
        return self.jira.context_token(user)

    def installed(self, **changes: Any) -> Json:
        site = self.jira.site
        body = {
            "key": "countersign",
            "clientKey": site.client_key,
            "sharedSecret": site.shared_secret,
            "baseUrl": site.base_url,
            "eventType": "installed",
        }
        return {k: v for k, v in (body | changes).items() if v is not None}

    def install_token(self, event: str = "installed", **changes: Any) -> str:
        return self.install_token_for("POST", f"/lifecycle/{event}", **changes)

    def install_token_for(self, method: str, path: str, **changes: Any) -> str:
        """Return a token of that family, bound to any address."""
        claims = self.claims(method, path, aud=[BASE_URL]) | changes
        kept = {k: v for k, v in claims.items() if v is not None}
        return tokens.sign_install(kept, self.jira.site.key)

    def lifecycle(self, event: str, token: str, body: Json) -> int:
        return self.send("POST", f"/lifecycle/{event}", token=token, body=body).status

    def install(self, **changes: Any) -> int:
        return self.lifecycle(
            "installed", self.install_token(), self.installed(**changes)
        )

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))
