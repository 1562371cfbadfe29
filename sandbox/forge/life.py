"""How the Forge app comes to this site, is renewed, ticks, and goes."""

import uuid
from pathlib import Path
from typing import Any

from sandbox import people
from sandbox.addon import Addon, Answer
from sandbox.deliveries import Deliveries
from sandbox.forge import invocations, manifest, page_calls, pages
from sandbox.forge.app import ForgeApp
from sandbox.forge.events import Events
from sandbox.forge.invocations import Invocation, Slip
from sandbox.forge.manifest import Manifest, ManifestError
from sandbox.world import World

Json = dict[str, Any]

INSTALLED = "avi:forge:installed:app"
UPGRADED = "avi:forge:upgraded:app"
FAREWELL_SECONDS = 55.0


class ForgeError(Exception):
    """It cannot be done; the text is for the person at the screen."""


class Forge:
    """Answers are those of the app: one for each module that is called."""

    def __init__(self, world: World, addon: Addon, deliveries: Deliveries) -> None:
        self.world = world
        self.manifest_path: Path | None = None
        """What is deployed; None where there is no Forge."""
        self.app = ForgeApp(world, addon)
        self.events = Events(self.app, deliveries)

    @property
    def is_installed(self) -> bool:
        return self.app.is_installed

    def has_changed(self) -> bool:
        """Whether the manifest is another one than what was deployed."""
        return self._deployed().raw != self.app.kept.manifest

    def install(self) -> list[Answer]:
        """Deploy the manifest, install it anew, and tell it so.

        A new installation has another id, and the tokens of the one before are void.
        """
        deployed = self._deployed()
        with self.world.change() as state:
            kept = state.forge
            kept.uuid, kept.version = str(uuid.uuid4()), 1
            kept.manifest, kept.folder = deployed.raw, str(deployed.folder)
            kept.keys = kept.keys or [invocations.first_key()]
            self.app.access.forget()
            # The last thing: whoever keeps the hours looks at it without the lock.
            kept.is_live = True
        return self._announce(INSTALLED)

    def upgrade(self) -> list[Answer]:
        """A new major version of the app; the installation stays what it is."""
        self._require_installed()
        deployed = self._deployed()
        with self.world.change() as state:
            kept = state.forge
            kept.version += 1
            kept.manifest, kept.folder = deployed.raw, str(deployed.folder)
        return self._announce(UPGRADED)

    def uninstall(self) -> list[Answer]:
        """Say goodbye by `preUninstall`, once; then it is as `vanish` leaves it."""
        self._require_installed()
        app = self.app
        body = {"installation": {"id": app.kept.id}}
        slip = Slip(note="pre-uninstall")
        answers = [
            app.call(app.invocation(module), body, slip, seconds=FAREWELL_SECONDS)
            for module in app.modules(manifest.PRE_UNINSTALL)
        ]
        self.vanish()
        return answers

    def vanish(self) -> None:
        """Uninstalled without a word: nothing fires any more, the tokens are void."""
        self._require_installed()
        with self.world.change() as state:
            state.forge.is_live = False
            self.app.access.forget()

    def tick(self) -> list[Answer]:
        """What comes every hour: each scheduled trigger, once."""
        self._require_installed()
        body = {"context": {"cloudId": self.app.place.cloud_id}}
        return [
            self.events.send_now(module, body, note=f"{module['key']} (scheduled)")
            for module in self.app.modules(manifest.SCHEDULED)
        ]

    def event_headers(
        self, endpoint: str, module: str = "", slip: Slip | None = None
    ) -> dict[str, str]:
        """What an event for this endpoint comes with, to be sent by a test itself."""
        found = self.app.manifest.endpoint(endpoint)
        return self.app.headers(Invocation(found, module or endpoint), slip)

    def page_headers(
        self,
        user: str = "ada",
        module: str = "",
        *,
        issue: str = "",
        slip: Slip | None = None,
    ) -> dict[str, str]:
        """What a call by a page comes with, its admin page unless another is named."""
        beside = self.world.issue(issue) if issue else None
        page = pages.find(self.app, module, beside)
        if page is None:
            raise LookupError(f"the Forge app has no page {module!r}")
        person = self.world.as_of_now(people.named(user))
        what = page_calls.invocation(self.app, page, person)
        return self.app.headers(what, slip)

    def rotate_keys(self) -> str:
        """Sign with a new key from now on; the one before stays published."""
        with self.world.change() as state:
            kept = state.forge
            kept.keys = [*kept.keys[-1:], invocations.new_key()]
        return kept.keys[-1].kid

    def _announce(self, event: str) -> list[Answer]:
        """A lifecycle event, to each trigger that asks for it."""
        app = self.app
        body = {
            "id": app.kept.id,
            "installerAccountId": people.ADA.account_id,
            "app": {"id": app.manifest.id, "version": app.kept.app_version},
            "environment": {"id": app.kept.environment_id},
            "eventType": event,
        }
        return [
            self.events.send_now(module, body, note=event)
            for module in app.modules(manifest.TRIGGER)
            if event in module["events"]
        ]

    def _deployed(self) -> Manifest:
        if self.manifest_path is None:
            raise ForgeError("This sandbox was started without a Forge manifest.")
        try:
            return manifest.read(self.manifest_path)
        except ManifestError as error:
            raise ForgeError(str(error)) from None

    def _require_installed(self) -> None:
        if not self.is_installed:
            raise ForgeError("The Forge app is not installed.")
