"""Backup and restore: what comes back is whole, and held until the operator speaks."""

import json
import os
import stat
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from app import db, keys, runs, vault
from app.audit import AuditEvent
from app.cli.backup_sqlite import PRIVATE, make_private
from app.keys import KeyState
from app.runs import Run, RunState, Why
from app.runtime import Runtime, utc_now
from app.settings import Settings
from app.tenants import Tenant
from app.vault import SecretVersion
from app.watchdog import Watchdog
from app.web import create_app
from app.worker import Worker
from tests import services
from tests.functional.fakes import call
from tests.functional.shell import (
    SECRET,
    Env,
    Planted,
    call_of,
    environment,
    good,
    plant,
    run,
)


@pytest.fixture
def planted(sessions: sessionmaker[Session]) -> Planted:
    return plant(sessions)


@pytest.fixture
def env(database_url: str, queue_url: str) -> Env:
    return environment(database_url, queue_url)


@pytest.fixture
def elsewhere(env: Env, tmp_path: Path) -> Iterator[Env]:
    """The settings of an instance whose database is empty."""
    if "sqlite" in env["COUNTERSIGN_DATABASE_URL"]:
        url = f"sqlite:///{tmp_path}/restored.sqlite"
        yield {**env, "COUNTERSIGN_DATABASE_URL": url}
        return
    with services.postgres_database() as url:
        yield {**env, "COUNTERSIGN_DATABASE_URL": url}


@contextmanager
def opened(env: Env) -> Iterator[Runtime]:
    runtime = Runtime.build(Settings.from_env(env))
    yield runtime
    runtime.sessions.kw["bind"].dispose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "countersign.backup"


def claimed(runtime: Runtime) -> uuid.UUID | None:
    with runtime.sessions.begin() as session:
        found = runs.claim(session, now=runtime.now())
        session.rollback()
    return found.run_id if found else None


def test_t14_restored_instance_is_held_until_the_operator_has_chosen(
    env: Env, elsewhere: Env, planted: Planted, file: Path
) -> None:
    good(env, "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = good(elsewhere, "restore", str(file))

    assert "restored, and stopped" in told
    with opened(env) as live:
        assert claimed(live) == planted.run_id  # the backup has not stopped it
    with opened(elsewhere) as runtime:
        assert not Worker(runtime=runtime).step()
        assert Watchdog(runtime=runtime).watch() is None
        for choice in ([], ["--keep-keys"], ["--fail-due"]):
            refused = run(elsewhere, "resume", *choice)
            assert refused.exit_code == 1
            assert f"{planted.tenant_id}: 1" in refused.output
            assert claimed(runtime) is None

        good(elsewhere, "resume", "--keep-keys", "--keep-due")

        assert claimed(runtime) == planted.run_id
        with runtime.sessions.begin() as session:
            owner = session.get_one(Tenant, planted.tenant_id).shared_secret
            [kept] = vault.accepted(session, runtime.keyring, owner, now=utc_now())
        assert kept.secret.reveal() == SECRET.reveal()


def test_t14_key_revoked_since_the_backup_is_published_at_no_time(
    env: Env, elsewhere: Env, planted: Planted, file: Path
) -> None:
    """Attack: who stole it signs, and receivers ask the restored instance for keys."""
    path = f"/issuers/{planted.tenant_id}/jwks.json"
    good(env, "backup", str(file))
    good(elsewhere, "restore", str(file))
    with opened(elsewhere) as runtime:
        app = create_app(runtime)
        with runtime.sessions.begin() as session:
            stolen = {str(key.id) for key in keys.listed(session, planted.tenant_id)}

        held = call(app, "GET", f"https://countersign.example{path}", {}, b"")
        good(elsewhere, "resume", "--new-keys", "--keep-due")
        after = call(app, "GET", f"https://countersign.example{path}", {}, b"")

    assert (held.status, held.headers["Cache-Control"]) == (503, "no-cache, no-store")
    assert len(stolen) == 2
    published = {key["kid"] for key in json.loads(after.body)["keys"]}
    assert len(published - stolen) == len(published) == 2


def test_t14_due_runs_and_revoked_keys_do_not_come_back(
    env: Env, elsewhere: Env, planted: Planted, file: Path
) -> None:
    good(env, "backup", str(file))
    good(elsewhere, "restore", str(file))
    with opened(elsewhere) as runtime:
        with runtime.sessions.begin() as session:
            before = keys.listed(session, planted.tenant_id)
            heard = runs.record(
                session, call_of(planted.tenant_id, b"2"), now=utc_now()
            )

        told = good(elsewhere, "resume", "--new-keys", "--fail-due")

        assert "runs ended as failed: 1" in told
        with runtime.sessions.begin() as session:
            ended = session.get_one(Run, planted.run_id)
            assert (ended.state, ended.why) == (RunState.FAILED, Why.RESTORED)
            assert "backup" in str(ended.message)
            after = keys.listed(session, planted.tenant_id)
            published = keys.key_set(session, planted.tenant_id, now=utc_now())
            kinds = set(session.scalars(sa.select(AuditEvent.kind)))
        assert claimed(runtime) == heard  # it came after the backup
    old = {key.id for key in before}
    assert {key.state for key in after if key.id in old} == {KeyState.REVOKED}
    assert not {str(key_id) for key_id in old} & {key["kid"] for key in published}
    assert len(published) == 2
    assert kinds >= {"run-failed", "key-revoked", "resumed"}


def test_t14_backup_of_a_stopped_instance_asks_all_the_same(
    env: Env, elsewhere: Env, planted: Planted, file: Path
) -> None:
    del planted
    good(env, "stop", "--why", "moving")
    good(env, "backup", str(file))
    good(elsewhere, "restore", str(file))

    assert run(elsewhere, "resume").exit_code == 1
    assert good(env, "resume") == "resumed\n"


class OneTurn(threading.Event):
    """Lets a worker go round once; what it has beside it does nothing."""

    def wait(self, timeout: float | None = None) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return super().wait()
        del timeout
        was_set = self.is_set()
        self.set()
        return was_set


def secrets_after_a_turn(runtime: Runtime) -> int:
    """Let a worker sweep and keep house once; return how many secrets are left.

    The key of the history is not counted: the first worker that may makes it.
    """
    worker = Worker(runtime=runtime, stop=OneTurn())
    worker.run()
    with runtime.sessions.begin() as session:
        count = sa.select(sa.func.count()).select_from(SecretVersion)
        of_others = count.where(SecretVersion.kind != vault.CHECKPOINT_KEY)
        return session.scalar(of_others) or 0


def test_held_instance_forgets_nothing_by_itself(
    env: Env, elsewhere: Env, planted: Planted, file: Path
) -> None:
    with opened(env) as live, live.sessions.begin() as session:
        owner = session.get_one(Tenant, planted.tenant_id).shared_secret
        vault.expire(session, owner, at=utc_now() - timedelta(minutes=1))
    good(env, "backup", str(file))
    good(elsewhere, "restore", str(file))

    with opened(elsewhere) as runtime:
        assert secrets_after_a_turn(runtime) == 3
        good(elsewhere, "resume", "--keep-keys", "--fail-due")
        assert secrets_after_a_turn(runtime) == 2


def test_backup_is_made_beside_a_writer(
    env: Env, sessions: sessionmaker[Session], planted: Planted, file: Path
) -> None:
    with sessions.begin() as session:
        runs.record(session, call_of(planted.tenant_id, b"2"), now=utc_now())
        session.flush()

        good(env, "backup", str(file))

        session.rollback()
    assert run(env, "backup", str(file)).exit_code == 1  # it is there already


def test_backup_is_read_by_nobody_else_from_its_first_moment_on(file: Path) -> None:
    """Attack: in a folder of everybody's, he makes the file first, and reads along."""
    file.symlink_to(file.with_name("his"))

    with pytest.raises(FileExistsError):
        make_private(file)
    assert not file.exists()

    mask = os.umask(0)
    try:
        make_private(file.with_name("ours"))
    finally:
        os.umask(mask)
    assert stat.S_IMODE(file.with_name("ours").stat().st_mode) == PRIVATE


def test_restore_refuses_a_database_that_is_there(
    env: Env, planted: Planted, file: Path
) -> None:
    good(env, "backup", str(file))

    refused = run(env, "restore", str(file))

    assert refused.exit_code == 1
    with opened(env) as live:
        assert claimed(live) == planted.run_id


def test_restore_takes_a_database_without_a_table(
    env: Env, elsewhere: Env, planted: Planted, file: Path
) -> None:
    good(env, "backup", str(file))
    # Whoever looks at a SQLite database that is not there makes an empty one.
    run(elsewhere, "stops")

    good(elsewhere, "restore", str(file))
    with opened(elsewhere) as restored:
        assert claimed(restored) is None, planted.run_id


def test_restore_refuses_half_a_backup_and_leaves_nothing(
    env: Env, elsewhere: Env, planted: Planted, file: Path
) -> None:
    del planted
    good(env, "backup", str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])

    assert run(elsewhere, "restore", str(file)).exit_code == 1

    file.write_bytes(whole)
    good(elsewhere, "restore", str(file))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
class TestSQLite:
    """What only files can do wrong."""

    def test_t14_copy_that_is_no_backup_is_refused(
        self, env: Env, elsewhere: Env, planted: Planted, tmp_path: Path
    ) -> None:
        del planted
        live = sa.make_url(env["COUNTERSIGN_DATABASE_URL"]).database

        refused = run(elsewhere, "restore", str(live))

        assert refused.exit_code == 1
        assert "not a backup by `countersign backup`" in refused.output
        assert not (tmp_path / "restored.sqlite").exists()

    def test_what_is_left_of_an_older_database_is_not_mixed_in(
        self, env: Env, elsewhere: Env, planted: Planted, file: Path, tmp_path: Path
    ) -> None:
        del planted
        good(env, "backup", str(file))
        left = tmp_path / "restored.sqlite-wal"
        left.write_bytes(b"old writes")

        refused = run(elsewhere, "restore", str(file))

        assert (refused.exit_code, f"{left} is left" in refused.output) == (1, True)
        left.unlink()
        good(elsewhere, "restore", str(file))

    def test_mistaken_path_makes_neither_backup_nor_database(
        self, elsewhere: Env, file: Path, tmp_path: Path
    ) -> None:
        refused = run(elsewhere, "backup", str(file))

        assert refused.exit_code == 1
        assert "there is no database at" in refused.output
        assert list(tmp_path.iterdir()) == []


PASSWORD = "hunter2/@"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True, scope="session")
class TestPostgreSQL:
    """What only programs of others can do wrong."""

    def test_break_in_the_middle_of_a_restore_leaves_no_table(
        self, env: Env, elsewhere: Env, planted: Planted, file: Path
    ) -> None:
        del planted
        good(env, "backup", str(file))
        broken = file.read_bytes().replace(b"COPY public.run ", b"COPY public.nun ")
        file.write_bytes(broken)

        refused = run(elsewhere, "restore", str(file))

        assert refused.exit_code == 1
        assert "psql failed" in refused.output
        engine = db.make_engine(elsewhere["COUNTERSIGN_DATABASE_URL"])
        assert sa.inspect(engine).get_table_names() == []
        engine.dispose()

    def test_dump_of_the_database_alone_is_refused(
        self, elsewhere: Env, file: Path
    ) -> None:
        file.write_text("--\n-- PostgreSQL database dump\n--\n", encoding="utf-8")

        refused = run(elsewhere, "restore", str(file))

        assert refused.exit_code == 1
        assert "no backup for postgresql" in refused.output

    def test_password_is_in_no_argument_and_no_word(
        self, env: Env, planted: Planted, file: Path, tmp_path: Path
    ) -> None:
        """Other users of the machine see the arguments of a program."""
        del planted
        seen = tmp_path / "seen"
        program = tmp_path / "pg_dump"
        program.write_text(
            f'#!/bin/sh\necho "$@" > {seen}.args\n'
            f'echo "$PGPASSWORD" > {seen}.password\n'
            "echo it went wrong >&2\nexit 1\n",
            encoding="utf-8",
        )
        program.chmod(0o700)
        url = sa.make_url(env["COUNTERSIGN_DATABASE_URL"]).set(password=PASSWORD)
        told = url.render_as_string(hide_password=False)

        refused = run(
            {**env, "COUNTERSIGN_DATABASE_URL": told, "PATH": str(tmp_path)},
            "backup",
            str(file),
        )

        assert "pg_dump failed: it went wrong" in refused.output
        assert PASSWORD not in refused.output
        assert "hunter2" not in Path(f"{seen}.args").read_text(encoding="utf-8")
        given = Path(f"{seen}.password").read_text(encoding="utf-8")
        assert given == f"{PASSWORD}\n"
        assert not list(tmp_path.glob("*.backup*"))

    @pytest.mark.parametrize(
        ("command", "name"), [("backup", "pg_dump"), ("restore", "psql")]
    )
    def test_missing_program_is_named(
        self,
        env: Env,
        elsewhere: Env,
        planted: Planted,
        file: Path,
        tmp_path: Path,
        command: str,
        name: str,
    ) -> None:
        del planted
        if command == "restore":
            good(env, "backup", str(file))
        nowhere = {**elsewhere, "PATH": str(tmp_path)}
        if command == "backup":
            nowhere["COUNTERSIGN_DATABASE_URL"] = env["COUNTERSIGN_DATABASE_URL"]

        refused = run(nowhere, command, str(file))

        assert refused.exit_code == 1
        assert f"{name} is not on this machine: install" in refused.output
