"""`python -m sandbox`: serve Jira on this machine and install the add-on in it."""

import argparse
import logging
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from waitress.server import create_server

from sandbox import Jira, create_app, wire
from sandbox.addon import DESCRIPTOR, AddonError

PATIENCE_SECONDS = 60
"""How long the add-on may take to start."""
_NAP = 0.5
_THREADS = 24
_UNAUTHORISED = 401


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8041)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--addon", default="http://127.0.0.1:8040")
    parser.add_argument("--state", type=Path, help="keep everything in this file")
    parser.add_argument("--lag", type=float, default=2.0, help="of the search, seconds")
    parser.add_argument("--no-install", action="store_true")
    return parser.parse_args(given)


def main(given: list[str]) -> int:
    asked = arguments(given)
    if not wire.is_loopback(asked.host):
        say(f"{asked.host} is not this machine; the sandbox stays on loopback")
        return 2
    base_url = f"http://{asked.host}:{asked.port}"
    try:
        wire.check(asked.addon)
    except wire.NotLoopbackError as error:
        say(str(error))
        return 2
    jira = Jira(
        addon_base_url=asked.addon,
        base_url=base_url,
        lag=asked.lag,
        state_path=asked.state,
    )
    moved = urlsplit(jira.site.base_url).port != asked.port
    if moved:
        with jira.world.change() as state:
            state.site.base_url = base_url
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    addresses = wire.listening_addresses(asked.port)
    server = create_server(
        create_app(jira), listen=addresses, threads=_THREADS, ident=None
    )
    # it listens from here on: the add-on fetches the install key while it is installed
    if asked.no_install:
        say(f"Jira is at {jira.site.base_url}; installing is left to you")
    else:
        threading.Thread(target=greet, args=(jira, moved), daemon=True).start()
    try:
        server.run()
    finally:
        jira.close()
    return 0


def greet(jira: Jira, moved: bool) -> None:  # noqa: FBT001 - one caller, just above
    """Wait for the add-on, install it if need be, and say how it went."""
    where = jira.site.base_url
    if not answers(jira):
        say(f"Jira is at {where}; no add-on at {jira.addon_base_url}: install it later")
        return
    try:
        if not jira.site.installed:
            jira.install()
            how = "the add-on is installed"
        elif moved or is_stranger(jira):
            jira.install()
            how = "the add-on did not know this site and was installed again"
        elif jira.addon.fetch_descriptor() != jira.addon.descriptor:
            # as Jira does when a descriptor changes
            jira.install()
            how = "the add-on has a new descriptor and was installed again"
        else:
            how = "the add-on knows this site"
    except AddonError as error:
        how = f"the installation failed: {error}"
    say(f"Jira is at {where}; {how}")


def is_stranger(jira: Jira) -> bool:
    """Whether the add-on lives elsewhere now, or refuses our signature."""
    if str(jira.addon.descriptor["baseUrl"]).rstrip("/") != jira.addon.base_url:
        return True
    return jira.addon.announce("enabled").status == _UNAUTHORISED


def answers(jira: Jira) -> bool:
    """Whether the descriptor can be read, within the patience we have."""
    url = jira.addon.base_url + DESCRIPTOR
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            status, _ = wire.send("GET", url, {}, b"")
        except OSError:
            status = 0
        # a server that is up but broken has something to say to install()
        if status:
            return True
        time.sleep(_NAP)
    return False


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
