"""What a self-managed site keeps: tokens, webhooks, scripts, and its own keys."""

import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

EVENTS = ("jira:issue_created", "jira:issue_updated", "comment_created")
"""Those of "Managing webhooks" that are played."""


@dataclass
class Token:
    """A personal access token. Jira keeps a hash; this one can be shown again."""

    id: str
    name: str
    account: str
    raw: str = field(repr=False)
    expires: str
    """As Jira writes a moment."""
    is_revoked: bool = False


@dataclass
class Webhook:
    """An administrator's webhook; without events only a post function triggers it."""

    id: str
    name: str
    url: str
    secret: str = field(default="", repr=False)
    events: list[str] = field(default_factory=list)
    jql: str = ""
    is_on: bool = True


@dataclass
class Script:
    """What a script of a post function sends by, as ScriptRunner would run it."""

    id: str
    name: str
    url: str
    """Of the listener: where it is sent, and the token's `aud`."""
    issuer: str
    algorithm: str = "HS256"
    secret: str = field(default="", repr=False)
    """The listener's, for HS256; the others sign with a key of the site."""


@dataclass
class Kept:
    tokens: list[Token] = field(default_factory=list)
    webhooks: list[Webhook] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    """Private keys as PEM, by algorithm."""

    @property
    def senders(self) -> list[Webhook | Script]:
        return [*self.webhooks, *self.scripts]

    @classmethod
    def restored(cls, raw: Json) -> "Kept":
        return cls(
            tokens=[Token(**one) for one in raw.get("tokens", [])],
            webhooks=[Webhook(**one) for one in raw.get("webhooks", [])],
            scripts=[Script(**one) for one in raw.get("scripts", [])],
            keys=dict(raw.get("keys", {})),
        )


def new_id() -> str:
    return str(uuid.uuid4())


def new_secret() -> str:
    return secrets.token_urlsafe(32)
