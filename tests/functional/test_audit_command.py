"""`countersign audit`, as an operator calls it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.crypto import Keyring
from app.runtime import utc_now
from app.settings import Settings
from tests.functional import chains
from tests.functional.chains import Chained, Sessions, when
from tests.functional.conftest import KEY
from tests.functional.fakes import Clock


@pytest.fixture
def chain(sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Chained:
    """Nine events under three checkpoints, and one under none."""
    return chains.of_ten(sessions, Keyring.from_base64([KEY]), clock, monkeypatch)


@pytest.fixture
def env(settings: Settings) -> dict[str, str]:
    return {
        "COUNTERSIGN_BASE_URL": settings.base_url,
        "COUNTERSIGN_DATABASE_URL": settings.database_url,
        "COUNTERSIGN_QUEUE_URL": settings.queue_url,
        "COUNTERSIGN_ENCRYPTION_KEYS": KEY,
    }


def run(env: dict[str, str], *arguments: object) -> Result:
    told = [str(each) for each in arguments]
    return CliRunner().invoke(main, told, env=env, catch_exceptions=False)


def test_every_site_has_a_line_and_a_whole_one_ends_well(
    chain: Chained, env: dict[str, str]
) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)

    result = run(env, "audit", "verify")

    assert result.exit_code == 0
    told = f"under none yet: 1, ranges pruned: 0, key {chain.verify().fingerprint}"
    none = "checkpoints: 0, events under them: 0, under none yet: 0, ranges pruned: 0"
    assert set(result.output.splitlines()) == {
        f"{chain.tenant_id}  whole, checkpoints: 3, events under them: 9, {told}",
        f"{other.tenant_id}  no checkpoint yet, {none}",
    }


def test_broken_site_is_named_and_ends_with_status_1(
    chain: Chained, env: dict[str, str]
) -> None:
    ids = chain.ids()
    chain.delete(ids[6])
    chain.change(ids[1], actor="eve")

    result = run(env, "audit", "verify", chain.tenant_id)

    assert result.exit_code == 1
    first, second = result.output.splitlines()
    assert f"BROKEN: event {when(ids[1])} was changed (and 1 more)" in first
    assert second == f"{chain.tenant_id}  also: event {when(ids[6])} is missing"


def test_only_the_sites_that_are_named_are_looked_at(
    chain: Chained, env: dict[str, str]
) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)
    chain.delete(chain.ids()[0])

    assert run(env, "audit", "verify", other.tenant_id).exit_code == 0
    unknown = run(env, "audit", "verify", "0198c3f0-0000-7000-8000-000000000001")
    assert unknown.exit_code == 1
    assert "no such tenant" in unknown.output


@pytest.mark.parametrize("form", ["export", "checkpoint"])
def test_history_cut_since_is_known_by_what_was_kept(
    chain: Chained, env: dict[str, str], tmp_path: Path, form: str
) -> None:
    kept = tmp_path / "kept"
    exported = run(env, "audit", "export", chain.tenant_id).output
    kept.write_text(exported if form == "export" else chain.jws(3), encoding="ascii")
    assert run(env, "audit", "verify", "--since", kept).exit_code == 0
    chain.delete_checkpoint(3)
    for event_id in chain.ids()[6:]:
        chain.delete(event_id)

    alone = run(env, "audit", "verify")
    result = run(env, "audit", "verify", "--since", kept)

    assert alone.exit_code == 0
    assert result.exit_code == 1
    assert "BROKEN: checkpoint 3 is missing" in result.output


def test_history_that_is_gone_altogether_is_known_by_what_was_kept(
    chain: Chained, env: dict[str, str], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(chain.jws(3), encoding="ascii")
    for seq in (1, 2, 3):
        chain.delete_checkpoint(seq)
    chain.run(
        *map(chains.emptying, ("audit_event", "checkpoint_key", "secret_version"))
    )

    assert run(env, "audit", "verify").exit_code == 0
    result = run(env, "audit", "verify", "--since", kept)
    assert result.exit_code == 1
    assert "BROKEN: what was kept elsewhere is no checkpoint" in result.output


@pytest.mark.parametrize("text", ["", "nothing", '{"id": 1}', "[]", '{"jws": 7}'])
def test_file_without_a_checkpoint_is_said_to_be_none(
    chain: Chained, env: dict[str, str], tmp_path: Path, text: str
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(text, encoding="utf-8")

    result = run(env, "audit", "verify", chain.tenant_id, "--since", kept)

    assert result.exit_code == 1
    assert "no checkpoint" in result.output


def test_export_is_the_whole_history(chain: Chained, env: dict[str, str]) -> None:
    chain.clock.time = utc_now()
    chain.write()

    lines = run(env, "audit", "export", chain.tenant_id).output.splitlines()

    told = [json.loads(line) for line in lines]
    ids = [line["id"] for line in told if "id" in line]
    assert ids == [str(each) for each in reversed(chain.ids())][-len(ids) :]
    assert [line["checkpoint"] for line in told if "jws" in line] == [3, 2, 1]
