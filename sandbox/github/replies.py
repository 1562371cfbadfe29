"""What the API answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    status: int
    body: Json | None = None
    """None: there is no content."""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0
    """It comes so late."""
    is_lost: bool = False
    """It never comes: the connection is dropped."""

    @property
    def content(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body).encode()

    @property
    def message(self) -> str:
        return str((self.body or {}).get("message", ""))


class Refused(Exception):  # noqa: N818 - a refusal is GitHub's answer, and no error of ours
    """The request is not carried out."""

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.reply = Reply(status, refusal(status, message), headers or {})


def refusal(status: int, message: str) -> Json:
    return {
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
    }


NOT_FOUND = "Not Found"
NOT_ACCESSIBLE = "Resource not accessible by integration"
BAD_CREDENTIALS = "Bad credentials"
