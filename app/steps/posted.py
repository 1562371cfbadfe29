"""Jira as a viewer's own page read it and posted it: for a preview, and nothing else.

There is no network in here, so whatever is tried on it changes nothing (rule T9).
Attack: the documents are the viewer's claims. They are shown to the viewer again, and
nothing of them is stored, signed or acted upon.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from app.jira import Issue
from app.steps.base import StepError


class UnknowableError(StepError):
    """Only Jira could say, and a preview asks Jira nothing."""

    def __init__(self, what: str = "Jira is asked for more then") -> None:
        super().__init__(f"the preview cannot know this: {what}")


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What a step may read of Jira in a preview."""

    read: Issue
    documents: Mapping[str, Any]
    """By the paths that steps read them from."""

    def issue(self, issue_id: str, *, properties: str = "") -> Issue:
        del properties
        if issue_id != self.read.id:
            raise UnknowableError
        return self.read

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        if query or path not in self.documents:
            raise UnknowableError
        return self.documents[path]

    def call(self, method: str, path: str, *, body: Any = None) -> NoReturn:  # noqa: ANN401
        del method, path, body
        raise UnknowableError
