"""An issue and its history, as Jira's REST API tells them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

CREATED = "created"
"""Stands for an issue's creation where others have the id of a history entry."""


@dataclass(frozen=True, kw_only=True)
class StatusChange:
    """One entry of an issue's history that moved it from a status to another."""

    history_id: str
    at: datetime
    actor: str | None
    from_id: str
    from_name: str
    to_id: str
    to_name: str


@dataclass(frozen=True, kw_only=True)
class Issue:
    """An issue as Jira itself reported it."""

    id: str
    key: str
    fields: Mapping[str, Any]
    changes: tuple[StatusChange, ...]
    """Changes of status, newest first; Jira hands out the latest hundred."""
    properties: Mapping[str, Any]

    @property
    def project_id(self) -> str:
        return str(self.fields["project"]["id"])

    @property
    def project_key(self) -> str:
        return str(self.fields["project"]["key"])

    @property
    def status_id(self) -> str:
        return str(self.fields["status"]["id"])

    @property
    def status_name(self) -> str:
        return str(self.fields["status"]["name"])

    @property
    def arrival(self) -> StatusChange | None:
        """The change that brought it into its status, if the history has it."""
        if self.changes:
            is_known = self.changes[0].to_id == self.status_id
            return self.changes[0] if is_known else None
        return StatusChange(
            history_id=CREATED,
            at=instant(self.fields["created"]),
            actor=(self.fields.get("creator") or {}).get("accountId"),
            from_id="",
            from_name="",
            to_id=self.status_id,
            to_name=self.status_name,
        )


def issue_of(data: Any) -> Issue:  # noqa: ANN401
    """Read an issue as Jira's REST API writes it."""
    histories = (data.get("changelog") or {}).get("histories") or []
    changes = [
        StatusChange(
            history_id=str(history["id"]),
            at=instant(history["created"]),
            actor=(history.get("author") or {}).get("accountId"),
            from_id=str(item.get("from") or ""),
            from_name=str(item.get("fromString") or ""),
            to_id=str(item.get("to") or ""),
            to_name=str(item.get("toString") or ""),
        )
        for history in histories
        for item in history.get("items") or []
        if is_of_status(item)
    ]
    return Issue(
        id=str(data["id"]),
        key=str(data["key"]),
        fields=data["fields"],
        changes=tuple(sorted(changes, key=lambda change: change.at, reverse=True)),
        properties=data.get("properties") or {},
    )


def is_of_status(item: Mapping[str, Any]) -> bool:
    """Say whether a part of a change is about the status, which is Jira's own field.

    Attack: a self-managed Jira gives a field's name and not its id, and its admin may
    call a field of his own "status". Who edits that one makes no transition.
    """
    name, kind = item.get("fieldId", item.get("field")), item.get("fieldtype", "jira")
    return (name, kind) == ("status", "jira")


def instant(text: str) -> datetime:
    """Read Jira's timestamps, `2026-11-23T10:00:00.000+0000`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
