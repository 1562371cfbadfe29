"""The part of Jira expressions the sandbox knows, evaluated without Python's `eval`.

    expression = all { "||" all }            members of `||` and `&&` are booleans
    all        = equality { "&&" equality }
    equality   = value { ("==" | "!=") value }
    value      = ( literal | name | "(" expression ")" ) { "." member }
    member     = name | "getProjectRoles(" expression ")"
               | "map(" name "=>" expression ")" | "includes(" expression ")"
    literal    = null | number | text in quotes

What is not in it, and every error while it is worked out, is an `ExpressionError`.
"""

import re
from collections.abc import Callable
from typing import Any

Value = Any
Scope = dict[str, Value]
Node = Callable[[Scope], Value]

LONGEST = 2_000
DEEPEST = 20
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"\\]*"|'[^'\\]*')
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)
    |(?P<symbol>=>|==|!=|&&|\|\||[().]))""",
    re.VERBOSE,
)
_RESERVED = frozenset({"null", "true", "false", "new", "let", "if", "typeof"})


class ExpressionError(Exception):
    """The expression cannot be read, or not be worked out for these values."""


class Record(dict[str, Value]):
    """An object of Jira: a member it does not have is an error.

    A plain `dict` is JSON that somebody stored: what is not in it is null.
    """


def evaluate(text: str, scope: Scope) -> Value:
    """Work out `text` with the variables in `scope`."""
    return _Parser(text).parse()(scope)


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ExpressionError("the expression is too long")
        self.tokens: list[tuple[str, str]] = []
        self.depth = 0
        position, text = 0, text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise ExpressionError(f"cannot be read at character {position}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.tokens.reverse()

    def parse(self) -> Node:
        whole = self._any()
        if self.tokens:
            raise ExpressionError(f"{self.tokens[-1][1]!r} comes too late")
        return whole

    def _next(self) -> tuple[str, str]:
        if not self.tokens:
            raise ExpressionError("the expression ends too early")
        return self.tokens.pop()

    def _accept(self, symbol: str) -> bool:
        if self.tokens and self.tokens[-1] == ("symbol", symbol):
            self.tokens.pop()
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise ExpressionError(f"{symbol!r} is missing")

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name" or text in _RESERVED:
            raise ExpressionError(f"{text!r} is no name")
        return text

    def _any(self) -> Node:
        # Attack: a stored configuration may bring its own expression, and a thousand
        # brackets would exhaust the stack.
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError("the expression is too deep")
        parts = [self._all()]
        while self._accept("||"):
            parts.append(self._all())
        self.depth -= 1
        if len(parts) == 1:
            return parts[0]
        return lambda scope: any(_boolean(part(scope)) for part in parts)

    def _all(self) -> Node:
        parts = [self._equality()]
        while self._accept("&&"):
            parts.append(self._equality())
        if len(parts) == 1:
            return parts[0]
        return lambda scope: all(_boolean(part(scope)) for part in parts)

    def _equality(self) -> Node:
        left = self._value()
        while True:
            if self._accept("=="):
                left = _compared(left, self._value(), wanted=True)
            elif self._accept("!="):
                left = _compared(left, self._value(), wanted=False)
            else:
                return left

    def _value(self) -> Node:
        if self._accept("("):
            node = self._any()
            self._expect(")")
        else:
            node = _simple(*self._next())
        while self._accept("."):
            node = self._member(node)
        return node

    def _member(self, of: Node) -> Node:
        name = self._name()
        if not self._accept("("):
            return lambda scope: _read(of(scope), name)
        if name == "map":
            variable = self._name()
            self._expect("=>")
            body = self._any()
            made: Node = lambda scope: [  # noqa: E731 - one of three like it
                body(scope | {variable: one}) for one in _list(of(scope))
            ]
        elif name in _METHODS:
            method, given = _METHODS[name], self._any()
            made = lambda scope: method(of(scope), given(scope))  # noqa: E731 - see above
        else:
            raise ExpressionError(f"there is no method {name!r} here")
        self._expect(")")
        return made


def _simple(kind: str, text: str) -> Node:
    if kind == "text":
        return lambda _: text[1:-1]
    if kind == "number":
        number = float(text) if "." in text else int(text)
        return lambda _: number
    if text == "null":
        return lambda _: None
    if kind != "name" or text in _RESERVED:
        raise ExpressionError(f"{text!r} is no value")

    def variable(scope: Scope) -> Value:
        if text not in scope:
            raise ExpressionError(f"there is no {text!r}")
        return scope[text]

    return variable


def _compared(left: Node, right: Node, *, wanted: bool) -> Node:
    return lambda scope: _same(left(scope), right(scope)) is wanted


def _same(left: Value, right: Value) -> bool:
    # to Python True is 1, to Jira it is not
    if isinstance(left, bool) is not isinstance(right, bool):
        return False
    return bool(left == right)


def _boolean(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError("only booleans are joined by && and ||")
    return value


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise ExpressionError("this is no list")
    return value


def _read(value: Value, name: str) -> Value:
    if isinstance(value, Record):
        if name not in value or callable(value[name]):
            raise ExpressionError(f"there is no property {name!r}")
        return value[name]
    if isinstance(value, dict):
        return value.get(name)
    raise ExpressionError(f"{name!r} cannot be read of this")


def _roles(person: Value, project: Value) -> list[Value]:
    if not isinstance(person, Record) or not callable(person.get("getProjectRoles")):
        raise ExpressionError("only a user has project roles")
    return _list(person["getProjectRoles"](project))


def _included(several: Value, one: Value) -> bool:
    return any(_same(other, one) for other in _list(several))


_METHODS: dict[str, Callable[[Value, Value], Value]] = {
    "getProjectRoles": _roles,
    "includes": _included,
}
