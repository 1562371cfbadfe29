"""What a destination's form asks for beyond what every kind has: drawn from models."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.destinations import CONNECTORS, Connector, Pace, Snippet, connector_of
from app.listeners import url_of
from app.web import controls
from app.web.controls import Control
from app.web.destinations.destination_page import ShownDestination

DEFAULT = "webhook"


@dataclass(frozen=True, kw_only=True)
class KindForm:
    """The form of one kind."""

    kind: str
    settings: Sequence[Control]
    credentials: Sequence[Control]
    is_kept: bool
    """Its credentials are there: what is left empty stays."""
    listeners: Mapping[uuid.UUID, str]

    @property
    def connector(self) -> Connector[Any, Any]:
        """What knows this kind."""
        return connector_of(self.kind)

    @property
    def is_webhook(self) -> bool:
        return self.connector.mints

    @property
    def awaits(self) -> bool:
        return self.connector.awaits

    @property
    def polls(self) -> bool:
        """Say whether it can do without a listener, as far as its kind goes."""
        return self.connector.polls

    @property
    def may_repeat(self) -> bool:
        return self.connector.may_repeat

    @property
    def per_minute(self) -> int:
        return self.connector.per_minute

    @property
    def pace(self) -> Pace:
        return self.connector.pace


def of_new(kind: str, listeners: Mapping[uuid.UUID, str]) -> KindForm:
    """Return the form for a destination to be; the webhook's for no known kind."""
    known = kind if kind in CONNECTORS else DEFAULT
    return _form(known, {}, listeners, is_kept=False)


def of(shown: ShownDestination, listeners: Mapping[uuid.UUID, str]) -> KindForm:
    """Return the form of one that is there, without its credentials (rule T8)."""
    return _form(shown.kind, shown.settings, listeners, is_kept=shown.is_trusted)


def _form(
    kind: str,
    settings: Mapping[str, Any],
    listeners: Mapping[uuid.UUID, str],
    *,
    is_kept: bool,
) -> KindForm:
    connector = connector_of(kind)
    return KindForm(
        kind=kind,
        settings=controls.of(connector.settings_form, settings),
        credentials=controls.of(connector.credentials_form, {}),
        is_kept=is_kept,
        listeners=listeners,
    )


def snippets(shown: ShownDestination, base_url: str) -> Sequence[Snippet]:
    """Return what the receiver needs, filled in with this destination's listener."""
    settings = shown.connector.settings_form.model_validate(shown.settings)
    answer_to = ""
    if shown.listener_id is not None:
        answer_to = url_of(base_url, shown.listener_id)
    return shown.connector.snippets(settings, answer_to=answer_to)
