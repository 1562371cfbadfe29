"""How each server is started: `SERVERS` names them, `--server` chooses one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.processes import COUNTERSIGN, PYTHON

GUNICORN = str(Path(PYTHON).with_name("gunicorn"))
GRANIAN = str(Path(PYTHON).with_name("granian"))
WSGI = "bench.serving.wsgi"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many processes, with how many threads each, on which port."""

    port: int
    processes: int
    threads: int


Starting = Callable[[str, Shape], Sequence[str]]
"""Takes an app's name (`apps.APPS`); returns the command that serves it."""


def _as_product(app: str, shape: Shape) -> Sequence[str]:
    """Serve as an operator does; settings say how many threads and where."""
    del shape
    if app == "product":
        return [COUNTERSIGN, "serve", "--web-only"]
    return [PYTHON, "-m", "bench.serving.as_product", app]


def _on_waitress(app: str, shape: Shape) -> Sequence[str]:
    where = [str(shape.port), str(shape.processes), str(shape.threads)]
    return [PYTHON, "-m", "bench.serving.as_waitress", app, *where]


def _on_gunicorn(app: str, shape: Shape) -> Sequence[str]:
    return [*gunicorn(shape), f"{WSGI}:{app}()"]


def gunicorn(shape: Shape) -> list[str]:
    """Return gunicorn's command, without the application."""
    many = ["--workers", str(shape.processes), "--threads", str(shape.threads)]
    where = ["--bind", f"127.0.0.1:{shape.port}", "--no-control-socket"]
    return [GUNICORN, "--worker-class", "gthread", *many, *where]


def _on_granian(app: str, shape: Shape) -> Sequence[str]:
    many = ["--workers", str(shape.processes)]
    many += ["--blocking-threads", str(shape.threads)]
    where = ["--host", "127.0.0.1", "--port", str(shape.port)]
    quiet = ["--interface", "wsgi", "--factory", "--log-level", "warning"]
    return [GRANIAN, *quiet, *many, *where, f"{WSGI}:{app}"]


SERVERS: Mapping[str, Starting] = {
    "product": _as_product,
    "waitress": _on_waitress,
    "gunicorn": _on_gunicorn,
    "granian": _on_granian,
}
