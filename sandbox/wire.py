"""How the sandbox calls the add-on: loopback only, bounded, without redirects."""

import ipaddress
import socket
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import requests

Transport = Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes]]
"""(method, url, headers, body) -> (status, body); OSError when nothing answers."""

CONNECT_SECONDS = 3
READ_SECONDS = 10


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
    check(url)
    with requests.Session() as session:
        # a proxy from the environment would carry the call off this machine
        session.trust_env = False
        answer = session.request(
            method,
            url,
            headers=dict(headers),
            data=body or None,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
        )
        return answer.status_code, answer.content


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
