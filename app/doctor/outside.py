"""How the outside sees us: our base URL, asked through whatever stands before it."""

import ipaddress
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from app.connect import descriptor
from app.db import printable
from app.doctor.arrivals import PATH, Arrival
from app.doctor.asking import Asker, Heard, unanswered, unheard
from app.doctor.findings import Finding, fail, ok, skipped, warn
from app.http import ForbiddenError, SendError

_OK = 200
_REDIRECTS = range(300, 400)
_WORDS = 200
_PROXY = (
    "Let the proxy pass path and query on as they came: docs/operate.md, “In front of"
    " it”. nginx: `proxy_pass` without a path; Apache: `AllowEncodedSlashes NoDecode`"
    " and `nocanon`."
)


class Probe(NamedTuple):
    """An odd address, and what is odd about it."""

    what: str
    rest: str
    is_harmless: bool = False
    """Nothing that Jira signs looks so, and nothing we refuse hides behind it."""


PROBES = (
    Probe("an encoded slash (%2F) in the path", "a%2Fb"),
    Probe("two slashes (//) in the path", "a//b"),
    Probe("a space (%20)", "a%20b?c=d%20e"),
    Probe("a plus sign (+) in the query", "a?b=c+d"),
    Probe("an encoded plus sign (%2B)", "a?b=c%2Bd"),
    Probe("a semicolon", "a;b?c=d;e"),
    Probe("an encoded percent sign (%25)", "a%252Fb?c=%252B"),
    Probe("letters beyond ASCII", "%C3%A9?a=%E2%82%AC"),
    Probe("empty values in the query", "a?b=&c&d="),
    Probe("the order of parameters", "a?z=1&b=2&a=3&b=1"),
    Probe("an address inside the query", "a?url=https%3A%2F%2Fx%2F%3Fy%3Dz%26w"),
    Probe("escapes in small letters (%2f)", "a%2fb?c=%2f", is_harmless=True),
    Probe("dots in the path (/./ and /../)", "a/./b/../c", is_harmless=True),
)


def base_url(asker: Asker) -> Finding:
    """See whether Countersign answers at its base URL, and nobody else does."""
    check, url = "base-url", asker.settings.base_url
    heard = _probe(asker, "plain?a=1")
    if heard.error is not None:
        return _unreached(url, heard.error)
    if heard.status in _REDIRECTS:
        to = urlsplit(heard.headers.get("location", ""))
        place = printable(f"{to.scheme}://{to.netloc}", limit=_WORDS)
        saw = (
            f"the base URL {url} redirects to {place if to.netloc else 'another path'}"
        )
        do = "Set COUNTERSIGN_BASE_URL to the address that answers: Jira follows none."
        return fail(check, saw, do)
    if _arrived(heard) is None:
        what = f"answered {heard.status} by something else than Countersign"
        saw = f"the base URL {url} is {what}"
        do = (
            "See that COUNTERSIGN_BASE_URL is the address, with its path, that the"
            " proxy passes on to Countersign, and that Countersign runs."
        )
        return fail(check, saw, do)
    return ok(check, f"the base URL {url} leads to Countersign")


def targets(asker: Asker) -> Iterator[Finding]:
    """See whether paths and queries arrive as they were sent: Jira signs them."""
    check = "targets"
    if not asker.settings.is_connect_open:
        yield skipped(check, "Connect's door is shut, and Forge signs no address")
        return
    changed: list[str] = []
    respelt: list[str] = []
    for probe in PROBES:
        heard = _probe(asker, probe.rest)
        if heard.error is not None:
            yield unheard(check, asker.settings.base_url, heard.error)
            return
        sent, arrived = _sent(asker, probe.rest), _arrived(heard)
        if arrived != sent:
            is_safe = probe.is_harmless or _is_signed_alike(sent, arrived)
            (respelt if is_safe else changed).append(probe.what)
    if changed:
        saw = f"the proxy changes addresses on their way: {'; '.join(changed)}"
        yield fail(check, f"{saw}. Jira's signatures do not fit them any more", _PROXY)
    if respelt:
        what = "; ".join(respelt)
        saw = f"the proxy rewrites addresses, which harms no call of Jira's: {what}"
        yield warn(check, saw, _PROXY)
    if not changed and not respelt:
        yield ok(check, f"{len(PROBES)} odd paths and queries arrive as they are sent")


def described(asker: Asker) -> Finding:
    """See whether the descriptor that is served there is the one that we would serve.

    What it says may be anybody's, so it is named by its members only.
    """
    check, settings = "descriptor", asker.settings
    if not settings.is_connect_open:
        return skipped(check, "Connect's door is shut: there is no descriptor")
    heard = asker.get(f"{settings.base_url}/atlassian-connect.json")
    served = read_json(heard)
    if not isinstance(served, dict):
        saw = f"no descriptor is served there: the answer is {heard.status or 'none'}"
        return fail(check, saw, "See that this version of Countersign runs there.")
    ours = descriptor.render(settings.base_url, settings.app_key)
    differ = [name for name in ours if _plain(served.get(name)) != _plain(ours[name])]
    if served.get("baseUrl") != ours["baseUrl"]:
        there = printable(str(served.get("baseUrl")), limit=_WORDS)
        saw = f"the descriptor there says that it is at {there}, not {ours['baseUrl']}"
        do = "Give the server and this command the same COUNTERSIGN_BASE_URL."
        return fail(check, saw, do)
    if {"key", "lifecycle"} & set(differ):
        saw = f"the descriptor there has another {' and '.join(differ)} than ours"
        do = "Give both the same COUNTERSIGN_APP_KEY, and see which app answers there."
        return fail(check, saw, do)
    if differ:
        saw = f"the descriptor there differs from ours in {', '.join(differ)}"
        return warn(check, saw, "Restart the server: another version runs there.")
    return ok(check, "the descriptor there has our key, base URL and lifecycle")


def read_json(heard: Heard) -> Any:  # noqa: ANN401
    """Return what an answer of ours says; None if it is none."""
    if heard.response is None or heard.status != _OK:
        return None
    try:
        return json.loads(heard.response.body)
    except (ValueError, RecursionError):
        return None


def _unreached(url: str, error: SendError) -> Finding:
    if not isinstance(error, ForbiddenError):
        return unheard("base-url", url, error)
    saw, _ = unanswered(url, error)
    try:
        ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        # Names are often split: inside they lead to a proxy's inner address.
        saw = f"from here nobody can look as Jira does: {saw}"
        return warn("base-url", saw, "Look from a machine outside, or set it right.")
    return fail("base-url", saw, "Set COUNTERSIGN_BASE_URL to what Jira can reach.")


def _probe(asker: Asker, rest: str) -> Heard:
    base = asker.settings.base_url
    return asker.get(f"{base}{PATH}/x", target=_target(asker, rest))


def _target(asker: Asker, rest: str) -> str:
    return f"{asker.settings.base_path}{PATH}/{rest}"


def _sent(asker: Asker, rest: str) -> Arrival:
    return Arrival.of(_target(asker, rest), asker.settings.base_path)


def _arrived(heard: Heard) -> Arrival | None:
    return Arrival.read(read_json(heard))


def _is_signed_alike(sent: Arrival, arrived: Arrival | None) -> bool:
    """Say whether a token for what was sent fits what arrived, in other letters."""
    return arrived is not None and sent.signed != "" and sent.signed == arrived.signed


def _plain(member: object) -> str:
    return json.dumps(member, sort_keys=True)
