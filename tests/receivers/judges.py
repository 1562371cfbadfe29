"""Receivers as docs/receivers.md has them: three libraries, each asked the same."""

import base64
import json
import runpy
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from joserfc.errors import JoseError
from standardwebhooks import WebhookVerificationError

from tests.processes import ENVIRON
from tests.receivers.documents import node, unpack

HARNESS = Path(__file__).with_name("harness.mjs")
NODE_SECONDS = 30
_REFUSALS = (jwt.PyJWTError, JoseError, WebhookVerificationError, ValueError)
Judge = Callable[[Any, bytes], Mapping[str, Any]]
"""Takes what proves a delivery, a header or all of them, and its body."""


class RefusedError(Exception):
    """The receiver does not believe the delivery."""


@dataclass(frozen=True)
class PythonJudge:
    verify: Judge

    def __call__(self, proof: Any, body: bytes) -> Mapping[str, Any]:
        try:
            return self.verify(proof, body)
        except _REFUSALS as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class NodeJudge:
    module: Path
    env: Mapping[str, str]

    def __call__(self, proof: Any, body: bytes) -> Mapping[str, Any]:
        given = {"proof": proof, "body": base64.b64encode(body).decode()}
        said = run_node(HARNESS, str(self.module), given=given, env=self.env)
        if "refused" in said:
            raise RefusedError(said["refused"])
        found: Mapping[str, Any] = said["claims"]
        return found


def run_node(script: Path, *arguments: str, given: Any, env: Mapping[str, str]) -> Any:
    """Run a script of ours: JSON in, JSON out."""
    done = subprocess.run(  # noqa: S603 -- our own script
        [node(), str(script), *arguments],
        input=json.dumps(given),
        env={**ENVIRON, **env},
        capture_output=True,
        text=True,
        timeout=NODE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def judge_of(
    name: str, folder: Path, env: Mapping[str, str]
) -> PythonJudge | NodeJudge:
    """Return the receiver of that name, configured by `env`."""
    path = unpack(name, folder)
    if path.suffix == ".mjs":
        return NodeJudge(path, env)
    return PythonJudge(runpy.run_path(str(path))["verify"])
