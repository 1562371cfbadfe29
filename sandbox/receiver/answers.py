"""How the service answers: as it should, or as services do on a bad day."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    name: str
    label: str
    says: str
    status: int = 200
    performs: bool = False
    """Whether the work is done, whatever is heard of it."""


WELL = Manner("well", "Answer 200", "The work is done; 401 if unproved.", performs=True)
WRONG_AUDIENCE = "wrong-audience"
MANNERS: dict[str, Manner] = {
    manner.name: manner
    for manner in (
        WELL,
        Manner("500", "Answer 500", "It breaks before the work.", 500),
        Manner("503", "Answer 503", "It is down for a while.", 503),
        Manner("429", "Answer 429", "Too many: with Retry-After.", 429),
        Manner("410", "Answer 410", "Gone for good.", 410),
        Manner("401", "Answer 401", "It refuses, proof or not.", 401),
        Manner("slow", "Answer slowly", "The work is done, and late.", performs=True),
        Manner("drop", "Drop the connection", "Done; nobody hears it.", performs=True),
        Manner("redirect", "Redirect", "To /receiver/redirected.", 307),
        Manner("huge", "Huge body", "Done; 32 MB of answer.", performs=True),
        Manner(WRONG_AUDIENCE, "Wrong audience", "Expects another aud.", performs=True),
    )
}
DEFAULT_SECONDS = {"429": 10, "slow": 30}


@dataclass(frozen=True)
class Mood:
    """A manner, until reset or for so many calls."""

    manner: Manner = WELL
    left: int | None = None
    """None: until reset."""
    seconds: float = 0
    """For Retry-After, or how late."""

    def after_one_call(self) -> "Mood":
        if self.left is None:
            return self
        if self.left <= 1:
            return Mood()
        return Mood(self.manner, self.left - 1, self.seconds)


def mood(name: str, times: int | None = None, seconds: float | None = None) -> Mood:
    """Raise LookupError for a manner that is not there."""
    if name not in MANNERS:
        raise LookupError(
            f"there is no answer {name!r}; there are {', '.join(MANNERS)}"
        )
    wait = DEFAULT_SECONDS.get(name, 0) if seconds is None else seconds
    return Mood(MANNERS[name], times or None, wait)
