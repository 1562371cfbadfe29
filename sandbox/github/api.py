"""The REST API, as far as an App that starts workflows needs it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.github import app_jwt, listing, repository, runs
from sandbox.github.heard import Call
from sandbox.github.installation import Grant
from sandbox.github.replies import BAD_CREDENTIALS, NOT_FOUND, Refused, Reply
from sandbox.github.repository import Repository

if TYPE_CHECKING:
    from sandbox.github.github import GitHub

Json = dict[str, Any]

VERSIONS = ("2022-11-28", "2026-03-10")
_MEDIA_TYPE = re.compile(
    r"\*/\*|application/(\*|json|vnd\.github(\.v3)?(\.raw)?(\+json)?)"
)
_LONGEST_TYPE = 100
_MOST_MEMBERS = 10
_LONGEST_PAYLOAD = 65_535


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A call, and what of GitHub answers it."""

    github: "GitHub"
    call: Call
    now: datetime
    parts: Mapping[str, str]
    """Of the path."""

    @property
    def token(self) -> str:
        scheme, _, token = self.call.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() in {"bearer", "token"} else ""

    def given(self) -> Json:
        """The object of the request; empty without a body."""
        if not self.call.body:
            return {}
        try:
            found = json.loads(self.call.body)
        except (ValueError, RecursionError):
            raise Refused(400, "Problems parsing JSON") from None
        if not isinstance(found, dict):
            raise Refused(400, "Body should be a JSON object")
        return found

    def as_app(self) -> None:
        """Raise Refused unless the App itself asks."""
        if not self.token:
            raise Refused(401, "A JSON web token could not be decoded")
        github = self.github
        app_jwt.judge(self.token, github.installation.app_id, github.app_keys, self.now)

    def within(self) -> tuple[Repository, Grant]:
        """The repository, and what the token may there."""
        if not self.token:
            # a private repository is not there for who has no token
            raise Refused(404, NOT_FOUND)
        if not self.token.startswith("ghs_"):
            raise Refused(401, BAD_CREDENTIALS)
        grant = self.github.installation.grant(self.token, self.now)
        found = repository.find(self.parts["owner"], self.parts["repo"])
        grant.needs(found, "metadata", "read")
        return found, grant


def answer(github: "GitHub", call: Call, now: datetime) -> Reply:
    """Raise Refused for what GitHub would refuse."""
    _check_headers(call)
    for method, pattern, _, view in _ROUTES:
        found = pattern.fullmatch(call.path)
        if found and method == call.method:
            parts = found.groupdict()
            return view(Asking(github=github, call=call, now=now, parts=parts))
    raise Refused(404, NOT_FOUND)


def kind(call: Call) -> str:
    """Of `manners.CALLS`."""
    for method, pattern, found, _ in _ROUTES:
        if method == call.method and pattern.fullmatch(call.path):
            return found
    return "read"


def _check_headers(call: Call) -> None:
    if not call.headers.get("user-agent", "").strip():
        raise Refused(
            403,
            "Request forbidden by administrative rules. Please make sure your request "
            "has a User-Agent header",
        )
    version = call.headers.get("x-github-api-version", VERSIONS[0])
    if version not in VERSIONS:
        raise Refused(400, f'"{version}" is not a supported version')
    accepted = call.headers.get("accept", "*/*")
    media_types = [one.partition(";")[0].strip() for one in accepted.split(",")]
    if not any(_MEDIA_TYPE.fullmatch(one) for one in media_types):
        raise Refused(
            415,
            f"Unsupported 'Accept' header: '{accepted}'. Must accept "
            "'application/json'.",
        )


# -- the App


def _app(asking: Asking) -> Reply:
    asking.as_app()
    kept = asking.github.installation
    return Reply(
        200,
        {
            "id": kept.app_id,
            "slug": kept.slug,
            "name": kept.slug.title(),
            "owner": repository.SHOP.json()["owner"],
            "permissions": kept.permissions,
            "events": [],
            "installations_count": 1,
        },
    )


def _installation(asking: Asking) -> Reply:
    asking.as_app()
    kept = asking.github.installation
    if asking.parts["id"] != str(kept.id):
        raise Refused(404, NOT_FOUND)
    return Reply(200, kept.json())


def _access_token(asking: Asking) -> Reply:
    _installation(asking)
    issued = asking.github.installation.issue(asking.given(), asking.now)
    return Reply(201, issued)


# -- a repository


def _repository(asking: Asking) -> Reply:
    return Reply(200, asking.within()[0].json())


def _workflow_dispatch(asking: Asking) -> Reply:
    where, grant = asking.within()
    grant.needs(where, "actions", "write")
    workflow = where.workflow(asking.parts["workflow"])
    given = asking.given()
    wants_details = given.get("return_run_details", False)
    if not isinstance(wants_details, bool):
        raise Refused(422, "Invalid request.\n\nreturn_run_details is no boolean.")
    ref = where.ref(given.get("ref"))
    inputs = workflow.check(given.get("inputs"))
    run = asking.github.dispatch(
        runs.Order(
            repository=where,
            workflow=workflow,
            event="workflow_dispatch",
            ref=ref,
            inputs=inputs,
            countersign=runs.read(inputs.get("countersign")),
        )
    )
    if not wants_details:
        return Reply(204)
    shown = asking.github.json_of(run)
    return Reply(
        200,
        {
            "workflow_run_id": run.id,
            "run_url": shown["url"],
            "html_url": shown["html_url"],
        },
    )


def _repository_dispatch(asking: Asking) -> Reply:
    where, grant = asking.within()
    grant.needs(where, "contents", "write")
    given = asking.given()
    name, payload = given.get("event_type"), given.get("client_payload", {})
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_TYPE:
        raise Refused(
            422, "Invalid request.\n\nevent_type is a text of 1 to 100 characters."
        )
    if not isinstance(payload, dict):
        raise Refused(422, "Invalid request.\n\nclient_payload is not an object.")
    if len(payload) > _MOST_MEMBERS:
        raise Refused(
            422,
            "Invalid request.\n\nNo more than 10 properties are allowed; "
            f"{len(payload)} were supplied.",
        )
    if len(json.dumps(payload, ensure_ascii=False).encode()) > _LONGEST_PAYLOAD:
        raise Refused(422, "client_payload is too large.")
    for workflow in where.workflows:
        if name in workflow.types:
            asking.github.dispatch(
                runs.Order(
                    repository=where,
                    workflow=workflow,
                    event="repository_dispatch",
                    ref=where.ref(where.default_branch),
                    inputs=_inputs(payload),
                    countersign=runs.read(payload.get("countersign")),
                )
            )
    return Reply(204)


def _inputs(payload: Json) -> dict[str, str]:
    ours = payload.get("countersign")
    found = ours.get("inputs") if isinstance(ours, dict) else None
    return {
        str(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in (found if isinstance(found, dict) else {}).items()
    }


def _run(asking: Asking) -> Reply:
    where, grant = asking.within()
    grant.needs(where, "actions", "read")
    for run in asking.github.runs():
        if run.repository == where and str(run.id) == asking.parts["run"]:
            return Reply(200, asking.github.json_of(run))
    raise Refused(404, NOT_FOUND)


def _runs(asking: Asking) -> Reply:
    where, grant = asking.within()
    grant.needs(where, "actions", "read")
    workflow = where.workflow(asking.parts["workflow"])
    mine = [run for run in asking.github.runs() if run.workflow == workflow]
    found = listing.chosen(mine, asking.call.query)
    shown = listing.page(found, asking.call.query)
    return Reply(
        200,
        {
            "total_count": len(found),
            "workflow_runs": [asking.github.json_of(run) for run in shown],
        },
    )


def _workflow(asking: Asking) -> Reply:
    where, grant = asking.within()
    grant.needs(where, "actions", "read")
    found = where.workflow(asking.parts["workflow"])
    return Reply(200, {"name": found.name, "path": found.path, "state": "active"})


_REPO = r"/repos/(?P<owner>[^/]+)/(?P<repo>[^/]+)"
_WORKFLOW = _REPO + r"/actions/workflows/(?P<workflow>[^/]+)"
View = Callable[[Asking], Reply]


def _route(method: str, path: str, of: str, view: View) -> tuple[str, Any, str, View]:
    return method, re.compile(path), of, view


_INSTALLATION = r"/app/installations/(?P<id>[^/]+)"
_ROUTES = (
    _route("GET", "/app", "read", _app),
    _route("GET", _INSTALLATION, "read", _installation),
    _route("POST", _INSTALLATION + "/access_tokens", "token", _access_token),
    _route("GET", _REPO, "read", _repository),
    _route("POST", _REPO + "/dispatches", "dispatch", _repository_dispatch),
    _route("POST", _WORKFLOW + "/dispatches", "dispatch", _workflow_dispatch),
    _route("GET", _WORKFLOW, "read", _workflow),
    _route("GET", _WORKFLOW + "/runs", "read", _runs),
    _route("GET", _REPO + "/actions/runs/(?P<run>[^/]+)", "read", _run),
)
