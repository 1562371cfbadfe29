"""What docs/receivers.md shows, taken out of it as it stands."""

import re
import shutil
from pathlib import Path

from tests.processes import ENVIRON, ROOT

DOCUMENT = ROOT / "docs" / "receivers.md"
_NAMED = re.compile(
    r"`(?P<name>[\w.]+)` \(run\):\n\n```\w+\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def snippets() -> dict[str, str]:
    """Return the blocks that are marked "run", by their names."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {found["name"]: found["text"] for found in _NAMED.finditer(text)}


def unpack(name: str, folder: Path) -> Path:
    """Write one of them into a folder from which its packages are found."""
    path = folder / name
    path.write_text(snippets()[name], encoding="utf-8")
    packages = folder / "node_modules"
    if not packages.exists():
        packages.symlink_to(ROOT / "node_modules")
    return path


def node() -> str:
    """Return the system's node, or the one of the wheel, as `make` takes it."""
    search = f"{ENVIRON.get('PATH', '')}:{ROOT / '.venv' / 'bin'}"
    found = shutil.which("node", path=search)
    assert found is not None, "node is not there: run `make test`"
    return found
