"""Kind: Microsoft Teams, by the webhook of a workflow (Power Automate).

Sources: Microsoft's documentation, "Create incoming webhooks with Workflows", "Send
Adaptive Cards using an Incoming Webhook", "Format cards in Teams", and the schema of
Adaptive Cards 1.4 (RichTextBlock, TextRun).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from app.destinations import events
from app.destinations.answers import Judged, Verdict, judge
from app.destinations.attempting import Form, Target
from app.destinations.connector import Connector
from app.destinations.events import Delivery
from app.http import Request, Response, SendError, refuse_odd

HOSTS = (
    "api.powerautomate.com",
    "api.powerplatform.com",
    "flow.microsoft.com",
    "logic.azure.com",
)
RETIRED = ("webhook.office.com", "outlook.office.com", "outlook.office365.com")

MOST_TITLE, MOST_TEXT, MOST_LINES = 200, 4000, 60
"""What is left of Teams' 28 KB by the longest of these is tested."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_OK, _ACCEPTED, _TOO_MANY = 200, 202, 429


class Settings(Form):
    """The workflow decides where it posts, so here is only what people call that."""

    called: str = Field(
        default="",
        title="Team and channel",
        description="For those who read it here: where the workflow posts is decided in"
        " the workflow",
        max_length=80,
    )


class Credentials(Form):
    """The address of the workflow's webhook: who has it may post."""

    url: SecretStr = Field(
        title="Address of the workflow's webhook",
        description="In Teams: Workflows, “Send webhook alerts to a channel”. The"
        " workflow belongs to the person who makes it, and ends with the account: use"
        " one that stays",
        json_schema_extra={"format": "lines"},
    )

    @field_validator("url")
    @classmethod
    def _is_a_workflow(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        refuse_odd(text)
        _check_address(text)
        return SecretStr(text)


def _check_address(text: str) -> None:
    """Raise `ValueError`, which quotes nothing, for what is no workflow's webhook."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if _is_at(host, RETIRED):
        raise ValueError(
            "this is a connector of Office 365, and Microsoft has retired those: have"
            " a workflow made in Teams (“Send webhook alerts to a channel”)"
        )
    whole = parts.scheme == "https" and port in {None, 443} and "@" not in parts.netloc
    if not whole or not _is_at(host, HOSTS) or " " in text:
        raise ValueError(
            "this is not the address of a workflow's webhook: it begins with https://,"
            f" and its host ends with one of {', '.join(HOSTS)}"
        )
    if not parts.path.strip("/") or not parts.query:
        raise ValueError("this is not the whole address: what follows “?” is needed")


def _is_at(host: str, suffixes: tuple[str, ...]) -> bool:
    """Say whether it is one of them, or below one: never `evil-flow.microsoft.com`."""
    return any(host == each or host.endswith(f".{each}") for each in suffixes)


def _fits(text: str) -> str:
    if len(lines(text)) > MOST_LINES:
        raise ValueError("too many lines")
    return text


class Inputs(Form):
    """What a rule may say."""

    title: str = Field(
        default="",
        title="Title",
        description=f"Above the text, at most {MOST_TITLE} characters",
        max_length=MOST_TITLE,
    )
    text: Annotated[str, AfterValidator(_fits)] = Field(
        title="Text",
        description=f"Plain text, at most {MOST_TEXT} characters in {MOST_LINES} lines",
        min_length=1,
        max_length=MOST_TEXT,
    )


def lines(text: str) -> list[str]:
    """Return the lines of a text that say something, without control characters."""
    found = (_CONTROL.sub("�", line) for line in re.split("\r\n|\r|\n", text))
    return [line for line in found if line.strip()]


TeamsTarget = Target[Settings, Credentials]


class Teams(Connector[Settings, Credentials]):
    """Hands a card to a workflow, which takes no two for one."""

    kind = "teams"
    title = "Microsoft Teams"
    about = "Posts a card, by a workflow that somebody made in Teams"
    url_key = "credentials.url"
    may_repeat = True
    settings_form = Settings
    credentials_form = Credentials

    def url(self, settings: Settings, credentials: Credentials | None) -> str:
        """Return the workflow's address; without it, no more than whose it is.

        The address and the credential are one: another one never gets this one.
        """
        del settings
        return credentials.url.get_secret_value() if credentials else _PUBLIC

    def place(self, settings: Settings) -> str:
        return settings.called or "a workflow in Teams"

    def inputs(self, settings: Settings) -> type[Form]:
        del settings
        return Inputs

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        del settings, base_url
        content = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [*_blocks(delivery)],
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": content,
        }
        said = {"type": "message", "attachments": [attachment]}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    def request(self, target: TeamsTarget, delivery: Delivery, body: bytes) -> Request:
        del delivery
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return Request(method="POST", url=target.url, headers=headers, body=body)

    def hidden(
        self, target: TeamsTarget, headers: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return the address, and alone what of it names the workflow or lets us in."""
        parts = urlsplit(target.url)
        signatures = (text for name, text in parse_qsl(parts.query) if name == "sig")
        path = parts.path.strip("/")
        return (*super().hidden(target, headers), path, parts.query, *signatures)

    def judge(self, answer: Response | SendError, now: datetime) -> Judged:
        judged = judge(answer, now=now)
        if isinstance(answer, SendError):
            return judged
        if answer.status in {_OK, _ACCEPTED}:
            return replace(judged, words=_TAKEN)
        if judged.verdict is Verdict.ACCEPTED:
            unclear = f"it answered {answer.status}, which no workflow does"
            return replace(judged, verdict=Verdict.AMBIGUOUS, words=unclear)
        return replace(judged, words=_WORDS.get(answer.status, judged.words))


def _blocks(delivery: Delivery) -> Iterator[dict[str, Any]]:
    """Yield the card's lines.

    Attack: an issue is called `[our wiki](https://evil.example)`, and our card shows
    that as a link; or `<at>…</at>`, to mention somebody. A TextBlock reads Markdown;
    a TextRun does not, so a value is text there whatever it holds (rule T15), and we
    name no entities, without which nothing is a mention.
    """
    for line in lines(delivery.inputs.get("title", "")):
        yield _line(line, weight="Bolder", size="Medium")
    for line in lines(delivery.inputs.get("text", events.TEST_WORDS)):
        yield _line(line)
    for line in lines(events.in_words(delivery)):
        yield _line(line, isSubtle=True, size="Small")


def _line(text: str, **looks: Any) -> dict[str, Any]:  # noqa: ANN401 -- the card's own
    run = {"type": "TextRun", "text": text, **looks}
    return {"type": "RichTextBlock", "inlines": [run], "spacing": "Small"}


_PUBLIC = "https://teams.microsoft.com"
"""What stands for the address where people read it."""

_TAKEN = "the workflow took it; whether it posts it, its own history in Teams says"
_GONE = (
    "the workflow does not let us in: it is switched off, deleted, or its owner's"
    " account is gone; have one made by an account that stays, and give its address"
)
_WORDS = {
    400: "the workflow does not take the card: make it from “Send webhook alerts to a"
    " channel”",
    401: _GONE,
    403: _GONE,
    404: _GONE,
    405: _GONE,
    410: _GONE,
    413: "the card is too large for Teams: shorten the rule's text",
    429: "Teams takes about four cards a second from all of its workflows: not now",
}
