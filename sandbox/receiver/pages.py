"""The endpoint, and its pages for people.

POST   /receiver/<name>    a delivery; the first one makes the receiver
GET    /receiver/<name>    what it got, how it judges and answers
"""

import secrets
import time
from collections.abc import Iterator
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from sandbox import wire
from sandbox.receiver import answers, control, proofs
from sandbox.receiver.control import all_of_them
from sandbox.receiver.proofs import Delivery
from sandbox.receiver.receivers import FIRST, Receiver, Receivers, Reply

Json = dict[str, Any]

BLUEPRINT = Blueprint("receiver", __name__)
_LARGEST_BODY = 1_000_000
_CSP = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'"
_PIECE = b"x" * 65_536
_PIECES = 512
"""32 MB."""


def create_app(receivers: Receivers, folder: str) -> Flask:
    """The receiver by itself; `folder` has the templates and the static files."""
    app = Flask(
        "receiver",
        root_path=folder,
        static_folder="static",
        static_url_path="/sandbox/static",
    )
    # only for the one-line messages of the pages; nothing here is secret
    app.secret_key = secrets.token_bytes(32)
    app.extensions["receivers"] = receivers
    app.register_blueprint(BLUEPRINT)
    app.register_blueprint(control.BLUEPRINT)
    app.add_url_rule("/", view_func=lambda: redirect(url_for("receiver.overview")))

    @app.after_request
    def as_a_page(answer: Response) -> Response:
        if answer.mimetype == "text/html":
            answer.headers["Content-Security-Policy"] = _CSP
        return answer

    return app


def _at(name: str) -> Receiver:
    try:
        return all_of_them().at(name)
    except LookupError as error:
        abort(404, str(error))


# -- the endpoint


@BLUEPRINT.post("/receiver/<name>")
def take(name: str) -> Response:
    # what is longer is answered 413
    request.max_content_length = _LARGEST_BODY
    everything = all_of_them()
    headers = {name.lower(): value for name, value in request.headers.items()}
    delivery = Delivery(headers, request.get_data())
    reply = _at(name).take(delivery, everything.issuers, everything.now())
    return _answered(reply)


def _answered(reply: Reply) -> Response:
    how = reply.mood.manner.name
    if how == "slow":
        time.sleep(reply.mood.seconds)
    elif how == "drop":
        wire.hang_up(request.environ)
    elif how == "huge":
        return Response(_endless(), reply.status, mimetype="text/plain")
    made = jsonify(reply.body)
    made.status_code = reply.status
    if how == "429":
        made.headers["Retry-After"] = str(round(reply.mood.seconds))
    elif how == "redirect":
        made.headers["Location"] = url_for("receiver.take", name="redirected")
    return made


def _endless() -> Iterator[bytes]:
    for _ in range(_PIECES):
        yield _PIECE


# -- the pages


@BLUEPRINT.get("/receiver", strict_slashes=False)
def overview() -> BaseResponse:
    return redirect(url_for("receiver.page", name=FIRST))


@BLUEPRINT.post("/receiver", strict_slashes=False)
def open_page() -> BaseResponse:
    wanted = request.form.get("name", "").strip().lower()
    try:
        all_of_them().at(wanted)
    except LookupError as error:
        flash(f"Not made: {error}.", "error")
        return redirect(url_for("receiver.overview"))
    return redirect(url_for("receiver.page", name=wanted))


@BLUEPRINT.get("/receiver/<name>")
def page(name: str) -> str:
    return _page("receiver.html", name)


@BLUEPRINT.get("/receiver/<name>/received")
def received(name: str) -> str:
    return _page("received.html", name)


def _page(template: str, name: str) -> str:
    receiver = _at(name)
    is_inside = "pages" in current_app.blueprints
    return render_template(
        template,
        shell="base.html" if is_inside else "layout.html",
        section="receiver",
        receiver=receiver,
        names=all_of_them().names(),
        trusted=all_of_them().issuers.trusted,
        keeps=round(all_of_them().issuers.keeps.total_seconds()),
        manners=answers.MANNERS,
        proofs=proofs.PROOFS,
    )


@BLUEPRINT.post("/receiver/<name>/settings")
def settings(name: str) -> BaseResponse:
    form = request.form
    given: Json = {
        "proof": form.get("proof", proofs.ISSUER),
        "audience": form.get("audience", ""),
        "honours_delivery_id": "honours_delivery_id" in form,
    }
    if form.get("secret"):
        given["secret"] = form["secret"]
    try:
        _at(name).expect(given)
        flash("Kept; it counts from the next delivery.")
    except ValueError as error:
        flash(f"Not kept: {error}.", "error")
    return redirect(url_for("receiver.page", name=name))


@BLUEPRINT.post("/receiver/<name>/answer")
def answer(name: str) -> BaseResponse:
    how, times = request.form.get("how", ""), request.form.get("times", type=int)
    receiver = _at(name)
    try:
        receiver.mood = answers.mood(how, times)
    except LookupError as error:
        flash(str(error), "error")
    return redirect(url_for("receiver.page", name=name))


@BLUEPRINT.post("/receiver/<name>/keys")
def forget_keys(name: str) -> BaseResponse:
    all_of_them().issuers.forget()
    flash("The issuer is asked for its keys at the next delivery.")
    return redirect(url_for("receiver.page", name=name))
