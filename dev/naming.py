"""A mutant's name: what of the source it changes, and how both read."""

import ast
import copy
from dataclasses import dataclass
from typing import Any

AROUND = 40
"""Characters that a name keeps on each side of what differs."""


@dataclass(frozen=True)
class Place:
    """Where a node hangs: in a field of its owner, or in a list there."""

    owner: ast.AST
    field: str
    index: int | None = None

    @property
    def node(self) -> Any:  # noqa: ANN401 -- whatever a syntax tree holds
        value = getattr(self.owner, self.field)
        return value if self.index is None else value[self.index]

    def put(self, node: object) -> None:
        if self.index is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.index] = node


def difference(statement: Place, place: Place, new: object) -> str:
    """Say what becomes of what: enough of both to know it again."""
    old, before = place.node, _text(statement.node)
    place.put(new)
    after = _text(statement.node)
    place.put(old)
    if max(len(before), len(after)) > 2 * AROUND and after not in {"pass", "return"}:
        before, after = _around(before, after)
    return f"`{before}` -> `{after}`"


def _text(node: ast.AST) -> str:
    """Return a statement in one line, or its head."""
    if isinstance(node, ast.Match):
        cases = " ".join(map(_text, node.cases))
        return f"match {ast.unparse(node.subject)}: {cases}"
    shown = copy.copy(node)
    if hasattr(shown, "body"):
        shown.body = [ast.Pass()]
        if hasattr(shown, "orelse"):
            shown.orelse = []
    return " ".join(ast.unparse(shown).split()).removesuffix(": pass")


def _around(before: str, after: str) -> tuple[str, str]:
    """Cut what both have in common, but for some characters of it."""
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    rest = range(1, shorter - start + 1)
    end = next((i for i in rest if before[-i] != after[-i]), shorter - start + 1) - 1
    left, right = max(0, start - AROUND), max(0, end - AROUND)
    head, tail = "\u2026" if left else "", "\u2026" if right else ""
    one, other = (
        f"{head}{text[left : len(text) - right]}{tail}" for text in (before, after)
    )
    return one, other
