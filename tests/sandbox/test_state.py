"""What is on disk: a restart goes on where the sandbox stopped."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

from sandbox import Jira, workflow
from sandbox.catalogue import WORKFLOW
from sandbox.world import Rule
from tests.sandbox.stand_in import StandIn


def test_restart_goes_on(
    make_jira: Callable[..., Jira], stand_in: StandIn, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "sandbox.json"
    first = make_jira(state_path=path)
    first.install()
    rule = first.add_post_function("Deploy", '{"v": 1}')
    issue = first.create_issue(summary="Kept")
    first.transition("DEMO-1", "Deploy")
    first.comment("DEMO-1", {**_document("Hi")})
    history = int(first.issue("DEMO-1").history[-1]["id"])

    second = make_jira(state_path=path)
    assert second.site.client_key == first.site.client_key
    assert second.site.shared_secret == first.site.shared_secret
    assert second.site.key == first.site.key
    assert second.site.installed
    assert second.issue(issue.key) == issue
    assert second.issue("DEMO-1") == first.issue("DEMO-1")

    another = second.create_issue(summary="Next")
    assert int(another.id) == int(issue.id) + 1
    second.transition("DEMO-4", "Deploy")
    assert int(second.issue("DEMO-4").history[-1]["id"]) > history
    second.deliver_pending()
    assert (
        rule.value == json.loads(stand_in.triggered()[-1][1])["configuration"]["value"]
    )


def test_file_is_whole_and_for_its_owner_only(
    make_jira: Callable[..., Jira], tmp_path: Path
) -> None:
    path = tmp_path / "sandbox.json"
    jira = make_jira(state_path=path)
    jira.transition("DEMO-1", "Deploy")
    assert json.loads(path.read_text())["issues"]["10100"]["status"] == "10003"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["sandbox.json"]


def test_restart_keeps_a_draft_a_draft(
    make_jira: Callable[..., Jira], tmp_path: Path
) -> None:
    path = tmp_path / "sandbox.json"
    jira = make_jira(state_path=path)
    place = workflow.Place(WORKFLOW, "31")
    workflow.add(jira.world, place, Rule("f-x", "rule", "x"))
    again = make_jira(state_path=path)
    assert again.world.state.workflows == jira.world.state.workflows


def test_reset_is_another_site(make_jira: Callable[..., Jira]) -> None:
    jira = make_jira()
    jira.install()
    before = jira.site.client_key, jira.site.shared_secret
    jira.create_issue()
    jira.reset()
    assert not jira.site.installed
    assert before[0] != jira.site.client_key
    assert before[1] != jira.site.shared_secret
    assert len(jira.world.state.issues) == 11


def _document(words: str) -> dict[str, object]:
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": words}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}
