"""The descriptor that Jira reads when the app is installed."""

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "atlassian-connect.json"

POST_FUNCTION = "countersign-rule"
"""The module key of our post function; Jira's rule inventory names it."""

CONDITION = "countersign-hold"
"""The module key of our condition: only we, and perhaps a role, may move it on."""


def render(base_url: str, app_key: str) -> dict[str, Any]:
    """Return the descriptor with what only the operator knows filled in."""
    descriptor: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    own = f"{base_url}/atlassian-connect.json"
    return descriptor | {
        "key": app_key,
        "baseUrl": base_url,
        "links": {"self": own},
        "vendor": descriptor["vendor"] | {"url": base_url},
    }
