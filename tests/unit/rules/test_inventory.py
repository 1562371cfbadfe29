"""T1: a rule is carried out only if Jira has it, and Jira is not asked too often."""

import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from app import rules
from app.jira import Jira, JiraError
from app.rules import Entry, Inventory, InventoryBusyError
from app.rules import inventory as inventory_module

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
TENANT, OTHER_TENANT = uuid.UUID(int=1), uuid.UUID(int=2)
TEXT = '{"v":1,"id":"r_1"}'
HASH = rules.rule_hash(TEXT)


def workflow(
    text: object = TEXT, *, name: str = "W", key: str = "countersign-rule", **more: Any
) -> dict[str, Any]:
    disabled = more.get("disabled", False)
    return {
        "workflowId": {"name": name, "draft": more.get("draft", False)},
        "postFunctions": [
            {
                "id": "uuid",
                "key": key,
                "configuration": {
                    "value": text,
                    "disabled": disabled,
                },
                "transition": {"id": 21, "name": "Start"},
            }
        ],
    }


@dataclass
class FakeJira:
    """Jira as far as the inventory goes."""

    pages: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    error: Exception | None = None
    seconds: float = 0
    own_rules: None = None
    """Only a self-managed site has rules that are ours."""

    def rule_inventory(self) -> list[dict[str, Any]]:
        self.asked += 1
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return self.pages


@pytest.fixture
def jira() -> FakeJira:
    return FakeJira([workflow()])


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


@dataclass
class Asking:
    """Asks as the worker does; `late` seconds after the start, for a call just in."""

    inventory: Inventory
    jira: FakeJira

    def __call__(
        self,
        text_hash: str = HASH,
        *,
        late: float = 0,
        received: float | None = None,
        tenant: uuid.UUID = TENANT,
        workflow: str = "W",
    ) -> Sequence[Entry]:
        since = late if received is None else received
        return self.inventory.find(
            tenant,
            cast("Jira", self.jira),
            workflow=workflow,
            text_hash=text_hash,
            received=NOW + timedelta(seconds=since),
            now=NOW + timedelta(seconds=late),
        )


@pytest.fixture
def find(inventory: Inventory, jira: FakeJira) -> Asking:
    return Asking(inventory, jira)


def test_t1_a_rule_that_jira_has_is_found(find: Asking) -> None:
    assert find() == [
        Entry(
            workflow="W",
            transition_id="21",
            transition_name="Start",
            text=TEXT,
            hash=HASH,
        )
    ]


def test_rule_that_was_never_saved_is_found_as_an_empty_one(
    find: Asking, jira: FakeJira
) -> None:
    """So that its calls end as failed runs, and not as forgeries."""
    jira.pages = [workflow(None)]

    [entry] = find(rules.rule_hash(""))

    assert entry.text == ""


def test_t1_jiras_text_is_compared_by_content(find: Asking, jira: FakeJira) -> None:
    jira.pages = [workflow('{ "id": "r_1",\n"v": 1 }')]

    assert len(find()) == 1


@pytest.mark.parametrize(
    "page",
    [
        workflow('{"v":1,"id":"r_2"}'),
        workflow(name="Another workflow"),
        workflow(key="somebody-elses-rule"),
        workflow(key="countersign-rule-2"),
        workflow(key="xcountersign-rule"),
        workflow(disabled=True),
        workflow(draft=True),
        workflow(None),
        {"workflowId": {"name": "W"}, "postFunctions": [{"key": "countersign-rule"}]},
        {"workflowId": {"name": "W"}},
    ],
)
def test_t1_what_jira_does_not_have_is_not_found(
    find: Asking, jira: FakeJira, page: dict[str, Any]
) -> None:
    jira.pages = [page]

    assert find() == ()


def test_the_classic_form_of_the_module_key_is_ours(
    find: Asking, jira: FakeJira
) -> None:
    jira.pages = [workflow(key="com.atlassian.x__countersign-rule")]

    assert len(find()) == 1


def test_one_rule_on_several_transitions_has_several_entries(
    find: Asking, jira: FakeJira
) -> None:
    jira.pages = [workflow(), workflow(), workflow(name="Copy")]

    assert len(find()) == 2


def test_what_was_read_is_kept_for_a_while(find: Asking, jira: FakeJira) -> None:
    find()
    find(late=299)
    assert jira.asked == 1

    find(late=300)
    assert jira.asked == 2


def test_t1_a_rule_published_since_is_found_by_one_more_look(
    find: Asking, jira: FakeJira
) -> None:
    find()
    jira.pages = [workflow('{"new":1}')]

    assert len(find(rules.rule_hash('{"new":1}'), late=60)) == 1
    assert jira.asked == 2


def test_t1_swapped_bodies_cannot_make_us_hammer_jira(
    find: Asking, jira: FakeJira
) -> None:
    find()
    for number in range(1000):
        with pytest.raises(InventoryBusyError) as caught:
            find(f"swapped {number}", late=4)
        assert caught.value.wait == timedelta(seconds=6)
    assert jira.asked == 1

    assert find("swapped", late=10) == ()
    assert jira.asked == 2


def test_what_was_read_after_the_call_came_is_the_answer(
    find: Asking, jira: FakeJira
) -> None:
    find(late=20)

    assert find("unknown", received=10, late=21) == ()
    assert find("unknown", received=10, late=200) == ()
    assert jira.asked == 1


def test_clocks_may_differ_a_little(find: Asking) -> None:
    find(late=20)

    for received in (19, 18):
        with pytest.raises(InventoryBusyError):
            find("unknown", received=received, late=21)
    assert find("unknown", received=17, late=21) == ()


def test_admin_sees_what_he_published_a_moment_ago(
    inventory: Inventory, jira: FakeJira
) -> None:
    def listed(late: float) -> list[str]:
        now = NOW + timedelta(seconds=late)
        found = inventory.listed(TENANT, cast("Jira", jira), now=now)
        return [entry.workflow for entry in found]

    assert listed(0) == ["W"]
    jira.pages = [workflow(), workflow(name="Copy")]
    assert listed(1.9) == ["W"]
    assert listed(2) == ["W", "Copy"]
    assert jira.asked == 2


def test_what_jira_leaves_out_is_empty(jira: FakeJira) -> None:
    page = workflow()
    del page["postFunctions"][0]["transition"], page["workflowId"]
    jira.pages = [page]

    [entry] = inventory_module.read(cast("Jira", jira))

    assert (entry.workflow, entry.transition_id, entry.transition_name) == (
        "None",
        "",
        "",
    )


def test_busy_inventory_says_when_to_ask_again() -> None:
    error = InventoryBusyError(timedelta(seconds=6))

    assert str(error) == "the rule inventory may be read again in 0:00:06"


def test_an_error_of_jiras_is_no_answer_and_not_remembered(
    find: Asking, jira: FakeJira
) -> None:
    jira.error = JiraError(503, "busy")
    with pytest.raises(JiraError):
        find()

    jira.error = None
    assert len(find(late=1)) == 1


def test_t5_tenants_know_nothing_of_each_other(
    inventory: Inventory, find: Asking
) -> None:
    empty = Asking(inventory, FakeJira())

    assert len(find()) == 1
    assert empty(tenant=OTHER_TENANT) == ()
    assert len(find()) == 1


def test_only_so_many_tenants_are_remembered(
    inventory: Inventory, jira: FakeJira, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_module, "MAX_TENANTS", 2)
    find = Asking(inventory, jira)

    for number in (1, 2, 1, 3, 1):
        find(tenant=uuid.UUID(int=number))
    assert jira.asked == 3

    find(tenant=uuid.UUID(int=2))
    assert jira.asked == 4


def test_many_threads_ask_jira_once(find: Asking, jira: FakeJira) -> None:
    jira.seconds = 0.05
    ready = threading.Barrier(8)

    def ask(_number: int) -> int:
        ready.wait()
        return len(find())

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))

    assert found == [1] * 8
    assert jira.asked == 1
