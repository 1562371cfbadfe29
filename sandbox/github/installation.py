"""The App in an organisation: the tokens that it gets there, and what they may."""

import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.github import repository
from sandbox.github.replies import BAD_CREDENTIALS, NOT_ACCESSIBLE, Refused
from sandbox.github.repository import Repository

Json = dict[str, Any]

LIFETIME = timedelta(hours=1)
_LEVELS = {"read": 1, "write": 2}


@dataclass(frozen=True)
class Grant:
    """What one token may, and until when."""

    permissions: dict[str, str]
    repositories: frozenset[int]
    expires: datetime

    def needs(self, where: Repository, permission: str, level: str) -> None:
        """Raise Refused where the token may not do this."""
        has = _LEVELS.get(self.permissions.get(permission, ""), 0)
        if where.id not in self.repositories or has < _LEVELS[level]:
            raise Refused(403, NOT_ACCESSIBLE)


@dataclass
class Installation:
    id: int = 51234567
    app_id: int = 904211
    slug: str = "countersign"
    permissions: dict[str, str] = field(
        default_factory=lambda: {
            "actions": "write",
            "contents": "write",
            "metadata": "read",
        }
    )

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}

    def repositories(self) -> list[Repository]:
        return [one for one in repository.ALL if one.is_installed]

    def issue(self, given: Json, now: datetime) -> Json:
        """A token for all that was granted, or for the part that is asked for."""
        chosen = self._chosen(given)
        permissions = self._narrowed(given.get("permissions"))
        token = f"ghs_{secrets.token_urlsafe(27).replace('-', 'a').replace('_', 'b')}"
        expires = now + LIFETIME
        ids = frozenset(one.id for one in chosen)
        with self._lock:
            self._grants[token] = Grant(permissions, ids, expires)
        return {
            "token": token,
            "expires_at": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
            "permissions": permissions,
            "repository_selection": "selected",
            "repositories": [one.json() for one in chosen],
        }

    def grant(self, token: str, now: datetime) -> Grant:
        with self._lock:
            found = self._grants.get(token)
        if found is None or now >= found.expires:
            raise Refused(401, BAD_CREDENTIALS)
        return found

    def forget(self) -> None:
        """Every token that was given is no longer good."""
        with self._lock:
            self._grants.clear()

    def _chosen(self, given: Json) -> list[Repository]:
        names, ids = given.get("repositories"), given.get("repository_ids")
        if names is None and ids is None:
            return self.repositories()
        wanted = {*_listed(names, str), *_listed(ids, int)}
        chosen = [
            one
            for one in self.repositories()
            if one.id in wanted or one.name.lower() in _lower(wanted)
        ]
        if not wanted or len(chosen) != len(wanted):
            raise Refused(
                422,
                "There is at least one repository that does not exist or is not "
                "accessible to the parent installation.",
            )
        return chosen

    def _narrowed(self, given: object) -> dict[str, str]:
        if given is None:
            return dict(self.permissions)
        if not isinstance(given, dict):
            raise Refused(422, "Invalid request.\n\n'permissions' is not an object.")
        for name, level in given.items():
            granted = _LEVELS.get(self.permissions.get(str(name), ""), 0)
            wanted = _LEVELS.get(level, 0) if isinstance(level, str) else 0
            if not 0 < wanted <= granted:
                raise Refused(
                    422,
                    "The permissions requested are not granted to this installation.",
                )
        # everybody may know that a repository is there
        return {"metadata": "read", **given}

    def json(self) -> Json:
        owner = repository.SHOP
        return {
            "id": self.id,
            "app_id": self.app_id,
            "app_slug": self.slug,
            "account": owner.json()["owner"],
            "target_id": owner.owner_id,
            "target_type": "Organization",
            "repository_selection": "selected",
            "permissions": self.permissions,
            "events": [],
            "suspended_at": None,
        }


def _listed(given: object, kind: type) -> list[Any]:
    if given is None:
        return []
    is_list = isinstance(given, list)
    if not isinstance(given, list) or not all(type(one) is kind for one in given):
        named = "an array" if not is_list else f"an array of {kind.__name__}"
        raise Refused(422, f"Invalid request.\n\nRepositories are not {named}.")
    return given


def _lower(wanted: Iterable[object]) -> set[str]:
    return {one.lower() for one in wanted if isinstance(one, str)}
