"""The log that a stranger writes to: bounded, counted, and every line one of ours."""

import io
import json
import logging
import uuid
from typing import Any, Literal

import pytest

from app import tracing
from app.cli import lines
from app.cli.lines import CALLS, FIELD, PER_MINUTE, TRACES_PER_MINUTE

Form = Literal["json", "text"]
RUN, TENANT = uuid.UUID(int=7), uuid.UUID(int=8)
NASTY = "/x\n2026 INFO all good\x1b[2J\u202e"


@pytest.fixture(params=["json", "text"])
def form(request: pytest.FixtureRequest) -> Form:
    chosen: Form = request.param
    return chosen


@pytest.fixture
def name() -> str:
    """Whose lines they are."""
    return "tests.lines"


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def minute() -> list[int]:
    """Which minute each line is of; a test may say another."""
    return [0]


@pytest.fixture
def log(
    form: Form,
    name: str,
    written: io.StringIO,
    minute: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> logging.Logger:
    """A logger as a process of ours has it, on a stream that can be read."""

    def date(record: logging.LogRecord) -> bool:
        record.created = minute[0] * 60.0
        return True

    handler = lines.handler(form, lambda: {"tenant": "of the call"})
    handler.setStream(written)
    made = logging.getLogger(name)
    changes = {"handlers": [handler], "propagate": False, "filters": [date]}
    for each, value in changes.items():
        monkeypatch.setattr(made, each, value)
    monkeypatch.setattr(made, "level", logging.INFO)
    return made


def events(written: io.StringIO) -> list[str]:
    """Return what each line says, whatever its form."""
    found = written.getvalue().splitlines()
    if found and found[0].startswith("{"):
        return [json.loads(line)["event"] for line in found]
    return [line.split(" tests.lines ")[1].partition(" tenant=")[0] for line in found]


def objects(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def refuse(log: logging.Logger, times: int) -> None:
    for number in range(times):
        log.warning("refused %s", number)


def test_t13_flood_of_lines_is_bounded_and_counted(
    log: logging.Logger, written: io.StringIO, minute: list[int]
) -> None:
    refuse(log, 2000)
    log.warning("something else")
    minute[0] = 1
    refuse(log, 1)

    found = events(written)
    assert len(found) == PER_MINUTE + 2
    assert found[-2] == "something else"
    assert found[-1] == f"refused 0 (and {2000 - PER_MINUTE} like it, not written)"


@pytest.mark.parametrize("name", [CALLS])
def test_line_for_each_call_is_bounded_apart(
    log: logging.Logger, written: io.StringIO
) -> None:
    refuse(log, 2000)

    assert len(written.getvalue().splitlines()) == 2000


def test_t13_flood_of_tracebacks_is_bounded(
    log: logging.Logger, written: io.StringIO
) -> None:
    for _ in range(200):
        try:
            raise KeyError("nothing")  # noqa: TRY301 -- what a bug raises
        except KeyError:
            log.exception("bug")

    assert written.getvalue().count("Traceback") == TRACES_PER_MINUTE


@pytest.mark.parametrize("form", ["text"])
def test_t13_what_an_error_quotes_forges_no_line(
    log: logging.Logger, written: io.StringIO
) -> None:
    try:
        raise ValueError(NASTY)  # noqa: TRY301 -- as above
    except ValueError:
        log.exception("bug")

    first, *others = written.getvalue().splitlines()
    assert " ERROR tests.lines bug" in first
    assert all(line.startswith("    ") for line in others)
    assert "\x1b" not in written.getvalue()


@pytest.mark.parametrize("form", ["json"])
def test_t13_traceback_is_part_of_its_line(
    log: logging.Logger, written: io.StringIO
) -> None:
    try:
        raise ValueError(NASTY)  # noqa: TRY301 -- as above
    except ValueError:
        log.exception("bug")

    [line] = objects(written)
    assert (line["level"], line["event"]) == ("ERROR", "bug")
    assert "ValueError: /x" in line["exception"]
    assert not {"\x1b", "\u202e"} & set(line["exception"])


def test_t13_what_others_wrote_forges_no_line(
    log: logging.Logger, written: io.StringIO
) -> None:
    """Attack: waitress logs the path of a client that went away, decoded."""
    log.warning("Client disconnected while serving %s", NASTY)

    [said] = events(written)
    assert said.startswith("Client disconnected while serving /x")
    assert not {"\n", "\x1b", "\u202e"} & set(said)


def test_t13_long_value_does_not_push_out_what_follows(
    log: logging.Logger, written: io.StringIO
) -> None:
    log.warning("tenant=%s said %s", "a" * 5000, ValueError("b" * 5000))

    assert events(written) == [f"tenant={'a' * FIELD} said {'b' * FIELD}"]


def test_line_of_a_run_names_it_its_tenant_and_its_trace(
    form: Form, log: logging.Logger, written: io.StringIO
) -> None:
    with tracing.carried(RUN, TENANT, {}):
        log.info("run=%s settled", RUN)

    if form == "text":
        assert f"run={RUN} settled tenant={TENANT} trace={RUN.hex}" in (
            written.getvalue()
        )
        return
    [line] = objects(written)
    assert (line["run"], line["tenant"]) == (str(RUN), str(TENANT))
    assert line["trace"] == RUN.hex


def test_line_outside_of_a_run_names_whose_call_is_served(
    log: logging.Logger, written: io.StringIO
) -> None:
    log.info("hello", extra={"route": "door", "ms": 1.5, "password": "of others"})

    assert "of the call" in written.getvalue()
    assert "door" in written.getvalue()
    assert "of others" not in written.getvalue()


@pytest.mark.parametrize("form", ["json"])
def test_json_lines_have_their_head(log: logging.Logger, written: io.StringIO) -> None:
    log.warning("käse %s", 1)

    [line] = objects(written)
    assert list(line) == ["time", "level", "logger", "event", "tenant"]
    assert line["time"] == "1970-01-01T00:00:00.000+00:00"
    assert (line["level"], line["logger"]) == ("WARNING", "tests.lines")
    assert line["event"] == "käse 1"


@pytest.mark.parametrize("name", ["huey.consumer"])
def test_trouble_with_the_queue_is_told_once_a_minute_and_by_name(
    log: logging.Logger, written: io.StringIO
) -> None:
    for _ in range(3):
        try:
            raise ConnectionError("redis://:passw0rd@queue")  # noqa: TRY301 -- as above
        except ConnectionError:
            log.exception("Error reading from queue")

    assert written.getvalue().count("Error reading from queue: ConnectionError") == 1
    assert "passw0rd" not in written.getvalue()
