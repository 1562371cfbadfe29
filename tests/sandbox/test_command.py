"""`python -m sandbox` on a real port, with a real add-on beside it."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from werkzeug.serving import make_server

from sandbox import wire
from tests.sandbox import forge_stand_in
from tests.sandbox.stand_in import StandIn

PATIENCE = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(stand_in: StandIn, port: int) -> Iterator[None]:
    server = make_server("127.0.0.1", port, stand_in.app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def sandbox(*given: str, module: str = "sandbox") -> Iterator[list[str]]:
    """The process; what it prints grows in the list."""
    command = [sys.executable, "-m", module, *given]
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module, by our own interpreter
        stdout = process.stdout
        assert stdout is not None

        def listen() -> None:
            # one by one: extend() would wait for the end
            for line in stdout:
                said.append(line.strip())  # noqa: PERF401

        reader = threading.Thread(target=listen)
        reader.start()
        try:
            yield said
        finally:
            process.terminate()
            process.wait()
            reader.join()


def wait_for(said: list[str], count: int = 1) -> str:
    end = time.monotonic() + PATIENCE
    while len(said) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(said) >= count, "the sandbox said nothing"
    return said[count - 1]


def test_installs_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    port, addon_port = free_port(), free_port()
    stand_in = StandIn(f"http://127.0.0.1:{addon_port}")
    given = ["--port", str(port), "--addon", stand_in.base_url]
    given += ["--state", str(tmp_path / "state.json")]
    with serving(stand_in, addon_port):
        with sandbox(*given) as said:
            assert wait_for(said).endswith("the add-on is installed")
            for name in ("localhost", "127.0.0.1"):
                url = f"http://{name}:{port}/sandbox/api/state"
                assert requests.get(url, timeout=5).json()["installed"]
        with sandbox(*given) as said:
            assert wait_for(said).endswith("the add-on knows this site")
        stand_in.statuses = [401]
        with sandbox(*given) as said:
            assert "did not know this site" in wait_for(said)
        stand_in.name = "Stand-in 2"
        with sandbox(*given) as said:
            assert "has a new descriptor" in wait_for(said)
    installed = [body for _, path, _, body in stand_in.seen if path == "/installed"]
    assert len(installed) == 3
    assert installed[0] == installed[1] == installed[2]


def test_receiver_runs_by_itself() -> None:
    port = free_port()
    with sandbox("--port", str(port), module="sandbox.receiver") as said:
        assert wait_for(said).endswith(f"localhost:{port}/receiver")
        url = f"http://127.0.0.1:{port}"
        refused = requests.post(f"{url}/receiver/deploy", b"{}", timeout=5)
        assert refused.json() == {"error": "no bearer token"}
        page = requests.get(url, timeout=5)
        assert "no bearer token" in page.text
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert requests.get(f"{url}/sandbox/static/style.css", timeout=5).ok


@pytest.mark.parametrize("module", ["sandbox", "sandbox.receiver"])
@pytest.mark.parametrize(
    "given",
    [("--host", "0.0.0.0"), ("--addon", "https://countersign.example")],  # noqa: S104 - it has to refuse
)
def test_refuses_to_leave_this_machine(given: tuple[str, str], module: str) -> None:
    with sandbox(*given, module=module) as said:
        assert "this machine" in wait_for(said)


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/", "https://localhost.evil.test/", "ftp://127.0.0.1/", "x"],
)
def test_wire_calls_loopback_only(url: str) -> None:
    with pytest.raises(wire.NotLoopbackError):
        wire.send("GET", url, {}, b"")


def test_installs_a_forge_app_and_lets_its_hours_pass(tmp_path: Path) -> None:
    port, addon_port = free_port(), free_port()
    stand_in = StandIn(f"http://127.0.0.1:{addon_port}")
    given = ["--port", str(port), "--addon", stand_in.base_url, "--only-forge"]
    given += ["--forge", str(forge_stand_in.write(tmp_path)), "--forge-hour", "0.1"]
    given += ["--state", str(tmp_path / "state.json")]
    with serving(stand_in, addon_port):
        with sandbox(*given) as said:
            assert wait_for(said).endswith("; the Forge app is installed")
            wait_until(lambda: "/forge/tick" in paths(stand_in))
        with sandbox(*given) as said:
            assert wait_for(said).endswith("; the Forge app is there")
        raw = forge_stand_in.manifest()
        raw["app"]["description"] = "Another one"
        forge_stand_in.write(tmp_path, raw)
        with sandbox(*given) as said:
            assert wait_for(said).endswith("; the Forge app is upgraded")
    assert paths(stand_in).count("/forge/lifecycle") == 2
    assert "/installed" not in paths(stand_in)


def test_forge_app_is_left_to_whoever_presses_the_button(tmp_path: Path) -> None:
    addon_port = free_port()
    stand_in = StandIn(f"http://127.0.0.1:{addon_port}")
    given = ["--port", str(free_port()), "--addon", stand_in.base_url]
    given += ["--forge", str(forge_stand_in.write(tmp_path)), "--forge-on-request"]
    with serving(stand_in, addon_port), sandbox(*given) as said:
        assert wait_for(said).endswith("; the Forge app can be installed")
    assert "/forge/lifecycle" not in paths(stand_in)


def test_forge_app_that_cannot_be_deployed_is_told(tmp_path: Path) -> None:
    addon_port = free_port()
    stand_in = StandIn(f"http://127.0.0.1:{addon_port}")
    given = ["--port", str(free_port()), "--addon", stand_in.base_url]
    with (
        serving(stand_in, addon_port),
        sandbox(*given, "--forge", str(tmp_path / "none.yml")) as said,
    ):
        assert "the Forge app is not installed: The manifest" in wait_for(said)


def paths(stand_in: StandIn) -> list[str]:
    return [path for _, path, _, _ in stand_in.seen]


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    assert is_so()


def test_self_managed_below_its_path() -> None:
    port = free_port()
    given = ["--port", str(port), "--datacenter", "--context-path", "/jira"]
    with sandbox(*given) as said:
        base_url = wait_for(said).removeprefix("Jira Data Center is at ")
        pat = wait_for(said, 2).rpartition(" ")[2]
        headers = {"Authorization": f"Bearer {pat}"}
        me = requests.get(f"{base_url}/rest/api/2/myself", headers=headers, timeout=5)
    assert base_url == f"http://localhost:{port}/jira"
    assert me.json()["name"] == "countersign"


@pytest.mark.parametrize(
    "given", [["--datacenter", "--context-path", "jira/"], ["--context-path", "/jira"]]
)
def test_context_path_that_cannot_be_is_said(given: list[str]) -> None:
    with sandbox(*given) as said:
        assert "context path" in wait_for(said)
