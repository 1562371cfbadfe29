"""Atlassian Document Format: refuse what Jira refuses, and show the rest."""

from typing import Any

from markupsafe import Markup, escape

from sandbox import wiki

Json = dict[str, Any]

MARKS = frozenset(
    {"strong", "em", "code", "link", "strike", "underline", "textColor", "subsup"}
    | {"backgroundColor"}
)
LEAVES = frozenset(
    {"text", "hardBreak", "rule", "mention", "emoji", "date", "status", "inlineCard"}
)
BLOCKS = {
    "doc": None,
    "paragraph": "p",
    "heading": "h4",
    "bulletList": "ul",
    "orderedList": "ol",
    "listItem": "li",
    "codeBlock": "pre",
    "blockquote": "blockquote",
    "panel": "aside",
    "table": "table",
    "tableRow": "tr",
    "tableHeader": "th",
    "tableCell": "td",
    "expand": "section",
}
_TAGS = {
    "strong": "strong",
    "em": "em",
    "code": "code",
    "strike": "s",
    "underline": "u",
}
_INLINE = LEAVES - {"rule"}
_CHILDREN = {
    "bulletList": frozenset({"listItem"}),
    "orderedList": frozenset({"listItem"}),
    "table": frozenset({"tableRow"}),
    "tableRow": frozenset({"tableHeader", "tableCell"}),
    "codeBlock": frozenset({"text"}),
    "paragraph": _INLINE,
    "heading": _INLINE,
}
_NEEDS = {"mention": "id", "inlineCard": "url", "heading": "level", "status": "text"}


_WIKI = "wiki"


class Wiki(dict[str, Any]):
    """A text that a self-managed Jira was given as wiki markup, which it keeps."""


class InvalidDocumentError(Exception):
    """The document would be answered with 400 by Jira."""


def document(text: str) -> Json:
    """Paragraphs of plain text as a document."""
    return {
        "type": "doc",
        "version": 1,
        "content": [
            {"type": "paragraph", "content": [{"type": "text", "text": line}]}
            for line in text.splitlines()
            if line
        ],
    }


def from_wiki(markup: str) -> Json:
    """What stands for a text of wiki markup among documents."""
    return Wiki(document(markup) | {_WIKI: markup})


def check(value: object) -> Json:
    if not isinstance(value, dict):
        raise InvalidDocumentError("the document is not an object")
    if _WIKI in value and not isinstance(value, Wiki):
        raise InvalidDocumentError(f"the root has an unknown member {_WIKI!r}")
    if value.get("type") != "doc" or value.get("version") != 1:
        raise InvalidDocumentError('the root is not {"type": "doc", "version": 1}')
    if not isinstance(value.get("content"), list):
        raise InvalidDocumentError("the root has no content list")
    _check_children(value, "doc")
    return value


def _check_children(node: Json, where: str) -> None:
    children = node.get("content", [])
    if not isinstance(children, list):
        raise InvalidDocumentError(f"{where}.content is not a list")
    kind = str(node["type"])
    # what may stand anywhere a block may: everything that has no narrower rule
    allowed = _CHILDREN.get(kind, (BLOCKS.keys() | {"rule"}) - {"doc"})
    for position, child in enumerate(children):
        path = f"{where}.content[{position}]"
        if not isinstance(child, dict) or not isinstance(child.get("type"), str):
            raise InvalidDocumentError(f"{path} is not a node")
        if child["type"] not in BLOCKS.keys() | LEAVES:
            raise InvalidDocumentError(f"{path}: unknown node {child['type']!r}")
        if child["type"] not in allowed:
            raise InvalidDocumentError(f"{path}: {child['type']} in {kind}")
        _check_node(child, path)


def _check_node(node: Json, path: str) -> None:
    if node["type"] == "text":
        text = node.get("text")
        if not isinstance(text, str) or not text:
            raise InvalidDocumentError(f"{path}: an empty text node")
        for mark in node.get("marks", []):
            if not isinstance(mark, dict) or mark.get("type") not in MARKS:
                raise InvalidDocumentError(f"{path}: unknown mark {mark!r}")
    needed = _NEEDS.get(node["type"])
    if needed and not node.get("attrs", {}).get(needed):
        raise InvalidDocumentError(f"{path}: {node['type']} without attrs.{needed}")
    _check_children(node, path)


def text(node: Json | None) -> str:
    """The document as plain text: what REST v2 would show as wiki text."""
    if not node:
        return ""
    if _WIKI in node:
        return str(node[_WIKI])
    kind = node.get("type")
    if kind == "text":
        return str(node["text"])
    if kind == "hardBreak":
        return "\n"
    if kind in LEAVES:
        attrs = node.get("attrs", {})
        names = ("text", "url", "shortName")
        return next((str(attrs[name]) for name in names if attrs.get(name)), "")
    separator = "" if kind in {"paragraph", "heading", "codeBlock"} else "\n"
    return separator.join(text(child) for child in node.get("content", []))


def html(node: Json | None) -> Markup:
    """The document for a page; every value is escaped, links only to http(s)."""
    if not node:
        return Markup()
    if _WIKI in node:
        return wiki.html(str(node[_WIKI]))
    kind = node.get("type", "")
    if kind == "text":
        return _marked(node)
    if kind in {"hardBreak", "rule"}:
        return Markup("<br>") if kind == "hardBreak" else Markup("<hr>")
    if kind in LEAVES:
        return Markup('<span class="chip">{}</span>').format(text(node))
    inner = Markup().join(html(child) for child in node.get("content", []))
    return _wrapped(BLOCKS.get(kind), inner)


def _wrapped(tag: str | None, inner: Markup) -> Markup:
    # the tag comes from the tables above, never from the document
    return Markup("<{0}>{1}</{0}>").format(tag, inner) if tag else inner


def _marked(node: Json) -> Markup:
    shown = escape(node["text"])
    for mark in node.get("marks", []):
        shown = _wrapped(_TAGS.get(mark["type"]), shown)
        href = str(mark.get("attrs", {}).get("href", ""))
        if mark["type"] == "link" and href.startswith(("http://", "https://")):
            shown = Markup('<a href="{}" rel="noreferrer">{}</a>').format(href, shown)
    return shown
