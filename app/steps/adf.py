"""Jira's documents (ADF): made from plain text, and read as plain text."""

import re
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 32_767
"""Characters that Jira takes in a comment or a text field."""

MAX_DEPTH = 60
"""How deep a document is read; people's lists and tables end long before."""

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PARTS = frozenset({"paragraph", "heading", "codeBlock"})
"""Nodes whose children stand in one line; those of the others stand below another."""


def lines(text: str) -> list[str]:
    """Split at line breaks, and drop the control characters that Jira refuses."""
    return _LINE_BREAK.split(_CONTROL.sub("", text))


def inline(
    text: str, marks: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Return the nodes of a text: none is empty, a line break is a node of its own."""
    nodes: list[dict[str, Any]] = []
    for number, line in enumerate(lines(text)):
        if number:
            nodes.append({"type": "hardBreak"})
        if line:
            node: dict[str, Any] = {"type": "text", "text": line}
            nodes.append(node | ({"marks": marks} if marks else {}))
    return nodes


def document(text: str) -> dict[str, Any]:
    """Return plain text as a document: a paragraph for each line that is not blank."""
    content = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]}
        for line in lines(text)
        if line.strip()
    ]
    return {"type": "doc", "version": 1, "content": content}


def is_document(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "doc"


def text(node: Mapping[str, Any], depth: int = 0) -> str:
    """Return a document of Jira's as plain text, whatever nodes it holds."""
    if depth > MAX_DEPTH:
        return "…"
    kind = node.get("type")
    if kind == "hardBreak":
        return "\n"
    if isinstance(node.get("text"), str):
        return str(node["text"])
    children = node.get("content")
    if not isinstance(children, list | tuple):
        return _leaf(node)
    separator = "" if kind in _PARTS else "\n"
    return separator.join(
        text(child, depth + 1) for child in children if isinstance(child, Mapping)
    )


def _leaf(node: Mapping[str, Any]) -> str:
    attrs = node.get("attrs")
    if not isinstance(attrs, Mapping):
        return ""
    named = (attrs.get(name) for name in ("text", "shortName", "url", "alt"))
    return next((value for value in named if isinstance(value, str)), "")
