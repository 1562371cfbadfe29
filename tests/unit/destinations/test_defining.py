"""What an admin may say of a destination."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.destinations import Definition
from app.destinations.defining import reaches_another

GOOD: dict[str, Any] = {
    "name": "Deploy",
    "url": "https://deploy.example/in",
    "project_ids": ["10000"],
}


def problem_of(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Definition(**(GOOD | changes))
    [error] = caught.value.errors()
    return f"{error['loc'][0]}: {error['msg']}"


@pytest.mark.parametrize(
    "url",
    [
        "https://deploy.example/{{ issue.key }}",
        "https://{% if x %}a{% endif %}.example/",
        "https://deploy.example/in#part",
        "https://dëploy.example/",
        "https://deploy.example/\r\nHost: evil",
        "",
        "https://deploy.example/" + "x" * 2000,
    ],
)
def test_t7_address_is_whole_and_the_admins(url: str) -> None:
    assert problem_of(url=url).startswith("url: ")


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "HOST",
        "content-length",
        "Transfer-Encoding",
        "Proxy-Authorization",
        "proxy-anything",
        "webhook-signature",
        "Idempotency-Key",
        "X Y",
        "X\r\nY",
        "X:",
        "",
        "Ä",
        "x" * 65,
    ],
)
def test_header_of_ours_or_no_header_is_refused(name: str) -> None:
    assert problem_of(headers={name: "value"}).startswith("headers: ")


@pytest.mark.parametrize(
    "value",
    ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "ä", "", "x" * 2049],
)
def test_header_value_is_one_plain_line(value: str) -> None:
    assert problem_of(headers={"X-Key": value}).startswith("headers: ")


def test_headers_are_few_and_each_stands_once() -> None:
    assert "at most 10" in problem_of(headers={f"X-{n}": "v" for n in range(11)})
    assert "twice" in problem_of(headers={"X-Key": "v", "x-key": "w"})


def test_header_may_keep_its_value() -> None:
    assert Definition(**GOOD, headers={"X-Key": None}).headers == {"X-Key": None}


def test_t8_header_values_are_not_in_the_repr() -> None:
    assert "s3cret" not in repr(Definition(**GOOD, headers={"X-Key": "s3cret"}))


@pytest.mark.parametrize("ids", [[], ["DEMO"], ["-1"], ["1" * 20], ["\u0661"]])
def test_t7_projects_are_numbers_and_never_none(ids: list[str]) -> None:
    assert problem_of(project_ids=ids).startswith("project_ids: ")


def test_projects_stand_once() -> None:
    found = Definition(**(GOOD | {"project_ids": ["2", "1", "2"]}))

    assert found.project_ids == ("2", "1")


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "two words"},
        {"audience": "a" * 181},
        {"name": "  "},
        {"per_minute": 0},
        {"signing": "none"},
        {"pace": "never"},
        {"secret": "x"},
    ],
)
def test_other_nonsense_is_refused_by_name(changes: dict[str, Any]) -> None:
    assert problem_of(**changes).startswith(next(iter(changes)) + ": ")


@pytest.mark.parametrize(
    ("new", "is_another"),
    [
        ("https://deploy.example/elsewhere?x=1", False),
        ("https://DEPLOY.example:443/in", False),
        ("http://deploy.example/in", True),
        ("https://deploy.example:8443/in", True),
        ("https://deploy.example.evil/in", True),
    ],
)
def test_t8_another_machine_is_known(new: str, is_another: bool) -> None:  # noqa: FBT001 -- a case
    assert reaches_another(GOOD["url"], new) is is_another
