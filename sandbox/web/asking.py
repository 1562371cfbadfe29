"""Who asks, and for what: the request as the sandbox reads it."""

from pathlib import Path
from typing import Any

from flask import current_app, request

from sandbox import people
from sandbox.issues import RestError
from sandbox.jira import Jira
from sandbox.people import Person

Json = dict[str, Any]

FOLDER = str(Path(__file__).resolve().parent.parent)
COOKIE = "sandbox_user"


def jira() -> Jira:
    found = current_app.extensions["jira"]
    if not isinstance(found, Jira):
        raise TypeError("create_app was not given a Jira")
    return found


def signed_in() -> Person | None:
    """The user of the sandbox's own cookie."""
    person = people.find(request.cookies.get(COOKIE))
    if person is None or person.is_app:
        return None
    return jira().world.as_of_now(person)


def visitor() -> Person:
    """Who looks at the pages: Ada until somebody else is chosen."""
    return signed_in() or jira().world.as_of_now(people.ADA)


def target() -> str:
    """Path and query as they came in, before anybody decoded them."""
    raw = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI")
    return str(raw or request.script_root + request.full_path.rstrip("?"))


def body() -> Json:
    """The JSON object of the request; 400 in Jira's shape for anything else."""
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        why = "Invalid request payload. Refer to the REST API documentation."
        raise RestError(400, [why])
    return given


def words(name: str) -> list[str]:
    """A list parameter: repeated, or separated by commas, or both."""
    values = ",".join(request.args.getlist(name)).split(",")
    return [value.strip() for value in values if value.strip()]


def number(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise RestError(400, [f"{name} is no number: {text!r}"]) from None
    if value < 0:
        raise RestError(400, [f"{name} is negative"])
    return value
