"""Encryption keys come from one place, and nothing of them is ever shown."""

import base64
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, ring

KEY, OTHER = (base64.b64encode(letter * 32).decode() for letter in (b"k", b"o"))
BASE = {
    "COUNTERSIGN_BASE_URL": "https://countersign.example",
    "COUNTERSIGN_DATABASE_URL": "sqlite:///countersign.sqlite",
    "COUNTERSIGN_QUEUE_URL": "sqlite:///queue.sqlite",
}


def read(**given: str) -> Settings:
    return Settings.from_env(
        BASE | {f"COUNTERSIGN_ENCRYPTION_KEYS{name}": v for name, v in given.items()}
    )


def problem(**given: str) -> str:
    with pytest.raises(SettingsError) as error:
        read(**given)
    assert error.value.__cause__ is None
    [line] = str(error.value).splitlines()
    for key in (KEY, OTHER):
        assert key not in line
    return line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(0o600)
    return path


def test_keys_of_a_file_may_stand_in_lines(file: Path) -> None:
    file.write_text(f"{KEY}\n\n  {OTHER},\n", encoding="ascii")

    assert read(_FILE=str(file)).sealing_keys == (KEY, OTHER)
    assert KEY not in repr(read(_FILE=str(file)))


def test_file_that_others_may_write_is_refused(file: Path) -> None:
    file.write_text(KEY, encoding="ascii")
    for mode in (0o620, 0o602):
        file.chmod(mode)
        assert "_KEYS_FILE is wrong: others may write" in problem(_FILE=str(file))


def test_file_that_everybody_may_read_is_a_caution(file: Path) -> None:
    file.write_text(KEY, encoding="ascii")
    assert read(_FILE=str(file)).cautions == ()

    file.chmod(0o444)

    [caution] = read(_FILE=str(file)).cautions
    assert "every user here may read it" in caution


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no key in it"),
        (b"\xff\xfe", "no base64"),
        (KEY[:-4].encode(), "not 32"),
        (b"k" * 70_000, "too big"),
    ],
)
def test_bad_file_is_named_and_not_quoted(
    file: Path, content: bytes, said: str
) -> None:
    file.write_bytes(content)

    line = problem(_FILE=str(file))

    assert line.startswith("COUNTERSIGN_ENCRYPTION_KEYS_FILE is wrong: ")
    assert said in line


def test_missing_file_is_named() -> None:
    assert "_FILE is wrong: the file cannot be read: No such" in problem(_FILE="/no/x")


@pytest.fixture
def command(tmp_path: Path) -> Path:
    path = tmp_path / "manager"
    path.touch(0o700)
    return path


def test_command_hands_over_keys_without_a_shell(command: Path, tmp_path: Path) -> None:
    command.write_text(f'#!/bin/sh\necho {KEY}\necho "$2" > {tmp_path}/told\n')

    found = read(_COMMAND=f"{command} get 'a key; $HOME'")

    assert found.sealing_keys == (KEY,)
    assert (tmp_path / "told").read_text() == "a key; $HOME\n"
    assert str(command) not in repr(found)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"echo {KEY}; echo {KEY} >&2; exit 3", "it ended with status 3"),
        ("true", "there is no key in it"),
        (f"echo {KEY}x", "not base64"),
        (f"echo {KEY}; sleep 60", "it took longer than"),
    ],
)
def test_failing_command_is_named_and_what_it_says_is_not_shown(
    command: Path,
    script: str,
    said: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command.write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setattr(ring, "COMMAND_SECONDS", 0.2 if "sleep" in script else 10)

    line = problem(_COMMAND=str(command))

    assert line.startswith("COUNTERSIGN_ENCRYPTION_KEYS_COMMAND is wrong: ")
    assert said in line
    assert KEY not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("given", "said"),
    [("/no/such/program", "cannot be run: No such"), ("a 'b", "quotes do not match")],
)
def test_command_that_cannot_be_run_is_named(given: str, said: str) -> None:
    assert said in problem(_COMMAND=given)


def test_keys_come_from_one_place_only(file: Path) -> None:
    file.write_text(OTHER, encoding="ascii")

    line = problem(**{"": KEY, "_FILE": str(file)})

    assert "_KEYS_FILE is wrong: keys come from another variable as well" in line


def test_development_key_is_refused_wherever_it_comes_from(file: Path) -> None:
    file.write_text(f"dev:{KEY}", encoding="ascii")

    assert "_KEYS_FILE is wrong: a development key" in problem(_FILE=str(file))


def test_no_keys_at_all_is_told_with_everything_else() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"COUNTERSIGN_ENCRYPTION_KEYS_FILE": "/no/x"})

    lines = str(error.value).splitlines()
    assert [line.split()[0].removeprefix("COUNTERSIGN_") for line in lines] == [
        "BASE_URL",
        "DATABASE_URL",
        "QUEUE_URL",
        "ENCRYPTION_KEYS_FILE",
    ]
