"""What a view may ask for: the process's runtime and the verified caller."""

import threading
import uuid
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app, g

from app.connect.install_keys import InstallKeys
from app.rules import Inventory
from app.runtime import Runtime
from app.tokens.connect import Verified
from app.web.permissions import Permissions
from app.web.refusals import Refusals
from app.web.site_names import SiteNames
from app.web.trials import Trials

KEY = "countersign"


@dataclass(frozen=True, kw_only=True)
class Web:
    """What lives as long as the web process, beside its runtime."""

    runtime: Runtime
    install_keys: InstallKeys
    permissions: Permissions
    refusals: Refusals
    site_names: SiteNames
    trials: Trials
    inventory: Inventory = field(default_factory=Inventory)
    """Which rules Jira has, for people who look; workers have their own."""
    draining: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whom the guard let in: a tenant's Jira, or a person it vouches for."""

    tenant_id: uuid.UUID
    verified: Verified
    origins: tuple[str, ...]
    """Where that tenant's people may see our pages framed."""

    @property
    def account_id(self) -> str:
        """Who is in session; guards with a permission let nobody in without one."""
        return self.verified.account_id or ""


def init_app(flask: Flask, runtime: Runtime) -> None:
    settings = runtime.settings
    flask.extensions[KEY] = Web(
        runtime=runtime,
        install_keys=InstallKeys(
            url=settings.install_keys_url, http=runtime.http, now=runtime.now
        ),
        permissions=Permissions(runtime),
        refusals=Refusals(runtime),
        site_names=SiteNames(runtime),
        trials=Trials(),
    )


def web() -> Web:
    return cast("Web", current_app.extensions[KEY])


def runtime() -> Runtime:
    return web().runtime


def caller() -> Caller:
    return cast("Caller", g.caller)
