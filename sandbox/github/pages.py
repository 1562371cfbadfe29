"""The API and the issuer on the network, and the pages for people.

ANY    /github/api/...                          the REST API
GET    /github/token/.well-known/...            the issuer of Actions
GET    /github                                  the App, how GitHub behaves, the runs
GET    /github/<owner>/<repo>/actions/runs/<id> one run
"""

import time
from urllib.parse import quote

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from sandbox import wire
from sandbox.github import forgeries, manners
from sandbox.github.build import Build
from sandbox.github.control import github

BLUEPRINT = Blueprint("github", __name__, url_prefix="/github")
_LARGEST_BODY = 1_000_000
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


# -- the API and the issuer


@BLUEPRINT.route("/api/<path:rest>", methods=_METHODS)
def api(rest: str) -> Response:
    return _called(f"{github().api_url}/{quote(rest)}")


@BLUEPRINT.get("/token/<path:rest>")
def issuer(rest: str) -> Response:
    return _called(f"{github().issuer.url}/{quote(rest)}")


def _called(url: str) -> Response:
    # what is longer is answered 413
    request.max_content_length = _LARGEST_BODY
    query = request.query_string.decode("ascii", "replace")
    if query:
        url += f"?{query}"
    reply = github().call(
        request.method, url, dict(request.headers), request.get_data()
    )
    if reply.seconds:
        time.sleep(reply.seconds)
    if reply.is_lost:
        wire.hang_up(request.environ)
    made = Response(reply.content, reply.status, dict(reply.headers))
    made.mimetype = "application/json"
    return made


# -- the pages


@BLUEPRINT.get("", strict_slashes=False)
def overview() -> str:
    return _overview()


def _overview(private_key: str = "") -> str:
    return render_template(
        "github.html",
        section="github",
        github=github(),
        private_key=private_key,
        manners=manners,
    )


@BLUEPRINT.get("/runs")
def runs() -> str:
    return render_template("github_runs.html", github=github())


@BLUEPRINT.post("/key")
def show_key() -> Response:
    """The key, in the answer to a button: a page that is opened never has it."""
    is_new = "new" in request.form
    key = github().new_private_key() if is_new else github().private_key
    made = Response(_overview(key))
    made.headers["Cache-Control"] = "no-store"
    return made


@BLUEPRINT.post("/manners")
def behave() -> BaseResponse:
    form = request.form
    how, times = form.get("how", ""), form.get("times", type=int)
    try:
        if form.get("of") == "builds":
            github().builds_behave(how, times)
        else:
            github().behave(how, times, on=form.get("on", "dispatch"))
    except LookupError as error:
        flash(str(error), "error")
    return redirect(url_for("github.overview"))


@BLUEPRINT.get("/<owner>/<repo>/actions/runs/<int:run_id>")
def run(owner: str, repo: str, run_id: int) -> str:
    return render_template(
        "github_run.html",
        section="github",
        github=github(),
        build=_build(owner, repo, run_id),
        forgeries=forgeries.FORGERIES,
    )


@BLUEPRINT.post("/<owner>/<repo>/actions/runs/<int:run_id>")
def act(owner: str, repo: str, run_id: int) -> BaseResponse:
    """Answer truly, answer falsely, or be complete."""
    build, what = _build(owner, repo, run_id), request.form.get("do", "")
    try:
        if what == "finish":
            build.finish()
        elif what == "answer":
            _told(build.answer())
        else:
            _told(forgeries.answer(build, what))
    except LookupError as error:
        flash(str(error), "error")
    return redirect(url_for("github.run", owner=owner, repo=repo, run_id=run_id))


def _told(status: int) -> None:
    flash(f"The add-on said {status}." if status else "The add-on said nothing.")


def _build(owner: str, repo: str, run_id: int) -> Build:
    try:
        found = github().find(run_id)
    except LookupError as error:
        abort(404, str(error))
    if found.run.repository.full_name != f"{owner}/{repo}":
        abort(404)
    return found
