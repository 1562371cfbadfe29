"""Answers of Jira's that a mishap prepares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArmedAnswer:
    """What the add-on gets instead of an answer, once."""

    status: int
    """0: the true answer, but late."""
    retry_after: int = 0
    delay: float = 0.0

    @property
    def words(self) -> str:
        if not self.status:
            return f"the true one, {self.delay:g} s late"
        wait = f" with Retry-After: {self.retry_after}" if self.retry_after else ""
        return f"{self.status}{wait}"
