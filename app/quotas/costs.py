"""What a call of Jira's REST API costs, in points.

Source: Jira Cloud platform, "Rate limiting": a read costs 1, and 1 more for each core
object in its answer, 2 for each identity (a user, a group); a write costs 1.
"""

from collections.abc import Mapping

TOO_MANY = 429

MOST = 10_000
"""Objects of one answer; Jira's longest pages have 5000. Attack: a site's server lists
millions, until the sum is more than its column holds, and no site's points are
written down with it."""

_READING = frozenset({"/rest/api/3/permissions/check", "/rest/api/3/comment/list"})
"""What is sent by POST and changes nothing."""

_IDENTITY = ("/rest/api/3/myself", "/rest/api/3/user")

_LISTS = ("issues", "values", "comments", "issueLinkTypes", "transitions")
"""Under which names answers have their objects, where they are several."""


def base_cost(status: int) -> int:
    """Return what a call cost by itself: 1, or nothing where a limit refused it."""
    return 0 if status == TOO_MANY else 1


def object_cost(method: str, path: str, answer: object) -> int:
    """Return what was read by a call that succeeded; `answer` is its JSON."""
    bare = path.partition("?")[0]
    if method != "GET" and bare not in _READING:
        return 0
    each = 2 if bare.startswith(_IDENTITY) else 1
    return each * min(_objects(answer), MOST)


def _objects(answer: object) -> int:
    if isinstance(answer, list):
        return len(answer)
    if not isinstance(answer, Mapping):
        return 0
    found = [answer[name] for name in _LISTS if isinstance(answer.get(name), list)]
    # An issue may have lists of its own; it is one object all the same.
    is_page = bool(found) and "key" not in answer
    return sum(map(len, found)) if is_page else 1
