"""Jira expressions, as far as the sandbox knows them; all the rest is an error."""

from typing import Any

import pytest

from sandbox import expressions
from sandbox.expressions import ExpressionError, Record
from tests.sandbox.stand_in import HOLD

ROLES = [Record(id=10002, name="Administrators"), Record(id=10003, name="Developers")]
SCOPE = {
    "user": Record(accountId="a-1", getProjectRoles=lambda _: ROLES),
    "project": Record(id=10000, key="DEMO"),
    "issue": Record(labels=["release"], status=Record(id=10005, name="Deploying")),
    "config": {"account": "a-1", "role": 10002, "no": None, "yes": True},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("user.accountId == config.account", True),
        ("user.accountId != config.account", False),
        ("user != null && config.no == null", True),
        ("config.nothing == null", True),
        ("null == null || user.nothing == 1", True),
        ("project.id == 10000 && project.key == 'DEMO'", True),
        ('project.key == "demo"', False),
        ("project.id == '10000'", False),
        ("config.yes == 1", False),
        ("(1 == 2 || 1 == 1) && 2 == 2", True),
        ("1 == 2 || 1 == 1 && 1 == 2", False),
        ("issue.status.name == 'Deploying'", True),
        ("issue.labels.includes('release')", True),
        ("issue.labels.includes('relea')", False),
        ("user.getProjectRoles(project).map(r => r.id)", [10002, 10003]),
        ("user.getProjectRoles(project).map(r => r.id).includes(10003)", True),
        ("user.getProjectRoles(project).map(r => r.name).includes(config.role)", False),
        ("1.5 == 1.5", True),
        (HOLD, True),
    ],
)
def test_what_it_knows(text: str, value: object) -> None:
    assert expressions.evaluate(text, dict(SCOPE)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user.",
        "user == ",
        "user.password == null",
        "user.getProjectRoles == null",
        "nobody != null",
        "config.role && 1 == 1",
        "1 || 1 == 1",
        "config.nothing.deeper == null",
        "config.getProjectRoles(project)",
        "issue.labels.map(r => r.id)",
        "issue.includes('x')",
        "issue.labels.filter(l => l == 'x')",
        "user.getProjectRoles()",
        "true",
        "!(1 == 2)",
        "1 < 2",
        "1 === 1",
        "user.accountId = 'a-1'",
        "__import__('os').system('true')",
        "user.__class__ == null",
        "issue['labels']",
        "user.accountId == `a-1`",
        "1 == 1 1",
        "(1 == 1",
        "(" * 100 + "1 == 1" + ")" * 100,
        "1 == 1 || " * 400 + "1 == 1",
    ],
)
def test_what_it_refuses(text: str) -> None:
    with pytest.raises(ExpressionError):
        expressions.evaluate(text, dict(SCOPE))


def test_what_is_not_reached_is_not_worked_out() -> None:
    scope: dict[str, Any] = {"user": None, "config": {}}
    text = "user != null && user.accountId == config.account"
    assert expressions.evaluate(text, scope) is False
