"""Opens pages and asks for their fragments, as Jira's frames do."""

import json
import re
import uuid

from app.http import Response
from app.runs import Call
from app.tenants import Door
from app.worker import Worker
from sandbox import people
from tests.functional.callers import Caller
from tests.functional.conftest import BASE_URL
from tests.functional.fakes import call

API = "/api/v1"
EDITOR = f"{API}/pages/rule-editor"
VIEW = f"{API}/pages/rule-view"
CHECK = f"{API}/rules/check"
CONFIG = f"{API}/pages/overview"
START = "Start progress"
NEW = {
    "v": 1,
    "id": "r_new",
    "name": "Deploy",
    "steps": [{"do": "add-comment", "body": "Hello"}],
    "on_failure": {"mode": "report", "comment": True},
}


def opened(caller: Caller, path: str, user: str = "ada") -> Response:
    """Open a page as Jira's iframe does."""
    person = people.named(user).account_id
    token = caller.url_bound("GET", path, sub=person)
    return call(caller.app, "GET", f"{BASE_URL}{path}?jwt={token}", {}, b"")


def post(caller: Caller, path: str, body: object, user: str = "ada") -> Response:
    sent = json.dumps(body).encode()
    return caller.send("POST", path, token=caller.context(user), body=sent)


def text(answer: Response) -> str:
    return answer.body.decode()


def shown(caller: Caller) -> str:
    """Return the overview, its white space evened out."""
    answer = caller.send("GET", CONFIG, token=caller.context())
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def page_at(caller: Caller, path: str, user: str = "ada") -> str:
    """Return a view of the configuration page, its white space evened out."""
    answer = fetched(caller, path, user)
    assert answer.status == 200
    return re.sub(r"\s+", " ", answer.body.decode())


def fetched(caller: Caller, path: str, user: str = "ada") -> Response:
    """Ask for a fragment, whatever comes of it."""
    return caller.send("GET", f"{API}/pages/{path}", token=caller.context(user))


def listed(page: str) -> list[uuid.UUID]:
    """Return the runs of a list, in its order."""
    return [uuid.UUID(found) for found in re.findall(r'data-item="([^"]+)"', page)]


def run_shown(caller: Caller) -> str:
    """Return the page of the newest run."""
    [newest, *_] = listed(page_at(caller, "runs"))
    return page_at(caller, f"runs/{newest}")


def carried_out(caller: Caller, worker: Worker, stored: str) -> None:
    """Let a transition with this rule happen, and the worker do its work."""
    caller.jira.add_post_function(START, stored)
    caller.jira.set_status("DEMO-1", "To Do")
    caller.jira.transition("DEMO-1", START)
    caller.jira.deliver_pending()
    worker.drain()


def call_about(tenant_id: uuid.UUID, number: int) -> Call:
    """Return a call about an issue of this number, which nobody looked into."""
    return Call(
        door=Door.CONNECT,
        tenant_id=tenant_id,
        token_hash="t",
        raw_body=str(number).encode(),
        issue_id=str(number),
        config="",
        rule_hash="",
        unverified_hint={},
        webhook_id=None,
    )
