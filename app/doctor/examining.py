"""All that is asked of hosts outside, for an operator or for one site's admin."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from app.doctor import key_hosts, outside, signing_keys, sites
from app.doctor.asking import Asker, host_of
from app.doctor.findings import Finding, Health, looked, skipped
from app.doctor.sites import Site
from app.runtime import Runtime

AT_ONCE = 8
LONGEST = timedelta(seconds=30)
"""How long all questions about one site may take, or all about the base URL: a slow
host holds up nobody else for longer."""

Look = Callable[[], Iterable[Finding]]


def everywhere(runtime: Runtime, found: Sequence[Site]) -> Iterator[Finding]:
    """Look at the base URL, the hosts of keys, and each of these sites."""
    asker = Asker.of(runtime, LONGEST)
    base = looked("base-url", lambda: [outside.base_url(asker)])
    yield from base
    is_ours = _is_ours(base)
    looks: list[Look] = [
        lambda: looked("targets", lambda: _way_in(asker, is_ours=is_ours)),
        lambda: looked("key-hosts", lambda: key_hosts.examine(asker)),
    ]
    looks += [_of_site(runtime, site, is_ours=is_ours) for site in found]
    with ThreadPoolExecutor(AT_ONCE, "doctor") as pool:
        for findings in pool.map(lambda look: tuple(look()), looks):
            yield from findings


def of_site(runtime: Runtime, site: Site, longest: timedelta) -> Iterator[Finding]:
    """Look at one site, as its admin may see it, within so much time in all."""
    asker = Asker.of(runtime, longest)
    yield from _connection(asker, site)
    base = looked("base-url", lambda: [outside.base_url(asker)])
    yield from base
    yield from _published(asker, site, is_ours=_is_ours(base))
    yield from looked("targets", lambda: _way_in(asker, is_ours=_is_ours(base)))


def _of_site(runtime: Runtime, site: Site, *, is_ours: bool) -> Look:
    def look() -> Iterator[Finding]:
        asker = Asker.of(runtime, LONGEST)
        found = [*_connection(asker, site), *_published(asker, site, is_ours=is_ours)]
        host = host_of(site.base_url)
        for each in found:
            yield replace(each, site=host, tenant_id=site.id)

    return look


def _connection(asker: Asker, site: Site) -> Iterator[Finding]:
    yield from looked("secret", lambda: sites.proven(asker, site))
    yield from looked("signing-keys", lambda: signing_keys.in_turn(asker, site))


def _published(asker: Asker, site: Site, *, is_ours: bool) -> Iterable[Finding]:
    if not is_ours:
        return [_unseen("jwks")]
    return looked("jwks", lambda: signing_keys.published(asker, site))


def _way_in(asker: Asker, *, is_ours: bool) -> Iterator[Finding]:
    if not is_ours:
        yield from map(_unseen, ("descriptor", "targets"))
        return
    yield outside.described(asker)
    yield from outside.targets(asker)


def _unseen(check: str) -> Finding:
    return skipped(check, "not looked at: the base URL does not lead to Countersign")


def _is_ours(base: Sequence[Finding]) -> bool:
    return all(each.health is Health.OK for each in base)
