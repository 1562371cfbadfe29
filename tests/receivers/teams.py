"""A workflow of Teams that waits for a webhook and posts what comes, as documented.

Its card is read as Teams reads it: a TextBlock is Markdown, a TextRun is text as it is.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from markdown_it import MarkdownIt

from app.http import Request, Response
from tests.functional.fakes import Answer

HOST = "prod-12.westeurope.logic.azure.com"
SIGNATURE = "s3cret-Signature-0123456789abcdefghijklmnop"
WORKFLOW = "5e5b7c1a00004000800000000000abcd"
URL = (
    f"https://{HOST}:443/workflows/{WORKFLOW}/triggers/manual/paths/invoke"
    f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={SIGNATURE}"
)
LARGEST = 28 * 1024
_CARD = "application/vnd.microsoft.card.adaptive"


@dataclass(frozen=True)
class Card:
    """One card as people see it."""

    lines: tuple[str, ...]
    links: tuple[str, ...]
    mentions: int


@dataclass
class Teams:
    """One workflow; `instead` are answers given first."""

    posted: list[Card] = field(default_factory=list)
    instead: list[Answer | Callable[[Request], Answer]] = field(default_factory=list)
    got: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        self.got.append(request)
        if self.instead:
            answer = self.instead.pop(0)
            return answer(request) if callable(answer) else answer
        parts = urlsplit(request.url)
        if WORKFLOW not in parts.path or request.method != "POST":
            return Response(status=404)
        if dict(parse_qsl(parts.query)).get("sig") != SIGNATURE:
            return Response(status=401)
        if len(request.body) > LARGEST:
            return Response(status=413)
        kind = request.headers.get("Content-Type", "").partition(";")[0]
        card = read(request.body) if kind == "application/json" else None
        if card is None:
            return Response(status=400)
        self.posted.append(card)
        return Response(status=202)


def read(body: bytes) -> Card | None:
    """Return the card, if it is one as the workflow's template takes it."""
    message: Any = json.loads(body)
    if message.get("type") != "message" or len(message["attachments"]) != 1:
        return None
    [attachment] = message["attachments"]
    content: dict[str, Any] = attachment["content"]
    is_card = attachment["contentType"] == _CARD and attachment["contentUrl"] is None
    if not is_card or (content["type"], content["version"]) != ("AdaptiveCard", "1.4"):
        return None
    seen = [*shown(content["body"])]
    known = content.get("msteams", {}).get("entities", [])
    return Card(
        lines=tuple(text for text, _ in seen),
        links=tuple(link for _, links in seen for link in links),
        mentions=len(known),
    )


def shown(blocks: list[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Yield each line, and where its links lead."""
    for block in blocks:
        match block:
            case {"type": "TextBlock", "text": str(text)}:
                tokens = MarkdownIt().parseInline(text)[0].children or ()
                links = [str(t.attrs["href"]) for t in tokens if t.type == "link_open"]
                yield "".join(token.content for token in tokens), links
            case {"type": "RichTextBlock", "inlines": [*inlines]}:
                for run in inlines:
                    assert run["type"] == "TextRun"
                    assert "selectAction" not in run
                yield "".join(run["text"] for run in inlines), []
            case _:
                raise AssertionError(block)
