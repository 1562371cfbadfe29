"""A delivery as a command: one that a shell takes apart as it was meant."""

import shlex
import subprocess
from pathlib import Path

import pytest

from app.runs import Exchange
from app.web.runs import curl

HEAD = """POST https://deploy.example/in
Content-Type: application/cloudevents+json
X-Team: a & b
webhook-id: 01a2
Authorization: Bearer (hidden)"""

NASTY = """{"summary": "'; touch /tmp/x; echo '$(id) `id` \\u0027 @file \\\\"}"""


def sent(head: str = HEAD, body: str | None = NASTY) -> Exchange:
    return Exchange(
        request_head=head, request_body=body, response_head=None, response_body=None
    )


def test_command_says_what_was_sent() -> None:
    parts = shlex.split(curl.command(sent()).text)

    assert parts[0] == "curl"
    assert parts[parts.index("--request") + 1] == "POST"
    assert "https://deploy.example/in" in parts
    headers = [parts[at + 1] for at, part in enumerate(parts) if part == "--header"]
    assert headers == [
        "Content-Type: application/cloudevents+json",
        "X-Team: a & b",
        "webhook-id: 01a2",
    ]
    assert parts[parts.index("--data-raw") + 1] == NASTY


def test_t13_no_credential_and_nothing_in_its_place() -> None:
    head = HEAD.replace("/in\n", "/in?(hidden)\n") + "\nX-Key: (hidden)"

    command = curl.command(sent(head))

    assert "(hidden)" not in command.text
    assert "Bearer" not in command.text
    assert command.left_out == ["Authorization", "X-Key"]
    assert command.lacks_query
    assert "https://deploy.example/in" in shlex.split(command.text)


def test_shell_runs_one_command_and_no_other(tmp_path: Path) -> None:
    """Attack: a name in an issue ends the quote and goes on as a command."""
    trap = tmp_path / "trap"
    body = f"""'; touch {trap}; '\n"$(touch {trap})" `touch {trap}`"""
    text = curl.command(sent(body=body)).text

    # Any shell shows how it reads the line; nothing is sent.
    said = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}; {text}"],
        capture_output=True,
        check=True,
        text=True,
    )

    assert said.stdout.split("\0")[-2] == body
    assert not trap.exists()


@pytest.mark.parametrize("body", [None, ""])
def test_without_a_body_none_is_sent(body: str | None) -> None:
    assert "--data" not in curl.command(sent(body=body)).text
