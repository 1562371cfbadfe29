"""What an admin may say of a destination, judged; write-only where it is a credential.

Attack (T8): a second admin, or who steals a session, points a destination at a host of
his own and has the next delivery bring him its secret. So whatever decides who gets a
credential, once changed, clears it.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from app.destinations.attempting import Form
from app.destinations.connector import Connector
from app.destinations.connectors import CONNECTORS
from app.destinations.tables import Pace, Signing
from app.http import refuse_odd

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
    kind: str = "webhook"
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the kind lets an admin choose; judged by its own model."""
    credentials: dict[str, Any] = Field(default_factory=dict, repr=False)
    """New values by name; one that is left out keeps the value that is there."""
    listener_id: uuid.UUID | None = None
    """Who may answer to its deliveries; empty if nobody may."""
    url: str = Field(default="", max_length=2000, validate_default=True)
    """Of a webhook; every other kind has its own."""
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

    @field_validator("kind")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in CONNECTORS:
            raise ValueError("choose one of the kinds that are offered")
        return value

    @field_validator("listener_id", mode="before")
    @classmethod
    def _empty_is_nobody(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _is_whole_of_its_kind(self) -> Self:
        if found := [*unfit(self.kind, self.settings, self.credentials)]:
            raise ValueError("; ".join(f"{each.key}: {each.message}" for each in found))
        if not self.connector.mints and (self.headers or self.audience):
            raise ValueError("only a webhook has an audience and headers")
        if self.honours_delivery_id and not self.connector.may_repeat:
            # Attack, or accident: a build that got no clear answer is started twice.
            raise ValueError("what this kind begins is never begun twice")
        return self

    @property
    def connector(self) -> Connector[Any, Any]:
        """What knows this kind."""
        return CONNECTORS[self.kind]

    @property
    def chosen(self) -> Form:
        """The settings of its kind, judged."""
        chosen: Form = self.connector.settings_form.model_validate(self.settings)
        return chosen

    @property
    def given(self) -> Form | None:
        """The new credentials of its kind; None if some of them are kept."""
        try:
            given: Form = self.connector.credentials_form.model_validate(
                {name: text for name, text in self.credentials.items() if text}
            )
        except ValidationError:
            return None
        return given

    @property
    def address(self) -> str:
        """Where it is, without what stands for a credential."""
        connector = self.connector
        return self.url if connector.mints else connector.url(self.chosen, None)

    def reaches_another(self, url: str) -> bool:
        """Say whether this leads to another receiver than `url` does (rule T8).

        Attack: behind one gateway, another path is another's; so of a kind that is
        given a credential, the whole address counts.
        """
        if self.connector.mints:
            return reaches_another(url, self.address)
        return url.rstrip("/") != self.address.rstrip("/")

    @field_validator("url")
    @classmethod
    def _is_there(cls, value: str, info: ValidationInfo) -> str:
        is_webhook = info.data.get("kind", "webhook") == "webhook"
        if is_webhook and not value:
            raise ValueError("it is empty")
        if value and not is_webhook:
            raise ValueError("only a webhook has an address of its own")
        return value

    @field_validator("url")
    @classmethod
    def _is_whole(cls, value: str) -> str:
        refuse_odd(value)
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


class Unfit(NamedTuple):
    """What is wrong with a form: where, and in an admin's words."""

    key: str
    message: str


def unfit(
    kind: str, settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> Iterator[Unfit]:
    """Yield what does not fit the kind's forms; none of it quotes a credential (T8).

    A credential that is not given may be there already: whether it is, is judged where
    it is kept.
    """
    connector = CONNECTORS.get(kind)
    if connector is None:
        return
    judged: list[Form] = []
    for prefix, form, given in (
        ("settings", connector.settings_form, settings),
        ("credentials", connector.credentials_form, credentials),
    ):
        try:
            judged.append(form.model_validate(dict(given)))
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                if prefix == "credentials" and detail["type"] == "missing":
                    continue
                name = str(detail["loc"][0])[:80] if detail["loc"] else ""
                yield Unfit(f"{prefix}.{name}".rstrip("."), _message(detail))
    if len(judged) == 2 and (words := connector.misfit(*judged)):  # noqa: PLR2004
        first = next(iter(connector.credentials_form.model_fields))
        yield Unfit(f"credentials.{first}", words)


_MESSAGES = {
    "missing": "it is missing",
    "string_too_short": "it is empty",
    "string_pattern_mismatch": "it is not what the hint below it describes",
    "extra_forbidden": "this key is unknown",
    "literal_error": "choose one of those that are offered",
}


def _message(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "string_too_long" | "too_long":
            return f"this is too long: at most {context['max_length']}"
        case kind:
            return _MESSAGES.get(kind, "this is not what belongs here")


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
