"""What a check comes to: one sentence on what was seen, one on what to do about it."""

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

log = logging.getLogger(__name__)


class Health(StrEnum):
    """How what was looked at is."""

    OK = "ok"
    WARN = "warn"
    """It works, and somebody should look at it."""
    FAIL = "fail"
    SKIPPED = "skipped"
    """It was not looked at; `saw` says why."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of what the doctor says. No secret and no token is in it."""

    check: str
    """What was looked at, by a name that stays the same for scripts."""
    health: Health
    saw: str
    do: str = ""
    """What mends it; empty where nothing is to be done."""
    site: str = ""
    """The host of the site that it is about, if it is about one."""
    tenant_id: uuid.UUID | None = None


def ok(check: str, saw: str) -> Finding:
    return Finding(check=check, health=Health.OK, saw=saw)


def warn(check: str, saw: str, do: str) -> Finding:
    return Finding(check=check, health=Health.WARN, saw=saw, do=do)


def fail(check: str, saw: str, do: str) -> Finding:
    return Finding(check=check, health=Health.FAIL, saw=saw, do=do)


def skipped(check: str, saw: str, do: str = "") -> Finding:
    return Finding(check=check, health=Health.SKIPPED, saw=saw, do=do)


def looked(check: str, look: Callable[[], Iterable[Finding]]) -> Sequence[Finding]:
    """Return what a look finds; a look that breaks off is a finding of its own.

    One broken part must not hide what the other checks would find.
    """
    try:
        return tuple(look())
    except Exception as error:  # noqa: BLE001 -- whatever it is, the others go on
        # By its name only: an error's text may have values of a statement in it.
        log.warning("check %s: %s", check, type(error).__name__)
        saw = f"the check “{check}” broke off: {type(error).__name__}"
        return (fail(check, saw, "Mend what fails above, then look again."),)


def is_well(findings: Iterable[Finding]) -> bool:
    """Say whether nothing failed; a warning is no failure."""
    return all(each.health is not Health.FAIL for each in findings)
