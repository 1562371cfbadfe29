"""A history that was downloaded, verified by a program that knows nothing of us."""

import json
import subprocess
import sys
import tracemalloc
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.audit import AuditEvent
from app.checkpoints import Telling
from app.crypto import Keyring, make_signing_pair
from app.runtime import Runtime
from app.tokens import checkpoint as tokens
from app.web.log import exports
from app.web.making import Order
from tests.functional import chains
from tests.functional.chains import Chained, Sessions, when
from tests.functional.conftest import KEY
from tests.functional.fakes import Clock
from tests.shared import ROOT

VERIFIER = ROOT / "examples" / "audit" / "verify_export.py"
VIC = "712020:5f9c0000-vic"
Lines = list[dict[str, Any]]


@dataclass(frozen=True)
class Auditor:
    """Has the fingerprint, a file, and Python; nothing of ours."""

    folder: Path
    fingerprint: str

    def verify(self, lines: Lines | str, *, earlier: Lines | None = None) -> list[str]:
        """Return what is said of a file, line by line."""
        files = [self._file("log.ndjson", lines), self.fingerprint]
        if earlier is not None:
            files.append(self._file("earlier.ndjson", earlier))
        done = subprocess.run(  # noqa: S603 -- our own script
            [sys.executable, "-I", str(VERIFIER), *files],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stderr == ""
        said = done.stdout.splitlines()
        assert done.returncode == (1 if len(said) > 1 else 0)
        assert said[-1].endswith(": broken" if len(said) > 1 else ": whole")
        return said

    def _file(self, name: str, lines: Lines | str) -> str:
        path = self.folder / name
        if not isinstance(lines, str):
            lines = "".join(json.dumps(line) + "\n" for line in lines)
        path.write_text(lines, encoding="ascii")
        return str(path)


@pytest.fixture
def chain(sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Chained:
    """Nine events under three checkpoints, and one under none."""
    return chains.of_ten(sessions, Keyring.from_base64([KEY]), clock, monkeypatch)


@pytest.fixture
def auditor(chain: Chained, tmp_path: Path) -> Auditor:
    return Auditor(tmp_path, chain.verify().fingerprint)


def exported(chain: Chained) -> Lines:
    until = chain.clock() + timedelta(seconds=1)
    return told(chain, Telling(tenant_id=chain.tenant_id, until=until))


def told(
    chain: Chained, telling: Telling, between: Callable[[], object] = lambda: None
) -> Lines:
    lines: Lines = []
    while not telling.is_done:
        with chain.sessions.begin() as session:
            lines += map(json.loads, telling.step(session).splitlines())
        between()
    return lines


def places(lines: Lines) -> Sequence[int]:
    """Return where events under checkpoints stand in a file."""
    return [at for at, line in enumerate(lines) if line.get("nonce")]


def test_download_without_filters_is_verified_without_us(
    chain: Chained, auditor: Auditor, runtime: Runtime
) -> None:
    chain.write(actor="Zoë \u2028 \x7f", detail="“quotes” \\ and \x1b")
    chain.clock.advance(timedelta(seconds=1))
    chain.seal()
    wanted = {"what": "log", "format": "ndjson", "filters": {}}
    order = Order(
        tenant_id=chain.tenant_id, account_id="ada", wanted=wanted, now=chain.clock()
    )

    text = "".join(exports.MAKER.stream(runtime, order))

    ids = [line["id"] for line in map(json.loads, text.splitlines()) if "id" in line]
    assert ids == [str(each) for each in reversed(chain.ids())]
    assert auditor.verify(text) == [
        "11 events under checkpoints, 0 under none yet: whole"
    ]


def test_history_with_pruned_ranges_and_erased_persons_is_whole(
    chain: Chained, auditor: Auditor
) -> None:
    chain.clock.advance(timedelta(days=1))
    chain.write(3, actor=VIC, person="712020:dee-0")
    chain.seal()
    chain.prune(chain.clock() - timedelta(hours=1))
    for person in (VIC, "712020:dee-0"):
        chains.erase(chain, person)

    lines = exported(chain)

    assert VIC not in json.dumps(lines)
    assert auditor.verify(lines) == [
        "3 events under checkpoints, 4 under none yet: whole"
    ]


def change(lines: Lines, at: int) -> str:
    lines[at]["facts"] = {"a": 1}
    return f"event {when(uuid.UUID(lines[at]['id']))} was changed"


def delete(lines: Lines, at: int) -> str:
    return f"event {when(uuid.UUID(lines.pop(at)['id']))} is missing"


def insert(lines: Lines, at: int) -> str:
    # Behind all others by its moment, or it would only have changed places.
    put = lines[at] | {"id": str(uuid.UUID(int=uuid.uuid4().int | 1 << 127))}
    lines.insert(at, put)
    return f"event {when(uuid.UUID(put['id']))} does not belong"


def reorder(lines: Lines, at: int) -> str:
    one, other = lines[at]["id"], lines[at + 1]["id"]
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return f"event {when(uuid.UUID(other))} and {one} changed places"


def move_up(lines: Lines, at: int) -> str:
    """Say that it is under no checkpoint, where nothing is proven."""
    moved = lines.pop(at)
    lines.insert(0, moved | {"checkpoint": None})
    return f"event {when(uuid.UUID(moved['id']))} is missing"


@pytest.mark.parametrize("how", [change, delete, insert, reorder, move_up])
def test_event_that_was_tampered_with_in_the_file_is_named(
    chain: Chained, auditor: Auditor, how: Callable[[Lines, int], str]
) -> None:
    lines = exported(chain)

    expected = how(lines, places(lines)[3])

    assert auditor.verify(lines)[0] == f"BROKEN: {expected}"


def test_events_behind_a_checkpoint_that_is_called_later_are_not_passed_over(
    chain: Chained, auditor: Auditor
) -> None:
    lines = exported(chain)
    at = places(lines)[0]
    made_up = lines[at] | {"facts": {"a": 1}}
    again = lines[at - 1] | {"later": True}

    [*said, _] = auditor.verify([*lines[: at - 1], again, made_up, *lines[at - 1 :]])

    assert f"BROKEN: event {when(uuid.UUID(made_up['id']))} does not belong" in said


def test_checkpoint_kept_elsewhere_is_not_shown_by_a_line_that_is_called_later(
    chain: Chained, auditor: Auditor
) -> None:
    """Attack: the end is cut off, and what the auditor kept of it is put in by name."""
    earlier = exported(chain)
    heads = [at for at, line in enumerate(earlier) if "jws" in line]
    put_in = earlier[heads[0]] | {"later": True}

    for first in (earlier[: heads[0]], [put_in], [earlier[heads[1]], put_in]):
        rest = earlier[heads[1] + (first == [earlier[heads[1]], put_in]) :]
        assert auditor.verify([*first, *rest], earlier=earlier)[-1].endswith("broken")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda event: event | {"note": "approved"}, "does not belong"),
        (lambda event: event | {"time": "2020-01-01T00:00:00+00:00"}, "another time"),
        (lambda event: event | {"id": str(uuid.UUID(int=1 << 80))}, "was put in later"),
    ],
)
def test_event_under_no_checkpoint_is_not_just_anything(
    chain: Chained,
    auditor: Auditor,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    words: str,
) -> None:
    first, *rest = exported(chain)
    assert first["checkpoint"] is None

    assert words in "".join(auditor.verify([change(first), *rest]))


def test_member_that_no_signature_covers_is_named(
    chain: Chained, auditor: Auditor
) -> None:
    lines = exported(chain)
    at = places(lines)[0]
    event = lines[at]["id"]
    lines[at]["note"] = "approved"

    assert f"{when(uuid.UUID(event))} does not belong" in auditor.verify(lines)[0]


def test_file_has_no_words_of_its_own_to_say(chain: Chained, auditor: Auditor) -> None:
    lines = exported(chain)
    head = next(line for line in lines if "jws" in line)
    head["checkpoint"] = "1\x1b[2J\n9 events under checkpoints: whole"

    [said, *_] = auditor.verify([head])

    assert said == (
        "BROKEN: a file was cut or changed: TypeError('a checkpoint has no number')"
    )


def test_fact_that_is_told_twice_is_no_fact(chain: Chained, auditor: Auditor) -> None:
    text = "".join(json.dumps(line) + "\n" for line in exported(chain))

    twice = text.replace('"facts": {', '"facts": {"a": 0, "a": 1, ', 1)

    assert "cut or changed" in auditor.verify(twice)[0]


def head(lines: Lines, seq: int) -> int:
    found = (at for at, line in enumerate(lines) if "jws" in line)
    return next(at for at in found if lines[at]["checkpoint"] == seq)


def test_dropped_and_forged_checkpoints_are_named(
    chain: Chained, auditor: Auditor
) -> None:
    lines = exported(chain)
    second, first = head(lines, 2), head(lines, 1)

    without = lines[:second] + lines[first:]
    assert auditor.verify(without)[0] == "BROKEN: checkpoint 2 is missing"

    assert auditor.verify(lines[:first])[0] == (
        "BROKEN: the file ends before checkpoint 1"
    )
    pair = make_signing_pair()
    payload = tokens.unverified(lines[second]["jws"])
    jws = tokens.sign(pair.private, tokens.thumbprint(pair.public), payload)
    for key in (pair.public, lines[second]["key"]):
        lines[second] |= {"jws": jws, "key": key}
        assert auditor.verify(lines)[-2] == (
            "BROKEN: checkpoint 2 was changed, or is another key's"
        )


def test_genuine_checkpoint_that_nothing_follows_is_named(
    chain: Chained, auditor: Auditor
) -> None:
    chains.fork(chain)

    assert auditor.verify(exported(chain))[0] == (
        "BROKEN: checkpoint 4 is not the one that the next one follows"
    )


def test_whole_history_of_another_key_is_not_the_pinned_ones(
    chain: Chained, auditor: Auditor
) -> None:
    stranger = replace(auditor, fingerprint=tokens.thumbprint(make_signing_pair()[1]))

    assert len(stranger.verify(exported(chain))) == 4


def test_cut_file_and_history_cut_since_are_noticed(
    chain: Chained, auditor: Auditor
) -> None:
    chain.seal()
    lines = exported(chain)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert "a file was cut or changed" in auditor.verify(text[:-30])[-2]

    chain.run(sa.delete(AuditEvent).where(AuditEvent.id == chain.ids()[-1]))
    chain.delete_checkpoint(4)
    cut = exported(chain)
    assert len(auditor.verify(cut)) == 1
    assert auditor.verify(lines, earlier=cut)[-1].endswith("whole")
    assert auditor.verify(cut, earlier=lines)[0] == (
        "BROKEN: the newest checkpoint of the earlier export is missing"
    )


def test_event_that_was_put_in_later_and_then_sealed_is_named(
    chain: Chained, auditor: Auditor
) -> None:
    chain.clock.advance(timedelta(days=1))
    chain.write()
    chain.seal()
    put = chain.insert(chain.clock() - timedelta(hours=2))
    chain.seal()

    assert auditor.verify(exported(chain))[0] == (
        f"BROKEN: event {when(put)} was put in later"
    )


def test_what_is_sealed_and_pruned_meanwhile_makes_no_file_broken(
    chain: Chained, auditor: Auditor
) -> None:
    chain.clock.advance(timedelta(days=1))
    chain.write(7)
    done: list[int] = []

    def between() -> None:
        if not done:
            chain.seal()
            done.append(chain.prune(chain.clock() - timedelta(hours=1), limit=6))

    telling = Telling(tenant_id=chain.tenant_id, until=chain.clock())
    lines = told(chain, telling, between)

    assert done[0] > 0
    assert any(line.get("later") for line in lines)
    assert auditor.verify(lines)[-1].endswith("whole")


def test_history_of_nothing_is_an_empty_file(chain: Chained, auditor: Auditor) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)

    assert exported(other) == []
    assert auditor.verify([])[-1].startswith("0 events under checkpoints")


def test_proof_of_many_events_needs_the_memory_of_some(
    sessions: Sessions, clock: Clock
) -> None:
    chain = chains.chained(sessions, Keyring.from_base64([KEY]), clock)
    chain.write_many(6000)
    chain.seal()
    telling = Telling(tenant_id=chain.tenant_id, until=clock())

    tracemalloc.start()
    count = 0
    while not telling.is_done:
        with chain.sessions.begin() as session:
            count += telling.step(session).count('"nonce"')
    report = chain.verify()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (count, report.events, report.findings) == (6000, 6000, [])
    assert peak < 8_000_000  # all of them at once are three times as much
