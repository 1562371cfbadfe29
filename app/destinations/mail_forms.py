"""The forms of e-mail: by which server, from whom and to whom, and what a rule says."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from app.destinations.attempting import Form
from app.tenants import preferences

MOST_RECIPIENTS, MOST_SUBJECT, MOST_TEXT = 20, 200, 4000

_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.ASCII)


def _address(text: str) -> str:
    if not preferences.is_address(text):
        raise ValueError("one of these is not the plain address of a mailbox")
    return text


def _domains(values: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(value.strip().lower() for value in values if value))
    if not found or not all(map(_DOMAIN.fullmatch, found)):
        raise ValueError("write domains such as example.com, one on a line")
    return found


def _recipients(values: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(value.strip() for value in values if value.strip()))
    if not found:
        raise ValueError("name at least one")
    return tuple(map(_address, found))


class Settings(Form):
    """By which server, from whom, and to whom: no rule decides any of it (T7)."""

    host: str = Field(
        title="Mail server",
        description="The name by which its certificate knows it: smtp.example.com",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$",
    )
    security: Literal["tls", "starttls"] = Field(
        default="tls",
        title="Security",
        description="TLS from the start, mostly port 465, or by STARTTLS, mostly 587."
        " Nothing is sent without",
    )
    port: str = Field(
        default="465",
        title="Port",
        description="465 or 587, or another that the operator of Countersign allows",
        pattern=r"^[1-9][0-9]{0,4}$",
    )
    sender: Annotated[str, AfterValidator(_address)] = Field(
        title="From",
        description="An address that the server lets its login write from",
        min_length=1,
    )
    domains: Annotated[tuple[str, ...], AfterValidator(_domains)] = Field(
        title="Allowed domains",
        description="One on a line: example.com. A recipient anywhere else is a slip",
        max_length=MOST_RECIPIENTS,
    )
    recipients: Annotated[tuple[str, ...], AfterValidator(_recipients)] = Field(
        title="Recipients",
        description=f"One on a line, at most {MOST_RECIPIENTS}, each in an allowed"
        " domain; each sees the others",
        max_length=MOST_RECIPIENTS,
    )

    @field_validator("port")
    @classmethod
    def _is_a_port(cls, value: str) -> str:
        if int(value) > 65535:  # noqa: PLR2004 -- the last port there is
            raise ValueError("ports end at 65535")
        return value

    @model_validator(mode="after")
    def _recipients_are_allowed(self) -> Self:
        for each in self.recipients:
            if each.rpartition("@")[2].lower() not in self.domains:
                raise ValueError("a recipient is in none of the allowed domains")
        return self


class Credentials(Form):
    """A login, where the server wants one."""

    user: SecretStr = Field(
        default=SecretStr(""),
        title="User",
        description="Empty, as the password, if the server takes mail without a login",
        max_length=200,
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        title="Password",
        description="Of this login alone; many servers have “app passwords” for this",
        max_length=500,
    )

    @field_validator("user", "password")
    @classmethod
    def _is_ascii(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if not text.isascii() or not text.isprintable():
            raise ValueError("SMTP takes letters, digits and signs of ASCII only")
        return value


_ONE_LINE = "^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""Attack: a line break in a subject is a header, or a text, of somebody's own."""


class Inputs(Form):
    """What a rule may say."""

    subject: str = Field(
        title="Subject",
        description=f"One line, at most {MOST_SUBJECT} characters",
        min_length=1,
        max_length=MOST_SUBJECT,
        pattern=_ONE_LINE,
    )
    text: str = Field(
        title="Text",
        description=f"Plain text, at most {MOST_TEXT} characters",
        min_length=1,
        max_length=MOST_TEXT,
    )
