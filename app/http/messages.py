"""What goes through the door: requests and answers as values, and the one error."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class SendError(Exception):
    """There was no usable answer. `sent` says whether the request may have arrived."""

    def __init__(self, cause: str, *, sent: bool) -> None:
        super().__init__(cause)
        self.sent = sent


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    url: str = field(repr=False)
    """Hidden from `repr`: some receivers' addresses are their credential (T8)."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Hidden from `repr`: one of them is an Authorization header."""
    body: bytes = field(default=b"", repr=False)
    tenant_id: uuid.UUID | None = None
    """For whom it is sent: the operator's exceptions name tenants."""
    seconds: float | None = None
    """How long it may take in all; None: as long as the door allows."""
    keep: int | None = None
    """Bytes of the answer's body that are wanted, where only its status counts: what is
    beyond them, or comes too slowly, is left away. None: the whole answer or none."""
    target: str | None = field(default=None, repr=False)
    """Path and query exactly as they go out, instead of the URL's own, which is tidied
    up on its way: for who looks what becomes of odd ones. The URL says where to."""


@dataclass(frozen=True, kw_only=True)
class Response:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    is_cut: bool = False
    """There was more of the body, or it did not come."""


class Http(Protocol):
    """What most of the app needs of a network."""

    def send(self, request: Request) -> Response:
        """Return the answer, whatever its status; raise `SendError` without one."""
        ...


class Network(Http, Protocol):
    """The whole door, for who lets people choose an address."""

    def check(self, url: str, tenant_id: uuid.UUID | None) -> None:
        """Raise `SendError` unless something that may be reached is there now."""
        ...

    def check_mail(self, host: str, port: int, tenant_id: uuid.UUID | None) -> None:
        """Do so for a mail server."""
        ...
