"""T14: keys turn on schedule, and a receiver that keeps the key set refuses no token.

Days pass on both sides' clocks. The receivers are stricter than libraries are by
themselves: they look at discovery and key set once an hour, and not earlier when a
token names a key that they do not know.
"""

import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from joserfc import jwt as jose_jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app import keys
from app.worker import Worker
from tests.functional.fakes import Clock
from tests.receivers.issuing import AUDIENCE, Source, World, issuing
from tests.receivers.judges import run_node

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAYS = 5
STEP = timedelta(minutes=20)
KEPT = timedelta(hours=1)
LAST_SECOND = timedelta(seconds=299)
"""How late a token arrives at the latest."""


@dataclass(frozen=True)
class Case:
    """A token, and the key set that a receiver knew when it arrived."""

    token: str
    known_set: int
    at: int


@dataclass
class History:
    """What came to the receivers in those days."""

    issuer: str
    sets: list[dict[str, Any]] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)

    @property
    def key_ids(self) -> set[str]:
        return {jwt.get_unverified_header(case.token)["kid"] for case in self.cases}


@dataclass
class Cache:
    """One receiver's memory of the key set; each begins its hour at another minute."""

    history: History
    fetched_at: datetime
    number: int = -1

    def known(self, now: datetime) -> int:
        if self.number < 0 or now - self.fetched_at >= KEPT:
            self.number, self.fetched_at = len(self.history.sets), now
            self.history.sets.append(discovered(self.history.issuer))
        return self.number


def discovered(issuer: str) -> dict[str, Any]:
    """Read the key set as a receiver does, over HTTP."""
    found = get(f"{issuer}/.well-known/openid-configuration")
    assert found["issuer"] == issuer
    return get(found["jwks_uri"])


def get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 -- our own
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Days of deliveries, with a worker that keeps house every hour."""
    folder, clock = tmp_path_factory.mktemp("rotation"), Clock(START)
    with issuing(folder, clock, COUNTERSIGN_KEY_ROTATION_DAYS="2") as world:
        source = world.source()
        found = History(source.issuer)
        caches = [Cache(found, START - STEP * n) for n in range(3)]
        while clock.time < START + timedelta(days=DAYS):
            one_step(world, source, caches)
    return found


def one_step(world: World, source: Source, caches: Sequence[Cache]) -> None:
    """Deliver just before the keys may turn, and look at both ends of its life."""
    clock, begun = world.clock, world.clock.time
    token = world.mint(source).token
    if begun.minute == 0:
        Worker(runtime=world.runtime).rotate_keys()
    fresh = Cache(caches[0].history, begun)
    for now in (begun, begun + LAST_SECOND):
        clock.time = now
        for cache in (*caches, fresh):
            case = Case(token, cache.known(now), int(now.timestamp()))
            cache.history.cases.append(case)
    clock.time = begun + STEP


def by_pyjwt(history: History, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    known = [jwt.PyJWKSet.from_dict(one) for one in history.sets]
    clock = Clock(START)

    class Moved(datetime):
        """Shows the test's time to a library that asks the machine's."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.time.astimezone(tz)

    monkeypatch.setattr("jwt.api_jwt.datetime", Moved)
    refused = []
    for case in history.cases:
        clock.time = datetime.fromtimestamp(case.at, UTC)
        try:
            kid = jwt.get_unverified_header(case.token)["kid"]
            jwt.decode(
                case.token,
                known[case.known_set][kid],
                algorithms=["RS256"],
                issuer=history.issuer,
                audience=AUDIENCE,
            )
        except (jwt.PyJWTError, KeyError) as error:
            refused.append(f"{clock.time}: {error!r}")
    return refused


def by_joserfc(history: History, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del monkeypatch
    known = [KeySet.import_key_set(one) for one in history.sets]  # type: ignore[arg-type]
    refused = []
    for case in history.cases:
        registry = jose_jwt.JWTClaimsRegistry(
            now=case.at,
            iss={"essential": True, "value": history.issuer},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
        )
        try:
            token = jose_jwt.decode(case.token, known[case.known_set], ["RS256"])
            registry.validate(token.claims)
        except (JoseError, ValueError) as error:
            refused.append(f"{case.at}: {error!r}")
    return refused


def by_jose(history: History, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del monkeypatch
    given = {
        "issuer": history.issuer,
        "audience": AUDIENCE,
        "sets": history.sets,
        "cases": [vars(case) for case in history.cases],
    }
    said: Mapping[str, Any] = run_node(
        Path(__file__).with_name("rotation.mjs"), given=given, env={}
    )
    assert said["count"] == len(history.cases)
    refused: list[str] = said["refused"]
    return refused


Verify = Callable[[History, pytest.MonkeyPatch], list[str]]
LIBRARIES = pytest.mark.parametrize("verify", [by_pyjwt, by_joserfc, by_jose])


@LIBRARIES
def test_t14_no_token_is_refused_across_scheduled_rotations(
    history: History, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(history.key_ids) == 3
    assert len(history.cases) == DAYS * 24 * 3 * 8

    assert verify(history, monkeypatch) == []


@LIBRARIES
def test_t14_key_that_signs_unpublished_would_be_refused(
    tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These receivers do notice; what is hasty below is what our schedule never is."""
    with issuing(tmp_path, Clock(START)) as world:
        source = world.source()
        found = History(source.issuer)
        cache = Cache(found, START)
        for _ in range(2):
            one_step(world, source, [cache])
            hasty(world, source)

        one_step(world, source, [cache])

    late = [case for case in found.cases if case.known_set == 0]
    refused = verify(History(found.issuer, found.sets, late), monkeypatch)
    assert len(refused) == 2


def hasty(world: World, source: Source) -> None:
    with world.runtime.sessions.begin() as session:
        rotation = world.rotation(source.tenant_id, 1)
        keys.rotate(session, world.runtime.keyring, rotation, publish=timedelta(0))
