"""GitHub on the wire: what other tests take for granted of it."""

import json

import jwt
import pytest
from flask import Flask

from app.http import Request, SendError
from sandbox.github import GitHub
from tests.functional.conftest import BASE_URL
from tests.functional.fakes import Clock, Wire

API = "https://api.github.com"


def app_jwt(github: GitHub, clock: Clock) -> str:
    today = int(clock().timestamp())
    claims = {
        "iat": today - 60,
        "exp": today + 540,
        "iss": str(github.installation.app_id),
    }
    return jwt.encode(claims, github.private_key, "RS256")


def test_api_and_builds_are_within_reach(
    app: Flask, github: GitHub, wire: Wire, clock: Clock
) -> None:
    del app

    def send(path: str, token: str, body: object) -> object:
        headers = {"User-Agent": "test", "Authorization": f"Bearer {token}"}
        sent = json.dumps(body).encode()
        url = API + path
        return json.loads(
            wire.send(Request(method="POST", url=url, headers=headers, body=sent)).body
        )

    number = github.installation.id
    path = f"/app/installations/{number}/access_tokens"
    made = send(path, app_jwt(github, clock), {"repositories": ["shop"]})
    assert isinstance(made, dict)
    asked = {
        "run": "r",
        "delivery": "d",
        "answer_to": f"{BASE_URL}/nothing-here",
        "answer_key": "k",
    }
    order = {
        "ref": "main",
        "inputs": {"version": "1", "countersign": json.dumps(asked)},
        "return_run_details": True,
    }
    flow = "/repos/acme/shop/actions/workflows/deploy.yml"
    started = send(f"{flow}/dispatches", made["token"], order)
    assert isinstance(started, dict)
    assert github.build() == 1
    [said] = github.find(started["workflow_run_id"]).answers
    assert said.status == 404
    issuer = "https://token.actions.githubusercontent.com"
    wire.check(issuer, None)
    keys = wire.send(Request(method="GET", url=f"{issuer}/.well-known/jwks"))
    assert len(json.loads(keys.body)["keys"]) == 1
    github.behave("drop", 1)
    with pytest.raises(SendError) as lost:
        send(f"{flow}/dispatches", made["token"], order)
    assert lost.value.sent
    assert len(github.builds) == 2
