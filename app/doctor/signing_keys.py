"""A site's signing keys: whether they take turns in time, and whether all see them."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from app import destinations
from app.db import printable
from app.doctor.asking import Asker, Heard, unheard
from app.doctor.findings import Finding, fail, ok, skipped, warn
from app.doctor.outside import read_json
from app.doctor.sites import Site
from app.keys import RETIREMENT, KeyState, ListedKey

KEPT = timedelta(seconds=300)
"""How long anybody may remember our key set: what its `max-age` says."""

LATE = timedelta(hours=2)
"""Workers rotate what is due once an hour."""

_DO_ROTATE = (
    "See that a worker runs: it rotates keys every hour. By hand: *Keys*, “Rotate now”."
)


def in_turn(asker: Asker, site: Site) -> Iterator[Finding]:
    """See whether a key signs, a next one waits, and neither is overdue."""
    check = "signing-keys"
    by_state = {each.state: each for each in reversed(site.keys)}
    if not site.keys:
        yield skipped(check, "the site has none: nothing of it is signed by keys yet")
        return
    if site.unsigned:
        saw = f"nothing can be signed by its keys: {site.unsigned}"
        do = (
            "Put the encryption key back if one is missing; else install the app anew"
            " on that site, which gives it new keys."
        )
        yield fail(check, saw, do)
        return
    waiting, active = by_state.get(KeyState.NEXT), by_state[KeyState.ACTIVE]
    if waiting is None:
        saw = "no next key is published, so the present one can never be relieved"
        yield fail(check, saw, "Revoke all keys on the page *Keys*: two new ones come.")
        return
    yield _due(asker, site, active, waiting)


def _due(asker: Asker, site: Site, active: ListedKey, waiting: ListedKey) -> Finding:
    check, settings = "signing-keys", asker.settings
    signs_since = active.active_at or active.published_at
    due_at = max(
        signs_since + timedelta(days=settings.key_rotation_days),
        waiting.published_at + timedelta(hours=settings.key_publish_hours),
    )
    if site.read_at - due_at > LATE:
        saw = (
            f"the next key is overdue: it should sign since {due_at:%Y-%m-%d %H:%M} UTC"
        )
        return fail(check, saw, _DO_ROTATE)
    return ok(check, f"one signs, one waits; the next turn is on {due_at:%Y-%m-%d}")


def published(asker: Asker, site: Site) -> Iterator[Finding]:
    """See whether the key set that the outside gets is the one that we have."""
    check = "jwks"
    if not site.keys:
        yield skipped(check, "the site has no signing keys yet")
        return
    url = f"{destinations.issuer(asker.settings.base_url, site.id)}/jwks.json"
    heard = asker.get(url)
    if heard.error is not None:
        yield unheard(check, url, heard.error)
        return
    problem = _difference(site, heard)
    if not problem:
        yield _remembered(heard)
        return
    # Under an address that no cache has seen, the server itself answers.
    fresh = asker.get(f"{url}?doctor={secrets.token_hex(8)}")
    if fresh.error is None and not _difference(site, fresh):
        age = f" (Age: {heard.age} s)" if heard.age else ""
        saw = f"the key set is served stale: {problem}{age}"
        do = "A proxy or CDN keeps it for longer than its max-age=300: let it obey."
        yield fail(check, saw, do)
        return
    saw = f"the key set there is not ours: {problem}"
    do = "See that the server there and this command have the same database."
    yield fail(check, saw, do)


def _remembered(heard: Heard) -> Finding:
    said = heard.headers.get("cache-control", "").replace(" ", "")
    if heard.age > KEPT.total_seconds():
        saw = f"a cache before us had the key set for {heard.age} s already"
        do = "A proxy or CDN keeps it for longer than its max-age=300: let it obey."
        return warn("jwks", saw, do)
    if "max-age=300" not in said.split(","):
        saw = "the key set arrives with another Cache-Control than max-age=300"
        return warn("jwks", saw, "Let the proxy pass our headers on as they are.")
    return ok("jwks", "the outside sees the keys that we have")


def _difference(site: Site, heard: Heard) -> str:
    """Return what is wrong with a key set; empty if every receiver could use it."""
    served = _by_id(read_json(heard))
    if served is None:
        return f"it is answered {heard.status} and no key set"
    ours = {str(key["kid"]): key for key in site.key_set}
    listed = {str(key.id): key for key in site.keys}
    for kid in served.keys() - ours.keys():
        if not _has_just_ended(site, listed.get(kid)):
            # The worst of them: receivers believe what nobody should sign any more.
            return f"it still has the key {printable(kid, limit=40)}, which ended"
    for kid, key in ours.items():
        if kid not in served:
            if not _is_new(site, listed.get(kid)):
                return f"the key {kid} is missing"
        elif served[kid] != key:
            return f"the key {kid} is another one"
    return ""


def _by_id(document: object) -> Mapping[str, Any] | None:
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        return None
    return {str(key.get("kid")): key for key in found if isinstance(key, dict)}


def _is_new(site: Site, key: ListedKey | None) -> bool:
    """Say whether an answer that may still be remembered was made before this key."""
    return key is not None and site.read_at - key.published_at <= KEPT


def _has_just_ended(site: Site, key: ListedKey | None) -> bool:
    if key is None or key.ended_at is None:
        return False
    shown = RETIREMENT if key.state is KeyState.RETIRING else timedelta(0)
    return site.read_at - key.ended_at <= shown + KEPT
