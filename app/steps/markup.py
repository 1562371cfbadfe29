"""A small markup as a document of Jira's: parsed first, rendered afterwards (T15).

Paragraphs, line breaks, **strong**, *em*, `code`, fenced code, bullet and ordered
lists, links to http, https and mailto, and `[~accountid:ID]` for a mention.

Attack: a reporter writes `[~accountid:…]` or a link into the summary, and our comment
mentions people or links where he likes, in our name. So templates are hidden while the
markup is parsed, and then each piece of text is rendered by itself: a value is text.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from app import templating
from app.steps import adf

Node = dict[str, Any]

_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_FIRST, _LAST = 0xE000, 0xF8FF
"""Unicode's private use area: one character stands for one template."""
_HIDDEN = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_MENTION = re.compile(r"\[~accountid:([^\]\n]*)\]")
_ACCOUNT = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_HREF = re.compile(r"(https?://|mailto:)[^\s<>\"]+", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9+#.-]{1,30}")
_MARKS = {"strong_open": "strong", "em_open": "em"}
_BLOCKS = {
    "paragraph_open": "paragraph",
    "bullet_list_open": "bulletList",
    "ordered_list_open": "orderedList",
    "list_item_open": "listItem",
}


class MarkupError(Exception):
    """The markup cannot become a document. The message is for its author."""


@dataclass(frozen=True)
class Document:
    """Parsed markup whose texts are templates, to be rendered."""

    _content: tuple[Node, ...]

    def render(self, view: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document; raise `TemplateError`, or `MarkupError` if too long."""
        left = adf.MAX_TEXT

        def text(template: str) -> str:
            nonlocal left
            rendered = templating.render(template, view)
            left -= len(rendered)
            if left < 0:
                raise MarkupError(f"the text is longer than {adf.MAX_TEXT} characters")
            return rendered

        content = [_rendered(node, text) for node in self._content]
        return {"type": "doc", "version": 1, "content": content}


@functools.lru_cache(maxsize=256)
def parse(source: str) -> Document:
    """Judge and parse; raise `MarkupError` for what may not or cannot be rendered."""
    if found := _HIDDEN.search(source):
        raise MarkupError(f"the character U+{ord(found.group()):X} is not allowed")
    spans: list[str] = []

    def hide(match: re.Match[str]) -> str:
        spans.append(match.group())
        if len(spans) > _LAST - _FIRST:
            raise MarkupError("there are too many templates in it")
        return chr(_FIRST + len(spans) - 1)

    tokens = _PARSER.parse(_TEMPLATE.sub(hide, source))
    return Document(tuple(_Builder(spans).blocks(tokens)))


def _rendered(node: Node, text: Callable[[str], str]) -> Node:
    children: list[Node] = []
    for child in node.get("content", ()):
        if child["type"] != "text":
            children.append(_rendered(child, text))
        elif node["type"] == "codeBlock":
            shown = "\n".join(adf.lines(text(child["text"])))
            children += [{"type": "text", "text": shown}] if shown else []
        else:
            children += adf.inline(text(child["text"]), child.get("marks"))
    return node | ({"content": children} if "content" in node else {})


class _Builder:
    """Turns the parser's tokens into nodes, and puts the hidden templates back."""

    def __init__(self, spans: Sequence[str]) -> None:
        self._spans = spans

    def blocks(self, tokens: Sequence[Token]) -> list[Node]:
        root: Node = {"type": "doc", "content": []}
        stack = [root]
        for token in tokens:
            if token.type in _BLOCKS:
                node: Node = {"type": _BLOCKS[token.type], "content": []}
                if token.type == "ordered_list_open":
                    node["attrs"] = {"order": token.attrGet("start") or 1}
                stack[-1]["content"].append(node)
                stack.append(node)
            elif token.type == "inline":
                stack[-1]["content"] += self._inline(token.children or [])
            elif token.type == "fence":
                stack[-1]["content"].append(self._fence(token))
            else:
                _close(stack.pop())
        return list(root["content"])

    def _inline(self, tokens: Sequence[Token]) -> list[Node]:
        nodes: list[Node] = []
        marks: list[Node] = []
        for token in tokens:
            if token.type in {"softbreak", "hardbreak"}:
                nodes.append({"type": "hardBreak"})
            elif token.type == "mention":
                nodes.append({"type": "mention", "attrs": {"id": token.content}})
            elif token.type in {"text", "code_inline"}:
                nodes += self._text(token, marks)
            elif token.nesting > 0:
                marks.append(_mark(token))
            else:
                marks.pop()
        return nodes

    def _text(self, token: Token, marks: Sequence[Node]) -> list[Node]:
        if not token.content:
            return []
        node: Node = {"type": "text", "text": self._restored(token.content)}
        if token.type == "code_inline":
            # Jira takes a link beside `code`, and no other mark.
            links = [mark for mark in marks if mark["type"] == "link"]
            marks = [{"type": "code"}, *links]
        return [node | ({"marks": list(marks)} if marks else {})]

    def _fence(self, token: Token) -> Node:
        if _HIDDEN.search(token.info):
            raise MarkupError("a template cannot be the language of a code block")
        node: Node = {"type": "codeBlock", "content": []}
        if token.content:
            restored = self._restored(token.content.removesuffix("\n"))
            node["content"] = [{"type": "text", "text": restored}]
        if language := _LANGUAGE.match(token.info.strip()):
            node["attrs"] = {"language": language.group()}
        return node

    def _restored(self, text: str) -> str:
        """Return the text with its templates, each of which must be whole in it."""
        template = _HIDDEN.sub(lambda m: self._spans[ord(m.group()) - _FIRST], text)
        try:
            templating.check(template)
        except templating.TemplateError as error:
            hint = (
                " (a {% … %} must begin and end in one piece of text: no line break,"
                " link or other markup between)"
            )
            raise MarkupError(f"{error}{hint if '{%' in template else ''}") from error
        return template


def _close(node: Node) -> None:
    """Give a list item the paragraph that Jira wants before anything else in it."""
    first = node["content"][0]["type"] if node["content"] else ""
    if node["type"] == "listItem" and first not in {"paragraph", "codeBlock"}:
        node["content"].insert(0, {"type": "paragraph", "content": []})


def _mark(token: Token) -> Node:
    if token.type in _MARKS:
        return {"type": _MARKS[token.type]}
    href = str(token.attrGet("href") or "")
    if _HIDDEN.search(href) or "{{" in href or "{%" in href:
        raise MarkupError("a template cannot be part of a link's address")
    if token.attrGet("title"):
        raise MarkupError("a link cannot have a title")
    if not (_HREF.fullmatch(href) and _has_host(href)):
        raise MarkupError("a link must begin with https://, http:// or mailto:")
    return {"type": "link", "attrs": {"href": href}}


def _has_host(href: str) -> bool:
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return bool(parts.scheme.lower() == "mailto" or parts.hostname)


def _mention(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 -- its interface
    match = _MENTION.match(state.src, state.pos)
    if match is None:
        return False
    if not _ACCOUNT.fullmatch(match.group(1)):
        raise MarkupError(
            "a mention needs a literal account id, as in [~accountid:5b10ac8d82e05b22]"
        )
    if not silent:
        state.push("mention", "", 0).content = match.group(1)
    state.pos = match.end()
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero", {"maxNesting": 12})
    parser.enable(["fence", "list", "newline", "escape", "backticks"])
    parser.enable(["emphasis", "link", "balance_pairs", "fragments_join"])
    parser.inline.ruler.before("link", "mention", _mention)
    # Addresses stay as they were written; `_mark` judges them, in words.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    return parser


_PARSER = _parser()
