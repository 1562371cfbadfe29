"""Being told to stop: once, twice, and from two sides at once."""

import signal
import threading

import pytest

from app.cli import signals
from app.cli.signals import stopping

LONG = 20.0


def tell() -> None:
    signal.raise_signal(signal.SIGTERM)


def test_first_signal_stops_and_what_comes_with_it_is_the_same() -> None:
    stop, hurried = threading.Event(), threading.Event()
    with stopping(stop, hurry=hurried.set):
        tell()
        tell()

        assert stop.is_set()
        assert not hurried.wait(0.1)


def test_later_signal_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AGAIN_SECONDS", 0)
    hurried = threading.Event()
    with stopping(threading.Event(), hurry=hurried.set):
        tell()
        tell()

        assert hurried.wait(LONG)


def test_who_does_not_end_in_time_is_hurried() -> None:
    hurried = threading.Event()
    with stopping(threading.Event(), hurry=hurried.set, within=0.01):
        assert not hurried.wait(0.1)  # nobody has said a word
        tell()

        assert hurried.wait(LONG)


def test_signals_are_handed_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stopping(threading.Event()):
        pass

    assert signal.getsignal(signal.SIGTERM) is before
