"""What the rule's own page says of it: each step's texts and values, each condition."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.rules import Row, Rule, When
from app.rules.conditions import UNARY
from app.steps.base import Step
from app.templating import as_text
from app.web import words
from app.web.editor import drafts
from app.web.naming import Names

LONG = 160
"""Characters of a text that are shown at once; the rest is a click away."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One value, by what the form calls it."""

    label: str
    text: str

    @property
    def start(self) -> str:
        """The beginning of a text that is too long to be shown; nothing of others."""
        line = " ".join(self.text.split())
        if len(self.text) <= LONG and self.text.count("\n") < 3:  # noqa: PLR2004
            return ""
        return line[:LONG].rstrip() + " …"


@dataclass(frozen=True, kw_only=True)
class ToldStep:
    act: str
    values: Sequence[Told]


@dataclass(frozen=True, kw_only=True)
class ToldGroup:
    """Conditions that count together."""

    words: str
    rows: Sequence[str]


def conditions(when: When) -> Sequence[ToldGroup]:
    """Return what must hold, in the form's words; nothing if the rule always acts."""
    groups = {"all": when.all, "any": when.any, "none": when.none}
    return [
        ToldGroup(words=drafts.GROUPS[group], rows=list(map(_row, rows)))
        for group, rows in groups.items()
        if rows
    ]


def steps(rule: Rule, names: Names) -> Sequence[ToldStep]:
    """Return what each step does, and everything that was written into it."""
    return [
        ToldStep(act=_capital(names.act(step)), values=list(_values(step)))
        for step in rule.steps
    ]


def _values(step: Step) -> Iterator[Told]:
    config = step.model_dump(mode="json")
    for control in drafts.step_form(step.do, config).controls:
        if control.kind == "destination":
            continue  # what the step does names it already
        if control.kind == "pairs":
            for name, text in control.pairs:
                yield Told(label=f"Input {name}", text=text or "(empty)")
        elif control.kind == "flag":
            yield Told(label=control.label, text="yes" if control.value else "no")
        elif config[control.key] not in (None, []):
            yield Told(label=control.label, text=control.value or "(empty)")


def _row(row: Row) -> str:
    told = f"{row.field} {words.OPERATORS[row.op]}"
    return told if row.op in UNARY else f"{told} “{as_text(row.value)}”"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
