"""What one attempt is made of: the forms, the open target, the request, the line."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from app import audit
from app.crypto import Secret
from app.destinations.answers import Judged
from app.destinations.borrowed import Borrowed
from app.destinations.tables import Signing
from app.http import Http, Mail, NoMail, Request
from app.jira import Jira
from app.keys import Signer

USER_AGENT = "Countersign/1"


class Form(BaseModel):
    """Settings, credentials or inputs; its fields are what a form draws.

    Titles and descriptions are shown to people; a `SecretStr` is never shown again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class NoSettings(Form):
    """Nothing to choose."""


class NoCredentials(Form):
    """Nothing to keep."""


S = TypeVar("S", bound=Form)
C = TypeVar("C", bound=Form)


@dataclass(frozen=True, kw_only=True)
class Target(Generic[S, C]):
    """A destination with its credentials open, for one attempt."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    changed_at: datetime
    url: str = field(repr=False)
    """Hidden from `repr`: some receivers' addresses are their credential (T8)."""
    settings: S
    credentials: C = field(repr=False)
    signing: Signing
    audience: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: Sequence[Secret]
    """The newest first; two while one is being replaced."""
    signer: Signer | None

    @property
    def state(self) -> tuple[object, ...]:
        """Name this state of it: what was got for another one is not used (T18)."""
        return (self.tenant_id, self.id, self.changed_at)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A request that is ready to go, and what may be shown of it."""

    request: Request
    head: str
    credentials: tuple[str, ...] = field(repr=False)
    """What must not be shown of the answer."""
    before: "Signed | None" = None
    """The same by the secret before, for a receiver that refuses the newest one."""
    minted: Mapping[str, audit.Value] | None = None
    """What the audit keeps of a token of ours, where one was made: never the token."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What came of sending one request: judged, and as it may be shown."""

    judged: Judged
    duration_ms: int
    request_head: str | None = None
    """Where it was another request than the one that was prepared."""
    response_head: str | None = None
    response_body: str | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a connector sends with; never inside a transaction."""

    http: Http
    now: Callable[[], datetime]
    mail: Mail = field(default_factory=NoMail)
    borrowed: Borrowed = field(default_factory=Borrowed)
    jira: Jira | None = None
    """The tenant's own Jira, by its own door."""
