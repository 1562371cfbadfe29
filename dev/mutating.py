"""Small faults for code: what `dev/mutants.py` plants, one at a time.

A mutant has a name that outlives edits elsewhere: its function, and what in it reads
how. Sentences are left alone, for how a message words its cause is no promise; so are
the defaults of arguments and what stands in a class beside its functions, which run
but once, on import.
"""

import ast
import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naming import Place, difference

Function = ast.FunctionDef | ast.AsyncFunctionDef

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_STRICT = frozenset({"isinstance", "cast"})
"""A call of these without one of its arguments is a `TypeError` for sure."""
_HOLDERS = (ast.Call, ast.ExceptHandler, ast.Compare)
"""Whose tuples are collections."""
_LEFT_ALONE = (ast.Assert, ast.Delete, ast.Import, ast.ImportFrom, ast.Global)


Change = tuple[Place, object]
"""Where something else may stand, and what."""


@dataclass(frozen=True)
class Mutant:
    """One fault: what stands instead of what, and where."""

    name: str
    tree: ast.Module
    place: Place
    new: object
    lines: range
    """The statement's, or its head's: what a test must run to notice it."""
    constant: ast.Assign | ast.AnnAssign | None = None
    """Set for a fault in a module's constant, and not in a function."""


def mutants_of(path: Path, module: str) -> list[Mutant]:
    """Return every mutant of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: list[Mutant] = []
    names: Counter[str] = Counter()
    for owner, statements, constant in _parts(tree, module):
        for statement in statements:
            for place, new in _changes(statement):
                name = f"{owner}: {difference(statement, place, new)}"
                names[name] += 1
                if names[name] > 1:
                    name += f" ({names[name]})"
                lines = _lines(statement.node)
                found.append(Mutant(name, tree, place, new, lines, constant))
    return found


def _parts(
    tree: ast.Module, module: str
) -> Iterator[tuple[str, list[Place], ast.Assign | ast.AnnAssign | None]]:
    """Yield functions and constants, each with a name and the statements in it."""
    for place in _items(tree, "body"):
        node = place.node
        if isinstance(node, Function | ast.ClassDef):
            for name, function in _functions(node, module):
                yield name, list(_statements(function)), None
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            names = ", ".join(constants_of(node))
            if names and not names.startswith("__"):
                yield f"{module}.{names}", [place], node


def constants_of(node: ast.Assign | ast.AnnAssign) -> list[str]:
    """Return the names that a module's statement gives a value; none if it is odd."""
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return [each.id for each in _targets(target) if isinstance(each, ast.Name)]


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    if isinstance(node, Function):
        yield f"{prefix}.{node.name}", node
    elif isinstance(node, ast.ClassDef):
        for each in node.body:
            yield from _functions(each, f"{prefix}.{node.name}")


def _items(owner: ast.AST, field: str) -> Iterator[Place]:
    for index in range(len(getattr(owner, field, None) or [])):
        yield Place(owner, field, index)


def _statements(owner: ast.AST) -> Iterator[Place]:
    """Yield every statement below, those of inner functions included."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for place in _items(owner, field):
            if not isinstance(place.node, _LEFT_ALONE):
                yield place
            yield from _statements(place.node)


def _changes(statement: Place) -> Iterator[Change]:
    node = statement.node
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    yield from _lost(node, statement)
    for place in _expressions(node):
        yield from _changed(place.node, place)


@functools.singledispatch
def _lost(node: ast.AST, statement: Place) -> Iterator[Change]:
    """Yield what a whole statement may become."""
    if isinstance(
        node, ast.Expr | ast.Raise | ast.AugAssign | ast.Continue | ast.Break
    ):
        yield statement, ast.Pass()


@_lost.register
def _(node: ast.Assign, statement: Place) -> Iterator[Change]:
    names = [each for target in node.targets for each in _targets(target)]
    # Without its assignment a name is a `NameError` for sure, and tests nothing.
    if not all(isinstance(each, ast.Name) for each in names):
        yield statement, ast.Pass()


@_lost.register
def _(node: ast.Return, statement: Place) -> Iterator[Change]:
    if node.value is None:
        yield statement, ast.Pass()
    elif not isinstance(node.value, ast.Constant):
        yield statement, ast.Return(value=None)


@_lost.register
def _(node: ast.Match, statement: Place) -> Iterator[Change]:
    del statement
    if len(node.cases) > 1:
        yield from _dropped(node, "cases")


@_lost.register(ast.If)
@_lost.register(ast.While)
def _(node: ast.If | ast.While, statement: Place) -> Iterator[Change]:
    del statement
    if isinstance(node.test, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr):
        yield Place(node, "test"), ast.UnaryOp(ast.Not(), node.test)


def _targets(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, ast.Tuple) else [target]


def _dropped(node: ast.AST, field: str) -> Iterator[Change]:
    """Yield the list without one of its elements, for each."""
    elements = getattr(node, field)
    for each in elements:
        yield Place(node, field), [one for one in elements if one is not each]


def _expressions(node: ast.AST) -> Iterator[Place]:
    """Yield the expressions of one statement, but none of those below its head."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "args"} and isinstance(
            node, ast.stmt
        ):
            continue
        places = (
            _items(node, field) if isinstance(value, list) else [Place(node, field)]
        )
        for place in places:
            inner = place.node
            if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
                continue
            if isinstance(inner, ast.AST):
                if not _is_typing(node, place):
                    yield place
                yield from _expressions(inner)


def _is_typing(node: ast.AST, place: Place) -> bool:
    """Say whether this is the type in `cast("type", value)`."""
    is_cast = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "cast"
    return is_cast and place.field == "args" and place.index == 0


@functools.singledispatch
def _changed(node: ast.AST, place: Place) -> Iterator[Change]:
    """Yield what may stand in the place of an expression, or of an operator."""
    if (other := _SWAPPED.get(type(node))) is not None:
        yield place, other()


@_changed.register
def _(node: ast.Constant, place: Place) -> Iterator[Change]:
    if isinstance(place.owner, ast.JoinedStr):
        return
    match node.value:
        case bool() as value:
            yield place, ast.Constant(not value)
        case int() | float() as value:
            yield place, ast.Constant(value + 1)
        case str() as value if len(value.split()) <= 1:
            yield place, ast.Constant("" if value else "X")
        case bytes() as value:
            yield place, ast.Constant(b"" if value else b"X")
        case _:
            return


@_changed.register
def _(node: ast.BoolOp, place: Place) -> Iterator[Change]:
    for each in node.values:
        rest = [value for value in node.values if value is not each]
        yield place, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


@_changed.register
def _(node: ast.UnaryOp, place: Place) -> Iterator[Change]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield place, node.operand


@_changed.register
def _(node: ast.IfExp, place: Place) -> Iterator[Change]:
    yield place, node.body
    yield place, node.orelse


@_changed.register
def _(node: ast.Call, place: Place) -> Iterator[Change]:
    yield from _dropped(node, "keywords")
    if len(node.args) > 1 and getattr(node.func, "id", "") not in _STRICT:
        yield from _dropped(node, "args")
    if isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
        yield place, node.func.value


@_changed.register
def _(node: ast.Slice, place: Place) -> Iterator[Change]:
    del place
    for field in ("lower", "upper"):
        if getattr(node, field) is not None:
            yield Place(node, field), None


@_changed.register(ast.Set)
@_changed.register(ast.List)
@_changed.register(ast.Tuple)
def _(node: ast.Set | ast.List | ast.Tuple, place: Place) -> Iterator[Change]:
    # Other tuples are rows of values that belong together.
    if not isinstance(node, ast.Tuple) or isinstance(place.owner, _HOLDERS):
        yield from _dropped(node, "elts")


@_changed.register
def _(node: ast.comprehension, place: Place) -> Iterator[Change]:
    del place
    yield from _dropped(node, "ifs")


def _lines(node: ast.AST) -> range:
    first = _first_line(node)
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if body:
        return range(first, max(_first_line(body[0]), first + 1))
    return range(first, (getattr(node, "end_lineno", None) or first) + 1)


def _first_line(node: ast.AST) -> int:
    numbers: list[int] = [
        each.lineno for each in ast.walk(node) if hasattr(each, "lineno")
    ]
    return min(numbers)
