"""A stand-in for GitLab: one project, its trigger and its pipelines, by its contract.

It is strict where GitLab is, and notes what GitLab would let pass but nobody should do.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from app.http import Request, Response
from tests.functional.fakes import Answer

HOST = "gitlab.example"
ROOT = f"https://{HOST}"
TRIGGER_TOKEN = "glptt-6f3a1c0e9b7d4f52a8e1"
API_TOKEN = "glpat-Zx81kPqT20vLmNyR4sWc"
_FIELD = re.compile(r"(inputs|variables)\[([^\]]*)\]", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_FORM = "application/x-www-form-urlencoded"


@dataclass(kw_only=True)
class Pipeline:
    id: int
    ref: str
    variables: dict[str, str]
    inputs: dict[str, str]
    status: str = "created"

    @property
    def countersign(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.variables["COUNTERSIGN"])
        return found

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "ref": self.ref,
            "status": self.status,
            "source": "trigger",
            "web_url": f"{ROOT}/acme/shop/-/pipelines/{self.id}",
        }


@dataclass
class GitLab:
    """Judges a request as GitLab does; `instead` and `after` play its bad days."""

    refs: set[str] = field(default_factory=lambda: {"main", "release/1"})
    spec: dict[str, str] = field(
        default_factory=lambda: {
            "version": r"[\w.-]+",
            "environment": "staging|production",
        }
    )
    """What `spec:inputs` declares, each with what it may be."""
    takes_variables: bool = True
    pipelines: list[Pipeline] = field(default_factory=list)
    got: list[Request] = field(default_factory=list)
    instead: list[Answer] = field(default_factory=list)
    """Answers to a start that begins nothing."""
    after: list[Answer] = field(default_factory=list)
    """Answers to a start that has begun a pipeline."""
    leaks: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.got.append(request)
        parts = urlsplit(request.url)
        if any(token in request.url for token in (TRIGGER_TOKEN, API_TOKEN)):
            self.leaks.append(request.url)
        path = parts.path.removeprefix("/api/v4/projects/4242")
        if path == parts.path:
            return _said(404, "404 Project Not Found")
        if request.method == "POST":
            is_start = path == "/trigger/pipeline" and not parts.query
            return self._start(request) if is_start else _said(404, "404 Not Found")
        return self._show(request, path, dict(parse_qsl(parts.query)))

    @property
    def starts(self) -> list[Request]:
        return [request for request in self.got if request.method == "POST"]

    def _start(self, request: Request) -> Answer:
        if self.instead:
            return self.instead.pop(0)
        answer = self._started(request)
        return self.after.pop(0) if self.after else answer

    def _started(self, request: Request) -> Response:
        if request.headers.get("Content-Type") != _FORM:
            return _error("token is missing, ref is missing")
        form = parse_qs(
            request.body.decode("ascii"), strict_parsing=True, max_num_fields=50
        )
        if any(len(values) != 1 for values in form.values()):
            return _error("a field stands twice")
        fields = {name: values[0] for name, values in form.items()}
        if not {"token", "ref"} <= fields.keys():
            return _error("token is missing, ref is missing")
        if fields.pop("token") != TRIGGER_TOKEN:
            return _said(404, "404 Not Found")
        ref = fields.pop("ref")
        if ref not in self.refs:
            return _refused("Reference not found")
        return self._created(ref, fields)

    def _created(self, ref: str, fields: dict[str, str]) -> Response:
        given: dict[str, dict[str, str]] = {"inputs": {}, "variables": {}}
        for name, value in fields.items():
            named = _FIELD.fullmatch(name)
            if named is None:
                return _refused(f"{name} is no parameter")
            given[named[1]][named[2]] = value
        if given["variables"] and not self.takes_variables:
            return _refused("Insufficient permissions to set pipeline variables")
        if not all(map(_KEY.fullmatch, given["variables"])):
            return _refused("Variables key can contain only letters, digits and '_'.")
        for name, value in given["inputs"].items():
            if name not in self.spec:
                return _refused("Given inputs not defined in the `spec` section")
            if not re.fullmatch(self.spec[name], value):
                return _refused(f"`{name}` input: provided value does not match")
        made = Pipeline(
            id=9000 + len(self.pipelines),
            ref=ref,
            inputs=given["inputs"],
            variables=given["variables"],
        )
        self.pipelines.append(made)
        return _json(201, made.shown() | {"status": "created"})

    def _show(self, request: Request, path: str, asked: dict[str, str]) -> Answer:
        if request.headers.get("PRIVATE-TOKEN") != API_TOKEN:
            return _said(401, "401 Unauthorized")
        if path == "":
            return _json(200, {"id": 4242, "path_with_namespace": "acme/shop"})
        if path.startswith("/repository/commits/"):
            ref = unquote(path.removeprefix("/repository/commits/"))
            found = ref in self.refs and "/" not in path.split("/commits/")[1]
            return _json(200, {"id": "f" * 40}) if found else _said(404, "404 Commit")
        if path == "/pipelines":
            newest = [p for p in self.pipelines[::-1] if p.ref == asked["ref"]]
            count = int(asked.get("per_page", "20"))
            return _json(200, [p.shown() for p in newest[:count]])
        named = re.fullmatch(r"/pipelines/(\d+)(/variables)?", path)
        for pipeline in self.pipelines if named else ():
            if named and str(pipeline.id) == named[1]:
                return _json(200, _of(pipeline, is_variables=bool(named[2])))
        return _said(404, "404 Not found")


def _of(pipeline: Pipeline, *, is_variables: bool) -> object:
    if not is_variables:
        return pipeline.shown()
    rows = pipeline.variables.items()
    return [{"key": k, "value": v, "variable_type": "env_var"} for k, v in rows]


def _json(status: int, found: object) -> Response:
    headers = {"Content-Type": "application/json"}
    return Response(status=status, headers=headers, body=json.dumps(found).encode())


def _said(status: int, message: str) -> Response:
    return _json(status, {"message": message})


def _error(message: str) -> Response:
    return _json(400, {"error": message})


def _refused(message: str) -> Response:
    return _json(400, {"message": {"base": [message]}})
