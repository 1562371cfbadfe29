"""The doctor finds each of ten faults that are planted, and calls it by its name."""

import base64
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from click.testing import CliRunner, Result

from app import db, keys
from app.cli import main
from app.crypto import Keyring
from app.keys import KeyState, SigningKey
from app.runtime import utc_now
from app.tenants import State, Tenant
from tests import processes
from tests.doctor.conftest import DAY, FAKETIMES, KEY, Stage, migrate, read
from tests.processes import COUNTERSIGN, ENVIRON
from tests.shared import ROOT

NEVER = "http://nobody.invalid"


def test_nothing_is_wrong_where_nothing_is(behind_nginx: Stage) -> None:
    examined = behind_nginx.examine()

    # How full the disk is, is the machine's own affair.
    found = [each for each in examined.findings if each["check"] != "disk"]
    odd = [each for each in found if each["health"] not in {"ok", "skipped"}]
    assert odd == []
    assert examined.status == 0
    assert {e["check"] for e in examined.findings if e["health"] == "ok"} >= {
        *("base-url", "targets", "descriptor", "clock", "install-keys", "secret"),
        *("signing-keys", "jwks", "database", "writable", "queue", "encryption-keys"),
    }


def test_fault_1_wrong_clock_is_named_with_its_seconds(behind_nginx: Stage) -> None:
    found = (str(at) for each in FAKETIMES for at in Path("/").glob(each[1:]))
    faked = {"LD_PRELOAD": next(found), "FAKETIME": "+42s"}

    done = subprocess.run(  # noqa: S603 -- ours
        [COUNTERSIGN, "doctor", "--json"],
        env={**ENVIRON, **behind_nginx.env, **faked},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )

    examined = read(done.returncode, done.stdout.decode())
    clock = examined.of("clock")
    assert f"this machine is 42 s ahead of {behind_nginx.host}" in clock["saw"]
    assert "NTP" in clock["do"]
    assert "whose clock is wrong" in examined.of("secret")["saw"]
    assert examined.failed == {"clock", "secret"}
    assert examined.status == 1


def test_fault_2_wrong_base_url_is_named(behind_nginx: Stage) -> None:
    other_app = behind_nginx.jira.base_url
    examined = behind_nginx.examine(base_url=other_app)

    found = examined.of("base-url")
    assert "by something else than Countersign" in found["saw"]
    assert "COUNTERSIGN_BASE_URL" in found["do"]
    assert examined.failed == {"base-url"}

    other_name = behind_nginx.base.replace("127.0.0.1", "localhost")
    examined = behind_nginx.examine(base_url=other_name)
    assert f"says that it is at {behind_nginx.base}" in examined.of("descriptor")["saw"]
    assert examined.failed == {"descriptor"}


def test_base_url_that_redirects_is_named(stage: Stage) -> None:
    moves = (
        "location = /healthz { return 200; }"
        " location / { return 301 https://a.example$request_uri; }"
    )
    with stage.proxy(moves):
        examined = stage.examine()

    assert "redirects to https://a.example" in examined.of("base-url")["saw"]
    assert examined.failed == {"base-url"}


def test_fault_3_proxy_that_rewrites_paths_is_named(stage: Stage) -> None:
    # The slash at the end makes nginx pass on what it made of the path.
    with stage.proxy("location / { proxy_pass http://UPSTREAM/; }"):
        examined = stage.examine()

    found = examined.of("targets")
    assert "an encoded slash (%2F) in the path" in found["saw"]
    assert "two slashes (//) in the path" in found["saw"]
    assert "nginx: `proxy_pass` without a path" in found["do"]
    assert examined.failed == {"targets"}
    assert examined.status == 1


def test_proxy_that_changes_queries_is_named(stage: Stage) -> None:
    plus = "location / { set $args $arg_b; proxy_pass http://UPSTREAM; }"
    with stage.proxy(plus):
        examined = stage.examine()

    assert "a plus sign (+) in the query" in examined.of("targets")["saw"]


def test_fault_4_wrong_secret_is_named(behind_nginx: Stage) -> None:
    site = behind_nginx.jira.site
    ours, site.shared_secret = (
        site.shared_secret,
        "another-secret-of-that-length-at-least",
    )
    try:
        examined = behind_nginx.examine()
    finally:
        site.shared_secret = ours

    found = examined.of("secret")
    assert found["saw"].startswith("wrong secret: ")
    assert found["do"] == "Install the app anew on that site."
    assert found["site"] == behind_nginx.host
    assert found["tenant"] == str(behind_nginx.tenant_id)
    assert examined.failed == {"secret"}


def test_fault_5_missing_key_is_named_by_its_id(behind_nginx: Stage) -> None:
    other = base64.b64encode(b"o" * 32).decode()
    examined = behind_nginx.examine(encryption_keys=other)

    [missing] = Keyring.from_base64([KEY]).key_ids
    for check in ("encryption-keys", "secret", "signing-keys"):
        assert missing in examined.of(check)["saw"], check
    assert "missing key" in examined.of("secret")["saw"]
    assert examined.failed == {"encryption-keys", "secret", "signing-keys"}


def test_fault_6_stale_migration_is_named(behind_nginx: Stage, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/stale.sqlite"
    migrate(url, "0003")

    examined = behind_nginx.examine(database_url=url)

    assert "its revision is 0003, and this program" in examined.of("database")["saw"]
    assert "countersign db upgrade" in examined.of("database")["do"]
    assert examined.failed == {"database"}
    assert "newer than this program" in stamped(behind_nginx, url, "9999")
    empty = behind_nginx.examine(database_url=f"sqlite:///{tmp_path}/empty.sqlite")
    assert empty.of("database")["saw"] == "the database has no schema yet"
    gone = behind_nginx.examine(database_url="postgresql+psycopg://x:pw@127.0.0.1:1/x")
    assert "the database does not take this" in gone.of("database")["saw"]
    assert "pw" not in str(gone.findings)


def stamped(stage: Stage, url: str, revision: str) -> str:
    """Say that the schema is of this revision; return what the doctor says to it."""
    engine = db.make_engine(url)
    with engine.begin() as connection:
        stamp = sa.text("UPDATE alembic_version SET version_num = :revision")
        connection.execute(stamp, {"revision": revision})
    engine.dispose()
    return str(stage.examine(database_url=url).of("database")["saw"])


def test_fault_7_dead_queue_is_named(behind_nginx: Stage, tmp_path: Path) -> None:
    dead = f"redis://127.0.0.1:{processes.free_port()}/0"
    examined = behind_nginx.examine(queue_url=dead)
    assert "the queue cannot be reached" in examined.of("queue")["saw"]
    assert "queue" in examined.failed

    no_file = behind_nginx.examine(queue_url=f"sqlite:///{tmp_path}/no/queue.sqlite")
    assert "the queue cannot be opened" in no_file.of("queue")["saw"]
    assert no_file.failed == {"queue"}

    nobody = f"sqlite:///{tmp_path}/nobody-reads-this.sqlite"
    examined = behind_nginx.examine(queue_url=nobody)
    assert "no worker took a wake-up" in examined.of("worker")["saw"]
    assert "countersign worker" in examined.of("worker")["do"]


def test_fault_8_blocked_egress_is_named_by_its_cause(behind_nginx: Stage) -> None:
    def said(url: str) -> str:
        examined = behind_nginx.examine(install_keys_url=url)
        assert examined.failed == {"install-keys"}
        return str(examined.of("install-keys")["saw"])

    assert said(NEVER) == "DNS: the name nobody.invalid was not found"
    closed = f"127.0.0.1:{processes.free_port()}"
    assert said(f"http://{closed}") == f"the connection to {closed} was refused"
    inner = "http://10.0.0.1"
    assert "leads to an address that is not public" in said(inner)
    with answering(b"this is no TLS\r\n\r\n") as there:
        assert said(f"https://{there}").startswith("TLS: ")


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Serve one connection, whatever it says, and say where."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        where = f"127.0.0.1:{listening.getsockname()[1]}"

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield where
        thread.join(5)


def test_fault_9_overdue_next_key_is_named(behind_nginx: Stage) -> None:
    long_ago = utc_now() - timedelta(days=100)
    then = moved(behind_nginx, long_ago - DAY)
    try:
        examined = behind_nginx.examine()
    finally:
        moved(behind_nginx, then)

    found = examined.of("signing-keys")
    assert found["saw"].startswith("the next key is overdue: it should sign since ")
    assert "worker" in found["do"]
    assert examined.failed == {"signing-keys"}


def moved(stage: Stage, to: object) -> object:
    """Let the active key have begun to sign then; return when it had."""
    with stage.sessions.begin() as session:
        active = session.scalars(
            sa.select(SigningKey).where(SigningKey.state == KeyState.ACTIVE)
        ).one()
        before = active.active_at
        active.active_at = to  # type: ignore[assignment]
        return before


def test_fault_10_stale_key_set_is_named(stage: Stage) -> None:
    keeps = (
        "location / { proxy_pass http://UPSTREAM; proxy_cache kept;"
        " proxy_ignore_headers Cache-Control Expires; proxy_cache_valid 200 1h; }"
    )
    with stage.proxy(keeps):
        assert stage.examine().failed == set()
        gone = rotated(stage)
        examined = stage.examine()

    found = examined.of("jwks")
    assert f"the key set is served stale: it still has the key {gone}" in found["saw"]
    assert "longer than its max-age=300" in found["do"]
    assert examined.failed == {"jwks"}


def rotated(stage: Stage) -> object:
    """Let the active key have been revoked days ago; return which it was."""
    pairs = keys.make(1)
    with stage.sessions.begin() as session:
        active = session.scalars(
            sa.select(SigningKey).where(SigningKey.state == KeyState.ACTIVE)
        ).one()
        rotation = keys.Rotation(
            tenant_id=stage.tenant_id,
            actor="test",
            now=utc_now() - 2 * DAY,
            fresh=pairs,
        )
        keys.revoke_active(session, Keyring.from_base64([KEY]), rotation)
        return active.id


def test_lines_for_people_say_ok_or_what_to_do(behind_nginx: Stage) -> None:
    waiting = uuid.uuid4()
    with behind_nginx.sessions.begin() as session:
        stranger = Tenant(
            id=waiting,
            state=State.PENDING,
            base_url="http://127.0.0.1:1",
            enabled=True,
            installed_at=utc_now(),
            lifecycle_at=utc_now(),
        )
        session.add(stranger)
    then = moved(behind_nginx, utc_now() - 100 * DAY)

    def said(*arguments: str) -> Result:
        command = ["doctor", *arguments]
        return CliRunner().invoke(main, command, env=behind_nginx.env)

    whole = said("--site", behind_nginx.host)
    moved(behind_nginx, then)
    lines = whole.stdout.splitlines()
    overdue = next(n for n, line in enumerate(lines) if line.startswith("FAIL"))
    assert f"signing-keys of {behind_nginx.host}: the next key is" in lines[overdue]
    assert lines[overdue + 1].strip().startswith("→ See that a worker runs")
    assert "SKIPPED sites: sites that wait for approval: 1" in lines
    assert lines[-1].endswith("1 failed, 2 not looked at")
    assert whole.exit_code == 1
    secret = behind_nginx.jira.site.shared_secret
    assert secret not in whole.output
    assert KEY not in whole.output
    for nobody in ("nobody.example", str(waiting)):
        assert "no such active site" in said("--site", nobody).output


def test_broken_settings_end_it_with_another_status() -> None:
    result = CliRunner().invoke(main, ["doctor"], env={"COUNTERSIGN_LISTEN": "nowhere"})

    assert result.exit_code == 2
    assert "COUNTERSIGN_BASE_URL" in result.output
