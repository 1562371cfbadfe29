"""Flask applications and key pairs, made once and lent to one test after the other.

To make one takes longer than most tests do: an application's routes are compiled each
time. What it knows of the test, a runtime or a Jira, it is given anew as production
gives it.
"""

import itertools
import threading
from collections.abc import Callable

from flask import Flask

from app.crypto import KeyPair, make_key_pair
from app.runtime import Runtime
from app.web import context, create_app
from sandbox import Jira, speak_for
from sandbox import create_app as create_jira

_ADDONS: dict[tuple[str, bool, bool, bool], Flask] = {}
_JIRAS: dict[str, Flask] = {}
_PAIRS: list[KeyPair] = []
_PAIRS_LOCK = threading.Lock()


def addon(runtime: Runtime) -> Flask:
    """Lend the add-on over this runtime, until the next one asks."""
    settings = runtime.settings
    # What settles which addresses it has; some tests' settings know of no Forge.
    doors = settings.is_connect_open, settings.is_forge_open
    kind = settings.base_path, *doors, settings.is_datacenter_open
    if kind not in _ADDONS:
        _ADDONS[kind] = create_app(runtime)
    context.init_app(_ADDONS[kind], runtime)
    return _ADDONS[kind]


def jira(site: Jira, *, beside: bool = False) -> Flask:
    """Lend the doors of this site, until the next one asks; two can be had at once."""
    name = "beside" if beside else ""
    if name not in _JIRAS:
        _JIRAS[name] = create_jira(site)
    speak_for(site, _JIRAS[name])
    return _JIRAS[name]


def key_pairs() -> Callable[[], KeyPair]:
    """Return what one test makes its key pairs with; it gives none twice."""
    numbers = itertools.count()

    def lend() -> KeyPair:
        with _PAIRS_LOCK:
            number = next(numbers)
            if number == len(_PAIRS):
                _PAIRS.append(make_key_pair())
            return _PAIRS[number]

    return lend
