"""What Jenkins tells of a build: while it queues, while it runs, and once it ended.

A build has no number before it begins, and its place in the queue is forgotten minutes
after that. But each build keeps the number of its place, which so names it all along.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from app.destinations import asking
from app.destinations.attempting import Line, Target
from app.destinations.findings import Finding, Sight
from app.destinations.jenkins_answers import PARAMETER
from app.http import Request

NEWEST = 50
"""Builds of the job among which one is looked for."""

_SECONDS = 8
"""Of one question; four of them are asked between two renewals of a run's lease."""

_PARAMETERS = "actions[parameters[name,value]]"
_ENDS = frozenset({"SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"})


@dataclass(frozen=True, kw_only=True)
class Builds:
    """One job's builds, asked for with its user's token."""

    target: Target[Any, Any]
    line: Line
    root: str
    job: str
    headers: Mapping[str, str] = field(repr=False)

    def of_delivery(self, delivery_id: uuid.UUID) -> Sight | None:
        """Find what has the delivery's id in its parameter.

        The queue first: what leaves it meanwhile is a build by the time we look there.
        """
        tree = f"items[id,{_PARAMETERS}]"
        for item in self._rows(f"{self.root}/queue", tree, "items"):
            if _is_of(item, delivery_id) and _is_number(item.get("id")):
                return Sight(reference=str(item["id"]), url=f"{self.job}/")
        tree = f"builds[number,queueId,{_PARAMETERS}]{{0,{NEWEST}}}"
        for build in self._rows(self.job, tree, "builds"):
            if _is_of(build, delivery_id) and _is_number(build.get("queueId")):
                return Sight(reference=str(build["queueId"]), url=self._page(build))
        return None

    def end_of(self, place: int) -> Finding | None:
        """Say how the build ended that had this place in the queue."""
        item = self._read(
            f"{self.root}/queue/item/{place}", "cancelled,executable[number]"
        )
        if item is None:
            # Forgotten, or nobody answers.
            return self._end_of_forgotten(place)
        if item.get("cancelled") is True:
            words = "Jenkins says that it was cancelled while it was in the queue"
            return Finding(succeeded=False, words=words, url=f"{self.job}/")
        begun = item.get("executable")
        number = begun.get("number") if isinstance(begun, dict) else None
        if not _is_number(number):
            return None
        # Not `executable.url`: what Jenkins takes for its address may be another
        # machine, which must not get the token (rule T8).
        build = self._read(f"{self.job}/{number}", "number,building,result")
        return None if build is None else self._end(build)

    def _end_of_forgotten(self, place: int) -> Finding | None:
        tree = f"builds[number,queueId,building,result]{{0,{NEWEST}}}"
        for build in self._rows(self.job, tree, "builds"):
            if build.get("queueId") == place:
                return self._end(build)
        return None

    def _end(self, build: Mapping[str, Any]) -> Finding | None:
        result = build.get("result")
        if build.get("building") is not False or result not in _ENDS:
            return None
        return Finding(
            succeeded=result == "SUCCESS",
            words=f"Jenkins says that the build ended with “{result}”",
            url=self._page(build),
        )

    def _page(self, build: Mapping[str, Any]) -> str:
        number = build.get("number")
        return f"{self.job}/{number}/" if _is_number(number) else f"{self.job}/"

    def _rows(self, where: str, tree: str, name: str) -> list[dict[str, Any]]:
        found = self._read(where, tree) or {}
        return asking.as_objects(found.get(name))

    def _read(self, where: str, tree: str) -> dict[str, Any] | None:
        request = Request(
            method="GET",
            url=f"{where}/api/json?tree={quote(tree, safe='')}",
            headers=self.headers,
            seconds=_SECONDS,
        )
        found = asking.read(self.target, request, self.line)
        return found if isinstance(found, dict) else None


def _is_of(found: Mapping[str, Any], delivery_id: uuid.UUID) -> bool:
    return any(
        given.get("name") == PARAMETER and str(delivery_id) in str(given.get("value"))
        for given in _parameters(found)
    )


def _parameters(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for action in asking.as_objects(found.get("actions")):
        yield from asking.as_objects(action.get("parameters"))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
