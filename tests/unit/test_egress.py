"""Where our requests may go (rule T11): addresses, names, answers that change."""

import ipaddress
import socket
import threading
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http import Egress, Exempt, ForbiddenError, SendError
from app.http.egress import Address, is_public, lookup

TENANT, OTHER = uuid.uuid4(), uuid.uuid4()

HOSTILE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 -- judged, not bound
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.1",
    "192.88.99.1",
    "168.63.129.16",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::a9fe:a9fe",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "3fff::1",
    "5f00::1",
]
GOOD = [
    "8.8.8.8",
    "1.1.1.1",
    "104.192.142.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
]


RESERVED = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
    *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
    *("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
    *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
    *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]
"""IANA's registries of special-purpose addresses, and what leads into them."""


def egress(*addresses: str, **settings: object) -> Egress:
    found: list[Address] = [ipaddress.ip_address(text) for text in addresses]
    return Egress(resolve=lambda *_: found, **settings)  # type: ignore[arg-type]


def reach(rules: Egress, url: str, tenant_id: uuid.UUID | None = None) -> list[Address]:
    host, port = rules.judge(url, tenant_id)
    plain = not url.startswith("https:")
    return rules.addresses(host, port, plain=plain, tenant_id=tenant_id)


@pytest.mark.parametrize("text", HOSTILE)
def test_t11_hostile_addresses_are_refused(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    literal = f"[{text}]" if ":" in text else text

    with pytest.raises(ForbiddenError):
        reach(egress(), f"https://{literal}/")
    with pytest.raises(ForbiddenError, match="not public"):
        reach(egress(text), "https://looks-good.example/")


@given(text=st.sampled_from(RESERVED), number=st.integers(min_value=0))
def test_t11_no_address_of_a_reserved_network_is_public(text: str, number: int) -> None:
    network = ipaddress.ip_network(text)
    address = network[number % network.num_addresses]

    assert not is_public(address)
    assert not is_public(network[-1])
    if address.version == 4:
        assert not is_public(ipaddress.ip_address(f"::ffff:{address}"))


@pytest.mark.parametrize("text", GOOD)
def test_t11_public_addresses_are_reached(text: str) -> None:
    assert reach(egress(text), "https://good.example/") == [ipaddress.ip_address(text)]


def test_t11_one_bad_address_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(ForbiddenError):
        reach(egress("8.8.8.8", "127.0.0.1"), "https://mixed.example/")


BEGIN, ODD, DOTTED = "must begin with https", "not an address", "four plain numbers"
USER, SPACES = "user name or password", "spaces or backslashes"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://good.example/", BEGIN),
        ("ftp://good.example/", BEGIN),
        ("good.example", BEGIN),
        ("//good.example/", BEGIN),
        ("https://", BEGIN),
        ("https://user@good.example/", USER),
        ("https://good.example@evil.example/", USER),
        ("https://good.example:8443/", "port 8443 is not allowed; allowed: 443$"),
        ("https://good.example:0x50/", ODD),
        ("https://good.example:99999/", ODD),
        ("https://127.1/", DOTTED),
        ("https://127.0.0.1./", DOTTED),
        ("https://0x7f.1/", DOTTED),
        ("https://0x7f000001/", DOTTED),
        ("https://1.0X7F/", DOTTED),
        ("https://2130706433/", DOTTED),
        ("https://0177.0.0.1/", DOTTED),
        ("https://１２７.0.0.1/", "not public"),  # noqa: RUF001 -- full-width digits are the attack
        ("https://a..ü.example/", "not a host name"),
        ("https://good.example\\@evil.example/", USER),
        ("https://good.example/\\evil", SPACES),
        ("https://good example/", SPACES),
        ("https://good.example/a b", SPACES),
        ("https://[::1", ODD),
        ("javascript:alert(1)", BEGIN),
    ],
)
def test_t11_addresses_that_fool_the_eye_are_refused(url: str, words: str) -> None:
    with pytest.raises(ForbiddenError, match=words) as error:
        reach(egress("8.8.8.8"), url)
    assert not error.value.sent


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://good.example/path?q", "good.example"),
        ("https://good.example:443", "good.example"),
        ("https://GOOD.example", "good.example"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://8.8.8.8/", "8.8.8.8"),
        ("https://[2606:4700::1]/", "2606:4700::1"),
        ("https://[2606:4700::1111:2222]/", "2606:4700::1111:2222"),
        ("https://a.1x/", "a.1x"),
    ],
)
def test_host_is_the_one_that_is_resolved(url: str, host: str) -> None:
    assert egress().judge(url, None) == (host, 443)


def test_ports_are_the_operators_to_allow() -> None:
    several, every = egress(ports=frozenset({8443, 443})), egress(any_port=True)

    assert several.judge("https://a.example:8443", None) == ("a.example", 8443)
    assert every.judge("https://a.example:1", None) == ("a.example", 1)
    with pytest.raises(ForbiddenError, match=r"port 444 .*: 443, 8443$"):
        several.judge("https://a.example:444", None)
    assert egress().judge_mail("a.example", 587) == "a.example"
    assert every.judge_mail("a.example", 25) == "a.example"


def test_address_that_is_named_twice_is_tried_once() -> None:
    found = reach(egress("8.8.8.8", "1.1.1.1", "8.8.8.8"), "https://good.example/")

    assert [str(each) for each in found] == ["8.8.8.8", "1.1.1.1"]


def test_name_has_so_long_and_no_longer() -> None:
    asked: list[tuple[str, int]] = []
    goes_on = threading.Event()

    def slow(host: str, port: int) -> list[Address]:
        asked.append((host, port))
        goes_on.wait(10)
        return []

    rules = Egress(resolve=slow)
    with pytest.raises(SendError, match=r"the name a\.example took too long") as error:
        rules.addresses("a.example", 443, plain=False, tenant_id=None, within=0.05)
    goes_on.set()

    assert asked == [("a.example", 443)]
    assert not error.value.sent


def test_systems_resolver_is_asked() -> None:
    assert set(map(str, lookup("127.0.0.1", 80))) == {"127.0.0.1"}
    assert set(map(str, lookup("::1", 80))) == {"::1"}
    with pytest.raises(socket.gaierror):
        lookup("no-such-name.invalid", 80)


def test_link_local_address_is_known_without_its_interface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(host: str, port: int, **how: object) -> list[Any]:
        assert (host, port, how) == ("a.example", 80, {"type": socket.SOCK_STREAM})
        return [(0, 0, 0, "", ("fe80::1%eth0", 80, 0, 2))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)

    assert lookup("a.example", 80) == [ipaddress.ip_address("fe80::1")]


@pytest.mark.parametrize("failure", [OSError("no such host"), ValueError("odd")])
def test_t11_name_without_an_address_is_said_to_be_unknown(failure: Exception) -> None:
    def fail(*_: object) -> list[Address]:
        raise failure

    with pytest.raises(SendError, match="was not found") as error:
        reach(Egress(resolve=fail), "https://nowhere.example/")
    assert not error.value.sent


def test_t11_name_that_resolves_to_nothing_is_not_found() -> None:
    with pytest.raises(SendError, match="was not found") as error:
        reach(egress(), "https://empty.example/")
    assert not error.value.sent


class TestExceptions:
    """The operator's, never a tenant's own."""

    @pytest.fixture
    def rules(self) -> Egress:
        network = ipaddress.ip_network("10.1.0.0/16")
        return egress("10.1.2.3", exempt=(Exempt(tenant_id=TENANT, network=network),))

    def test_t11_named_tenant_may_reach_the_named_network(self, rules: Egress) -> None:
        assert reach(rules, "https://build.internal/", TENANT)

    def test_address_in_its_other_spelling_is_the_same(self, rules: Egress) -> None:
        assert reach(rules, "https://[::ffff:10.1.2.3]/", TENANT)

    def test_who_has_exceptions_is_known(self, rules: Egress) -> None:
        for_all = Exempt(tenant_id=None, network=rules.exempt[0].network)

        assert [rules.has_exceptions(each) for each in (TENANT, OTHER, None)] == [
            True,
            False,
            False,
        ]
        assert reach(egress("10.1.2.3", exempt=(for_all,)), "https://a.example/", OTHER)

    def test_t11_no_other_tenant_may(self, rules: Egress) -> None:
        for tenant_id in (OTHER, None):
            with pytest.raises(ForbiddenError):
                reach(rules, "https://build.internal/", tenant_id)

    def test_t11_nor_another_network(self) -> None:
        network = ipaddress.ip_network("10.1.0.0/16")
        rules = egress("10.2.0.1", exempt=(Exempt(tenant_id=TENANT, network=network),))

        with pytest.raises(ForbiddenError):
            reach(rules, "https://build.internal/", TENANT)

    def test_t11_nor_plain_http_unless_it_says_so(self, rules: Egress) -> None:
        with pytest.raises(ForbiddenError, match="https"):
            reach(rules, "http://build.internal:443/", TENANT)

    def test_t11_plain_http_reaches_the_lab_and_nothing_else(self) -> None:
        lab = Exempt(
            tenant_id=TENANT,
            network=ipaddress.ip_network("10.1.0.0/16"),
            plain_http=True,
        )
        ports = frozenset({80, 443})

        rules = egress("10.1.0.1", exempt=(lab,), ports=ports)
        assert rules.judge("http://lab/", TENANT) == ("lab", 80)
        assert reach(rules, "http://lab/", TENANT) == reach(
            rules, "https://lab/", TENANT
        )
        with pytest.raises(ForbiddenError):
            reach(
                egress("8.8.8.8", exempt=(lab,), ports=ports),
                "http://a.example/",
                TENANT,
            )
