"""What the other side needs, as text to copy, filled in for one destination."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    title: str
    text: str
