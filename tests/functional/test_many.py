"""A web server of several processes: what it answers itself, and what it tells."""

import json
import signal
import socket
import threading
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from app.web.headers import CLOSED, SAFE
from tests.functional.test_stopping import TRIGGERED, Site, installed, web_server
from tests.processes import Process, free_port

LONG = b"x" * 70_000


def asked(port: int, sent: bytes) -> tuple[int, bytes, dict[str, str]]:
    """Send bytes as they are; return the one answer."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as by:
        by.sendall(sent)
        answer = HTTPResponse(by)
        answer.begin()
        return answer.status, answer.read(), dict(answer.getheaders())


def called(site: Site, port: int, number: int) -> int:
    client = HTTPConnection("127.0.0.1", port, timeout=20)
    body, headers = site.signed(number)
    client.request("POST", TRIGGERED, body, headers)
    status = client.getresponse().status
    client.close()
    return status


def metric(port: int, name: str) -> float:
    status, body, _ = asked(port, b"GET /metrics HTTP/1.0\r\n\r\n")
    assert status == 200
    lines = body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_several_processes_answer_as_one_does(tmp_path: Path) -> None:
    with installed(f"sqlite:///{tmp_path}/app.sqlite", tmp_path) as site:
        port = free_port()
        env = site.env | {"COUNTERSIGN_WEB_PROCESSES": "2"}
        with web_server("web", env, tmp_path, port) as web:
            web.wait_until_answers(f"http://127.0.0.1:{port}/readyz")
            see_refusals(port)
            see_whose_routes(port)
            see_calls(site, port)
            web.popen.send_signal(signal.SIGTERM)
            assert web.popen.wait(10) == 0, web.tail()
        said = quiet(web)
    assert "Traceback" not in said
    assert "xxxx" not in said


def quiet(web: Process) -> str:
    return web.log.read_text(encoding="utf-8")


def see_refusals(port: int) -> None:
    """What is no request is told no more than that, with the headers of all answers."""
    for sent, status, code in (
        (b"NONSENSE\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + LONG + b"\r\n\r\n", 431, "headers"),
        (b"GET /" + LONG + b" HTTP/1.1\r\n\r\n", 414, "too-long"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: odd\r\n\r\n", 501, "not-implemented"),
    ):
        found, body, headers = asked(port, sent)
        assert found == status, body
        assert json.loads(body)["error"].startswith(code)
        assert (SAFE | CLOSED).items() <= headers.items()


def see_whose_routes(port: int) -> None:
    """T0b. Attack: a header of a stranger's changes which route an address means.

    It comes from this machine, as from a proxy that passes everything on.
    """
    sent = b"GET /x/healthz HTTP/1.1\r\nHost: a\r\nSCRIPT_NAME: /x\r\n\r\n"
    status, body, _ = asked(port, sent)
    assert status == 404, body
    # Jira's token stands in a page's address, and may have 8 kB with the rest of it.
    sent = b"GET /healthz?jwt=" + b"x" * 8000 + b" HTTP/1.0\r\n\r\n"
    status, body, _ = asked(port, sent)
    assert status == 200, body


def see_calls(site: Site, port: int) -> None:
    """Whichever process a call comes to, it is recorded, and counted for all."""
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: statuses.append(called(site, port, n)))
        for n in range(100, 140)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses == [204] * 40
    assert len(site.runs()) == 40
    accepted = 'countersign_verifications_total{outcome="accepted"'
    assert metric(port, accepted) == pytest.approx(40)
