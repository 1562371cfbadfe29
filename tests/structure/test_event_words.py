"""Every event that the code can record has words, and every word an event."""

import ast
from collections.abc import Iterator

from app.audit import LEFT_OUT, Kind
from app.runs import RunState
from app.web.log import event_kinds
from tests.shared import ROOT

RECORDERS = {"record", "note", "_note", "_record"}
"""What functions are called that append to the history, or pass a kind on to it."""

ENDED = {f"run-{state}" for state in RunState} & set(Kind)
"""Recorded by one f-string in `app/worker/ending.py`."""


def recorded() -> Iterator[tuple[str, str]]:
    """Yield each text that is handed to a recorder as a kind, and where."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        chosen = dict(assigned(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node.func) in RECORDERS:
                for argument in node.args:
                    yield from ((text, path.name) for text in texts(argument, chosen))


def assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def texts(argument: ast.expr, chosen: dict[str, ast.expr]) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from texts(one, chosen)
            yield from texts(other, chosen)
        case ast.Name(id="kind") if "kind" in chosen:
            yield from texts(chosen["kind"], {})
        case ast.Attribute(value=ast.Name(id="Kind"), attr=member):
            yield Kind[member]
        case _:
            return


def test_every_kind_that_is_recorded_is_listed() -> None:
    found = dict(recorded())

    assert {text: place for text, place in found.items() if text not in set(Kind)} == {}


def test_every_kind_that_is_listed_is_recorded() -> None:
    found = {text for text, _ in recorded()} | ENDED

    # `refusals` chooses among these, and `left_out` counts them, by tables.
    chosen = {*LEFT_OUT, *LEFT_OUT.values()}
    assert set(Kind) - found <= chosen


def test_every_kind_has_words_and_a_name_of_its_own() -> None:
    assert set(event_kinds.KINDS) == set(Kind)
    names = [told.name for told in event_kinds.KINDS.values()]
    assert len(set(names)) == len(names)


def test_run_states_that_end_a_run_have_kinds() -> None:
    open_states = {RunState.RECEIVED, RunState.RUNNING, RunState.FAILING}
    waiting = {RunState.AMBIGUOUS}

    assert {f"run-{state}" for state in set(RunState) - open_states - waiting} == ENDED
