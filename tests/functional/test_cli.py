"""What an operator does from a shell, in processes as the shell starts them."""

import secrets
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from app import db, vault
from app.cli import main
from app.crypto import Keyring, Secret
from app.db import new_id
from app.runtime import utc_now
from app.tenants import Door, State, Tenant, TenantIdentity
from app.vault import Owner, SecretVersion
from tests import canaries, processes
from tests.processes import COUNTERSIGN, started

OLD = "b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2w="
NEW = "bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmU="


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    port = processes.free_port()
    return {
        "COUNTERSIGN_BASE_URL": "https://countersign.example",
        "COUNTERSIGN_LISTEN": f"127.0.0.1:{port}",
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path}/countersign.sqlite",
        "COUNTERSIGN_QUEUE_URL": f"sqlite:///{tmp_path}/queue.sqlite",
        "COUNTERSIGN_ENCRYPTION_KEYS": OLD,
    }


def run(env: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env=env, catch_exceptions=False)


def plant_waiting_tenant(env: dict[str, str]) -> Owner:
    sessions = db.make_sessions(env["COUNTERSIGN_DATABASE_URL"])
    now = utc_now()
    with sessions.begin() as session:
        tenant = Tenant(
            id=new_id(now),
            state=State.PENDING,
            base_url="https://acme.atlassian.net",
            enabled=True,
            installed_at=now,
            lifecycle_at=now,
        )
        session.add(tenant)
        session.add(
            TenantIdentity(
                id=new_id(now),
                tenant_id=tenant.id,
                door=Door.CONNECT,
                external_id="client-key-1",
            )
        )
        session.flush()
        vault.put(
            session,
            Keyring.from_base64([OLD]),
            tenant.shared_secret,
            Secret("s3cret"),
            now=now,
        )
        owner = tenant.shared_secret
    sessions.kw["bind"].dispose()
    return owner


@pytest.mark.parametrize("command", ["serve", "worker", "prune"])
def test_bad_settings_are_listed_and_end_the_command(command: str) -> None:
    result = run({"COUNTERSIGN_LISTEN": "nowhere"}, command)

    assert result.exit_code == 2
    for name in ("BASE_URL", "DATABASE_URL", "QUEUE_URL", "ENCRYPTION_KEYS", "LISTEN"):
        assert f"COUNTERSIGN_{name} " in result.output


def test_database_goes_up_and_down(env: dict[str, str]) -> None:
    engine = db.make_engine(env["COUNTERSIGN_DATABASE_URL"])
    run(env, "db", "upgrade")
    assert "run" in sa.inspect(engine).get_table_names()

    run(env, "db", "downgrade", "base")

    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_operator_approves_a_waiting_site(env: dict[str, str]) -> None:
    run(env, "db", "upgrade")
    owner = plant_waiting_tenant(env)

    listed = run(env, "tenants", "list").output
    assert f"{owner.tenant_id}  pending" in listed
    assert "client-key-1" in listed
    assert run(env, "tenants", "approve", str(owner.tenant_id)).output == "approved\n"
    assert run(env, "tenants", "approve", str(owner.tenant_id)).output == (
        "it was not waiting\n"
    )
    assert f"{owner.tenant_id}  active" in run(env, "tenants", "list").output
    stranger = run(env, "tenants", "approve", str(new_id(utc_now())))
    assert stranger.exit_code == 1
    assert "no such tenant" in stranger.output


def test_resealing_retires_the_old_key(env: dict[str, str]) -> None:
    run(env, "db", "upgrade")
    owner = plant_waiting_tenant(env)
    both = env | {"COUNTERSIGN_ENCRYPTION_KEYS": f"{NEW},{OLD}"}

    assert "secrets sealed again: 1" in run(both, "keys", "reseal").output
    assert "secrets sealed again: 0" in run(both, "keys", "reseal").output

    sessions = db.make_sessions(env["COUNTERSIGN_DATABASE_URL"])
    with sessions.begin() as session:
        [opened] = vault.accepted(
            session, Keyring.from_base64([NEW]), owner, now=utc_now()
        )
        [row] = session.scalars(sa.select(SecretVersion))
        assert Keyring.from_base64([NEW]).is_current(row.sealed)
    assert opened.secret.reveal() == "s3cret"
    sessions.kw["bind"].dispose()


def test_forgotten_upgrade_is_said_in_a_line_and_not_by_a_traceback(
    env: dict[str, str],
) -> None:
    forgotten = run(env, "tenants", "list")

    assert forgotten.exit_code == 1
    assert "no such table" in forgotten.output
    assert "`countersign doctor` says what mends it" in forgotten.output
    assert "Traceback" not in forgotten.output


def test_empty_list_of_keys_says_so(env: dict[str, str]) -> None:
    run(env, "db", "upgrade")

    assert "there are no signing keys yet" in run(env, "keys", "list").output
    unknown = run(env, "keys", "list", str(new_id(utc_now())))
    assert (unknown.exit_code, "no such tenant" in unknown.output) == (1, True)


@pytest.mark.parametrize("group", [(), ("audit",), ("db",), ("forge",), ("keys",)])
def test_each_command_is_listed_with_a_whole_sentence(group: tuple[str, ...]) -> None:
    listed = run({}, *group, "--help").output.partition("Commands:")[2]

    assert listed
    assert all(line.endswith(".") for line in listed.splitlines() if line)
    assert "..." not in listed


def test_prune_runs(env: dict[str, str]) -> None:
    run(env, "db", "upgrade")

    assert run(env, "prune").output == "pruned\n"


def test_serve_starts_both_parts_and_stops_them_when_told(
    env: dict[str, str], tmp_path: Path
) -> None:
    processes.finish([COUNTERSIGN, "db", "upgrade"], env=env)
    url = f"http://{env['COUNTERSIGN_LISTEN']}/readyz"
    with started("serve", [COUNTERSIGN, "serve"], env=env, folder=tmp_path) as serving:
        serving.wait_until_answers(url)
        serving.popen.send_signal(signal.SIGTERM)
        assert serving.popen.wait(15) == 0
        assert "Traceback" not in serving.tail(200)


def test_serve_ends_when_one_part_cannot_live(
    env: dict[str, str], tmp_path: Path
) -> None:
    env["COUNTERSIGN_LISTEN"] = "192.0.2.1:80"  # not an address of this machine
    with started("serve", [COUNTERSIGN, "serve"], env=env, folder=tmp_path) as serving:
        assert serving.popen.wait(processes.READY_SECONDS) == 1


@pytest.mark.parametrize("command", [["tenants", "list"], ["db", "upgrade"]])
def test_t13_password_of_the_database_is_in_no_error(
    env: dict[str, str], command: list[str]
) -> None:
    password, port = secrets.token_urlsafe(24), processes.free_port()
    url = f"postgresql+psycopg://us:{password}@127.0.0.1:{port}/nothing"

    with pytest.raises(processes.ProcessError) as failed:
        processes.finish(
            [COUNTERSIGN, *command], env=env | {"COUNTERSIGN_DATABASE_URL": url}
        )

    said = {"output": str(failed.value).encode()}
    assert "onnection" in str(failed.value)
    assert canaries.leaks({"password": password, "key": OLD}, said) == []
