"""Which changes of the manifest make site admins approve the new version first.

Forge brings all other changes to every site by itself. Until they approve, sites keep
the version that they have, and so does whatever of ours it calls. Source: Forge
documentation, "App versions" and "Remotes" (major version upgrades). Where those say
nothing of a permission or of a remote, we expect to be asked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any

Path = tuple[str, ...]


class How(StrEnum):
    ADDED = auto()
    REMOVED = auto()
    CHANGED = auto()


ANY = frozenset(How)
WIDER = frozenset({How.ADDED, How.CHANGED})

RULES: tuple[tuple[Path, frozenset[How]], ...] = (
    (("app", "id"), ANY),  # another app: every site installs it anew
    (("app", "connect"), ANY),
    (("app", "licensing"), WIDER),
    (("permissions", "scopes"), ANY),
    (("permissions",), WIDER),
    (("providers",), ANY),
    # Less egress comes by itself, but data that stays behind in a region may be lost.
    (("remotes", "*", "baseUrl"), ANY),
    (("remotes", "*", "operations", "*"), WIDER),
    # Without them Forge takes it that people's data is stored there.
    (("remotes", "*", "operations"), ANY),
    (("remotes", "*", "storage"), ANY),
    (("remotes",), WIDER),
    (("modules", "webtrigger"), WIDER),
)
"""Where and how a change needs approval; the first that fits a place decides."""


@dataclass(frozen=True, kw_only=True)
class Change:
    path: Path
    before: Any
    after: Any

    @property
    def how(self) -> How:
        if self.before is None:
            return How.ADDED
        return How.REMOVED if self.after is None else How.CHANGED

    @property
    def needs_approval(self) -> bool:
        if self.path[-1] == "inScopeEUD":  # unsaid, it is true
            return self.before is False
        rules = (kinds for place, kinds in RULES if _fits(place, self.path))
        return self.how in next(rules, frozenset())

    def __str__(self) -> str:
        place = ".".join(self.path)
        if self.how is How.CHANGED:
            return f"{place}: {self.before} -> {self.after}"
        return f"{place}: {self.how}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what differs between two manifests, in the order of the old one."""
    return list(_compare((), old, new))


def _compare(path: Path, before: object, after: object) -> Iterator[Change]:
    before, after = _named(path, before), _named(path, after)
    if before == after:
        return
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        yield Change(path=path, before=before, after=after)
        return
    for name in [*before, *(name for name in after if name not in before)]:
        yield from _compare((*path, str(name)), before.get(name), after.get(name))


def _named(path: Path, value: object) -> object:
    """Tell a list's items apart by what they are called, not by their place in it."""
    if path[-1:] == ("baseUrl",) and isinstance(value, str):
        return {"default": value}  # another way to write the same
    if isinstance(value, list):
        return {_name(item): item for item in value}
    return value


def _name(item: object) -> str:
    if isinstance(item, Mapping):
        names = (item.get(field) for field in ("key", "address", "remote"))
        return str(next(filter(None, names), item))
    return str(item)


def _fits(place: Path, path: Path) -> bool:
    pairs = zip(place, path, strict=False)
    return len(place) <= len(path) and all(a in {"*", b} for a, b in pairs)
