"""What people may ask of what is kept of them: a file of it, and that it be erased."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from app import personal
from app.personal import Cursor, TooManyErasuresError
from app.runtime import Runtime
from app.web import bodies
from app.web.context import caller, runtime
from app.web.errors import BadRequestError
from app.web.making import Maker, Order, stamped

bp = Blueprint("personal", __name__, url_prefix="/api/v1")

NOT_AN_ID = "this is no account id: it has 10 to 128 letters, digits, “:”, “_” and “-”"


@bp.post("/erasures")
def erase() -> ResponseReturnValue:
    """Have a person's account id forgotten; workers do it, and it cannot be undone."""
    given = bodies.read_object().get("account_id")
    account_id = given.strip() if isinstance(given, str) else ""
    if not personal.is_account_id(account_id):
        problem = {"key": "account_id", "message": NOT_AN_ID}
        return {"error": "invalid-erasure", "problems": [problem]}, 422
    with runtime().sessions.begin() as session:
        erasure_id = personal.want(
            session,
            caller().tenant_id,
            account_id,
            actor=caller().account_id,
            now=runtime().now(),
        )
    # No wake-up: workers look for erasures every few seconds.
    return {"erasure": str(erasure_id)}, 202


@bp.errorhandler(TooManyErasuresError)
def _too_many(_: TooManyErasuresError) -> ResponseReturnValue:
    message = "As many erasures as can be are under way: wait until one is done"
    return {"error": "too-many", "message": message}, 409


def _validate(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("account_id")
    account_id = given.strip() if isinstance(given, str) else ""
    if not personal.is_account_id(account_id):
        raise BadRequestError(NOT_AN_ID)
    return {"account_id": account_id}


def _filename(order: Order) -> str:
    # Attack: the file's name is in the audit and in histories; it names nobody.
    return stamped("person", "ndjson", order.now)


def _mimetype(order: Order) -> str:
    del order
    return "application/x-ndjson"


def _stream(runtime: Runtime, order: Order) -> Iterator[str]:
    """Yield a line for each row; a batch is a short transaction and is then sent."""
    cursor: Cursor | None = Cursor()
    while cursor is not None:
        with runtime.sessions.begin() as session:
            told = personal.tell(
                session, order.tenant_id, order.wanted["account_id"], cursor
            )
        cursor = told.cursor
        if told.lines:
            yield "".join(f"{line}\n" for line in told.lines)


MAKER = Maker(
    validate=_validate, filename=_filename, mimetype=_mimetype, stream=_stream
)
