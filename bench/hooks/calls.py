"""Jira's calls, made beforehand: a token for each, and a body of 2.5 kB.

The sandbox signs, by its own code. Tokens are whole seconds old, so that thousands of
a hundred sites are all different and all good for most of an hour.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox import qsh, tokens

TENANTS = 100
AGES = 600
"""Seconds: the oldest token was made so long ago."""

LIFETIME = 3600
NUMBER = "0000000000"
"""Stands in the body wherever the issue's number goes."""

FIRST = 1_000_000_000
"""The least number of an issue, as long as what stands for it."""

RULE = json.dumps(
    {
        "v": 1,
        "id": "r_bench",
        "name": "Release",
        "steps": [{"do": "add-comment", "body": "Released {{ issue.key }}"}],
        "on_failure": {"mode": "report", "comment": True},
    }
)
_TEXT = "Release train of this week; smoke tests are green on staging. "
_PERSON = {
    "accountId": "5b10ac8d82e05b22cc7d4ef5",
    "displayName": "Ada",
    "active": True,
    "timeZone": "Europe/Berlin",
    "accountType": "atlassian",
}


def client_key(number: int) -> str:
    """Return the name of a site; those of `flask_by_hand.py` are the same."""
    return f"tenant-{number}"


def secret(number: int) -> str:
    """Return what this site shares with us, and with each of the others."""
    return f"secret-{number}-0123456789abcdef0123456789abcdef"


def body() -> bytes:
    """Return what Jira sends, with `NUMBER` where the issue's number goes."""
    fields: dict[str, Any] = {
        "summary": "Ship invoice service 2.4.0 to production",
        "description": _TEXT * 18,
        "status": {"id": "3", "name": "In review", "statusCategory": {"id": 4}},
        "priority": {"id": "2", "name": "High"},
        "issuetype": {"id": "10001", "name": "Story", "subtask": False},
        "project": {"id": "10000", "key": "BENCH", "name": "Bench"},
        "labels": ["release"],
        "assignee": _PERSON,
        "reporter": _PERSON,
        "creator": _PERSON,
        "created": "2026-11-02T09:12:11.120+0000",
        "updated": "2026-11-30T11:40:01.911+0000",
    }
    issue = {
        "id": NUMBER,
        "key": f"BENCH-{NUMBER}",
        "self": f"https://bench.atlassian.net/rest/api/2/issue/{NUMBER}",
        "fields": fields,
    }
    transition = {
        "workflowId": 21001,
        "workflowName": "Bench workflow",
        "transitionId": 11,
        "transitionName": "Release",
        "from_status": "In review",
        "to_status": "Done",
    }
    whole = {
        "issue": issue,
        "transition": transition,
        "configuration": {"value": RULE},
    }
    return json.dumps(whole).encode()


def made(target: str, *, now: datetime, sites: Iterable[int]) -> Iterator[str]:
    """Yield a token for a POST of `target` by each site, the older the later.

    Of one site no two are alike among the first 600, if all come equally often.
    """
    hashed, second = qsh.of("POST", target), int(now.timestamp())
    ages: Counter[int] = Counter()
    for number in sites:
        issued = second - ages[number] % AGES
        ages[number] += 1
        claims = {
            "iss": client_key(number),
            "iat": issued,
            "exp": issued + LIFETIME,
            "qsh": hashed,
        }
        yield tokens.sign(claims, secret(number))


def write(folder: Path, target: str, *, now: datetime, count: int) -> Path:
    """Write tokens for one address, a line each; return the file."""
    path = folder / f"tokens{target.replace('/', '-')}.txt"
    sites = (number % TENANTS for number in range(count))
    path.write_text("".join(f"{each}\n" for each in made(target, now=now, sites=sites)))
    return path
