"""What `deploy/` has is as we say: the proxy passes on what Jira signed."""

import http.client
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from app.settings import Settings
from tests.doctor.conftest import Stage

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OF_TLS = re.compile(r"^\s*(listen|ssl_\w+) .*;$", re.MULTILINE)
NAMED = re.compile(r"^\s*(?:Environment=)?COUNTERSIGN_(\w+)[:=]", re.MULTILINE)
FILES = ("compose.yaml", "countersign-web.service", "countersign-worker@.service")


def server_lines() -> str:
    """Return what the file has for its server, but for its address and TLS."""
    text = (DEPLOY / "nginx.conf").read_text()
    inside = text.partition("server {\n    listen")[2]
    lines = OF_TLS.sub("", "    listen" + inside.rpartition("}")[0])
    return lines.replace("http://countersign", "http://UPSTREAM")


def status(stage: Stage, path: str) -> int:
    client = http.client.HTTPConnection(urlsplit(stage.base).netloc, timeout=20)
    client.request("GET", path)
    found = client.getresponse().status
    client.close()
    return found


def test_t0b_proxy_as_deployed_passes_on_what_jira_signed(stage: Stage) -> None:
    with stage.proxy(server_lines()):
        examined = stage.examine()

        assert examined.failed == set()
        assert examined.of("targets")["health"] == "ok"
        for path, expected in (("/healthz", 200), ("/readyz", 403), ("/metrics", 403)):
            assert status(stage, path) == expected


@pytest.mark.parametrize("name", FILES)
def test_deployed_files_name_settings_that_there_are(name: str) -> None:
    text = (DEPLOY / name).read_text()
    named = set(NAMED.findall(text))

    assert named
    assert {each.lower() for each in named} <= set(Settings.model_fields)


def test_compose_starts_every_part() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())

    commands = {
        name: " ".join(service["command"])
        for name, service in compose["services"].items()
        if "build" in service
    }
    assert commands == {
        "migrate": "db upgrade",
        "web": "serve --web-only",
        "worker": "worker",
    }
