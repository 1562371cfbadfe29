"""Where our requests may go (rule T11): addresses, names, answers that change."""

import ipaddress
import uuid

import pytest

from app.http import Egress, Exempt, ForbiddenError, SendError
from app.http.egress import Address, is_public

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


@pytest.mark.parametrize("text", GOOD)
def test_t11_public_addresses_are_reached(text: str) -> None:
    assert reach(egress(text), "https://good.example/") == [ipaddress.ip_address(text)]


def test_t11_one_bad_address_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(ForbiddenError):
        reach(egress("8.8.8.8", "127.0.0.1"), "https://mixed.example/")


@pytest.mark.parametrize(
    "url",
    [
        "http://good.example/",
        "ftp://good.example/",
        "good.example",
        "//good.example/",
        "https://",
        "https://user@good.example/",
        "https://good.example@evil.example/",
        "https://good.example:8443/",
        "https://good.example:0x50/",
        "https://good.example:99999/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://１２７.0.0.1/",  # noqa: RUF001 -- full-width digits are the attack
        "https://good.example\\@evil.example/",
        "https://good example/",
        "https://[::1",
        "javascript:alert(1)",
    ],
)
def test_t11_addresses_that_fool_the_eye_are_refused(url: str) -> None:
    with pytest.raises(ForbiddenError):
        reach(egress("8.8.8.8"), url)


@pytest.mark.parametrize("failure", [OSError("no such host"), ValueError("odd")])
def test_t11_name_without_an_address_is_said_to_be_unknown(failure: Exception) -> None:
    def fail(*_: object) -> list[Address]:
        raise failure

    with pytest.raises(SendError, match="was not found") as error:
        reach(Egress(resolve=fail), "https://nowhere.example/")
    assert not error.value.sent


def test_t11_name_that_resolves_to_nothing_is_not_found() -> None:
    with pytest.raises(SendError, match="was not found"):
        reach(egress(), "https://empty.example/")


class TestExceptions:
    """The operator's, never a tenant's own."""

    @pytest.fixture
    def rules(self) -> Egress:
        network = ipaddress.ip_network("10.1.0.0/16")
        return egress("10.1.2.3", exempt=(Exempt(tenant_id=TENANT, network=network),))

    def test_t11_named_tenant_may_reach_the_named_network(self, rules: Egress) -> None:
        assert reach(rules, "https://build.internal/", TENANT)

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

        assert reach(
            egress("10.1.0.1", exempt=(lab,), ports=ports), "http://lab/", TENANT
        )
        with pytest.raises(ForbiddenError):
            reach(
                egress("8.8.8.8", exempt=(lab,), ports=ports),
                "http://a.example/",
                TENANT,
            )
