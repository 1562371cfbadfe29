"""The control API of GitHub, for tests and scripts.

GET    /sandbox/api/github               the App, its repositories, what came, the runs
DELETE /sandbox/api/github               as on the first day
GET    /sandbox/api/github/key           {private_key}: the newest of the App
POST   /sandbox/api/github/key           make another; those before prove nothing
POST   /sandbox/api/github/issuer        a new key signs; the old ones stay published
POST   /sandbox/api/github/api           {how, times?, seconds?, on?}
POST   /sandbox/api/github/builds        {how, times?}: of those started from now on
POST   /sandbox/api/github/go            let the builds go on, when not in background
GET    /sandbox/api/github/runs/<id>
POST   /sandbox/api/github/runs/<id>/answer   {as?, changes?} -> {status}
       as: a name of `forgeries.FORGERIES`; changes: of the body or of the claims
POST   /sandbox/api/github/runs/<id>/finish   the build is complete
       how: a name of `manners.API` or `manners.BUILDS`; "well" is the normal one
"""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, current_app, request

from sandbox.github import forgeries
from sandbox.github.build import Build
from sandbox.github.github import GitHub
from sandbox.github.manners import Mood

Json = dict[str, Any]

BLUEPRINT = Blueprint("github_control", __name__, url_prefix="/sandbox/api/github")


def github() -> GitHub:
    found = current_app.extensions["github"]
    if not isinstance(found, GitHub):
        raise TypeError("create_app was not given GitHub")
    return found


def _given() -> Json:
    given = request.get_json(silent=True)
    return given if isinstance(given, dict) else {}


@BLUEPRINT.errorhandler(LookupError)
def missing(error: Exception) -> tuple[Json, int]:
    return {"error": str(error)}, 404


def _mood(mood: Mood) -> Json:
    return {
        "how": mood.manner.name,
        "left": mood.left,
        "seconds": mood.seconds,
        "on": mood.on,
    }


def _build(build: Build) -> Json:
    return github().json_of(build.run) | {
        "inputs": build.run.shown_inputs,
        "answer_to": build.run.countersign.answer_to,
        "fault": build.run.countersign.fault,
        "manner": build.manner.name,
        "answers": [asdict(one) for one in build.answers],
    }


@BLUEPRINT.get("")
def get_all() -> Json:
    kept = github()
    return {
        "app_id": kept.installation.app_id,
        "installation_id": kept.installation.id,
        "api_url": kept.api_url,
        "issuer": kept.issuer.url,
        "repositories": [one.json() for one in kept.installation.repositories()],
        "api": _mood(kept.api_mood),
        "builds": _mood(kept.build_mood),
        "heard": [one.json() for one in kept.heard],
        "runs": [_build(one) for one in reversed(kept.builds)],
    }


@BLUEPRINT.delete("")
def forget() -> Json:
    github().forget()
    return get_all()


@BLUEPRINT.get("/key")
def get_key() -> Json:
    return {"private_key": github().private_key}


@BLUEPRINT.post("/key")
def new_key() -> Json:
    return {"private_key": github().new_private_key()}


@BLUEPRINT.post("/issuer")
def rotate() -> Json:
    github().issuer.rotate()
    return {"kids": [key.kid for key in github().issuer.keys]}


@BLUEPRINT.post("/api")
def set_api() -> Json:
    given = _given()
    more = {name: given[name] for name in ("seconds", "on") if name in given}
    github().behave(str(given.get("how", "well")), given.get("times"), **more)
    return _mood(github().api_mood)


@BLUEPRINT.post("/builds")
def set_builds() -> Json:
    given = _given()
    github().builds_behave(str(given.get("how", "well")), given.get("times"))
    return _mood(github().build_mood)


@BLUEPRINT.post("/go")
def go() -> Json:
    return {"builds": github().build()}


@BLUEPRINT.get("/runs/<int:run_id>")
def get_run(run_id: int) -> Json:
    return _build(github().find(run_id))


@BLUEPRINT.post("/runs/<int:run_id>/answer")
def answer(run_id: int) -> Json:
    build, given = github().find(run_id), _given()
    if "as" in given:
        return {"status": forgeries.answer(build, str(given["as"]))}
    return {"status": build.answer(**given.get("changes", {}))}


@BLUEPRINT.post("/runs/<int:run_id>/finish")
def finish(run_id: int) -> Json:
    build = github().find(run_id)
    build.finish()
    return _build(build)
