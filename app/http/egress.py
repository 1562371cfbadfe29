"""Where our requests may go: public addresses by https, and what the operator adds.

Attack (T11): a tenant names a URL and we fetch it, so he reaches what only we can: the
cloud's metadata service, the database's port, a neighbour. The name is resolved once,
*every* address it has is judged, and the connection goes to a judged address: an answer
that changes between the look and the use (DNS rebinding) changes nothing.
"""

import ipaddress
import socket
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from urllib.parse import SplitResult, urlsplit

from app.http.messages import SendError

Address = IPv4Address | IPv6Address
Network = ipaddress.IPv4Network | IPv6Network

RESOLVE_SECONDS = 5
"""The longest that a name may take, where the request has so much time left."""

# Python's `is_global` follows IANA's registry of 2022 and misses, or passes on purpose,
# ranges through which an inner or internal address can be reached.
_NEVER = tuple(
    map(
        ip_network,
        (
            "192.88.99.0/24",  # 6to4 relays
            "100.64.0.0/10",  # carrier-grade NAT, and clouds' metadata in it
            "192.0.0.0/24",  # protocol assignments
            "168.63.129.16/32",  # Azure's virtual host: public by its number only
            "2002::/16",  # 6to4: an IPv4 address inside
            "2001::/23",  # Teredo and other protocol assignments
            "64:ff9b::/96",  # NAT64: an IPv4 address inside
            "64:ff9b:1::/48",  # local NAT64
            "::/96",  # IPv4-compatible
            "::ffff:0:0:0/96",  # IPv4-translated
            "fec0::/10",  # site-local, deprecated and still routed
            "3fff::/20",  # documentation
            "5f00::/16",  # segment routing
        ),
    )
)


class ForbiddenError(SendError):
    """The address may not be reached. The message is for an admin; nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


@dataclass(frozen=True, kw_only=True)
class Exempt:
    """An exception that the operator makes, for one tenant or, with None, for all."""

    tenant_id: uuid.UUID | None
    network: Network
    plain_http: bool = False


def lookup(host: str, port: int) -> list[Address]:
    """Ask the system's resolver; raise `OSError` when the name has no address."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


@dataclass(frozen=True, kw_only=True)
class Egress:
    """The rules, the operator's exceptions from them, and the resolver."""

    ports: frozenset[int] = frozenset({443})
    mail_ports: frozenset[int] = frozenset({465, 587})
    """Of mail servers; not 25, where any of them takes mail from anybody."""
    exempt: Sequence[Exempt] = ()
    any_port: bool = False
    """In development only: the sandbox listens wherever it can."""
    resolve: Callable[[str, int], list[Address]] = lookup
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(8, "resolve"), repr=False
    )

    def judge(self, url: str, tenant_id: uuid.UUID | None) -> tuple[str, int]:
        """Return host and port of a URL that may be tried; refuse all others."""
        parts = _split(url)
        host, port = _host(parts), parts.port or _default_port(parts)
        if parts.scheme != "https" and not self._has_plain_http(tenant_id):
            raise ForbiddenError("the address must begin with https://")
        if not self.any_port and port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise ForbiddenError(f"port {port} is not allowed; allowed: {allowed}")
        return host, port

    def judge_mail(self, host: str, port: int) -> str:
        """Return the host of a mail server that may be tried; refuse all others."""
        name = _host(_split(f"https://{host}:{port}"))
        if not self.any_port and port not in self.mail_ports:
            allowed = ", ".join(map(str, sorted(self.mail_ports)))
            words = f"port {port} is not allowed for mail; allowed: {allowed}"
            raise ForbiddenError(words)
        return name

    def addresses(
        self,
        host: str,
        port: int,
        *,
        plain: bool,
        tenant_id: uuid.UUID | None,
        within: float = RESOLVE_SECONDS,
    ) -> list[Address]:
        """Resolve `within` so many seconds; return every address: all may be reached.

        One forbidden address among many refuses the name: who answers with both is
        trying.
        """
        found = self._resolved(host, port, within)
        for address in found:
            if not self._may_reach(address, plain=plain, tenant_id=tenant_id):
                raise ForbiddenError(f"{host} leads to an address that is not public")
        return found

    def _may_reach(
        self, address: Address, *, plain: bool, tenant_id: uuid.UUID | None
    ) -> bool:
        if not plain and is_public(address):
            return True
        inner = _unwrapped(address)
        return any(
            inner in exempt.network and (exempt.plain_http or not plain)
            for exempt in self.exempt
            if exempt.tenant_id in {None, tenant_id}
        )

    def has_exceptions(self, tenant_id: uuid.UUID | None) -> bool:
        """Say whether this tenant may reach what others may not."""
        return any(exempt.tenant_id == tenant_id for exempt in self.exempt)

    def _has_plain_http(self, tenant_id: uuid.UUID | None) -> bool:
        return any(
            exempt.plain_http
            for exempt in self.exempt
            if exempt.tenant_id in {None, tenant_id}
        )

    def _resolved(self, host: str, port: int, within: float) -> list[Address]:
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        future: Future[list[Address]] = self._pool.submit(self.resolve, host, port)
        try:
            found = future.result(within)
        except FutureTimeoutError as error:
            raise SendError(f"the name {host} took too long", sent=False) from error
        except (OSError, ValueError) as error:
            raise SendError(f"the name {host} was not found", sent=False) from error
        if not found:
            raise SendError(f"the name {host} was not found", sent=False)
        return list(dict.fromkeys(found))


def is_public(address: Address) -> bool:
    """Say whether anybody on the internet could reach this address, and only there."""
    inner = _unwrapped(address)
    if any(inner in network for network in _NEVER):
        return False
    return inner.is_global and not (
        inner.is_multicast
        or inner.is_reserved
        or inner.is_unspecified
        or inner.is_loopback
        or inner.is_link_local
        or (isinstance(inner, IPv6Address) and inner.is_site_local)
    )


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that `::ffff:a.b.c.d` stands for."""
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if isinstance(mapped, IPv4Address) else address


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 -- raises for what is no port
    except ValueError as error:
        raise ForbiddenError("this is not an address") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ForbiddenError("the address must begin with https://")
    if "@" in parts.netloc:
        # Credentials in an address end in logs; `https://good@evil` fools the eye.
        raise ForbiddenError("the address must not hold a user name or password")
    if any(c in url for c in "\\ \t\r\n"):
        raise ForbiddenError("the address must not hold spaces or backslashes")
    return parts


def _host(parts: SplitResult) -> str:
    """Return the host in the form that is resolved, whatever alphabet it came in.

    Attack: `127.1`, `0x7f.1`, `2130706433` and full-width digits are loopback to the
    resolver, and text to a check of dotted quads. Only names and plain addresses pass.
    """
    host = parts.hostname or ""
    try:
        ascii_host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise ForbiddenError("this is not a host name") from error
    last = ascii_host.rstrip(".").rpartition(".")[2]
    if ":" not in ascii_host and (last.isdigit() or last.lower().startswith("0x")):
        try:
            IPv4Address(ascii_host)
        except ValueError as error:
            raise ForbiddenError("write the address as four plain numbers") from error
    return ascii_host


def _default_port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80
