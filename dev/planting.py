"""Put a mutant in the place of what it was made of, in the process that runs."""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FunctionType, ModuleType

from mutating import Mutant, constants_of

Functions = Mapping[object, Sequence[FunctionType]]


def plant(mutant: Mutant, module: str, functions: Functions) -> bool:
    """Let everybody who has the function or the constant have the mutant.

    Return False for what is no program, or changes nothing that is alive.
    """
    live = sys.modules[module]
    before = _codes(compile(mutant.tree, str(live.__file__), "exec"))
    mutant.place.put(mutant.new)
    ast.fix_missing_locations(mutant.tree)
    try:
        if mutant.constant is not None:
            return _plant_constant(mutant.constant, live)
        after = _codes(compile(mutant.tree, str(live.__file__), "exec"))
        changed = [key for key in before if before[key] != after.get(key)]
        planted = 0
        for key in changed:
            for function in functions.get(key, ()):
                function.__code__ = after[key]
                planted += 1
    except (SyntaxError, ValueError, KeyError):
        return False
    return planted > 0


def _codes(code: CodeType) -> dict[tuple[str, str, int], CodeType]:
    """Return the code of each function of a module or a class, not of inner ones."""
    return {
        (each.co_filename, each.co_qualname, each.co_firstlineno): each
        for each in _outer(code)
    }


def _outer(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            # A class's body has code, too, and its functions are in it.
            if "<locals>" not in each.co_qualname:
                yield from _outer(each)


def _plant_constant(constant: ast.Assign | ast.AnnAssign, live: ModuleType) -> bool:
    assert constant.value is not None  # noqa: S101 -- as `mutating` chose them
    expression = ast.fix_missing_locations(ast.Expression(constant.value))
    try:
        made = eval(compile(expression, "constant", "eval"), vars(live))  # noqa: S307
        names = constants_of(constant)
        values = [made] if len(names) == 1 else list(made)
        pairs = list(zip(names, values, strict=True))
    except Exception:  # noqa: BLE001 -- then nobody could import the module
        return False
    for name, value in pairs:
        old = getattr(live, name)
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get(name) is old:
                setattr(module, name, value)
    return True
