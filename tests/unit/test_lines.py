"""The log that a stranger writes to: bounded, counted, and every line one of ours."""

import io
import logging

import pytest

from app.cli.lines import PER_MINUTE, TRACES_PER_MINUTE, OneLine, Sparing


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def minute() -> list[int]:
    """Which minute each line is of; a test may say another."""
    return [0]


@pytest.fixture
def log(written: io.StringIO, minute: list[int]) -> logging.Logger:
    """A logger as a process of ours has it, on a stream that can be read."""

    def date(record: logging.LogRecord) -> bool:
        record.created = minute[0] * 60.0
        return True

    handler = logging.StreamHandler(written)
    handler.addFilter(Sparing())
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    made = logging.getLogger("tests.lines")
    made.handlers, made.propagate = [handler], False
    made.filters = [date]
    return made


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

    lines = written.getvalue().splitlines()
    assert len(lines) == PER_MINUTE + 2
    assert lines[-2] == "WARNING something else"
    assert (
        lines[-1] == f"WARNING refused 0 (and {2000 - PER_MINUTE} like it, not written)"
    )


def test_t13_flood_of_tracebacks_is_bounded(
    log: logging.Logger, written: io.StringIO
) -> None:
    for _ in range(200):
        try:
            raise KeyError("nothing")  # noqa: TRY301 -- what a bug raises
        except KeyError:
            log.exception("bug")

    assert written.getvalue().count("Traceback") == TRACES_PER_MINUTE


def test_t13_what_an_error_quotes_forges_no_line(
    log: logging.Logger, written: io.StringIO
) -> None:
    try:
        raise ValueError("odd name\n2026 INFO all good\x1b[2J")  # noqa: TRY301 -- as above
    except ValueError:
        log.exception("bug")

    first, *others = written.getvalue().splitlines()
    assert first == "ERROR bug"
    assert all(line.startswith("    ") for line in others)
    assert "\x1b" not in written.getvalue()


def test_t13_what_others_wrote_forges_no_line(
    log: logging.Logger, written: io.StringIO
) -> None:
    """Attack: waitress logs the path of a client that went away, decoded."""
    log.warning("Client disconnected while serving %s", "/x\n2026 INFO all good\x1b[2J")

    assert len(written.getvalue().splitlines()) == 1
    assert "\x1b" not in written.getvalue()
