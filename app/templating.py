"""Liquid over a read-only view: text templates that a designer may write into a rule.

What is rendered here is text that ends in JSON: nothing is escaped for HTML, nothing
is a document, nothing is read but the view that is passed in.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar, TextIO

from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.ast import Node
from liquid.builtin import content, illegal
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    for_tag,
    if_tag,
    unless_tag,
)
from liquid.context import RenderContext
from liquid.exceptions import LiquidError, ResourceLimitError, UndefinedError
from liquid.expression import Expression
from liquid.token import Token

ROOTS = frozenset({"issue", "transition", "project", "actor", "run"})
"""The names that a template may start from."""

MAX_OUTPUT = 32 * 1024
"""Bytes that one template may render to; no text field of Jira holds more."""

MAX_ITEMS = 1000
"""Elements of a list that a filter takes or makes, and turns of nested loops."""

MAX_WORK = 1_000_000
"""Characters that the filters of one rendering may make in all."""

_MAX_BITS = 128
_TEXT_FILTERS = frozenset(
    {"append", "capitalize", "downcase", "upcase", "strip", "lstrip", "rstrip"}
    | {"strip_newlines", "squish", "remove", "remove_first", "replace_first"}
    | {"prepend", "truncate", "truncatewords", "split", "url_encode"}
)
_OTHER_FILTERS = frozenset(
    {"first", "last", "size", "reverse", "sort", "sort_natural", "uniq", "compact"}
    | {"map", "where", "concat", "slice", "default", "plus", "minus", "times"}
    | {"divided_by", "modulo", "round", "floor", "ceil", "abs", "at_least", "at_most"}
)
_KNOWN = ", ".join(sorted(ROOTS))
_NAMES = ("displayName", "name", "value", "key", "id")
"""What stands for an object of Jira when it is shown, the best first."""


class TemplateError(Exception):
    """The template is wrong, or what it asks for is not there. Names the expression."""


def check(text: str) -> None:
    """Refuse, with `TemplateError`, what could never be rendered."""
    _template(text)


def render(text: str, view: Mapping[str, Any]) -> str:
    """Return the text; raise `TemplateError` for an unknown name or one too large.

    `view` holds plain mappings, lists, text and numbers; no attribute of anything is
    ever read.
    """
    template = _template(text)
    try:
        return template.render(**view)
    except _FAILURES as error:
        # The library's own words may quote the value: a reporter's text (T15).
        why = next(words for kind, words in _WHY.items() if isinstance(error, kind))
        raise TemplateError(f"“{_concerned(error, text)}” {why}") from error


def as_text(value: object) -> str:
    """Return what a person would write for a value of Jira; never a `repr`."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():  # Jira's 5.0 is a person's 5
            return str(int(value))
        case Mapping():
            return _object_text(value)
        case list() | tuple():
            return ", ".join(text for item in value if (text := as_text(item)))
        case _:
            # Half a character, which JSON can carry and UTF-8 cannot.
            return str(value).encode("utf-8", "replace").decode()


# What Liquid and its filters raise for odd values. They are written for lenient use:
# a filter meets a mapping, a huge number or an empty list, and lets Python say so.
_FAILURES = (
    LiquidError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_WHY: Mapping[type[Exception], str] = {
    UndefinedError: "is not there",
    ResourceLimitError: "makes too much text",
    Exception: "cannot be rendered with the issue's values",
}


def _object_text(value: Mapping[Any, Any]) -> str:
    for name in _NAMES:
        if isinstance(value.get(name), str | int | float):
            return as_text(value[name])
    return json.dumps(value, default=_plain, ensure_ascii=False) if value else ""


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else None


class _Context(RenderContext):
    """Spends a budget: Liquid limits loops and output, but not what a filter makes."""

    __slots__ = ("_left",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._left = MAX_WORK

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        function = super().filter(name, token)

        def limited(*args: object, **kwargs: object) -> object:
            for arg in args:
                _size(arg)
            if name in _TEXT_FILTERS:
                args = tuple(map(_coerced, args))
            result = function(*args, **kwargs)
            self._left -= 100 + _size(result)
            if self._left < 0:
                raise ResourceLimitError("too much work", token=token)
            return result

        return limited


def _coerced(arg: object) -> object:
    # `issue.status | upcase` must not show how Python writes a mapping.
    return as_text(arg) if isinstance(arg, Mapping | list | tuple) else arg


def _size(value: object) -> int:
    """Return how large `value` is; raise `ResourceLimitError` beyond the limits."""
    size, limit = 1, MAX_ITEMS
    if isinstance(value, str):
        size, limit = len(value), MAX_OUTPUT
    elif isinstance(value, int):
        size, limit = value.bit_length(), _MAX_BITS
    elif isinstance(value, Sequence):
        size = len(value)
    if size > limit:
        raise ResourceLimitError("too large", token=None)
    return size


class _OutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(as_text(self.expression.evaluate(context)))


class _Output(Output):
    node_class = _OutputNode


class _Template(BoundTemplate):
    context_class = _Context


class _Environment(Environment):
    """Liquid cut down to what text needs: no files, no clock, no state, no markup."""

    template_class = _Template
    block_nesting_limit: ClassVar[int] = 8
    context_depth_limit: ClassVar[int] = 12
    loop_iteration_limit: ClassVar[int | None] = MAX_ITEMS
    local_namespace_limit: ClassVar[int | None] = 2 * MAX_OUTPUT
    output_stream_limit: ClassVar[int | None] = MAX_OUTPUT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Keep what is named here; the rest of the library's set is unknown."""
        super().setup_tags_and_filters(extra=extra)
        known = _TEXT_FILTERS | _OTHER_FILTERS
        self.filters = {name: f for name, f in self.filters.items() if name in known}
        self.filters |= {"replace": _replace, "join": _join, "date": _date}
        self.tags = {}
        for tag in (
            content.Literal,
            _Output,
            illegal.Illegal,
            if_tag.IfTag,
            unless_tag.UnlessTag,
            case_tag.CaseTag,
            for_tag.ForTag,
            assign_tag.AssignTag,
            capture_tag.CaptureTag,
        ):
            self.add_tag(tag)


def _replace(value: object, old: object, new: object = "") -> str:
    # Attack: a description replaced by itself, letter by letter, is a gigabyte. The
    # size is known before the text is made.
    text, old_text, new_text = as_text(value), as_text(old), as_text(new)
    count = text.count(old_text)
    if len(text) + count * len(new_text) > MAX_OUTPUT:
        raise ResourceLimitError("too large", token=None)
    return text.replace(old_text, new_text)


def _join(value: object, separator: object = " ") -> str:
    items = value if isinstance(value, list | tuple) else [value]
    texts, between = [as_text(item) for item in items], as_text(separator)
    if sum(map(len, texts)) + len(texts) * len(between) > MAX_OUTPUT:
        raise ResourceLimitError("too large", token=None)
    return between.join(texts)


def _date(value: object, form: object = "%Y-%m-%d") -> str:
    """Format Jira's dates and times; the library's own filter reads the clock."""
    text, pattern = as_text(value), as_text(form)
    if not text:
        return ""
    if len(pattern) > 100:  # noqa: PLR2004 -- more is no date
        raise ResourceLimitError("too large", token=None)
    kind = datetime if "T" in text else date
    return kind.fromisoformat(text).strftime(pattern)


_ENVIRONMENT = _Environment(undefined=StrictUndefined)


@functools.lru_cache(maxsize=256)
def _template(text: str) -> BoundTemplate:
    """Parse and judge; the cache holds templates, never a value of an issue."""
    for start, end in (("{{", "}}"), ("{%", "%}")):
        # Attack: the library takes seconds to find that `{{{{{{…` is never closed.
        if text.rfind(start) > text.rfind(end):
            raise TemplateError(f"“{_shown(text[text.rfind(start) :])}” is not closed")
    try:
        text.encode()
        template = _ENVIRONMENT.from_string(text)
        found = template.analyze(include_partials=False)
    except _FAILURES as error:
        said = error.message if isinstance(error, LiquidError) else "cannot be read"
        raise TemplateError(f"“{_concerned(error, text)}”: {said}") from error
    for unknown in sorted(set(found.globals) - ROOTS):
        raise TemplateError(f"“{unknown}” is unknown; a template knows {_KNOWN}")
    for unknown in sorted(set(found.filters) - set(_ENVIRONMENT.filters)):
        raise TemplateError(f"“{unknown}” is no filter that we know")
    context = RenderContext(template)
    if any(isinstance(e, RangeLiteral) for e in _expressions(template.nodes, context)):
        # Attack: `(1..9999999999)` costs a few letters to write.
        raise TemplateError("ranges such as (1..9) are not supported")
    return template


def _expressions(nodes: Iterable[Node], context: RenderContext) -> Iterator[Expression]:
    for node in nodes:
        waiting = list(node.expressions())
        while waiting:
            yield (expression := waiting.pop())
            waiting += expression.children()
        yield from _expressions(node.children(context, include_partials=False), context)


def _concerned(error: Exception, text: str) -> str:
    """Return the `{{ … }}` or `{% … %}` at fault, as far as the library knows it."""
    token = error.token if isinstance(error, LiquidError) else None
    if token is None or not 0 <= token.start_index < len(text):
        return _shown(text)
    at = token.start_index
    start = max(text.rfind("{{", 0, at + 2), text.rfind("{%", 0, at + 2), 0)
    ends = [end + 2 for mark in ("}}", "%}") if (end := text.find(mark, at)) >= 0]
    return _shown(text[start : min(ends, default=len(text))])


def _shown(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"  # noqa: PLR2004 -- one line
