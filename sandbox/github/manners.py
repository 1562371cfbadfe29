"""How GitHub and its builds behave: as they should, or as on a bad day."""

from dataclasses import dataclass

EVERYWHERE = "any"
CALLS = {
    "dispatch": "what starts a build",
    "token": "what asks for a token",
    "read": "what only reads",
    EVERYWHERE: "every call",
}


@dataclass(frozen=True)
class Manner:
    name: str
    label: str
    says: str
    status: int = 0
    """0: the true answer."""
    message: str = ""
    does: bool = True
    """Whether what was asked is done, whatever is heard of it."""


def _before(name: str, label: str, says: str, message: str) -> Manner:
    status = int(name) if name.isdigit() else 403
    return Manner(name, label, says, status, message, does=False)


WELL = Manner("well", "As it should", "Done, and it says so.")
_API = (
    WELL,
    Manner("no-details", "204, no run", "Starts it, and does not say which run it is."),
    _before("401", "Answer 401", "The credentials are bad.", "Bad credentials"),
    _before(
        "403",
        "Answer 403",
        "The App was not given this.",
        "Resource not accessible by integration",
    ),
    _before("404", "Answer 404", "There is no such thing.", "Not Found"),
    _before(
        "422", "Answer 422", "It cannot be started.", "Workflow cannot be dispatched"
    ),
    _before(
        "429",
        "Answer 429",
        "Too many: with Retry-After.",
        "You have exceeded a secondary rate limit",
    ),
    _before(
        "rate-limit",
        "Rate limit",
        "403, nothing remains, retry-after.",
        "API rate limit exceeded for installation",
    ),
    _before("500", "Answer 500", "It breaks before the work.", "Server Error"),
    Manner("502", "Answer 502", "The work is done.", 502, "Server Error"),
    Manner("slow", "Answer slowly", "The work is done, and late."),
    Manner("drop", "Drop the connection", "Done; nobody hears it."),
)
API: dict[str, Manner] = {one.name: one for one in _API}
DEFAULT_SECONDS = {"429": 10.0, "rate-limit": 60.0, "slow": 30.0}

_BUILDS = (
    WELL,
    Manner("fails", "Fails", "Answers that it failed."),
    Manner("cut", "Cut off", "In progress for ever; never answers."),
    Manner("twice", "Answers twice", "The same answer again, with another token."),
    Manner("late", "Answers when told", "Waits for the button on the run's page."),
)
BUILDS: dict[str, Manner] = {one.name: one for one in _BUILDS}


@dataclass(frozen=True)
class Mood:
    """A manner, until it is changed or for so many calls or builds."""

    manner: Manner = WELL
    left: int | None = None
    """None: until it is changed."""
    seconds: float = 0
    """For Retry-After, or how late."""
    on: str = "dispatch"
    """Of `CALLS`: which calls it is for."""

    def meets(self, call: str) -> bool:
        return self.on in {call, EVERYWHERE}

    def after_one(self) -> "Mood":
        if self.left is None:
            return self
        if self.left <= 1:
            return Mood()
        return Mood(self.manner, self.left - 1, self.seconds, self.on)


def of_api(
    name: str,
    times: int | None = None,
    *,
    seconds: float | None = None,
    on: str = "dispatch",
) -> Mood:
    """Raise LookupError for a manner, or a kind of call, that is not there."""
    if on not in CALLS:
        raise LookupError(f"there are no calls {on!r}; there are {', '.join(CALLS)}")
    wait = DEFAULT_SECONDS.get(name, 0) if seconds is None else seconds
    return Mood(_named(name, API), times or None, wait, on)


def of_builds(name: str, times: int | None = None) -> Mood:
    return Mood(_named(name, BUILDS), times or None)


def _named(name: str, known: dict[str, Manner]) -> Manner:
    if name not in known:
        raise LookupError(f"there is no manner {name!r}; there are {', '.join(known)}")
    return known[name]
