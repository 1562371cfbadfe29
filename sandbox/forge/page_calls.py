"""What a page of Custom UI asks of the app's server: `invokeRemote`, done by Forge."""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.addon import Answer, Call
from sandbox.forge.app import ForgeApp
from sandbox.forge.invocations import Invocation
from sandbox.forge.pages import Page
from sandbox.people import Person

Json = dict[str, Any]

SECONDS = 25.0
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_LARGEST_REQUEST = 500_000
_OURS = ("authorization", "x-forge-", "x-b3-")


class PageCallError(Exception):
    """It was not even sent; the text is what the page is told."""


def invocation(app: ForgeApp, page: Page, person: Person) -> Invocation:
    """A call by this page: its resolver's endpoint, and who looks at it."""
    module = app.manifest.module(page.kind, page.key) or {}
    resolver = module.get("resolver", {}).get("endpoint")
    if not resolver:
        raise PageCallError(f"{page.key} has no resolver with an endpoint.")
    endpoint = app.manifest.endpoint(str(resolver))
    page_type = page.kind if app.names_page_module else ""
    who, beside = person.account_id, page.extension
    return Invocation(endpoint, page.key, who, beside, page_type)


def invoke(app: ForgeApp, page: Page, person: Person, asked: Json) -> Json:
    """The answer of the bridge, as `@forge/bridge` 7.2 takes it apart."""
    try:
        answer = app.send(_call(app, invocation(app, page, person), asked), SECONDS)
    except PageCallError as error:
        return _failed({}, str(error))
    if not answer.status:
        return _failed({}, answer.text)
    reply: Json = {
        "status": answer.status,
        "headers": {name: [value] for name, value in answer.headers.items()},
    }
    try:
        reply |= _body_of(answer)
    except ValueError:
        return _failed(reply, "The response is no JSON, which Forge wants.")
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP
        return {"success": True, "payload": reply}
    why = f"The remote answered {answer.status}."
    return _failed({} if app.hides_status else reply, why)


def _failed(reply: Json, why: str) -> Json:
    return {"success": False, "error": reply | {"message": why}}


def _body_of(answer: Answer) -> Json:
    if not answer.text:
        return {}
    if "json" not in answer.headers.get("content-type", ""):
        raise ValueError("its type says that it is something else")
    return {"body": json.loads(answer.text)}


def _call(app: ForgeApp, what: Invocation, asked: Json) -> Call:
    path, method = str(asked.get("path") or ""), str(asked.get("method") or "GET")
    if not path.startswith("/") or path.startswith("//"):
        raise PageCallError("The path has to begin with a slash.")
    if method not in METHODS:
        raise PageCallError(f"The method {method!r} cannot be used.")
    raw = _raw(asked.get("body"))
    if len(raw) > _LARGEST_REQUEST:
        raise PageCallError("The request is larger than 500 KB.")
    headers = _own(asked.get("headers") or {})
    if raw and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    headers |= app.headers(what)
    note = f"Forge · invokeRemote of {what.module_key}"
    return Call(method, app.url(path), raw, headers, note)


def _own(given: Mapping[str, object]) -> dict[str, str]:
    """The page cannot say who it is: that is Forge's to say."""
    return {
        str(name): str(value)
        for name, value in given.items()
        if not str(name).lower().startswith(_OURS)
    }


def _raw(given: object) -> bytes:
    if given is None:
        return b""
    return (given if isinstance(given, str) else json.dumps(given)).encode()
