"""A web server of several processes, behind a proxy: by gunicorn.

One process of waitress is safe without a proxy and answers on one core. Gunicorn hands
a connection to a thread with less ado, and is what answers on all of them
(bench/LIMITS.md). But a slow body keeps a thread of its, so a proxy has to have the
whole of a request before it passes any of it on.
"""

import gc
import json
import logging
import os
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock

from app.settings import Settings
from app.web import left_out
from app.web.context import KEY, Web
from app.web.draining import ANSWER_SECONDS
from app.web.headers import CLOSED, SAFE
from app.web.looping import LoopWorker
from app.web.server import BACKLOG, CODES, CONNECTIONS, MAX_HEADERS

KEPT_SECONDS = 75
"""How long a proxy may keep a connection that says nothing: longer than proxies do."""

MAX_LINE = 8190
"""Bytes of a request line, the most that gunicorn counts; it is half of that unless we
say so, and a page's address has a token of up to 8 kB in it."""

STATUSES = (
    (LimitRequestLine, "414 URI Too Long"),
    (LimitRequestHeaders, "431 Request Header Fields Too Large"),
    (UnsupportedTransferCoding, "501 Not Implemented"),
)


def serve(settings: Settings, make: Callable[[], Flask]) -> None:
    """Serve what `make` makes, once in each process, until told to stop.

    Then every process says on `/readyz` that it is going, serves on for as long as the
    settings say, lets nobody in, answers what came before, and ends.
    """
    # What is loaded by now the processes share; nobody looks through it for garbage.
    gc.collect()
    gc.freeze()
    _Served(settings, make).run()


class _Served(BaseApplication):  # type: ignore[misc]  # gunicorn is untyped
    def __init__(self, settings: Settings, make: Callable[[], Flask]) -> None:
        self._settings, self._make = settings, make
        super().__init__()

    def load_config(self) -> None:
        settings, cfg = self._settings, cast("Config", self.cfg)
        chosen = {
            "bind": settings.listen,
            "backlog": BACKLOG,
            "workers": settings.web_processes,
            "threads": settings.web_threads,
            "worker_class": _Worker,
            "worker_connections": CONNECTIONS,
            "keepalive": KEPT_SECONDS,
            "graceful_timeout": int(settings.drain_seconds + ANSWER_SECONDS),
            # Forge lends us two tokens of up to 16 kB beside its own.
            "limit_request_field_size": MAX_HEADERS,
            "limit_request_line": MAX_LINE,
            "control_socket_disable": True,
            # Attack: a proxy on this machine passes on what a stranger sends. By the
            # header SCRIPT_NAME he would choose a part of the signed address that is
            # left out when we look for its route.
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "logger_class": _Log,
            "pre_fork": _begets,
            "post_fork": _begins,
            "worker_exit": _ended,
        }
        for name, value in chosen.items():
            cfg.set(name, value)

    def load(self) -> Flask:
        flask = self._make()
        flask.extensions["drain_seconds"] = self._settings.drain_seconds
        gc.collect()
        gc.freeze()
        return flask


class _Worker(LoopWorker):
    """One process of the server."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Say on `/readyz` that it is going, and go a little later."""
        if (web := _web_of(self)) is None or web.draining.is_set():
            super().handle_exit(sig, frame)
            return
        web.draining.set()
        # Whoever keeps a connection is told that there is no next answer on it.
        self.cfg.set("keepalive", 0)
        later = threading.Timer(
            self.wsgi.extensions["drain_seconds"], super().handle_exit, (sig, frame)
        )
        later.daemon = True
        later.start()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ANN401 -- gunicorn's own
        """Answer what is no request, or an error that no handler of ours saw.

        Gunicorn's answer says what was wrong with it, and lacks what each of ours has.
        """
        del req, addr
        status = "400 Bad Request"
        if not type(exc).__module__.startswith("gunicorn."):
            status = "500 Internal Server Error"
            self.log.error("bug: %s", type(exc).__name__, exc_info=exc)
        for kind, words in STATUSES:
            if isinstance(exc, kind):
                status = words
        code = CODES.get(int(status[:3]), "failed")
        body = json.dumps({"error": code}) + "\n"
        headers = {"Content-Type": "application/json"} | SAFE | CLOSED
        headers |= {"Content-Length": str(len(body)), "Connection": "close"}
        lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in headers.items())]
        write_nonblock(client, "\r\n".join([*lines, "", body]).encode())


class _Log(Logger):  # type: ignore[misc]  # gunicorn is untyped
    """Hands its lines on to our log: one form for all, and nobody's query in it."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)

    def access(self, *_: object) -> None:
        """Write nothing: a page's address has Jira's token in it."""


def _web_of(worker: Any) -> Web | None:  # noqa: ANN401 -- gunicorn's own
    flask = getattr(worker, "wsgi", None)
    return cast("Web", flask.extensions[KEY]) if isinstance(flask, Flask) else None


def _begets(arbiter: Any, worker: Any) -> None:  # noqa: ANN401 -- gunicorn's own
    """Choose a core for a process, one that no other has, if there is one for each.

    Only one thread of a process runs at a time. On two cores they hand over from one to
    the other, which costs a third of what the process could do.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == worker.cfg.workers:
        taken = {vars(other).get("core") for other in arbiter.WORKERS.values()}
        worker.core = next((core for core in cores if core not in taken), None)


def _begins(_: object, worker: Any) -> None:  # noqa: ANN401 -- gunicorn's own
    if (core := vars(worker).get("core")) is not None:
        os.sched_setaffinity(0, {core})


def _ended(_: object, worker: Any) -> None:  # noqa: ANN401 -- gunicorn's own
    if (web := _web_of(worker)) is not None:
        left_out.write(web)
