"""Where the encryption keys come from: the environment, a file, or a command.

A command lets any secret manager or KMS hand them over. It is run without a shell, and
nothing that it says is ever shown: what it prints is keys.
"""

import os
import shlex
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

KEYS, FILE, COMMAND = (
    "encryption_keys",
    "encryption_keys_file",
    "encryption_keys_command",
)
SOURCES = (KEYS, FILE, COMMAND)

COMMAND_SECONDS = 30

MOST_BYTES = 65_536
"""Of a file; a thousand keys have fewer."""


class NoKeysError(Exception):
    """The keys cannot be had. The message is for the operator, and quotes no key."""


def source(given: Mapping[str, str]) -> str:
    """Return by which variable the keys are to come; of several, the last one."""
    return next((name for name in reversed(SOURCES) if name in given), KEYS)


def refuse_several(given: Mapping[str, str]) -> None:
    """Raise `NoKeysError` if the keys come by several variables."""
    if len([name for name in SOURCES if name in given]) > 1:
        raise NoKeysError("keys come from another variable as well; keep one of them")


def read(name: str, value: str) -> str:
    """Return the keys, parted by commas, from a file or a command."""
    text = _from_file(Path(value)) if name == FILE else _from_command(value)
    keys = ",".join(text.replace(",", " ").split())
    if not keys:
        raise NoKeysError("there is no key in it")
    return keys


def caution(path: str) -> str | None:
    """Say what is careless about a file of keys; None if nothing is.

    Secrets of containers are readable to everybody in the container, so this is no
    reason not to start.
    """
    file = Path(path)
    if path and file.exists() and file.stat().st_mode & stat.S_IROTH:
        return f"{path} has encryption keys, and every user here may read it"
    return None


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            # Attack: whoever may write it has us seal with a key of his own.
            mode = os.fstat(file.fileno()).st_mode
            if mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise NoKeysError("others may write the file: take that from them")
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise NoKeysError(f"the file cannot be read: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise NoKeysError("the file is too big to be one of keys")
    return _text(raw)


def _from_command(command: str) -> str:
    try:
        # No shell: what stands in the variable is one program and its arguments.
        done = subprocess.run(  # noqa: S603 -- the operator's own choice
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # Not `from` it: the error has what the command printed so far.
        raise NoKeysError(f"it took longer than {COMMAND_SECONDS} seconds") from None
    except (OSError, ValueError, IndexError) as error:
        raise NoKeysError(f"it cannot be run: {_why(error)}") from None
    if done.returncode:
        raise NoKeysError(
            f"it ended with status {done.returncode}; what it says is not shown, for"
            " that may be a key: run it by hand"
        )
    return _text(done.stdout)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "its quotes do not match"


def _text(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        raise NoKeysError("what is in it is no base64") from None
