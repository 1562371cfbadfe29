"""The part of JQL the sandbox knows: clauses joined by AND, and ORDER BY.

What it does not know is refused by name, as Jira refuses a field that is not there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox import catalogue
from sandbox.world import Issue, World, parse_stamp


class JqlError(Exception):
    """Answered with 400."""


@dataclass(frozen=True)
class Clause:
    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    clauses: tuple[Clause, ...]
    order: tuple[tuple[str, bool], ...]
    """Field and whether it is descending."""


_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<symbol>!=|>=|<=|=|>|<|\(|\)|,)
    |(?P<property>issue\.property\[[^\]]+\](?:\.[A-Za-z0-9_.]+)?)
    |(?P<word>[^\s=!<>(),"']+))""",
    re.VERBOSE,
)
_FIELDS = frozenset(
    {"project", "key", "issuekey", "issue", "id", "status", "labels", "parent"}
    | {"created", "updated", "issuetype"}
)
_SORTABLE = {"id": "id", "key": "key", "created": "created", "updated": "updated"}
_MOST_ORDERS = 7
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_RELATIVE = re.compile(r"^(-?)(\d+)([mhdw])$")


class _Words:
    """The tokens of one query, read from left to right."""

    def __init__(self, text: str) -> None:
        self.items: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise JqlError(f"Error in the JQL Query at character {position}.")
            kind, found = match.lastgroup, match[match.lastgroup]
            if kind == "text":
                found = re.sub(r"\\(.)", r"\1", found[1:-1])
            self.items.append((kind, found))
            position = match.end()

    def next(self) -> str:
        if not self.items:
            raise JqlError("Error in the JQL Query: it ends too early.")
        return self.items.pop(0)[1]

    def accept(self, *words: str) -> bool:
        """Take these bare words if they come next."""
        ahead = [
            text.lower() for kind, text in self.items[: len(words)] if kind != "text"
        ]
        if ahead != list(words):
            return False
        del self.items[: len(words)]
        return True


def parse(text: str, *, is_bounded: bool = True) -> Query:
    """Take a query apart; an unbounded one is refused, but by a self-managed Jira."""
    words = _Words(text)
    clauses: list[Clause] = []
    ordered = not words.items or words.accept("order", "by")
    if not ordered:
        clauses.append(_clause(words))
        while words.accept("and"):
            clauses.append(_clause(words))
        if words.items and not words.accept("order", "by"):
            raise JqlError(
                f"Error in the JQL Query: expected AND, got {words.next()!r}."
            )
    order = _order(words)
    return _bounded(clauses, order) if is_bounded else Query(tuple(clauses), order)


def _bounded(clauses: list[Clause], order: tuple[tuple[str, bool], ...]) -> Query:
    if not clauses:
        raise JqlError(
            "Unbounded JQL queries are not allowed here. "
            "Please add a search restriction to your query."
        )
    return Query(tuple(clauses), order)


def _clause(words: _Words) -> Clause:
    name = words.next()
    is_property = name.startswith("issue.property[")
    if not is_property and name.lower() not in _FIELDS:
        raise JqlError(
            f"Field '{name}' does not exist or you do not have permission to view it."
        )
    name = name if is_property else name.lower()
    if words.accept("in"):
        return Clause(name, "in", _list(words))
    if words.accept("not", "in"):
        return Clause(name, "not in", _list(words))
    operator = words.next()
    if operator in {"=", "!=", ">=", "<=", ">", "<"}:
        return Clause(name, operator, (words.next(),))
    raise JqlError(f"Error in the JQL Query: {operator!r} is no operator known here.")


def _list(words: _Words) -> tuple[str, ...]:
    if words.next() != "(":
        raise JqlError("Error in the JQL Query: expected '(' after IN.")
    values = []
    while True:
        values.append(words.next())
        closing = words.next()
        if closing == ")":
            return tuple(values)
        if closing != ",":
            raise JqlError(f"Error in the JQL Query: expected ',', got {closing!r}.")


def _order(words: _Words) -> tuple[tuple[str, bool], ...]:
    order: list[tuple[str, bool]] = []
    while words.items:
        name = words.next().lower()
        if name not in _SORTABLE:
            raise JqlError(f"Not able to sort using field '{name}'.")
        descending = words.accept("desc")
        if not descending:
            words.accept("asc")
        order.append((_SORTABLE[name], descending))
        if words.items and not words.accept(","):
            raise JqlError(f"Error in the JQL Query: {words.next()!r} after ORDER BY.")
    if len(order) > _MOST_ORDERS:
        raise JqlError("The maximum number of order by fields is 7.")
    return tuple(order)


def matcher(
    world: World, query: Query, paths: frozenset[str]
) -> Callable[[Issue], bool]:
    """A test for issues; `paths` are the property paths the add-on made searchable."""
    tests = [_test(world, clause, paths) for clause in query.clauses]
    return lambda issue: all(test(issue) for test in tests)


def _test(
    world: World, clause: Clause, paths: frozenset[str]
) -> Callable[[Issue], bool]:
    if clause.field in {"created", "updated"}:
        return _moment_test(world, clause)
    if clause.operator in {">", "<", ">=", "<="}:
        raise JqlError(
            f"The operator '{clause.operator}' is not supported by the "
            f"'{clause.field}' field."
        )
    read = _reader(clause.field, paths)
    wanted = {_meaning(world, clause.field, value) for value in clause.values}
    negative = clause.operator in {"!=", "not in"}
    return lambda issue: bool(read(issue) & wanted) is not negative


def _reader(name: str, paths: frozenset[str]) -> Callable[[Issue], set[str]]:
    if name.startswith("issue.property["):
        return _property_reader(name, paths)
    readers: dict[str, Callable[[Issue], set[str]]] = {
        "project": lambda issue: {issue.project},
        "status": lambda issue: {issue.status},
        "issuetype": lambda issue: {issue.issuetype},
        "labels": lambda issue: set(issue.fields["labels"]),
        "parent": lambda issue: {issue.fields.get("parent") or ""},
    }
    return readers.get(name, lambda issue: {issue.id})


def _property_reader(name: str, paths: frozenset[str]) -> Callable[[Issue], set[str]]:
    key, _, path = name.removeprefix("issue.property[").partition("]")
    key, path = key.strip("\"'"), path.lstrip(".")
    if f"{key}.{path}" not in paths:
        raise JqlError(
            f"Field '{name}' does not exist or you do not have permission to view it."
        )

    def read(issue: Issue) -> set[str]:
        value: object = issue.properties.get(key)
        for member in path.split("."):
            value = value.get(member) if isinstance(value, dict) else None
        return set() if value is None else {str(value)}

    return read


def _meaning(world: World, name: str, value: str) -> str:
    """The id behind what a person may write; a value that is not there is refused."""
    found: str | None = value
    if name == "project":
        project = catalogue.project(value)
        found = project.key if project else None
    elif name == "status":
        status = catalogue.status(value)
        found = status.id if status else None
    elif name == "issuetype":
        kind = catalogue.issue_type(value)
        found = kind.id if kind else None
    elif name in {"key", "issuekey", "issue", "id", "parent"}:
        issue = world.find_issue(value)
        found = issue.id if issue else None
    if found is None:
        raise JqlError(f"The value '{value}' does not exist for the field '{name}'.")
    return found


def _moment_test(world: World, clause: Clause) -> Callable[[Issue], bool]:
    moment = _moment(world.now(), clause.values[0])

    def test(issue: Issue) -> bool:
        at = parse_stamp(issue.created if clause.field == "created" else issue.updated)
        return {
            ">=": at >= moment,
            ">": at > moment,
            "<=": at <= moment,
            "<": at < moment,
            "=": at == moment,
            "!=": at != moment,
        }[clause.operator]

    if clause.operator in {"in", "not in"}:
        raise JqlError(f"'{clause.field}' is compared, not listed.")
    return test


def _moment(now: datetime, text: str) -> datetime:
    relative = _RELATIVE.match(text)
    if relative:
        distance = timedelta(**{_UNITS[relative[3]]: int(relative[2])})
        return now - distance if relative[1] else now + distance
    for shape in ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d"):
        try:
            return datetime.strptime(text, shape).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise JqlError(f"Date value '{text}' is invalid. Valid: 'yyyy-MM-dd HH:mm', '-5m'.")
