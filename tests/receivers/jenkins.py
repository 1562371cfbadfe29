"""A stand-in for Jenkins: one job in a folder, its queue and its builds; one trigger.

It asks for no proof and takes none later: who does not bring it with the first request
is anonymous. A parameter that the job does not declare is dropped, and noted here.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from app.http import Request, Response
from tests.functional.fakes import Answer

HOST = "jenkins.example"
ROOT = f"https://{HOST}/ci"
JOB = "/job/deploy/job/web%20shop"
USER, TOKEN = "ci-bot", "11c0ffee5a6b7d8e9f00112233445566"
"""A name and a colon of 7 bytes: a multiple of 3 has Basic spell the token alone, so
that hiding the token would be enough."""
TRIGGER_TOKEN = "trigger-4c1d9f0a7b"
INNER = "http://10.0.0.7:8080"
"""What this Jenkins takes for its own address: no other machine may use it."""
_FORM = "application/x-www-form-urlencoded"


@dataclass(kw_only=True)
class Build:
    """A build from its place in the queue on; without a number until it begins."""

    place: int
    parameters: dict[str, str]
    number: int | None = None
    result: str | None = None
    cancelled: bool = False
    is_forgotten: bool = False
    """Its place in the queue is: so it is minutes after the build began."""

    @property
    def countersign(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.parameters["COUNTERSIGN"])
        return found

    def shown(self) -> dict[str, Any]:
        rows = [{"name": k, "value": v} for k, v in self.parameters.items()]
        return {
            "number": self.number,
            "queueId": self.place,
            "building": self.result is None,
            "result": self.result,
            "actions": [{"_class": "CauseAction"}, {"parameters": rows}, {}],
        }

    def queued(self) -> dict[str, Any]:
        item: dict[str, Any] = {"id": self.place, "cancelled": self.cancelled}
        item["actions"] = self.shown()["actions"]
        if self.number is not None:
            url = f"{INNER}{JOB}/{self.number}/"
            item["executable"] = {"number": self.number, "url": url}
        return item


@dataclass
class Jenkins:
    """Judges a request as Jenkins does; `instead` and `after` play its bad days."""

    parameters: set[str] = field(
        default_factory=lambda: {"version", "environment", "COUNTERSIGN"}
    )
    is_disabled: bool = False
    may_build: bool = True
    filters: bool = False
    """The trigger's filter lets nothing through."""
    is_silent: bool = False
    knows_dry_run: bool = True
    builds: list[Build] = field(default_factory=list)
    got: list[Request] = field(default_factory=list)
    instead: list[Answer] = field(default_factory=list)
    after: list[Answer] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    leaks: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.got.append(request)
        parts = urlsplit(request.url)
        if TOKEN in request.url or TRIGGER_TOKEN in request.url:
            self.leaks.append(request.url)
        if not parts.path.startswith("/ci/"):
            return _page(404)
        path = parts.path.removeprefix("/ci")
        if path == "/generic-webhook-trigger/invoke":
            return self._invoke(request)
        proof = request.headers.get("Authorization", "")
        if not proof:
            return _page(403)
        pair = base64.b64decode(proof.removeprefix("Basic "), validate=True).decode()
        if pair != f"{USER}:{TOKEN}":
            return _page(401)
        if request.method == "POST":
            return self._post(request, path, parts.query)
        return self._show(path, dict(parse_qsl(parts.query)))

    @property
    def starts(self) -> list[Request]:
        return [request for request in self.got if request.method == "POST"]

    def begin(self, build: Build) -> None:
        """Let it leave the queue."""
        build.number = 100 + self.builds.index(build)

    def _post(self, request: Request, path: str, query: str) -> Answer:
        if path != f"{JOB}/buildWithParameters" or query:
            return _page(404)
        if self.instead:
            return self.instead.pop(0)
        answer = self._queued(request)
        return self.after.pop(0) if self.after else answer

    def _queued(self, request: Request) -> Response:
        if not self.may_build:
            return _page(403)
        if self.is_disabled:
            return _page(409)
        if not self.parameters:
            return _page(400)
        given: dict[str, list[str]] = {}
        if request.headers.get("Content-Type") == _FORM:
            given = parse_qs(request.body.decode("ascii"), strict_parsing=True)
        self.dropped |= given.keys() - self.parameters
        build = self._put({k: v[0] for k, v in given.items() if k in self.parameters})
        place = {"Location": f"{INNER}/queue/item/{build.place}/"}
        return Response(status=201, headers=place)

    def _put(self, parameters: dict[str, str]) -> Build:
        self.builds.append(Build(place=500 + len(self.builds), parameters=parameters))
        return self.builds[-1]

    def _invoke(self, request: Request) -> Answer:
        if self.instead:
            return self.instead.pop(0)
        if request.headers.get("token") != TRIGGER_TOKEN or request.method != "POST":
            said = "Did not find any jobs with GenericTrigger configured!\n"
            return _json(404, {"jobs": None, "message": said})
        result: dict[str, Any] = {"triggered": False, "id": 0, "resolvedVariables": {}}
        is_dry = request.headers.get("gwt-dry-run") == "true" and self.knows_dry_run
        if not is_dry and not self.filters:
            said = json.loads(request.body)
            build = self._put({**said["inputs"], "COUNTERSIGN": said["COUNTERSIGN"]})
            place = {"id": build.place, "url": f"queue/item/{build.place}/"}
            result |= {"triggered": True, **place}
        if self.is_silent:
            return Response(status=200)
        jobs = {"deploy/web shop": result}
        return _json(200, {"jobs": jobs, "message": "Triggered jobs."})

    def _show(self, path: str, asked: dict[str, str]) -> Answer:
        if "tree" not in asked:
            return _page(400)  # Jenkins would not; but would send all that it has.
        if path == "/queue/api/json":
            waiting = [b for b in self.builds if b.number is None and not b.cancelled]
            return _json(200, {"items": [b.queued() for b in waiting]})
        if path == f"{JOB}/api/json":
            return _json(200, self._job())
        in_queue = re.fullmatch(r"/queue/item/(\d+)/api/json", path)
        of_job = re.fullmatch(rf"{JOB}/(\d+)/api/json", path)
        for build in self.builds:
            if in_queue and str(build.place) == in_queue[1] and not build.is_forgotten:
                return _json(200, build.queued())
            if of_job and str(build.number) == of_job[1]:
                return _json(200, build.shown())
        return _page(404)

    def _job(self) -> dict[str, Any]:
        known = [{"name": name} for name in sorted(self.parameters)]
        begun = [b for b in self.builds[::-1] if b.number is not None]
        return {
            "builds": [build.shown() for build in begun],
            "name": "web shop",
            "buildable": not self.is_disabled,
            "property": [{}, {"parameterDefinitions": known}] if known else [],
        }


def _json(status: int, found: object) -> Response:
    headers = {"Content-Type": "application/json"}
    return Response(status=status, headers=headers, body=json.dumps(found).encode())


def _page(status: int) -> Response:
    headers = {"Content-Type": "text/html"}
    return Response(status=status, headers=headers, body=b"<html>Jenkins</html>")
