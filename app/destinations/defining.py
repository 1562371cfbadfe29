"""What an admin may say of a destination, judged; write-only where it is a credential.

Attack (T8): a second admin, or who steals a session, points a destination at a host of
his own and has the next delivery bring him its secret. So whatever decides who gets a
credential, once changed, clears it.
"""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.destinations.tables import Kind, Pace, Signing

MAX_HEADERS = 10
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", re.ASCII)
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,2046}[\x21-\x7e])?", re.ASCII)
_OURS = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
"""Headers that we write, or that would change what a request is."""


class Definition(BaseModel):
    """One destination as its form has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=80)
    kind: Kind = Kind.WEBHOOK
    url: str = Field(min_length=1, max_length=2000)
    signing: Signing = Signing.KEY_SET
    audience: str = Field(default="", max_length=180, pattern=r"^[!-~]*$")
    """Empty: the address up to its "?". Google takes fewer than 180 characters."""
    headers: dict[str, str | None] = Field(default_factory=dict, repr=False)
    """New values by name; None keeps the value that is there."""
    project_ids: Annotated[tuple[str, ...], Field(min_length=1, max_length=500)]
    environment: str = Field(default="", max_length=40)
    pace: Pace = Pace.NOTIFY
    honours_delivery_id: bool = False
    per_minute: int = Field(default=60, ge=1, le=6000)
    is_protected: bool = False

    @field_validator("url")
    @classmethod
    def _is_whole(cls, value: str) -> str:
        if "{{" in value or "{%" in value:
            raise ValueError("an address holds no templates: what varies is an input")
        if "#" in value:
            raise ValueError("an address of a destination has no part after “#”")
        if not value.isascii() or not value.isprintable():
            raise ValueError("write the address in ASCII")
        return value

    @field_validator("project_ids")
    @classmethod
    def _are_ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) for text in value):
            raise ValueError("projects are given by their numbers")
        return tuple(dict.fromkeys(value))

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, str | None]) -> dict[str, str | None]:
        if len(value) > MAX_HEADERS:
            raise ValueError(f"at most {MAX_HEADERS} headers")
        if len({name.lower() for name in value}) != len(value):
            raise ValueError("a header stands twice")
        for name, text in value.items():
            _check_header(name, text)
        return value


def _check_header(name: str, text: str | None) -> None:
    """Refuse what is no header, or one of ours.

    Attack: a line break in a value is a header, or a request, of somebody's own.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a header's name has letters, digits and hyphens")
    if name.lower() in _OURS or name.lower().startswith("proxy-"):
        raise ValueError(f"the header “{name}” is Countersign's own")
    if text is not None and not _VALUE.fullmatch(text):
        raise ValueError(f"the value of “{name}” must be plain ASCII on one line")


def reaches_another(old_url: str, new_url: str) -> bool:
    """Say whether a new address leads to another machine or service (rule T8)."""
    return _origin(old_url) != _origin(new_url)


def _origin(url: str) -> tuple[Any, ...]:
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return (parts.scheme, (parts.hostname or "").lower(), parts.port or default)
