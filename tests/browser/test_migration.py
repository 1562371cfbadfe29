"""A site goes over from Connect to Forge while a ticket is held, and loses nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.forge.manifest import NO_APP
from tests import processes
from tests.browser import stacks
from tests.browser.conftest import Visits
from tests.browser.desk import Desk
from tests.browser.stacks import CONNECT, FORGE, Stack
from tests.browser.test_story import (
    RESCUE_MS,
    add_destination,
    add_gate,
    dispatch,
    expect_in,
)
from tests.processes import COUNTERSIGN, ROOT

APP_KEY = "countersign"
REMOTE = "https://countersign.example"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both doors are open; the site has the Connect app, and may have Forge's."""
    folder = tmp_path_factory.mktemp("migration")
    manifest = write_manifest(folder / "forge")
    with stacks.started(folder, CONNECT, FORGE, manifest=manifest) as stack:
        stack.install(CONNECT)
        yield stack


def write_manifest(folder: Path) -> Path:
    """Make what `forge deploy` takes, for an app that was a Connect app before."""
    shutil.copytree(ROOT / "forge" / "static", folder / "static")
    command = [COUNTERSIGN, "forge", "manifest", "--connect-key", APP_KEY]
    command += ["--base-url", REMOTE, "--app-id", NO_APP]
    path = folder / "manifest.yml"
    path.write_text(processes.finish(command, env={}))
    return path


@pytest.fixture
def desk(open_page: Visits, stack: Stack) -> Desk:
    return Desk(open_page(), stack)


def go_over(desk: Desk) -> None:
    """Install the Forge app, uninstall the Connect app, as an admin does."""
    desk.open("/apps/")
    desk.page.get_by_role("button", name="Install: the Forge app").click()
    said = desk.page.get_by_text("The Forge app is installed. It answered 200.")
    expect(said).to_be_visible()
    desk.page.get_by_role("button", name="Uninstall", exact=True).click()
    expect(desk.page.get_by_text("The app is uninstalled")).to_be_visible()
    assert not desk.ask("state")["installed"]


def key_of_site(desk: Desk) -> str:
    desk.open_config("Keys")
    return desk.frame.locator("code").first.inner_text()


def mover(desk: Desk, key: str) -> str:
    """Return who moved the issue last."""
    moves = [
        entry
        for entry in desk.issues()[key]["history"]
        if any(item["field"] == "status" for item in entry["items"])
    ]
    return str(moves[-1]["author"]["displayName"])


def test_held_ticket_moves_on_and_nothing_is_lost(desk: Desk) -> None:
    destination = add_destination(desk)
    key_set = key_of_site(desk)
    add_gate(desk, destination, deadline="10m")
    done, held = map(desk.new_issue, ("went before", "is held meanwhile"))
    dispatch(desk, done)
    expect_in(desk, done, "Deployed")
    desk.ask("receivers/deploy/answer", {"how": "503"})
    dispatch(desk, held)

    go_over(desk)
    expect_in(desk, held, "Deploying")
    desk.ask("receivers/deploy/answer", {"how": "well"})
    expect_in(desk, held, "Deployed", timeout=RESCUE_MS)

    assert mover(desk, done) == "Countersign"
    assert mover(desk, held) == "Countersign (Forge)"
    expect_all_there(desk, (done, held), key_set)


def expect_all_there(desk: Desk, issues: tuple[str, ...], key_set: str) -> None:
    """See on Forge's page what was there before: runs, keys, destinations."""
    desk.open_config("Runs")
    for key in issues:
        expect(desk.runs(key).get_by_text("Succeeded", exact=True)).to_be_visible()
    assert key_of_site(desk) == key_set
    desk.open_config("Destinations")
    expect(desk.frame.get_by_text("Deployment service")).to_be_visible()
    desk.visit.photograph("destinations")
    assert desk.faults == []
