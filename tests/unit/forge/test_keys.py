"""Atlassian's key set: read once, asked for sparingly, believed for a while (T16)."""

import json
import queue
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.forge.keys import ForgeKeys, ForgeKeysAwayError
from app.http import Request, Response, SendError
from app.tokens.checks import Reason, Refused

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def document(*kids: str) -> bytes:
    public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(
        PRIVATE.public_key(), as_dict=True
    )
    return json.dumps({"keys": [public | {"kid": kid} for kid in kids]}).encode()


@dataclass
class Host:
    """The host of the key set, and a clock."""

    answer: Response | Exception
    asked: int = 0
    time: datetime = field(
        default_factory=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)
    )

    def send(self, request: Request) -> Response:
        assert request.headers == {}
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def later(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture
def host() -> Host:
    return Host(Response(status=200, body=document("one")))


@pytest.fixture
def keys(host: Host) -> ForgeKeys:
    return ForgeKeys(url="https://keys.example", http=host, now=lambda: host.time)


def test_key_set_is_read_once_an_hour(host: Host, keys: ForgeKeys) -> None:
    for _ in range(3):
        assert keys.get("one").key_id == "one"
    assert host.asked == 1

    host.later(hours=1)
    keys.get("one")
    assert host.asked == 2


def test_new_key_is_found_at_once_and_an_old_one_is_good_no_more(
    host: Host, keys: ForgeKeys
) -> None:
    keys.get("one")
    host.later(minutes=1)
    host.answer = Response(status=200, body=document("two"))

    assert keys.get("two").key_id == "two"
    with pytest.raises(Refused):
        keys.get("one")


def test_t0a_made_up_names_do_not_make_us_ask_again_and_again(
    host: Host, keys: ForgeKeys
) -> None:
    for number in range(50):
        with pytest.raises(Refused) as error:
            keys.get(f"made-up-{number}")
        assert error.value.reason is Reason.KEY_UNAVAILABLE

    assert host.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        SendError("no answer", sent=True),
        Response(status=500),
        Response(status=302, headers={"Location": "https://evil.example"}),
        Response(status=200, body=b"<html>"),
        Response(status=200, body=b"x" * 200_000),
    ],
    ids=["nothing", "500", "redirect", "no set", "too large"],
)
def test_host_that_is_away_proves_nothing_and_known_keys_stay_for_a_day(
    host: Host, keys: ForgeKeys, answer: Response | Exception
) -> None:
    good, host.answer = host.answer, answer
    with pytest.raises(ForgeKeysAwayError):
        keys.get("one")
    host.later(minutes=1)
    host.answer = good
    keys.get("one")

    host.later(hours=23)
    host.answer = answer
    assert keys.get("one").key_id == "one"
    host.later(hours=1)
    with pytest.raises(ForgeKeysAwayError):
        keys.get("one")


def test_t0a_slow_host_keeps_no_more_than_two_threads_of_forges(host: Host) -> None:
    """Attack: made-up key ids while the host is slow, until every thread waits."""
    answered, heard = threading.Event(), queue.Queue[str]()

    class Slow(Host):
        def send(self, request: Request) -> Response:
            assert answered.wait(10)
            return super().send(request)

    slow = Slow(host.answer)
    keys = ForgeKeys(url="https://keys.example", http=slow, now=lambda: host.time)

    def ask() -> None:
        try:
            heard.put(keys.get("one").key_id or "")
        except ForgeKeysAwayError:
            heard.put("away")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert [heard.get(timeout=10) for _ in range(2)] == ["away", "away"]
    answered.set()
    for thread in threads:
        thread.join()

    assert [heard.get(timeout=10) for _ in range(2)] == ["one", "one"]
    assert slow.asked == 1


def test_known_key_is_believed_while_the_set_is_read_again(
    host: Host, keys: ForgeKeys
) -> None:
    keys.get("one")
    host.later(hours=1)
    for _ in range(2):
        assert keys._places.acquire(blocking=False)  # noqa: SLF001 -- two are reading

    assert keys.get("one").key_id == "one"
    with pytest.raises(ForgeKeysAwayError):
        keys.get("another")
