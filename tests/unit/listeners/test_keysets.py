"""Key sets of issuers: read once, asked sparingly, believed for a while (T0, T11)."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from app.http import ForbiddenError, Request, Response, SendError
from app.listeners import KeySets, KeySetsAwayError, KeySource, NoKeySetError, read
from app.listeners import keysets as module
from app.tokens.checks import Reason, Refused

ISSUER = "https://ci.example"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
JWKS = "https://keys.example/jwks.json"
PRIVATE = ed25519.Ed25519PrivateKey.generate()
TENANT = uuid.uuid4()
PLAIN = KeySource(tenant_id=TENANT, url=JWKS)
FOUND = KeySource.of_issuer(TENANT, ISSUER)


def document(*kids: str) -> bytes:
    public: dict[str, Any] = jwt.algorithms.OKPAlgorithm.to_jwk(
        PRIVATE.public_key(), as_dict=True
    )
    return json.dumps({"keys": [public | {"kid": kid} for kid in kids]}).encode()


def discovery(**changes: Any) -> bytes:
    return json.dumps({"issuer": ISSUER, "jwks_uri": JWKS} | changes).encode()


@dataclass
class Hosts:
    """Every host outside, by address, and a clock."""

    answers: dict[str, Response | Exception] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    time: datetime = field(
        default_factory=lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)
    )
    meanwhile: Callable[[], object] = lambda: None

    def send(self, request: Request) -> Response:
        self.asked.append(request)
        self.meanwhile()
        answer = self.answers.get(request.url, Response(status=404))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def say(self, url: str, body: bytes, status: int = 200) -> None:
        self.answers[url] = Response(status=status, body=body)

    def later(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture
def hosts() -> Hosts:
    made = Hosts()
    made.say(JWKS, document("one"))
    made.say(DISCOVERY, discovery())
    return made


@pytest.fixture
def sets(hosts: Hosts) -> KeySets:
    return KeySets(http=hosts, now=lambda: hosts.time)


def test_key_set_is_read_once_an_hour_for_its_tenant(
    hosts: Hosts, sets: KeySets
) -> None:
    assert sets.find(PLAIN, "one") is None  # nobody is asked
    for _ in range(3):
        assert sets.get(PLAIN, "one").algorithm == "EdDSA"
        assert sets.find(PLAIN, "one")
    assert [request.tenant_id for request in hosts.asked] == [TENANT]

    hosts.later(hours=1)
    assert sets.find(PLAIN, "one") is None
    sets.get(PLAIN, "one")
    assert len(hosts.asked) == 2


def test_t11_what_one_tenant_may_reach_opens_nothing_for_another(
    hosts: Hosts, sets: KeySets
) -> None:
    sets.get(PLAIN, "one")
    hosts.answers[JWKS] = ForbiddenError("not public")

    other = KeySource(tenant_id=uuid.uuid4(), url=JWKS)
    with pytest.raises(KeySetsAwayError, match="not public"):
        sets.get(other, "one")
    assert hosts.asked[-1].tenant_id == other.tenant_id


def test_issuer_says_where_its_keys_are(hosts: Hosts, sets: KeySets) -> None:
    sets.get(FOUND, "one")
    assert [request.url for request in hosts.asked] == [DISCOVERY, JWKS]
    assert {request.tenant_id for request in hosts.asked} == {TENANT}


def test_new_key_is_found_at_once_and_one_taken_back_is_gone(
    hosts: Hosts, sets: KeySets
) -> None:
    sets.get(PLAIN, "one")
    hosts.later(minutes=1)
    hosts.say(JWKS, document("two"))

    sets.get(PLAIN, "two")
    with pytest.raises(Refused):
        sets.get(PLAIN, "one")


def test_t0a_made_up_names_do_not_make_us_ask_again_and_again(
    hosts: Hosts, sets: KeySets
) -> None:
    sets.get(PLAIN, "one")
    for number in range(20):
        with pytest.raises(Refused) as error:
            sets.get(PLAIN, f"made-up-{number}")
        assert error.value.reason is Reason.KEY_UNAVAILABLE
    assert len(hosts.asked) == 1

    hosts.later(seconds=30)
    with pytest.raises(Refused):
        sets.get(PLAIN, "made-up")
    assert len(hosts.asked) == 2


def test_known_key_is_good_for_a_day_while_the_host_is_away(
    hosts: Hosts, sets: KeySets
) -> None:
    sets.get(FOUND, "one")
    hosts.answers[DISCOVERY] = SendError("no answer", sent=True)

    hosts.later(hours=23, minutes=59)
    sets.get(FOUND, "one")
    with pytest.raises(KeySetsAwayError):  # it may be new: nobody can say
        sets.get(FOUND, "two")

    hosts.later(minutes=1)
    with pytest.raises(KeySetsAwayError, match="no answer"):
        sets.get(FOUND, "one")
    hosts.say(DISCOVERY, discovery())
    with pytest.raises(KeySetsAwayError):  # asked a moment ago
        sets.get(FOUND, "one")
    hosts.later(seconds=30)
    sets.get(FOUND, "one")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (discovery(issuer=ISSUER + "/"), "another issuer"),
        (discovery(issuer="https://evil.example"), "another issuer"),
        (discovery(issuer=None), "another issuer"),
        (discovery(jwks_uri=None), "names no key set"),
        (discovery(jwks_uri=["https://keys.example"]), "names no key set"),
        (discovery(jwks_uri="https://" + "x" * 2000), "names no key set"),
        (b"[]", "another issuer"),
        (b"<html>", "no JSON"),
        (b"[" * 5000, "no JSON"),
        (b"x" * 200_000, "too large"),
    ],
    ids=range(10),
)
def test_t0_document_that_does_not_speak_for_its_issuer_is_refused(
    hosts: Hosts, body: bytes, said: str
) -> None:
    hosts.say(DISCOVERY, body)

    with pytest.raises(NoKeySetError, match=said):
        read(hosts, FOUND)
    assert len(hosts.asked) == 1


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{}", 200, "is none"),
        (b"<html>", 200, "is none"),
        (b'{"keys": []}', 200, "no key that may check"),
        (b"x" * 200_000, 200, "too large"),
        (document("one"), 302, "302"),
        (document("one"), 503, "503"),
    ],
    ids=range(6),
)
def test_what_is_no_key_set_is_said_so_to_the_admin(
    hosts: Hosts, body: bytes, status: int, said: str
) -> None:
    hosts.say(JWKS, body, status)

    with pytest.raises(NoKeySetError, match=said):
        read(hosts, PLAIN)


def source(number: int, tenant_id: uuid.UUID = TENANT) -> KeySource:
    return KeySource(tenant_id=tenant_id, url=f"https://keys.example/{number}")


def test_t11_one_tenant_does_not_use_up_what_all_may_read(
    hosts: Hosts, sets: KeySets
) -> None:
    def tries(tenant_id: uuid.UUID, count: int) -> int:
        before = len(hosts.asked)
        for number in range(count):
            with pytest.raises(KeySetsAwayError):
                sets.get(source(number, tenant_id), "one")
        return len(hosts.asked) - before

    assert tries(TENANT, 100) == module.PER_TENANT
    others = [tries(uuid.uuid4(), 100) for _ in range(10)]
    assert sum(others) == module.PER_MINUTE - module.PER_TENANT
    hosts.later(minutes=1)
    assert tries(TENANT, 1) == 1


def test_only_so_many_key_sets_are_kept(
    hosts: Hosts, sets: KeySets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHED", 2)
    for number in range(3):
        hosts.say(source(number).url, document("one"))
        sets.get(source(number), "one")

    assert sets.find(source(0), "one") is None
    assert sets.find(source(1), "one") is not None


def test_t11_slow_hosts_do_not_keep_every_thread(hosts: Hosts, sets: KeySets) -> None:
    """Attack: a host that answers slowly, and many calls that wait for its keys.

    The calls of one tenant are made while its own key set is read: nothing may wait,
    or this does not end.
    """
    slow, other = source(1), source(1, uuid.uuid4())
    found: list[str] = []

    def meanwhile() -> None:
        hosts.meanwhile = lambda: None
        for asked in (slow, source(2), other):
            try:
                sets.get(asked, "one")
                found.append("found")
            except KeySetsAwayError as error:
                found.append(str(error))

    hosts.say(slow.url, document("one"))
    hosts.meanwhile = meanwhile
    sets.get(slow, "one")

    assert found == ["other key sets are being read"] * 2 + ["found"]
    assert [each.url for each in hosts.asked] == [slow.url, slow.url]
    hosts.say(source(2).url, document("one"))
    sets.get(source(2), "one")


def test_t11_only_so_many_key_sets_are_read_at_one_time(
    hosts: Hosts, sets: KeySets
) -> None:
    """Each reading begins while the one before it is under way."""
    tenants = [source(1, uuid.uuid4()) for _ in range(module.AT_ONCE + 1)]
    hosts.say(source(1).url, document("one"))
    waiting = list(tenants[1:])
    refused: list[KeySource] = []

    def meanwhile() -> None:
        asked = waiting.pop(0)
        try:
            sets.get(asked, "one")
        except KeySetsAwayError:
            refused.append(asked)

    hosts.meanwhile = meanwhile
    sets.get(tenants[0], "one")

    assert refused == [tenants[-1]]
    hosts.meanwhile = lambda: None
    sets.get(tenants[-1], "one")


def test_known_key_opens_while_another_set_of_the_tenant_is_read(
    hosts: Hosts, sets: KeySets
) -> None:
    hosts.say(source(2).url, document("one"))
    sets.get(PLAIN, "one")
    hosts.later(hours=2)
    found: list[object] = []
    hosts.meanwhile = lambda: found.append(sets.get(PLAIN, "one"))

    sets.get(source(2), "one")

    assert len(found) == 1
    assert len(hosts.asked) == 2


def test_t11_one_tenants_key_sets_push_out_its_own_and_nobody_elses(
    hosts: Hosts, sets: KeySets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: many listeners, so that others have no keys once their host is away."""
    monkeypatch.setattr(module, "CACHED_PER_TENANT", 2)
    other = source(9, uuid.uuid4())
    for number in (9, 1, 2, 3):
        hosts.say(source(number).url, document("one"))
    sets.get(other, "one")
    for number in (1, 2, 3):
        sets.get(source(number), "one")

    assert [sets.find(source(number), "one") is None for number in (1, 2, 3)] == [
        True,
        False,
        False,
    ]
    assert sets.find(other, "one")


def test_t11_full_store_makes_room_among_those_of_who_has_most(
    hosts: Hosts, sets: KeySets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHED", 3)
    first, last = (source(number, uuid.uuid4()) for number in (8, 9))
    for number in (1, 2, 8, 9):
        hosts.say(source(number).url, document("one"))
    for asked in (first, source(1), source(2), last):
        sets.get(asked, "one")

    assert sets.find(source(1), "one") is None
    assert all(sets.find(each, "one") for each in (first, source(2), last))


def test_t11_what_could_not_be_read_takes_no_place(
    sets: KeySets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: made-up addresses, none of which has a key set."""
    monkeypatch.setattr(module, "CACHED", 2)
    sets.get(PLAIN, "one")
    for number in range(5):
        with pytest.raises(KeySetsAwayError):
            sets.get(source(number), "one")

    assert sets.find(PLAIN, "one")
