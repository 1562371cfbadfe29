"""The sandbox's own hash: against published vectors, and against ours."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import qsh

Json = dict[str, Any]
HERE = Path(__file__).parent
PUBLISHED = HERE.parents[2] / "shared" / "vectors" / "qsh_published.json"
OWN = json.loads((HERE / "qsh_vectors.json").read_text())["vectors"]


@pytest.mark.parametrize(
    "vector", OWN, ids=[f"{v['url']} below {v.get('base')}" for v in OWN]
)
def test_own_vector(vector: Json) -> None:
    given = vector["method"], vector["url"], vector.get("base", "")
    assert qsh.canonical(*given) == vector["canonical"]
    expected = hashlib.sha256(vector["canonical"].encode()).hexdigest()
    assert qsh.of(*given) == vector.get("sha256", expected) == expected


def test_every_published_vector() -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"the published vectors are not on this machine: {PUBLISHED.name}")
    vectors = json.loads(PUBLISHED.read_text())["vectors"]
    assert len(vectors) > 100
    wrong = {}
    for vector in vectors:
        given = vector["method"], vector["url"], vector["base"]
        # two of them come with their hash alone
        form = vector["expected_canonical"] or qsh.canonical(*given)
        made = qsh.canonical(*given), qsh.of(*given)
        if made != (form, vector["expected_qsh"]):
            wrong[vector["id"]] = (made[0], form)
    assert wrong == {}
