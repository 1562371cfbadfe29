"""Jira's wiki markup, read as its renderer does: which links and mentions it makes.

Parsed by the sandbox alone, so that a test sees what a comment does to its readers.
Source: "Text Formatting Notation Help" of Jira; the order of escapes is that of
Atlassian's renderer: a backslash takes the meaning from the sign after it, two of them
are the end of a line, and an entity is a character that nothing is made of.
"""

import html as entities
import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

LINK, MENTION, IMAGE, ISSUE = "link", "mention", "image", "issue"

_LITERAL = re.compile(
    r"(?<!\\)\{(code|noformat)(?::[^}\n]*)?\}(.*?)(?:\{\1\}|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_PLAIN = 0xF0000
"""From here on a character of a plane nobody uses stands for one that means nothing."""
_END = 0x10000
_ESCAPE = re.compile(r"\\\\|\\([!-/:-@\[\]^_`{-~])|&(?:#\d+|#x[0-9a-fA-F]+|\w+);")
_SCHEMES = r"(?:https?|ftps?|nntp|news|irc|file)://|mailto:"
_INLINE = re.compile(
    rf"""!(?P<image>[^\s!|\[\]][^!\n|]*)(?:\|[^!\n]*)?!
    |\[(?P<bracket>[^\[\]\n]+)\]
    |(?<![A-Za-z0-9])(?P<url>(?:{_SCHEMES})[^\s<>\[\]|"'{{}}{chr(_PLAIN)}-\U000FFFFF]+)
    |(?<![A-Za-z0-9_-])(?P<key>[A-Z][A-Z0-9_]+-\d+)(?![A-Za-z0-9_])""",
    re.VERBOSE,
)
_TARGET = re.compile(rf"(?:{_SCHEMES}|//|\\\\|[#^/])\S", re.IGNORECASE)
_BOLD = re.compile(r"(?<!\w)\*(?=\S)([^*\n]+?)(?<=\S)\*(?!\w)")
_EMPHASIS = re.compile(r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)")


@dataclass(frozen=True)
class Mark:
    """Something in a text that is more than text."""

    kind: str
    target: str
    """An address, the name of a user, or the key of an issue."""
    text: str = ""


def marks(text: str) -> list[Mark]:
    """Every link, mention, image and issue that the text makes."""
    return [piece for piece in _pieces(text) if isinstance(piece, Mark)]


def html(text: str) -> Markup:
    """The text for a page; every value is escaped, links only to http(s)."""
    shown = (
        _shown(piece) if isinstance(piece, Mark) else _words(piece)
        for piece in _pieces(text)
    )
    return Markup('<div class="wiki">{}</div>').format(Markup().join(shown))


def _pieces(text: str) -> Iterator[Mark | str]:
    position = 0
    for literal in _LITERAL.finditer(text):
        yield from _inline(text[position : literal.start()])
        yield "".join(_plain(c) for c in literal[2])
        position = literal.end()
    yield from _inline(text[position:])


def _inline(text: str) -> Iterator[Mark | str]:
    meant = _ESCAPE.sub(_escaped, text)
    position = 0
    for found in _INLINE.finditer(meant):
        mark = _mark(found)
        if mark is None:
            continue
        if position < found.start():
            yield meant[position : found.start()]
        yield mark
        position = found.end()
    if position < len(meant):
        yield meant[position:]


def _escaped(found: re.Match[str]) -> str:
    if found[0] == "\\\\":
        return "\n"
    if found[1]:
        return _plain(found[1])
    return "".join(_plain(c) for c in entities.unescape(found[0]))


def _plain(character: str) -> str:
    code = ord(character)
    return chr(_PLAIN + code) if code < _END else character


def _restored(text: str) -> str:
    def of(character: str) -> str:
        code = ord(character) - _PLAIN
        return chr(code) if 0 <= code < _END else character

    return "".join(of(character) for character in text)


def _mark(found: re.Match[str]) -> Mark | None:
    if found["image"]:
        return Mark(IMAGE, _restored(found["image"]))
    if found["url"]:
        return Mark(LINK, _restored(found["url"]), _restored(found["url"]))
    if found["key"]:
        return Mark(ISSUE, found["key"], found["key"])
    alias, bar, rest = found["bracket"].partition("|")
    target = rest.partition("|")[0].strip() if bar else alias.strip()
    if target.startswith("~") and len(target) > 1:
        return Mark(MENTION, _restored(target[1:]), _restored(alias))
    if _TARGET.match(target):
        return Mark(LINK, _restored(target), _restored(alias))
    # brackets around a word that leads nowhere stay brackets
    return None


def _shown(mark: Mark) -> Markup:
    if mark.kind == MENTION:
        return Markup('<span class="chip mention">@{}</span>').format(mark.target)
    if mark.kind == IMAGE:
        return Markup('<span class="chip image">{}</span>').format(mark.target)
    if mark.kind == LINK and mark.target.startswith(("http://", "https://")):
        link = Markup('<a href="{}" rel="noreferrer">{}</a>')
        return link.format(mark.target, mark.text)
    return Markup('<span class="chip">{}</span>').format(mark.text)


def _words(text: str) -> Markup:
    # the tags are ours and what stands in them was escaped before
    shown = str(escape(text))
    shown = _BOLD.sub(r"<strong>\1</strong>", shown)
    shown = _EMPHASIS.sub(r"<em>\1</em>", shown)
    return Markup(_restored_html(shown).replace("\n", "<br>"))  # noqa: S704 - escaped


def _restored_html(shown: str) -> str:
    return "".join(
        str(escape(_restored(character))) if ord(character) >= _PLAIN else character
        for character in shown
    )
