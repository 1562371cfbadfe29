"""`countersign serve`: a web server and a worker, and who looks after the two."""

import gc
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

import click

from app.cli import environment, main
from app.cli.signals import stopping

STOP_SECONDS = 10
"""How long a child may take to stop before it is killed, beside its draining."""

ASK_SECONDS = 0.05


@click.command()
@click.option("--web-only", is_flag=True, help="Serve pages and calls, no worker.")
def serve(*, web_only: bool) -> None:
    """Serve Jira and carry out runs until stopped."""
    with environment.counting_together():
        if web_only:
            # Other commands need none of it, nor the second it takes to load.
            from app.cli import web_serving  # noqa: PLC0415

            web_serving.serve()
            return
        settings = environment.settings()  # complain once, not once a child
        sys.exit(_supervise(settings.drain_seconds + STOP_SECONDS))


def _started() -> Sequence[BaseProcess]:
    """Start both by forking: what they have loaded is in memory once.

    There is no thread yet, and no connection that two processes must not share. What
    counts for `/metrics` has a file for each process, and opens another one by itself.
    """
    from app.cli import web_serving, working  # noqa: F401, PLC0415 -- to have it loaded

    # Nobody looks through it for garbage, and has it copied by that.
    gc.collect()
    gc.freeze()
    fork = multiprocessing.get_context("fork")
    commands = (["serve", "--web-only"], ["worker"])
    children = [fork.Process(target=_child, args=(each,)) for each in commands]
    for child in children:
        child.start()
    return children


def _child(command: Sequence[str]) -> None:
    """Carry a command out in a process of its own, which hears signals itself."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(command)


def _supervise(seconds: float) -> int:
    """Start both; wait for a signal or the first that ends; stop the rest.

    Return a status. A child that died takes the other with it: half an add-on that
    looks alive is worse than one that its init system starts again.
    """
    stop, hurry = threading.Event(), threading.Event()
    with stopping(stop, hurry=hurry.set):
        children = _started()
        while not stop.wait(0.2) and all(c.is_alive() for c in children):
            pass
        failed = not stop.is_set()
        _terminate(children)
        deadline = time.monotonic() + seconds
        while any(c.is_alive() for c in children) and time.monotonic() < deadline:
            if hurry.is_set():
                hurry.clear()
                _terminate(children)
            time.sleep(ASK_SECONDS)
        for child in children:
            if child.is_alive():
                child.kill()
            child.join()
    return 1 if failed else 0


def _terminate(children: Sequence[BaseProcess]) -> None:
    for child in children:
        if child.is_alive():
            child.terminate()
