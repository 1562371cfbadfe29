"""GitHub outside, whose builds call the add-on."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import Flask

from app.http import Request, Response, SendError
from sandbox.github import GitHub
from tests.functional.fakes import Answer, Clock, Wire, call

Heard = tuple[str, str, Mapping[str, str], bytes]


def open_github(
    clock: Clock, addon: Mapping[str, Flask], wire: Wire, heard: list[Heard]
) -> GitHub:
    """Put GitHub on the wire, API and issuer at their true addresses."""

    def transport(
        method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        heard.append((method, url, headers, body))
        answer = call(addon["app"], method, url, headers, body)
        return answer.status, answer.body

    github = GitHub(now=clock, transport=transport, background=False)

    def outside(request: Request) -> Answer:
        reply = github.call(request.method, request.url, request.headers, request.body)
        if reply.is_lost or reply.seconds:
            return SendError("no answer in time", sent=True)
        headers = {"Content-Type": "application/json", **reply.headers}
        return Response(status=reply.status, headers=headers, body=reply.content)

    for url in (github.api_url, github.issuer_url):
        wire.elsewhere[urlsplit(url).hostname or ""] = outside
    return github
