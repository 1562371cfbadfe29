"""Whether a secret that a re-install offers is the site's: Jira is asked (rule T4)."""

import json
from urllib.parse import urlsplit

from app.http import Response
from app.jira.answers import ODD
from app.jira.calling import Jira

MYSELF = "/rest/api/3/myself"
"""What Jira answers to nobody who has not signed in."""

OK = 200
MOVED = frozenset({301, 302, 307, 308})


def doubt(known: Jira, offered: Jira, *, knows_secret: bool) -> str | None:
    """Return what speaks against the secret, in words for people; None if it is proven.

    `known` is the site where we know it, `offered` where the install says it is, both
    to be asked with the secret that is offered. Raise `SendError` for no answer.

    Attack: who replays an install token brings a secret *and* an address of his own. A
    site of his may well answer 200: with an app of our key, installed there by him, he
    knows the secret of that site. So the new address does not vouch for itself. One of
    three has to (docs/adr/0014): the body knew the secret that we hold; or the known
    address takes the new secret, too; or it sends us to the new one.
    """
    is_moved = offered.base_url != known.base_url
    if is_moved and not knows_secret and not _vouches(known, offered.base_url):
        return "the address that we know neither takes the secret nor leads to the new"
    answer = offered.answer("GET", MYSELF)
    if _takes(answer):
        return None
    is_ok = answer.status == OK
    return "it is not Jira that answers" if is_ok else f"Jira answered {answer.status}"


def _vouches(known: Jira, offered_url: str) -> bool:
    answer = known.answer("GET", MYSELF)
    return _takes(answer) or _leads_to(answer, offered_url)


def _takes(answer: Response) -> bool:
    """Say whether it is Jira's answer to somebody it knows, not any page with a 200."""
    if answer.status != OK:
        return False
    try:
        return bool(json.loads(answer.body)["accountId"])
    except (*ODD, RecursionError):
        return False


def _leads_to(answer: Response, url: str) -> bool:
    """Say whether it sends us to exactly this address, by https as we call it.

    A suspended site sends everybody somewhere, too.
    """
    headers = {name.lower(): value for name, value in answer.headers.items()}
    try:
        there, wanted = urlsplit(headers.get("location", "")), urlsplit(url)
        is_same = (there.scheme, there.netloc) == (wanted.scheme, wanted.netloc)
    except ValueError:
        return False
    return answer.status in MOVED and is_same
