r"""A document of Jira Cloud's as the wiki markup of a self-managed Jira (rule T15).

The document was parsed before values came into it, so what is markup in it was written
by the rule's author, and every text is only text. It is escaped here.

Attack: a reporter writes `[~admin]`, `[here|https://evil]`, `!https://evil/x.png!` or
nothing but an address into the summary, and our comment mentions, links or loads it in
our name. `\\[~admin]` is the same attack once more: a backslash that is escaped by
another one is a line break, and what follows it is alive again.

Source: "Text Formatting Notation Help" of Jira Data Center.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]

MENTIONABLE = re.compile(r"[^\s\[\]{}|~\\^]{1,255}")
"""User names that a mention can hold."""

_SPECIAL = re.compile(r"[{}\[\]()|*_+^~?!#@:;%<>\"&-]")
_HEAD = re.compile(r"^(\s*)(h[1-6]|bq)\.", re.IGNORECASE)
_FENCE = re.compile(r"\{(?=\s*/?noformat)", re.IGNORECASE)
_HREF = {c: f"%{ord(c):02X}" for c in "|[]{}\\^!*_~ "}
_BREAK = "\\\\"
_MARKS = {"strong": "*", "em": "_"}
_BULLETS = {"bulletList": "*", "orderedList": "#"}


def markup(document: Node, names: Mapping[str, str]) -> str:
    """Return the markup of a document; `names` has the user name of each mention."""
    return _Writer(names).blocks(document.get("content") or [])


def escape(text: str) -> str:
    """Return text whose characters mean themselves, whatever they are.

    A backslash is written by its number: beside another one it would be a line break.
    """
    shown = text.replace("\\", "\x00")
    shown = _SPECIAL.sub(lambda found: f"\\{found.group()}", shown)
    shown = _HEAD.sub(r"\1\2\\.", shown)
    return shown.replace("\x00", "&#92;")


def mentions(document: Node) -> set[str]:
    """Return the ids of the accounts that a document mentions."""
    found = set()
    if document.get("type") == "mention":
        found.add(str(document["attrs"]["id"]))
    for child in document.get("content") or []:
        found |= mentions(child)
    return found


class _Writer:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def blocks(self, nodes: Sequence[Node]) -> str:
        return "\n\n".join(filter(None, map(self._block, nodes)))

    def _block(self, node: Node) -> str:
        content = node.get("content") or []
        match node["type"]:
            case "paragraph":
                return self._inline(content, "\n")
            case "codeBlock":
                return _fenced("".join(str(each.get("text", "")) for each in content))
            case "bulletList" | "orderedList":
                return "\n".join(self._items(node, ""))
            case _:
                return self.blocks(content)

    def _items(self, node: Node, above: str) -> list[str]:
        lines, bullet = [], above + _BULLETS[node["type"]]
        for item in node.get("content") or []:
            texts, below = [], []
            for child in item.get("content") or []:
                if child["type"] in _BULLETS:
                    below += self._items(child, bullet)
                elif child["type"] == "paragraph":
                    texts.append(self._inline(child.get("content") or [], _BREAK))
                else:
                    # A block in an item goes on below it: what ends the line ends it.
                    below += ["", self._block(child)]
            lines += [f"{bullet} {_BREAK.join(texts)}", *below]
        return lines

    def _inline(self, nodes: Sequence[Node], line_break: str) -> str:
        return "".join(self._span(node, line_break) for node in nodes)

    def _span(self, node: Node, line_break: str) -> str:
        match node["type"]:
            case "hardBreak":
                return line_break
            case "mention":
                return self._mention(str(node["attrs"]["id"]))
            case _:
                return _marked(str(node.get("text", "")), node.get("marks") or [])

    def _mention(self, account_id: str) -> str:
        name = self._names.get(account_id, "")
        # Attack: a user who names himself so that his mention is another one's, too.
        if MENTIONABLE.fullmatch(name):
            return f"[~{name}]"
        return escape(f"@{name or account_id}")


def _marked(text: str, marks: Sequence[Node]) -> str:
    shown = escape(text)
    kinds = {mark["type"]: mark for mark in marks}
    if "code" in kinds:
        shown = f"{{{{{shown}}}}}"
    for kind, sign in _MARKS.items():
        shown = f"{sign}{shown}{sign}" if kind in kinds else shown
    if "link" in kinds:
        href = str(kinds["link"]["attrs"]["href"])
        target = "".join(_HREF.get(c, c) for c in href)
        shown = f"[{shown}|{target}]"
    return shown


def _fenced(text: str) -> str:
    # Attack: a value that ends the block, and is markup from there on.
    inside = _FENCE.sub("{ ", text)
    return f"{{noformat}}\n{inside}\n{{noformat}}"
