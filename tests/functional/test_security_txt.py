"""`/.well-known/security.txt` (RFC 9116): whom to tell, and until when that is so."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from app.http import Response
from app.runtime import Runtime
from app.settings import Settings, SettingsError
from app.web import create_app
from tests.functional.conftest import BASE_URL
from tests.functional.fakes import call

PATH = "/.well-known/security.txt"


def asked(runtime: Runtime, *contacts: str) -> Response:
    settings = runtime.settings.model_copy(update={"security_contact": contacts})
    app = create_app(dataclasses.replace(runtime, settings=settings))
    return call(app, "GET", f"{BASE_URL}{PATH}", {}, b"")


def test_finder_learns_whom_to_tell(runtime: Runtime) -> None:
    contacts = ("mailto:security@example.com", "https://example.com/tell")
    answer = asked(runtime, *contacts)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    fields = [line.split(": ", 1) for line in answer.body.decode().splitlines()]
    assert [value for name, value in fields if name == "Contact"] == list(contacts)
    told = dict(fields)
    assert told["Canonical"] == f"{BASE_URL}{PATH}"
    until = datetime.strptime(told["Expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert timedelta(days=30) < until - runtime.now() < timedelta(days=365)


def test_without_a_contact_there_is_none(runtime: Runtime) -> None:
    assert asked(runtime).status == 404


@pytest.mark.parametrize(
    "contact",
    [
        "security@example.com",
        "http://example.com",
        "mailto:x",
        "https://a b",
        "tel:\n1",
    ],
)
def test_contact_that_no_line_can_hold_is_refused(contact: str) -> None:
    with pytest.raises(SettingsError, match="COUNTERSIGN_SECURITY_CONTACT is wrong"):
        Settings.from_env({"COUNTERSIGN_SECURITY_CONTACT": contact})
