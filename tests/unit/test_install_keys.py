"""Fetching the keys that prove installs (rule T0a)."""

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from app.connect.install_keys import (
    FETCHES_PER_MINUTE,
    KEPT_FOR_TENANTS,
    InstallKeys,
    KeysAwayError,
)
from app.http import Request, Response, SendError
from app.tokens.checks import Reason, Refused

PEM = b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"


@dataclass
class Network:
    answer: Response | SendError = field(
        default_factory=lambda: Response(status=200, body=PEM)
    )
    asked: list[str] = field(default_factory=list)
    time: datetime = datetime(2026, 11, 23, tzinfo=UTC)

    def send(self, request: Request) -> Response:
        self.asked.append(request.url)
        if isinstance(self.answer, SendError):
            raise self.answer
        return self.answer

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def keys(network: Network) -> InstallKeys:
    return InstallKeys(url="https://keys.example", http=network, now=network.now)


def reason(keys: InstallKeys, key_id: str) -> Reason:
    with pytest.raises(Refused) as refused:
        keys.get(key_id)
    return refused.value.reason


def test_t0a_key_is_fetched_once(keys: InstallKeys, network: Network) -> None:
    assert keys.get("a/b") == keys.get("a/b") == PEM.decode()

    assert network.asked == ["https://keys.example/a/b"]


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=404, body=PEM),
        Response(status=302, body=PEM),
        Response(status=200, body=b"<html>not found</html>"),
        Response(status=200, body=PEM + b"x" * 20_000),
    ],
)
def test_t0a_only_a_key_is_a_key(
    keys: InstallKeys, network: Network, answer: Response
) -> None:
    network.answer = answer

    assert reason(keys, "a") is Reason.KEY_UNAVAILABLE


@pytest.mark.parametrize(
    "answer", [Response(status=503), SendError("timeout", sent=True)]
)
def test_t0a_host_that_is_away_refuses_nobody(
    keys: InstallKeys, network: Network, answer: Response | SendError
) -> None:
    network.answer = answer
    with pytest.raises(KeysAwayError):
        keys.get("a")

    network.answer = Response(status=200, body=PEM)

    assert keys.get("a") == PEM.decode()


def test_t0a_failure_is_remembered_for_a_moment(
    keys: InstallKeys, network: Network
) -> None:
    network.answer = Response(status=404)
    reason(keys, "a")
    reason(keys, "a")
    assert len(network.asked) == 1

    network.time += timedelta(seconds=31)
    network.answer = Response(status=200, body=PEM)

    assert keys.get("a") == PEM.decode()


def test_t0a_fetches_have_a_budget_for_all(keys: InstallKeys, network: Network) -> None:
    """Attack: a thousand made-up key ids are a thousand requests of ours."""
    known = keys.get("known")
    network.answer = Response(status=404)
    for number in range(1000):
        with pytest.raises((Refused, KeysAwayError)):
            keys.get(f"made-up-{number}")

    assert len(network.asked) == FETCHES_PER_MINUTE - KEPT_FOR_TENANTS
    assert keys.get("known") == known
    network.answer = Response(status=200, body=PEM)
    assert keys.get("genuine", for_tenant=True) == PEM.decode()
    network.time += timedelta(seconds=61)
    network.answer = Response(status=200, body=PEM)
    assert keys.get("new") == PEM.decode()


def test_t0a_memory_is_bounded(keys: InstallKeys, network: Network) -> None:
    for number in range(300):
        network.time += timedelta(seconds=61)
        keys.get(f"key-{number}")
    keys.get("key-0")

    assert network.asked.count("https://keys.example/key-0") == 2


@pytest.mark.parametrize("key_id", ["@evil.example/a", ".evil.example"])
def test_t0a_host_stays_the_key_host(network: Network, key_id: str) -> None:
    keys = InstallKeys(url="https://keys.example", http=network, now=network.now)
    keys.url = keys.url.rstrip("/")
    network.answer = Response(status=404)

    assert reason(keys, key_id) is Reason.KEY_UNAVAILABLE
    assert all(url.startswith("https://keys.example/") for url in network.asked)


@pytest.mark.parametrize("for_tenant", [False, True])
def test_t0a_slow_host_keeps_no_more_than_two_threads(
    network: Network, *, for_tenant: bool
) -> None:
    """Attack: made-up key ids while the host is slow, until every thread waits."""
    seen: list[str] = []
    slow_keys: list[InstallKeys] = []

    class Slow(Network):
        def send(self, request: Request) -> Response:
            # The next one comes before this one is answered.
            seen.append(request.url)
            with contextlib.suppress(KeysAwayError):
                slow_keys[0].get(f"next-{len(seen)}", for_tenant=for_tenant)
            if len(seen) == 2:
                slow_keys[0].get("of-the-others", for_tenant=not for_tenant)
            return super().send(request)

    keys = InstallKeys(url="https://keys.example", http=Slow(), now=network.now)
    slow_keys.append(keys)

    assert keys.get("first", for_tenant=for_tenant) == PEM.decode()

    assert seen[:2] == ["https://keys.example/first", "https://keys.example/next-1"]
    assert keys.get("later", for_tenant=for_tenant) == PEM.decode()
