"""Whether Atlassian's public keys can be fetched: without them nobody is let in."""

import json
from collections.abc import Iterator

from app.doctor import clocks
from app.doctor.asking import Asker, Heard, host_of, unheard
from app.doctor.findings import Finding, fail, looked, ok, skipped, warn

NO_KEY = "countersign-doctor"
"""A key id that nobody has: that there is no such key is answer enough."""

_OK = 200
_NO_SUCH_KEY = frozenset({400, 403, 404})
_SERVER_ERROR = 500


def examine(asker: Asker) -> Iterator[Finding]:
    """Look at the hosts of the doors that are open."""
    settings = asker.settings
    if settings.is_connect_open:
        url = settings.install_keys_url
        heard = asker.get(f"{url}/{NO_KEY}")
        yield _install_keys(url, heard)
        yield from looked(clocks.CHECK, lambda: clocks.compare(host_of(url), heard))
    else:
        yield skipped("install-keys", "Connect's door is shut: no install is signed")
    if settings.is_forge_open:
        yield _forge_keys(settings.forge_keys_url, asker.get(settings.forge_keys_url))
    else:
        yield skipped("forge-keys", "Forge's door is shut: no key of its is needed")


def _install_keys(url: str, heard: Heard) -> Finding:
    check = "install-keys"
    if problem := _problem(check, url, heard):
        return problem
    if heard.status not in _NO_SUCH_KEY | {_OK}:
        return _odd(check, url, heard, "COUNTERSIGN_INSTALL_KEYS_URL")
    return ok(check, f"{host_of(url)} answers: installs can be verified")


def _forge_keys(url: str, heard: Heard) -> Finding:
    check = "forge-keys"
    if problem := _problem(check, url, heard):
        return problem
    if not _has_keys(heard):
        return _odd(check, url, heard, "COUNTERSIGN_FORGE_KEYS_URL")
    return ok(check, f"{host_of(url)} answers: calls of Forge can be verified")


def _has_keys(heard: Heard) -> bool:
    if heard.response is None or heard.status != _OK:
        return False
    try:
        document = json.loads(heard.response.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and bool(document.get("keys"))


def _problem(check: str, url: str, heard: Heard) -> Finding | None:
    if heard.error is not None:
        return unheard(check, url, heard.error)
    if heard.status >= _SERVER_ERROR:
        saw = f"{host_of(url)} answers {heard.status}"
        return warn(check, saw, "It has a problem of its own: look again in a while.")
    return None


def _odd(check: str, url: str, heard: Heard, setting: str) -> Finding:
    saw = f"{host_of(url)} answers {heard.status}, which is not how a host of keys does"
    do = f"Look at {setting}, and at what stands between this machine and that host."
    return fail(check, saw, do)
