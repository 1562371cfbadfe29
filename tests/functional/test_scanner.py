"""What Atlassian's scanner asks of every address in our descriptor, and of every other.

Source: `atlassian-labs/connect-security-req-tester`, requirements 1.1, 1.2, 1.4, 3.0,
7.2, 7.3 and 7.4. The addresses are read from what is served, so none can be missed.
"""

import base64
import functools
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import jwt
import pytest
from flask import Flask

from app.forge import manifest
from app.http import Response
from sandbox import Jira, people, qsh, tokens
from sandbox.tokens import InstallKey
from tests.functional.callers import BASE_URL, Caller
from tests.functional.doors import doors, families, invocation, made_up, path_of
from tests.functional.fakes import Clock

METHODS = ("GET", "POST")
A_YEAR = 365 * 24 * 3600
OURS_ALONE = frozenset({"baseUrl", "links", "vendor", "homeUrl"})
"""Members that name us, and not an address that Jira calls or shows."""
OF_JIRA = frozenset({"triggered", "lifecycle"})
"""What Jira itself calls, whoever is in session."""
OF_EVERYBODY = frozenset({"webPanels"})
"""Modules for who may see the issue; every other one is for admins."""
CACHEABLE = (
    "GET /static/<version>/<name>",
    "GET /issuers/<tenant_id>/.well-known/openid-configuration",
    "GET /issuers/<tenant_id>/jwks.json",
)
ADA, DEE, _ = (person.account_id for person in people.USERS)
Where = tuple[str, ...]
"""How a member of a document is reached."""


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


def addresses(member: object, where: Where = ()) -> Iterator[tuple[Where, str]]:
    """Yield every address below a member of the descriptor, whatever it is called."""
    if isinstance(member, Mapping):
        for name, value in member.items():
            if name not in OURS_ALONE:
                yield from addresses(value, (*where, name))
    elif isinstance(member, list):
        for value in member:
            yield from addresses(value, where)
    elif isinstance(member, str) and member.startswith(("/", "http")):
        path = member.removeprefix(BASE_URL)
        yield where, path.replace("{issue.id}", "10100")


@pytest.fixture
def described(caller: Caller) -> dict[str, Where]:
    """Every address of the descriptor as it is served, and where it stands in it."""
    answer = caller.send("GET", "/atlassian-connect.json")
    found = {path: where for where, path in addresses(json.loads(answer.body))}
    assert len(found) >= 12
    assert not [path for path in found if not path.startswith("/") or "{" in path]
    return found


@functools.cache
def own_key() -> InstallKey:
    """Return a key pair that Atlassian does not know."""
    return replace(tokens.install_key.__wrapped__(), kid="fake-kid")


def unsigned(claims: Mapping[str, Any]) -> str:
    """Return a token with `alg: none`, as a library that means well would not."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in parts
    ]
    return ".".join([*encoded, ""])


def forgeries(caller: Caller, method: str, path: str) -> dict[str, str]:
    """Return the scanner's tokens: what they say is right, and nothing is proven."""
    bound = caller.claims(method, path, sub=ADA)
    context = caller.claims(method, path, sub=ADA, qsh=qsh.CONTEXT)
    install = caller.claims(method, path, aud=[BASE_URL])
    return {
        "none": "",
        "fake secret": tokens.sign(bound, "fake secret " * 4),
        "fake secret, context": tokens.sign(context, "fake secret " * 4),
        "alg none": unsigned(bound),
        "alg none, context": unsigned(context),
        "fake kid": tokens.sign_install(install, own_key()),
        "site's kid": tokens.sign_install(
            install, replace(own_key(), kid=caller.jira.site.key.kid)
        ),
    }


def assert_safe(answer: Response, *, is_cacheable: bool = False) -> None:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    age = headers["strict-transport-security"].partition("max-age=")[2].partition(";")
    assert int(age[0]) >= A_YEAR
    if not is_cacheable or answer.status >= 400:
        kept = {word.strip() for word in headers["cache-control"].split(",")}
        assert {"no-cache", "no-store"} <= kept
    assert "set-cookie" not in headers
    assert "x-frame-options" not in headers  # `frame-ancestors` says it, for our sites


def ways(path: str, token: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield both places that a token can be in."""
    yield path, {"Authorization": f"JWT {token}"} if token else {}
    if token:
        yield f"{path}{'&' if '?' in path else '?'}jwt={token}", {}


def test_no_address_of_the_descriptor_opens_without_proof(
    caller: Caller, described: Mapping[str, Where]
) -> None:
    wrong: dict[tuple[str, ...], int] = {}
    for path in described:
        for method in METHODS:
            for name, token in forgeries(caller, method, path).items():
                for target, headers in ways(path, token):
                    answer = caller.send(method, target, body={}, **headers)
                    assert_safe(answer)
                    if not 400 <= answer.status < 500:
                        wrong[path, method, name] = answer.status
    assert wrong == {}


def test_no_address_of_the_descriptor_answers_another_method(
    caller: Caller, described: Mapping[str, Where]
) -> None:
    """With a token that is good for just that."""
    for path in described:
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
            token = caller.url_bound(method, path, sub=ADA)
            answer = caller.send(method, path, token=token, body={})
            assert_safe(answer)
            assert answer.status not in range(300, 400)


def test_t10_no_page_of_the_descriptor_opens_for_who_is_no_admin(
    caller: Caller, described: Mapping[str, Where]
) -> None:
    pages = {
        path: where
        for path, where in described.items()
        if not (OF_JIRA | OF_EVERYBODY).intersection(where)
    }
    assert "/config" in pages
    opened: dict[tuple[str, ...], int] = {}
    for path in pages:
        for method in METHODS:
            for sub in (DEE, None):
                bound = caller.url_bound(method, path, sub=sub)
                claims = caller.claims(method, path, sub=sub, qsh=qsh.CONTEXT)
                context = tokens.sign(claims, caller.jira.site.shared_secret)
                for token in (bound, context):
                    answer = caller.send(method, path, token=token, body={})
                    assert_safe(answer)
                    if answer.status < 400:
                        opened[path, method] = answer.status
        # Else nothing was shown: it does open for who is one.
        token = caller.url_bound("GET", path, sub=ADA)
        assert caller.send("GET", path, token=token).status == 200
    assert opened == {}


def test_every_route_is_safe_whatever_comes(app: Flask, caller: Caller) -> None:
    """Every route that the app has, those of no descriptor included."""
    kinds, ids = families(app), made_up()
    ids = {**ids, "version": "0", "name": "app.css"}
    for key in doors(app):
        is_open = kinds[key] in {"open_to_all", "stands_alone"}
        path = path_of(key, ids)
        for method in {*METHODS, key.partition(" ")[0]}:
            is_cacheable = is_open and f"{method} {key.partition(' ')[2]}" in CACHEABLE
            for token in forgeries(caller, method, path).values():
                answer = caller.send(method, path, token=token, body={})
                assert_safe(answer, is_cacheable=is_cacheable)
                assert answer.status >= 400 or is_open, (key, method)


def test_what_no_handler_foresaw_is_safe(
    app: Flask, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """404, 405, 413, 500; `test_server` has those that the server answers itself."""
    path = "/post-function/triggered"
    assert caller.send("GET", "/no/such/page").status == 404
    assert_safe(caller.send("GET", "/no/such/page"))
    assert caller.send("PATCH", path).status == 405
    assert_safe(caller.send("PATCH", path))

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(app.view_functions, "health.healthz", broken)
    answer = caller.send("GET", "/healthz")
    assert (answer.status, answer.body) == (500, b'{"error":"failed"}\n')
    assert_safe(answer)


Forgery = Callable[[Mapping[str, Any], str], str]
FORGED_EVENTS: Mapping[str, Forgery] = {
    "fake secret": lambda claims, _: tokens.sign(dict(claims), "fake secret " * 4),
    "alg none": lambda claims, _: unsigned(claims),
    "fake kid": lambda claims, _: resigned(claims, kid="fake-kid"),
    "Atlassian's kid": lambda claims, kid: resigned(claims, kid=kid),
}


def resigned(claims: Mapping[str, Any], *, kid: str) -> str:
    headers = {"kid": kid}
    return jwt.encode(dict(claims), own_key().private_pem, "RS256", headers=headers)


def test_t16_no_endpoint_of_the_manifest_opens_without_proof(
    app: Flask, caller: Caller
) -> None:
    """The events that the manifest names, and what its pages call."""
    assert caller.jira.forge.install()[0].is_good
    rendered = manifest.render(BASE_URL, manifest.NO_APP, connect_key="countersign")
    endpoints = rendered["modules"]["endpoint"]
    paths = [each["route"]["path"] for each in endpoints if "route" in each]
    assert len(paths) == len(endpoints) - 1  # the pages say theirs, call by call
    kinds = families(app)
    paths += [
        path_of(key, made_up()) for key in doors(app) if kinds[key] == "forge_page"
    ]
    for path in paths:
        is_event = "/api/" not in path
        family, sub = ("forge_event", None) if is_event else ("forge_page", ADA)
        good = invocation(caller.jira, family, path, sub, {})
        header = jwt.get_unverified_header(good.token)
        claims = jwt.decode(good.token, options={"verify_signature": False})
        shown = {"none": ""} | {
            name: forge(claims, str(header["kid"]))
            for name, forge in FORGED_EVENTS.items()
        }
        shown["Connect's"] = caller.url_bound("POST", path, sub=ADA)
        for method in METHODS:
            for token in shown.values():
                sent = {"Authorization": f"Bearer {token}"} if token else {}
                answer = caller.send(method, path, body={}, **sent)
                assert_safe(answer)
                assert 400 <= answer.status < 500, (path, method)


def test_t16_no_page_through_forge_opens_for_who_is_no_admin(
    app: Flask, caller: Caller
) -> None:
    assert caller.jira.forge.install()[0].is_good
    pages = [
        key
        for key, kind in families(app).items()
        if kind == "forge_page" and "/api/v1/pages/" in key and "issue" not in key
    ]
    assert len(pages) > 10
    for key in pages:
        method, path = key.partition(" ")[0], path_of(key, made_up())
        shown = invocation(caller.jira, "forge_page", path, DEE, {})
        sent = {name.replace("-", "_"): text for name, text in shown.headers.items()}
        answer = caller.send(method, path, body={}, **sent)
        # Forge's front end gets the status inside the answer (docs/adr/0011).
        assert answer.status >= 400 or json.loads(answer.body)["answered"] == 403, key
        assert_safe(answer)


def test_made_up_site_is_told_no_more_than_a_known_one(
    caller: Caller, described: Mapping[str, Where]
) -> None:
    for path in described:
        known = caller.url_bound("POST", path, secret="x" * 40)
        other = caller.url_bound("POST", path, secret="x" * 40, iss=str(uuid.uuid4()))
        answers = [
            caller.send("POST", path, token=token, body={}) for token in (known, other)
        ]
        assert answers[0].body == answers[1].body
