"""The server that tests run in their own process leaves nothing open."""

import io
import socket
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.wsgi import wrap_file

from tests.serving import serving

MORE_THAN_A_SOCKET_HOLDS = 8_000_000


def test_file_of_an_answer_that_nobody_waits_for_is_closed() -> None:
    file = io.BytesIO(bytes(MORE_THAN_A_SOCKET_HOLDS))
    asked = threading.Event()

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/css")])
        asked.set()
        return wrap_file(environ, file)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = listening.getsockname()
        with socket.create_connection(where) as browser, serving(app, listening):
            browser.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert asked.wait(5)
    assert file.closed
