"""The connector that docs/connectors.md shows is one, as it stands there."""

import re
from typing import Any

from app.destinations import Connector
from app.web import controls
from tests.shared import ROOT
from tests.unit.destinations.building import delivery, target

PAGE = ROOT / "docs" / "connectors.md"


def documented() -> Connector[Any, Any]:
    [text] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "app.destinations.ntfy"}
    exec(compile(text, str(PAGE), "exec"), names)  # noqa: S102 -- our own page
    made = names["Ntfy"]()
    assert isinstance(made, Connector)
    return made


def test_it_sends_what_it_says_and_hides_its_token() -> None:
    ntfy = documented()
    where = target(ntfy, {"topic": "deploys"}, {"token": "tk_a-long-secret"})
    said = delivery(text="Done", is_answered=False)

    body = ntfy.body(where.settings, said, base_url="")
    signed = ntfy.prepare(where, said, body.encode(), base_url="", now=said.at)

    assert signed.request.url == "https://ntfy.sh/deploys"
    assert signed.request.body == b"Done"
    assert signed.request.headers["Authorization"] == "Bearer tk_a-long-secret"
    assert "tk_a-long" not in signed.head
    assert [each.key for each in controls.of(ntfy.settings_form, {})] == ["topic"]
