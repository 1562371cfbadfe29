"""`python -m bench.carrying.stand_in PORT`: answers like Jira, and does nothing.

It keeps no state, judges no token and says of every issue that it has just been moved:
the sandbox, which does all that in Python, takes more time for a run than we do.
"""

import asyncio
import json
import re
import sys
from datetime import UTC, datetime

from app.connect import descriptor
from bench.hooks import calls

WORKFLOW, TRANSITION = "Bench workflow", {"id": "11", "name": "Release"}
FROM, TO = ("3", "In review"), ("5", "Done")
NUMBER = calls.NUMBER.encode()

_ISSUE = re.compile(rb"(GET|POST) /rest/api/3/issue/(\d+)(/comment)?")


def _answer(value: object, status: str = "200 OK") -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def issue() -> bytes:
    """Return an issue that moved now, with ten zeros where its number goes."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    item = {
        "field": "status",
        "fieldId": "status",
        "from": FROM[0],
        "fromString": FROM[1],
        "to": TO[0],
        "toString": TO[1],
    }
    person = {"accountId": "5b10ac8d82e05b22cc7d4ef5", "displayName": "Ada"}
    moved = {"id": calls.NUMBER, "created": now, "author": person, "items": [item]}
    written = json.loads(calls.body())["issue"]
    fields = written["fields"] | {
        "status": {"id": TO[0], "name": TO[1]},
        "created": now,
        "updated": now,
        "creator": person,
    }
    return _answer(
        written
        | {"fields": fields, "changelog": {"histories": [moved]}, "properties": {}}
    )


def _inventory() -> bytes:
    function = {
        "id": "1",
        "key": descriptor.POST_FUNCTION,
        "configuration": {"value": calls.RULE},
        "transition": TRANSITION,
    }
    workflow = {
        "workflowId": {"name": WORKFLOW, "draft": False},
        "postFunctions": [function],
    }
    return _answer({"values": [workflow], "isLast": True})


class StandIn(asyncio.Protocol):
    """One connection of a worker's."""

    inventory = _inventory()
    issue = issue()
    comment = _answer({"id": "1"}, "201 Created")
    account = _answer({"accountId": "account-of-the-add-on"})
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data
        head, end, rest = self.heard.partition(b"\r\n\r\n")
        if not end:
            return
        found = re.search(rb"(?i)content-length: *(\d+)", head)
        if len(rest) < int(found[1] if found else 0):
            return
        self.heard = b""
        self.transport.write(self._answer(head))

    def _answer(self, head: bytes) -> bytes:
        if found := _ISSUE.match(head):
            if found[3]:
                return self.comment
            return self.issue.replace(NUMBER, found[2])
        if head.startswith(b"GET /rest/api/3/workflow/rule/config"):
            return self.inventory
        if head.startswith(b"GET /rest/api/3/myself"):
            return self.account
        return _answer({"errorMessages": ["the stand-in has no such thing"]}, "404 No")


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(StandIn, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
