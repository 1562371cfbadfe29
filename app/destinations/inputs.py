"""What a rule may pass to a build: inputs that an admin declared, one on a line.

Attack: builds put inputs into shell scripts, and an issue's summary is written by
whoever reports it. So what is not declared otherwise is one word of harmless
characters; free text has to be asked for, and says what it risks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails

from app.destinations.attempting import Form

MOST = 20
_LINE = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_-]{0,63})(?P<required>\*?)\s*(?::\s*(?P<kind>.*))?",
    re.ASCII,
)
_CHOICE = re.compile(r"[A-Za-z0-9._/+-]{1,100}", re.ASCII)
RESERVED = "countersign"
"""The input by which we say what run it is, and where an answer is to go."""

_POWERFUL = re.compile(
    r"(BASH|LD|DYLD|GIT|GITHUB|CI|JENKINS|NODE|NPM|PYTHON|PERL|RUBY|JAVA|RUNNER)_.*"
    r"|PATH|ENV|IFS|HOME|SHELL|SHELLOPTS|PS4|PROMPT_COMMAND|EDITOR|PAGER"
    r"|PYTHON.*|RUBYOPT|PERL5.*|CDPATH|GLOBIGNORE|JDK_.*|MAVEN_OPTS|CLASSPATH"
)
"""Attack: builds get inputs as variables, and such a one decides what is run."""

HELP = (
    "One on a line: “version*” is one word and required; “environment: staging,"
    " production” a choice; “size: number”; “dry: yes-no”; “notes: text” any text"
    " (a script must not put that into a shell)"
)

_Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/+-]{1,100}$")]
_Number = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,15}(\.[0-9]{1,9})?$")]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]

_KINDS: dict[str, tuple[Any, str]] = {
    "": (_Word, "One word: letters, digits and . _ / + -"),
    "word": (_Word, "One word: letters, digits and . _ / + -"),
    "number": (_Number, "A number"),
    "yes-no": (Literal["true", "false"], "true or false"),
    "text": (_Text, "Any text"),
}


def _declared(lines: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(line for line in map(str.strip, lines) if line)
    model(found)
    return found


Declared = Annotated[
    tuple[str, ...],
    AfterValidator(_declared),
    Field(title="Inputs that a rule may pass", description=HELP, max_length=MOST),
]
"""The lines of an admin's form, judged."""


def model(lines: Sequence[str]) -> type[Form]:
    """Return the form of the declared inputs; raise `ValueError` for what is none."""
    fields: dict[str, Any] = {}
    names = set()
    for line in lines:
        name, shape, described = _field(line)
        if _folded(name) in names:
            raise ValueError(f"the input “{name}” stands twice")
        names.add(_folded(name))
        # Under an alias: a name such as “json” is an attribute of every model.
        fields[f"input_{len(names)}"] = (shape, described)
    made: type[Form] = create_model("Inputs", __base__=Form, **fields)
    return made


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One declared input, for who writes it down for the other side."""

    name: str
    is_required: bool
    kind: str
    """`word`, `number`, `yes-no`, `text`, or `choice`."""
    choices: Sequence[str] = ()

    @property
    def variable(self) -> str:
        """What a shell script calls it."""
        return "INPUT_" + self.name.upper().replace("-", "_")


def declarations(lines: Sequence[str]) -> Sequence[Declaration]:
    """Return what the lines declare, which were judged before."""
    return [_declaration(line) for line in lines]


def _declaration(line: str) -> Declaration:
    found = _LINE.fullmatch(line.strip())
    assert found is not None  # noqa: S101 -- `model` has taken it
    kind = (found["kind"] or "").strip() or "word"
    choices: tuple[str, ...] = ()
    if kind not in _KINDS:
        kind, choices = "choice", tuple(map(str.strip, kind.split(",")))
    return Declaration(
        name=found["name"],
        is_required=bool(found["required"]),
        kind=kind,
        choices=choices,
    )


def _field(line: str) -> tuple[str, Any, Any]:
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise ValueError(f"“{line[:60]}” does not declare an input")
    name, kind = found["name"], (found["kind"] or "").strip()
    if name.lower() == RESERVED:
        raise ValueError(f"the input “{RESERVED}” is Countersign's own")
    if _POWERFUL.fullmatch(_folded(name)):
        raise ValueError(f"“{name}” means something to shells: call it otherwise")
    shape, hint = _KINDS.get(kind) or _choice(line, kind)
    default = ... if found["required"] else ""
    return name, shape, Field(default, alias=name, title=name, description=hint)


def _choice(line: str, kind: str) -> tuple[Any, str]:
    values = tuple(value.strip() for value in kind.split(","))
    if len(values) < 2 or not all(map(_CHOICE.fullmatch, values)):  # noqa: PLR2004
        raise ValueError(f"“{line[:60]}”: choices are words with commas between them")
    return Literal.__getitem__(values), "One of " + ", ".join(values)


def variable(name: str) -> str:
    """Return what an input is called in a build's environment."""
    return f"INPUT_{_folded(name)}"


def _folded(name: str) -> str:
    """Return its name as an environment has it, where two may become one."""
    return name.upper().replace("-", "_")


def names(inputs: type[Form]) -> dict[str, bool]:
    """Return what the inputs are called, and whether each is required."""
    return {
        described.alias or name: described.is_required()
        for name, described in inputs.model_fields.items()
    }


class Taken(NamedTuple):
    """One input, as the form of a rule offers it."""

    name: str
    required: bool
    hint: str


def taken(inputs: type[Form]) -> list[Taken]:
    """Return the inputs in their order."""
    return [
        Taken(
            described.alias or name,
            described.is_required(),
            described.description or "",
        )
        for name, described in inputs.model_fields.items()
    ]


def unfit(inputs: type[Form], written: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with inputs as a rule has them, templates and all.

    What a template will give is not known yet; only a text without one is judged.
    """
    plain = {name: text for name, text in written.items() if text.strip()}
    sure = {n: t for n, t in plain.items() if "{{" not in t and "{%" not in t}
    try:
        inputs.model_validate(sure)
    except ValidationError as error:
        missing = {name for name in plain if name not in sure}
        for detail in error.errors(include_url=False, include_input=False):
            is_missing = detail["type"] == "missing"
            if not (is_missing and str(detail["loc"][0]) in missing):
                yield _message(inputs, detail)
    known = names(inputs)
    for name in plain:
        if name not in known and name not in sure:
            yield f"the destination takes no input “{name}”"


def judged(inputs: type[Form], rendered: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs that are given; raise `ValueError` for one that does not fit.

    The message names the input and never its value, which a reporter may have written.
    What is returned is what was judged. Attack: space around a text is not, so a word
    would bring a line break, and a subject a header.
    """
    given = {name: text for name, text in rendered.items() if text.strip()}
    try:
        made = inputs.model_validate(given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise ValueError("; ".join(_message(inputs, d) for d in details)) from error
    values = made.model_dump(by_alias=True, exclude_unset=True)
    return {
        name: value if isinstance(value := values[name], str) else text
        for name, text in given.items()
    }


def _message(inputs: type[Form], detail: ErrorDetails) -> str:
    hints = {each.name: each.hint for each in taken(inputs)}
    name = str(detail["loc"][0])[:64] if detail["loc"] else ""
    match detail["type"]:
        case "missing":
            return f"the input “{name}” is missing"
        case "extra_forbidden":
            return f"the destination takes no input “{name}”"
        case _:
            return f"the input “{name}” does not fit: {hints.get(name) or 'another'}"
