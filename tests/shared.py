"""Other people's vectors and contracts: used where they are, never copied here."""

from pathlib import Path

import pytest

from tests.services import SHARED_FOLDER_ABSENT

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def needs_shared(name: str) -> Path:
    """Return the file beside the checkout, or skip the test and say so."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(SHARED_FOLDER_ABSENT)
    return path
