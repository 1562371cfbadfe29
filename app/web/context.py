"""What a view may ask for: the process's runtime and the verified caller."""

import threading
import uuid
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app, g

from app.connect.install_keys import InstallKeys
from app.crypto import Secret
from app.forge import ForgeKeys
from app.listeners import KeySets
from app.rules import Inventory
from app.runtime import Runtime
from app.tenants import Door
from app.tokens.checks import Verified
from app.under_way import UnderWay
from app.web.limits import Limits
from app.web.permissions import Permissions, Person
from app.web.recordability import Recordability
from app.web.refusals import Refusals
from app.web.remembered import Remembered
from app.web.site_names import SiteNames
from app.web.token_uses import TokenUses
from app.web.trials import Trials
from app.web.waking import Waker

KEY = "countersign"


@dataclass(frozen=True, kw_only=True)
class Web:
    """What lives as long as the web process, beside its runtime."""

    runtime: Runtime
    install_keys: InstallKeys
    forge_keys: ForgeKeys
    key_sets: KeySets
    permissions: Permissions
    limits: Limits
    refusals: Refusals
    recordability: Recordability
    site_names: SiteNames
    token_uses: TokenUses
    trials: Trials
    waker: Waker
    remembered: Remembered = field(default_factory=Remembered)
    inventory: Inventory = field(default_factory=Inventory)
    """Which rules Jira has, for people who look; workers have their own."""
    downloads: UnderWay = field(default_factory=UnderWay)
    asking: UnderWay = field(default_factory=UnderWay)
    """Hosts outside that an admin has us ask while the page waits."""
    proving: UnderWay = field(default_factory=UnderWay)
    """Histories that are verified while the page waits."""
    draining: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whom the guard let in: a tenant's Jira, or a person it vouches for."""

    tenant_id: uuid.UUID
    door: Door
    """By which it came; the tenant may have left by that one, and not by another."""
    verified: Verified
    origins: tuple[str, ...]
    """Where that tenant's people may see our pages framed."""
    candidate_id: uuid.UUID | None = None
    """By which secret it was signed, where that is still to be proven (rule T4); only
    doors that store and do nothing let such a caller in."""
    user_token: Secret | None = None
    """Of a person who came through Forge: opens Jira as him, for this request only."""

    @property
    def person(self) -> Person:
        return Person(
            tenant_id=self.tenant_id,
            account_id=self.account_id,
            user_token=self.user_token,
        )

    @property
    def account_id(self) -> str:
        """Who is in session; guards with a permission let nobody in without one."""
        return self.verified.account_id or ""


def init_app(flask: Flask, runtime: Runtime) -> None:
    settings, limits = runtime.settings, Limits()
    flask.extensions[KEY] = Web(
        runtime=runtime,
        install_keys=InstallKeys(
            url=settings.install_keys_url, http=runtime.http, now=runtime.now
        ),
        forge_keys=ForgeKeys(
            url=settings.forge_keys_url, http=runtime.http, now=runtime.now
        ),
        key_sets=KeySets(http=runtime.http, now=runtime.now),
        permissions=Permissions(runtime),
        limits=limits,
        refusals=Refusals(runtime, limits),
        recordability=Recordability(runtime),
        site_names=SiteNames(runtime),
        token_uses=TokenUses(),
        trials=Trials(),
        waker=Waker(runtime.queue),
    )


def web() -> Web:
    return cast("Web", current_app.extensions[KEY])


def runtime() -> Runtime:
    return web().runtime


def caller() -> Caller:
    return cast("Caller", g.caller)
