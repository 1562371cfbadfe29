"""A TCP proxy of the test's own, which is slow, stalls or cuts when it is told to.

`python -m tests.faults.proxy 127.0.0.1 PORT HOST` passes on what comes to that port to
the same port of HOST, for ever.
"""

import contextlib
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

CHUNK = 65_536
TICK_SECONDS = 0.05
CONNECT_SECONDS = 5


@dataclass(kw_only=True)
class Proxy:
    """Passes bytes on to `target`; what is wrong with it may change at any time."""

    target: tuple[str, int]
    delay: float = 0.0
    """Seconds that each piece is held back."""
    is_stalled: bool = False
    """Nothing passes, and nothing is refused."""
    is_away: bool = False
    """New connections are closed at once."""
    port: int = 0
    _open: set[socket.socket] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    def cut(self) -> None:
        """Break every connection that there is."""
        for each in tuple(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def listening(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[None]:
        with socket.create_server((host, port)) as server:
            server.settimeout(TICK_SECONDS)
            self.port = server.getsockname()[1]
            thread = threading.Thread(target=self._accept, args=(server,))
            thread.start()
            try:
                yield
            finally:
                self._stop.set()
                self.cut()
                thread.join()

    def _accept(self, server: socket.socket) -> None:
        while not self._stop.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(client)
            if self.is_away:
                return
            outside = stack.enter_context(
                socket.create_connection(self.target, CONNECT_SECONDS)
            )
            pair = (client, outside)
            for each in pair:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.add(each)
                stack.callback(self._open.discard, each)
            self._pump(*pair)

    def _pump(self, client: socket.socket, outside: socket.socket) -> None:
        """Pass on until one side ends, or the proxy does."""
        others = {client: outside, outside: client}
        while not self._stop.is_set():
            ready, _, _ = select.select(tuple(others), (), (), TICK_SECONDS)
            while self.is_stalled and not self._stop.is_set():
                time.sleep(TICK_SECONDS)
            for one in ready:
                piece = one.recv(CHUNK)
                if not piece:
                    return
                time.sleep(self.delay)
                others[one].sendall(piece)


def main(arguments: list[str]) -> None:
    listen, port, host = arguments
    with Proxy(target=(host, int(port))).listening(listen, int(port)):
        threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
