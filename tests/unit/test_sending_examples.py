"""The scripts of examples/datacenter: what they sign, and who could read it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.shared import ROOT

SCRIPT = ROOT / "examples" / "datacenter" / "send.sh"
URL = "https://countersign.example/listeners/1"
PATH = os.environ["PATH"]  # noqa: TID251 -- where the machine has its tools
TELLING = """#!/bin/sh
printf '%s\\n' "{name} $*" >> "{log}"
{act}
"""


class Machine:
    """Tools that write down how they were called; curl sends nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log, self.config = folder / "log", folder / "config"
        for name in ("openssl", "tr", "od", "cut", "wc"):
            self._put(name, f'exec {shutil.which(name)} "$@"')
        self._put("curl", f'cat > "{self.config}"')

    def _put(self, name: str, act: str) -> None:
        path = self.folder / name
        path.write_text(TELLING.format(name=name, log=self.log, act=act))
        path.chmod(0o755)

    def send(self, secret: bytes, *, issuer: str = "bot") -> str:
        """Let it send; return what it complains of."""
        (self.folder / "secret").write_bytes(secret + b"\n")
        (self.folder / "body").write_bytes(b'{"a": "100 %"}\n')
        files = [str(self.folder / name) for name in ("secret", "body")]
        done = subprocess.run(  # noqa: S603 -- our own script
            ["/bin/sh", str(SCRIPT), URL, issuer, *files],
            env={"PATH": f"{self.folder}:{PATH}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == bool(done.stderr)
        return done.stderr

    def claims(self, secret: bytes) -> Any:
        """Return what its token says, if it is signed with this secret."""
        return jwt.decode(self.token, secret, algorithms=["HS256"], audience=URL)

    @property
    def token(self) -> str:
        said = self.config.read_text()
        return said.partition("Bearer ")[2].strip().strip('"')


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    "secret",
    [
        b"Zm9vYmFy-_0123456789abcdefghijklmnopqrstuv",
        b"%s%d\\0101\\\\ with spaces, $(id) and `quotes'\"",
        b"k" * 63,
        b"k" * 64,
        b"k" * 65,
        b"K" * 200,
    ],
    ids=["usual", "odd signs", "63", "64", "65", "200"],
)
def test_hmac_is_that_of_the_whole_secret(machine: Machine, secret: bytes) -> None:
    assert machine.send(secret) == ""

    claims = machine.claims(secret)

    assert (claims["iss"], claims["aud"]) == ("bot", URL)
    assert claims["exp"] - claims["iat"] == 60
    assert len(claims["jti"]) == 32


def test_t13_neither_secret_nor_token_is_an_argument(machine: Machine) -> None:
    """Attack: who lists the processes of the machine reads what is signed with."""
    secret = b"Zm9vYmFy-_0123456789abcdefghijklmnopqrstuv"
    machine.send(secret)

    said = machine.log.read_text()
    assert "openssl dgst" in said
    assert "--data-binary" in said
    for hidden in (secret.decode(), secret.hex(), machine.token):
        assert hidden not in said


@pytest.mark.parametrize("issuer", ['a"b', "a\\b", "a\nb"])
def test_name_that_would_end_its_quotes_is_refused(
    machine: Machine, issuer: str
) -> None:
    assert "no quotes" in machine.send(b"s" * 43, issuer=issuer)
    assert not machine.config.exists()
