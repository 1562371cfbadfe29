"""Slack as far as a poster meets it, judged by Slack's documentation alone.

It shows a message as Slack does: what stands in `<…>` is a link or a mention, and
`&lt;`, `&gt;`, `&amp;` are the characters.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from app.http import Request, Response
from tests.functional.fakes import Answer

TOKEN = "xoxb-1234567890-abcdefghijklmnop"
HOOK = "https://hooks.slack.com/services/T0001/B0002/s3cretOfTheHook"
CHANNEL, ARCHIVED, STRANGE = "C0123456789", "C0ARCHIVED9", "C0STRANGE99"

_SPECIAL = re.compile(r"<([^>]*)>")


@dataclass(frozen=True)
class Posted:
    """One message as people see it."""

    channel: str
    text: str
    about: str
    specials: tuple[str, ...]
    """Links and mentions in it."""


@dataclass
class Slack:
    """A workspace with one bot and one webhook; `instead` are answers given first."""

    posted: list[Posted] = field(default_factory=list)
    instead: list[Answer | Callable[[Request], Answer]] = field(default_factory=list)
    got: list[Request] = field(default_factory=list)
    is_revoked: bool = False

    def __call__(self, request: Request) -> Answer:
        self.got.append(request)
        if self.instead:
            answer = self.instead.pop(0)
            return answer(request) if callable(answer) else answer
        parts = urlsplit(request.url)
        if request.method != "POST" or parts.scheme != "https":
            return Response(status=405)
        if parts.hostname in {"hooks.slack.com", "hooks.slack-gov.com"}:
            return self._hook(request, parts.path)
        match parts.path:
            case "/api/chat.postMessage":
                return self._api(request, self._post)
            case "/api/auth.test":
                return self._api(request, lambda _: said(ok=True, user="countersign"))
            case _:
                return said(ok=False, error="unknown_method")

    def _api(self, request: Request, act: Callable[[Request], Response]) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return said(ok=False, error="not_authed")
        if token != TOKEN:
            return said(ok=False, error="invalid_auth")
        return (
            said(ok=False, error="token_revoked") if self.is_revoked else act(request)
        )

    def _post(self, request: Request) -> Response:
        message = read(request)
        if message is None:
            return said(ok=False, error="invalid_json")
        channel = message.get("channel")
        errors = {ARCHIVED: "is_archived", STRANGE: "not_in_channel"}
        if channel != CHANNEL:
            return said(ok=False, error=errors.get(str(channel), "channel_not_found"))
        if error := fault(message):
            return said(ok=False, error=error)
        self.posted.append(shown(message, CHANNEL))
        return said(ok=True, channel=CHANNEL, ts="1503435956.000247")

    def _hook(self, request: Request, path: str) -> Response:
        if path != urlsplit(HOOK).path:
            return Response(status=404, body=b"no_service")
        message = read(request)
        if message is None or "channel" in message:
            return Response(status=400, body=b"invalid_payload")
        if error := fault(message):
            return Response(status=400, body=error.encode())
        self.posted.append(shown(message, "the webhook's"))
        return Response(status=200, body=b"ok")


def said(*, ok: bool, **more: Any) -> Response:
    return Response(status=200, body=json.dumps({"ok": ok, **more}).encode())


def read(request: Request) -> dict[str, Any] | None:
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    try:
        message = json.loads(request.body)
    except ValueError:
        return None
    is_whole = kind == "application/json" and isinstance(message, dict)
    return message if is_whole else None


def fault(message: dict[str, Any]) -> str:
    """Say what is wrong with a message: it has a text, and blocks of these kinds."""
    if not message.get("text"):
        return "no_text"
    texts = []
    for block in message.get("blocks", ()):
        match block:
            case {"type": "section", "text": text}:
                texts.append(text)
            case {"type": "context", "elements": [*elements]} if len(elements) <= 10:
                texts += elements
            case _:
                return "invalid_blocks"
    for text in texts:
        whole = text.get("type") == "mrkdwn" and 1 <= len(text.get("text", "")) <= 3000
        if not whole or text.keys() - {"type", "text", "verbatim"}:
            return "invalid_blocks"
    return ""


def shown(message: dict[str, Any], channel: str) -> Posted:
    section, context = message["blocks"]
    texts = [section["text"], *context["elements"]]
    specials = [each for text in texts for each in _SPECIAL.findall(text["text"])]
    specials += _SPECIAL.findall(message["text"])
    # Without `verbatim`, Slack makes links and mentions out of bare words, too.
    if not all(text.get("verbatim") is True for text in texts):
        specials.append("(found by itself)")
    return Posted(
        channel=channel,
        text=plain(section["text"]["text"]),
        about=plain(context["elements"][0]["text"]),
        specials=tuple(specials),
    )


def plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
