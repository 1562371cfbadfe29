"""`Http` over `requests`: deadlines, size limits, no redirects, judged addresses."""

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from app.http import deadlines
from app.http.egress import RESOLVE_SECONDS, Egress
from app.http.messages import Request, Response, SendError

MAX_RESPONSE = 4 * 1024 * 1024
"""Bytes of a response body, after decompression, that we are willing to hold."""

CHECKED_ADDRESSES = 2
"""How many addresses of one name a check tries to connect to."""

_CHUNK = 64 * 1024


class RealHttp:
    """`Http` over `requests`, refusing to work while a transaction is open."""

    def __init__(
        self, *, in_transaction: Callable[[], bool], egress: Egress | None = None
    ) -> None:
        self._in_transaction = in_transaction
        self._egress = egress or Egress()
        self._sessions: dict[uuid.UUID | None, requests.Session] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        if self._in_transaction():
            raise RuntimeError("network call inside a transaction")
        self._egress.judge(request.url, request.tenant_id)
        session = self._session_for(request.tenant_id)
        until = time.monotonic() + (request.seconds or deadlines.DEADLINE_SECONDS)
        try:
            with deadlines.cut_at(until):
                response = _sent(session, request)
        except requests.RequestException as error:
            raise SendError(_cause(error, until), sent=_was_sent(error)) from error
        if time.monotonic() < until:
            return response
        # What was cut off looks like the end of an answer.
        if request.keep is None:
            raise SendError("the answer took too long", sent=True)
        return replace(response, is_cut=True)

    def check(self, url: str, tenant_id: uuid.UUID | None) -> None:
        """Judge the address as `send` does, and connect to it; nothing is sent."""
        if self._in_transaction():
            raise RuntimeError("network call inside a transaction")
        host, port = self._egress.judge(url, tenant_id)
        self._reach(host, port, tenant_id, plain=url.lower().startswith("http:"))

    def check_mail(self, host: str, port: int, tenant_id: uuid.UUID | None) -> None:
        """Judge a mail server as `RealMail` does, and connect to it."""
        if self._in_transaction():
            raise RuntimeError("network call inside a transaction")
        found = self._egress.judge_mail(host, port)
        self._reach(found, port, tenant_id, plain=False)

    def _reach(
        self, host: str, port: int, tenant_id: uuid.UUID | None, *, plain: bool
    ) -> None:
        found = self._egress.addresses(host, port, plain=plain, tenant_id=tenant_id)
        for address in found[:CHECKED_ADDRESSES]:
            with contextlib.suppress(OSError):
                seconds = deadlines.CONNECT_SECONDS
                socket.create_connection((str(address), port), seconds).close()
                return
        raise SendError(f"nothing answers at {host}, port {port}", sent=False)

    def close(self) -> None:
        """Close the connections that are kept open."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _session_for(self, tenant_id: uuid.UUID | None) -> requests.Session:
        """Return the connections that this tenant may use.

        Attack: a connection that one tenant's exception opened into a private network
        is kept alive, and taken up by another's request for the same host.
        """
        key = tenant_id if self._egress.has_exceptions(tenant_id) else None
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = _session(self._egress, key)
            return self._sessions[key]


def _session(egress: Egress, tenant_id: uuid.UUID | None) -> requests.Session:
    session = requests.Session()
    # Neither a proxy nor a .netrc of the host may see or change a signed call.
    session.trust_env = False
    adapter = _Adapter(egress, tenant_id)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _sent(session: requests.Session, request: Request) -> Response:
    deadlines.current.target = request.target
    with session.request(
        request.method,
        request.url,
        data=request.body or None,
        headers=dict(request.headers),
        timeout=(deadlines.CONNECT_SECONDS, deadlines.READ_SECONDS),
        allow_redirects=False,
        stream=True,
    ) as response:
        if request.keep is None:
            body, is_cut = _read(response), False
        else:
            body, is_cut = _read_some(response, request.keep)
        return Response(
            status=response.status_code,
            headers=response.headers,
            body=body,
            is_cut=is_cut,
        )


def _read_some(response: requests.Response, keep: int) -> tuple[bytes, bool]:
    """Return at most `keep` bytes of the body, and whether there was more.

    Attack: a receiver answers at once and then sends its body a byte at a time, or
    gigabytes of it, or a bomb to unpack. Its status is known; the rest is not worth it.
    """
    body = bytearray()
    try:
        for chunk in response.iter_content(min(_CHUNK, keep + 1)):
            body += chunk
            if len(body) > keep:
                return bytes(body[:keep]), True
    except requests.RequestException:
        return bytes(body), True
    return bytes(body), False


def _read(response: requests.Response) -> bytes:
    """Return the body; one that is too large, unpacked, ends in `SendError`."""
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_RESPONSE:
            raise SendError("the answer is too large", sent=True)
    return bytes(body)


def _cause(error: requests.RequestException, until: float) -> str:
    late = time.monotonic() >= until
    return "the answer took too long" if late else type(error).__name__


def _was_sent(error: requests.RequestException) -> bool:
    """Say whether the request may have reached the other side.

    No connection, no request; in every other case we cannot know.
    """
    if isinstance(error, requests.ConnectTimeout):
        return False
    cause = error.args[0] if error.args else None
    return not isinstance(getattr(cause, "reason", None), NewConnectionError)


class _Judged:
    """Makes a connection class connect to judged addresses only."""

    egress: Egress
    tenant_id: uuid.UUID | None
    is_plain: bool

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        addresses = self.egress.addresses(
            connection.host.strip("[]"),
            connection.port,
            plain=self.is_plain,
            tenant_id=self.tenant_id,
            within=deadlines.current.left(RESOLVE_SECONDS),
        )
        problem: OSError | None = None
        for address in addresses:
            try:
                return deadlines.connected(str(address), connection.port)
            except OSError as error:
                problem = error
        if isinstance(problem, TimeoutError):
            raise ConnectTimeoutError(connection, "no connection in time")
        raise NewConnectionError(connection, "no connection")

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        deadlines.current.connection = self
        target = deadlines.current.target or url
        super().request(method, target, *args, **kwargs)  # type: ignore[misc]

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        # Attack: an answer without a length, a byte every nine seconds. It ends with
        # the connection, which therefore forgets its socket, and could not be cut.
        connection: Any = self
        deadlines.current.sock = connection.sock
        return super().getresponse(*args, **kwargs)  # type: ignore[misc]


class _Adapter(HTTPAdapter):
    """`requests`' way to urllib3, with pools whose connections are judged."""

    def __init__(self, egress: Egress, tenant_id: uuid.UUID | None) -> None:
        self._rules = {"egress": egress, "tenant_id": tenant_id}
        super().__init__(pool_maxsize=16)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        rules = self._rules
        plain = type("_Plain", (_Judged, HTTPConnection), {**rules, "is_plain": True})
        tls = type("_Tls", (_Judged, HTTPSConnection), {**rules, "is_plain": False})
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {
            "http": type("_Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("_TlsPool", (HTTPSConnectionPool,), {"ConnectionCls": tls}),
        }
