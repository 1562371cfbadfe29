"""The pages of every day: board, issue, traffic, and who one is."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

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

from sandbox import (
    adf,
    catalogue,
    comments,
    creation,
    devops,
    fields,
    issues,
    links,
    people,
    transitions,
)
from sandbox.issues import RestError
from sandbox.web import asking, forge_hosting, hosting
from sandbox.world import Issue, parse_stamp

Json = dict[str, Any]

BLUEPRINT = Blueprint("pages", __name__)
_TRAFFIC_SHOWN = 200
_CSP = (
    "default-src 'self'; frame-src http: https:; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'self'"
)


@BLUEPRINT.app_context_processor
def everywhere() -> Json:
    return {
        "jira": asking.jira(),
        "visitor": asking.visitor(),
        "people": people.USERS,
        "projects": catalogue.PROJECTS,
    }


@BLUEPRINT.after_app_request
def as_a_page(answer: Response) -> Response:
    """Sign in whoever opens a page first, and keep scripts to our own files."""
    # a page of Custom UI has rules of its own, and is nobody's to sign in
    if answer.mimetype == "text/html" and request.blueprint != "forge_cdn":
        answer.headers["Content-Security-Policy"] = _CSP
        # a form may be the one that says who it is
        if asking.signed_in() is None and request.method == "GET":
            answer.set_cookie(
                asking.COOKIE, people.ADA.account_id, httponly=True, samesite="Lax"
            )
    return answer


@BLUEPRINT.app_template_filter("moment")
def moment(text: str) -> str:
    at: datetime = parse_stamp(text)
    return f"{at:%d %b %Y, %H:%M:%S}"


@BLUEPRINT.app_template_filter("person")
def person_name(account_id: str | None) -> str:
    found = people.find(account_id)
    return found.name if found else "Nobody"


@BLUEPRINT.app_template_filter("initials")
def initials(account_id: str | None) -> str:
    return "".join(word[0] for word in person_name(account_id).split())


@BLUEPRINT.app_template_filter("status")
def status_of(number: str) -> catalogue.Status:
    return next(s for s in catalogue.STATUSES if s.id == number)


@BLUEPRINT.app_template_filter("colour")
def colour(status: catalogue.Status) -> str:
    """The end of a lozenge's class: Jira has no category for what went wrong."""
    failed = {catalogue.FAILED.id, catalogue.DEPLOY_FAILED.id}
    return "removed" if status.id in failed else str(status.category)


@BLUEPRINT.app_template_filter("progress")
def progress(state: str) -> str:
    """The end of a lozenge's class for a build or a deployment."""
    ends = {"in_progress": "4", "successful": "3", "failed": "removed"}
    return ends.get(state, "2")


def explain(error: RestError) -> str:
    return " ".join([*error.messages, *error.errors.values()])


def back(default: str) -> BaseResponse:
    """To the page the form was on; never to another site."""
    wanted = request.form.get("next", "")
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return redirect(wanted if is_ours else default)


@BLUEPRINT.get("/")
def home() -> BaseResponse:
    return redirect(url_for("pages.board", key="DEMO"))


@BLUEPRINT.post("/user")
def switch_user() -> BaseResponse:
    person = people.find(request.form.get("account_id"))
    answer = back(url_for("pages.home"))
    if person is not None and not person.is_app:
        answer.set_cookie(
            asking.COOKIE, person.account_id, httponly=True, samesite="Lax"
        )
    return answer


@BLUEPRINT.get("/projects/<key>")
def board(key: str) -> str:
    return _board("board.html", key)


@BLUEPRINT.get("/projects/<key>/columns")
def columns(key: str) -> str:
    return _board("columns.html", key)


def _board(template: str, key: str) -> str:
    project = catalogue.project(key)
    if project is None:
        abort(404)
    jira, person = asking.jira(), asking.visitor()
    with jira.world.lock:
        shown = [
            issue
            for issue in jira.world.state.issues.values()
            if issue.project == project.key and issues.visible(issue, person)
        ]
        return render_template(
            template,
            project=project,
            section="board",
            columns=[(s, _cards(shown, s)) for s in catalogue.STATUSES],
            offered=transitions.offered,
            kinds={kind.id: kind.name for kind in catalogue.ISSUE_TYPES},
            priorities=catalogue.PRIORITIES,
        )


def _cards(shown: Iterable[Issue], status: catalogue.Status) -> list[Issue]:
    return [issue for issue in shown if issue.status == status.id]


@BLUEPRINT.post("/projects/<key>/issues")
def create(key: str) -> BaseResponse:
    given = {
        "project": {"key": key},
        "issuetype": {"name": request.form.get("issuetype", "Task")},
        "summary": request.form.get("summary", ""),
    }
    try:
        issue = creation.create(asking.jira().world, given, asking.visitor())
        flash(f"{issue.key} was created.")
    except RestError as error:
        flash(explain(error), "error")
    return redirect(url_for("pages.board", key=key))


def _seen(key: str) -> Issue:
    try:
        return issues.get(asking.jira().world, key, asking.visitor())
    except RestError as error:
        abort(404, explain(error))


@BLUEPRINT.get("/browse/<key>")
def browse(key: str) -> str | BaseResponse:
    jira, person = asking.jira(), asking.visitor()
    issue = _seen(key)
    panels, forge_panels = hosting.panels_of(issue), forge_hosting.panels_of(issue)
    if (panels or forge_panels) and (home := hosting.at_home()) is not None:
        return home
    known = {f.id: f for f in catalogue.FIELDS}
    shown = [
        (f.name, fields.display(f, issue.fields.get(f.id)), f.id)
        for f in catalogue.FIELDS
        if (f.operations or f.id == "resolution")
        and f.id not in {"summary", "description"}
    ]
    with jira.world.lock:
        state = jira.world.state
        return render_template(
            "issue.html",
            section="board",
            frames=panels,
            forge_frames=forge_panels,
            issue=issue,
            shown=shown,
            known=known,
            html=adf.html,
            development=devops.of_issue(jira.world, issue),
            rich=fields.RICH,
            kind=next(t for t in catalogue.ISSUE_TYPES if t.id == issue.issuetype),
            parent=state.issues.get(str(issue.fields.get("parent"))),
            subtasks=[
                i for i in state.issues.values() if i.fields.get("parent") == issue.id
            ],
            links=_links(issue, person),
            moves=transitions.offered(jira.world, issue, person),
        )


def _links(issue: Issue, person: people.Person) -> list[tuple[str, Issue]]:
    shown = []
    for link, end, other in links.of(asking.jira().world, issue, person):
        kind = next(t for t in catalogue.LINK_TYPES if t.id == link["type"])
        shown.append((kind.outward if end == "outward" else kind.inward, other))
    return shown


@BLUEPRINT.post("/browse/<key>/transition")
def transition(key: str) -> BaseResponse:
    issue, number = _seen(key), request.form.get("transition", "")
    try:
        made = transitions.transition(
            asking.jira().world,
            issue,
            {"transition": {"id": number}},
            asking.visitor(),
        )
        flash(f"{issue.key}: {made.name}.")
    except RestError as error:
        flash(explain(error), "error")
    return back(url_for("pages.browse", key=key))


@BLUEPRINT.post("/browse/<key>/comment")
def add_comment(key: str) -> BaseResponse:
    body = {"body": asking.jira().document(request.form.get("text", ""))}
    try:
        comments.add(asking.jira().world, _seen(key), body, asking.visitor())
    except RestError as error:
        flash(explain(error), "error")
    return redirect(url_for("pages.browse", key=key))


@BLUEPRINT.get("/traffic")
def traffic() -> str:
    return _traffic("traffic.html")


@BLUEPRINT.get("/traffic/rows")
def traffic_rows() -> str:
    return _traffic("traffic_rows.html")


def _traffic(template: str) -> str:
    direction = request.args.get("direction", "")
    entries = [
        entry
        for entry in asking.jira().traffic.newest()
        if direction in {"", entry.direction}
    ]
    return render_template(
        template,
        section="traffic",
        entries=entries[:_TRAFFIC_SHOWN],
        direction=direction,
    )
