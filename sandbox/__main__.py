"""`python -m sandbox`: serve Jira on this machine and install the add-on in it."""

import argparse
import logging
import re
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from waitress.server import create_server

from sandbox import Jira, create_app, wire
from sandbox.addon import DESCRIPTOR, AddonError
from sandbox.forge.life import ForgeError

PATIENCE_SECONDS = 60
"""How long the add-on may take to start."""
_NAP = 0.5
CONTEXT_PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")
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
    parser.add_argument("--forge", type=Path, help="manifest of a Forge app to install")
    parser.add_argument(
        "--only-forge", action="store_true", help="leave the Connect add-on out"
    )
    parser.add_argument(
        "--forge-on-request",
        action="store_true",
        help="leave it to the Apps page to install the Forge app",
    )
    parser.add_argument(
        "--forge-hour", type=float, default=60.0, help="of Forge's clock, seconds"
    )
    parser.add_argument(
        "--datacenter", action="store_true", help="a self-managed Jira: REST v2 only"
    )
    parser.add_argument(
        "--context-path", default="", help="below which it is, such as /jira"
    )
    return parser.parse_args(given)


def main(given: list[str]) -> int:
    asked = arguments(given)
    if why := fault(asked):
        say(why)
        return 2
    base_url = f"http://{asked.host}:{asked.port}"
    jira, moved = opened(asked, base_url)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    addresses = wire.listening_addresses(asked.port)
    server = create_server(
        create_app(jira), listen=addresses, threads=_THREADS, ident=None
    )
    # it listens from here on: the add-on fetches the install key while it is installed
    if asked.datacenter:
        say(f"Jira Data Center is at {jira.site.base_url}")
        say(f"personal access token of countersign: {jira.datacenter.pat}")
    elif asked.no_install:
        say(f"Jira is at {jira.site.base_url}; installing is left to you")
    else:
        greeting = Greeting(jira, moved=moved, asked=asked)
        threading.Thread(target=greeting.say, daemon=True).start()
    time_keeper = threading.Thread(
        target=keep_time, args=(jira, asked.forge_hour), daemon=True
    )
    time_keeper.start()
    try:
        server.run()
    finally:
        jira.close()
    return 0


def fault(asked: argparse.Namespace) -> str:
    """Why it cannot be served so; empty if it can."""
    if not wire.is_loopback(asked.host):
        return f"{asked.host} is not this machine; the sandbox stays on loopback"
    if asked.context_path and not CONTEXT_PATH.fullmatch(asked.context_path):
        return f"{asked.context_path} is no context path, such as /jira"
    if asked.context_path and not asked.datacenter:
        return "only a self-managed Jira has a context path"
    try:
        wire.check(asked.addon)
    except wire.NotLoopbackError as error:
        return str(error)
    return ""


def opened(asked: argparse.Namespace, base_url: str) -> tuple[Jira, bool]:
    """The site as it was kept, and whether it has another address now."""
    jira = Jira(
        addon_base_url=asked.addon,
        base_url=base_url,
        lag=asked.lag,
        state_path=asked.state,
        forge_manifest=asked.forge,
        is_datacenter=asked.datacenter,
        context_path=asked.context_path,
    )
    parts, wanted = urlsplit(jira.site.base_url), base_url + asked.context_path
    moved = (parts.port, parts.path) != (asked.port, asked.context_path)
    if moved:
        with jira.world.change() as state:
            state.site.base_url = wanted
    return jira, moved


@dataclass(frozen=True)
class Greeting:
    """What is done once the add-on answers: install it if need be, say how it went."""

    jira: Jira
    moved: bool
    """Whether this site has another address than when it was kept."""
    asked: argparse.Namespace

    def say(self) -> None:
        jira, where = self.jira, self.jira.site.base_url
        if not answers(jira):
            there = jira.addon_base_url
            say(f"Jira is at {where}; no add-on at {there}: install it later")
            return
        how = [] if self.asked.only_forge else [self._connect()]
        if jira.forge.manifest_path is not None:
            how.append(self._forge())
        say("; ".join([f"Jira is at {where}", *how]))

    def _connect(self) -> str:
        jira = self.jira
        try:
            if not jira.site.installed:
                jira.install()
                return "the add-on is installed"
            if self.moved or is_stranger(jira):
                jira.install()
                return "the add-on did not know this site and was installed again"
            if jira.addon.fetch_descriptor() != jira.addon.descriptor:
                # as Jira does when a descriptor changes
                jira.install()
                return "the add-on has a new descriptor and was installed again"
        except AddonError as error:
            return f"the installation failed: {error}"
        return "the add-on knows this site"

    def _forge(self) -> str:
        forge = self.jira.forge
        try:
            if not forge.is_installed and self.asked.forge_on_request:
                return "the Forge app can be installed"
            if not forge.is_installed:
                said, how = forge.install(), "the Forge app is installed"
            elif forge.has_changed():
                said, how = forge.upgrade(), "the Forge app is upgraded"
            else:
                # an app that has forgotten everything learns it by any event
                said, how = forge.tick(), "the Forge app is there"
        except ForgeError as error:
            return f"the Forge app is not installed: {error}"
        faults = [str(a.status or a.text) for a in said if not a.is_good]
        return f"{how}, but answered {', '.join(faults)}" if faults else how


def keep_time(jira: Jira, hour: float) -> None:
    """Let the hours pass, for scheduled triggers."""
    while True:
        time.sleep(hour)
        if jira.forge.is_installed:
            jira.forge.tick()


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
