"""`python -m sandbox.receiver`: the receiver by itself, on this machine."""

import argparse
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from waitress.server import create_server

from sandbox import wire
from sandbox.receiver import Receivers, create_app

_THREADS = 24
"""A slow answer takes one of them for as long."""


def main(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="sandbox.receiver", description=__doc__)
    parser.add_argument("--port", type=int, default=8042)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--addon", default="http://127.0.0.1:8040")
    asked = parser.parse_args(given)
    base_url = f"http://{asked.host}:{asked.port}"
    try:
        wire.check(base_url)
        wire.check(asked.addon)
    except wire.NotLoopbackError as error:
        sys.stdout.write(f"{error}\n")
        return 2
    receivers = Receivers(base_url, asked.addon, now=lambda: datetime.now(UTC))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(
        create_app(receivers, str(Path(__file__).resolve().parents[1])),
        listen=wire.listening_addresses(asked.port),
        threads=_THREADS,
        ident=None,
    )
    sys.stdout.write(f"The receiver is at {base_url}/receiver\n")
    sys.stdout.flush()
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
