"""`countersign sign`: a token of a listener's caller, made in a shell."""

import hashlib
import shlex
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.crypto import Secret
from app.runtime import utc_now
from app.tokens import checks, listener
from app.tokens.checks import Reason, Refused
from app.tokens.listener import Expected, Heard

SECRET = "a-shared-secret-of-more-than-32-bytes"
URL = "https://countersign.example/listeners/1"
BODY = b'{"result": "succeeded"}\n'


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "it's a body.json"
    path.write_bytes(BODY)
    return path


def sign(body: Path | str, *more: str, typed: str = f"{SECRET}\n") -> Result:
    named = ("--issuer", "bot", "--audience", URL, "--body", str(body))
    return CliRunner().invoke(main, ("sign", *named, *more), input=typed)


def judged(token: str, *, body: bytes = BODY, minutes: int = 1) -> Heard:
    return listener.verify_secret(
        checks.read(token),
        [(Secret(SECRET), 1)],
        Expected(
            issuer="bot",
            audience=URL,
            longest=timedelta(minutes=minutes),
            is_own=True,
        ),
        body=body,
        now=utc_now(),
    )


def test_token_opens_that_listener_for_that_body_alone(body: Path) -> None:
    token = sign(body).stdout.strip()

    heard = judged(token)
    assert (heard.expires_at - heard.issued_at) == timedelta(minutes=1)
    with pytest.raises(Refused) as refused:
        judged(token, body=BODY.strip())
    assert refused.value.reason is Reason.BODY_MISMATCH


def test_each_token_is_another_one(body: Path) -> None:
    first, second = (judged(sign(body).stdout.strip()) for _ in range(2))
    assert first.claims["jti"] != second.claims["jti"]


def test_secret_and_lifetime_may_be_given(body: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")

    given = ("--secret-file", str(path), "--minutes", "3")
    token = sign("-", *given, typed=BODY.decode()).stdout.strip()

    heard = judged(token, minutes=3)
    assert (heard.expires_at - heard.issued_at) == timedelta(minutes=3)
    judged(sign(body, *given, typed="").stdout.strip(), minutes=3)


def test_command_is_one_that_a_shell_understands(body: Path) -> None:
    text = sign(body, "--curl").stdout

    # Any shell shows how it reads the line; nothing is sent.
    said = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}; {text}"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    assert f"@{body}" in said
    assert said[said.index("--url") + 1] == URL
    [header] = [part for part in said if part.startswith("Authorization")]
    judged(header.removeprefix("Authorization: Bearer "))
    assert shlex.split(text)[0] == "curl"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "32 letters or more"),
        ("too-short\n", "32 letters or more"),
        (f"{SECRET}\n{SECRET}\n", "one line"),
        (f"{SECRET}é\n", "one line"),
        ("x" * 2000, "one line"),
    ],
    ids=["nothing", "short", "two lines", "no ascii", "long"],
)
def test_what_is_no_secret_is_said_and_not_shown(
    body: Path, typed: str, why: str
) -> None:
    result = sign(body, typed=typed)

    assert result.exit_code == 1
    assert why in result.output
    assert SECRET not in result.output


def test_body_and_secret_cannot_both_be_typed(body: Path) -> None:
    result = sign("-")
    assert result.exit_code == 2
    assert "one of the two" in result.output
    command = sign("-", "--secret-file", str(body), "--curl")
    assert command.exit_code == 2
    assert "in a file" in command.output


def test_t13_secret_is_no_option() -> None:
    """Attack: who lists the processes of the machine reads what is signed with."""
    options = CliRunner().invoke(main, ("sign", "--help")).output
    assert "--secret " not in options
    assert "--secret-file" in options


def test_it_needs_no_settings(body: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.environment.settings", None)
    result = sign(body)
    assert result.exit_code == 0
    digest = hashlib.sha256(BODY).hexdigest()
    claims = checks.read(result.stdout.strip()).claims
    assert claims["body_sha256"] == digest
