"""How the sandbox calls the add-on: loopback only, bounded, without redirects."""

import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

Transport = Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes]]
"""(method, url, headers, body) -> (status, body); OSError when nothing answers."""

CONNECT_SECONDS = 3
READ_SECONDS = 10


@dataclass(frozen=True)
class Reply:
    """An answer with its headers, whose names are in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Exchange = Callable[[str, str, Mapping[str, str], bytes, float], Reply]
"""As a Transport, with headers and the seconds there are; TimeoutError after that."""


class NotLoopbackError(ValueError):
    """This is a toy: it neither listens to nor calls another machine."""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not is_loopback(parts.hostname or ""):
        raise NotLoopbackError(
            f"{parts.scheme}://{parts.netloc} is not on this machine"
        )


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    reply = exchange(method, url, headers, body, READ_SECONDS)
    return reply.status, reply.body


def exchange(
    method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
) -> Reply:
    check(url)
    with requests.Session() as session:
        # a proxy from the environment would carry the call off this machine
        session.trust_env = False
        try:
            answer = session.request(
                method,
                url,
                headers=dict(headers),
                data=body or None,
                timeout=(CONNECT_SECONDS, seconds),
                allow_redirects=False,
            )
        except requests.ReadTimeout as error:
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        names = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, answer.content, names)


def exchange_by(transport: Transport) -> Exchange:
    """The network's; by a transport in its place, an answer has no true headers."""
    if transport is send:
        return exchange

    def exchanged(
        method: str, url: str, headers: Mapping[str, str], body: bytes, _: float
    ) -> Reply:
        status, content = transport(method, url, headers, body)
        return Reply(status, content, {"content-type": "application/json"})

    return exchanged


def hang_up(environ: Mapping[str, Any]) -> None:
    """Close a request's connection without a word; waitress has no official way to."""
    ask = environ.get("waitress.client_disconnected")
    if ask is None:
        raise ConnectionAbortedError
    ask.__self__.socket.shutdown(socket.SHUT_RDWR)


def listening_addresses(port: int) -> str:
    """For waitress: both loopback families, so that both names of the site answer."""
    addresses = [f"127.0.0.1:{port}"]
    if socket.has_ipv6:
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", port))
                addresses.append(f"[::1]:{port}")
            except OSError:
                # no IPv6 on this machine
                pass
    return " ".join(addresses)
