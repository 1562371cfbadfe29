"""A Jira with our condition on the ways out of a hold, as far as gates are judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.rules import soundness

ACCOUNT = "app-account"
KEY = "countersign-hold"


def condition(
    value: object = None, *, key: str = KEY, transition: str = "41", **more: Any
) -> dict[str, Any]:
    """Return one condition as Jira's inventory has it."""
    text = soundness.config_of(ACCOUNT, None) if value is None else value
    return {
        "id": f"c-{transition}",
        "key": key,
        "configuration": {"value": text, **more},
        "transition": {"id": int(transition), "name": f"Way {transition}"},
    }


def workflow(
    *conditions: Mapping[str, Any], name: str = "W", draft: bool = False
) -> dict[str, Any]:
    return {
        "workflowId": {"name": name, "draft": draft},
        "conditions": list(conditions),
    }


@dataclass
class FakeJira:
    """Answers what was written down beforehand, and keeps what was stored."""

    workflows: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, object]] = field(default_factory=list)
    stored: list[tuple[str, str, Any]] = field(default_factory=list)
    is_self_managed: bool = False

    def own_account(self) -> str:
        return ACCOUNT

    def rule_inventory(self, kind: str) -> list[dict[str, Any]]:
        assert kind == "condition"
        return self.workflows

    def get(self, path: str, query: Mapping[str, str]) -> Any:
        self.asked.append((path, dict(query)))
        return self.answers[path]

    def call(self, method: str, path: str, *, body: Any) -> Any:
        self.stored.append((method, path, body))
        return self.answers.get(path)
