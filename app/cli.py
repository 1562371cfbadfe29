"""The console script `countersign`: everything an operator does from a shell."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from waitress.server import create_server

from app import tenants, vault
from app.forge.commands import forge
from app.queue import TroubleFilter
from app.runtime import Runtime
from app.settings import Settings, SettingsError
from app.tenants import Tenant, TenantIdentity
from app.watchdog import Watchdog, scheduled
from app.web import MAX_BODY, create_app
from app.web.context import KEY
from app.worker import Worker

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10
"""How long a child may take to stop before it is killed."""

CONNECTIONS = 1000
"""Sockets that may be open: two hundred slow clients must not keep others out."""


def _settings() -> Settings:
    try:
        return Settings.from_env(os.environ)  # noqa: TID251 -- the one place that reads it
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)


def _runtime() -> Runtime:
    settings = _settings()
    handler = logging.StreamHandler()
    handler.addFilter(TroubleFilter())
    logging.basicConfig(
        handlers=[handler],
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("huey").setLevel(logging.WARNING)
    return Runtime.build(settings)


@click.group()
def main() -> None:
    """Countersign: verified in, signed out, never silent."""


main.add_command(forge)


@main.command()
@click.option("--web-only", is_flag=True, help="Serve pages and calls, no worker.")
def serve(*, web_only: bool) -> None:
    """Serve Jira and carry out runs until stopped."""
    if web_only:
        _serve_web()
        return
    _settings()  # complain once, not once a child
    own = [sys.executable, "-m", "app.cli"]
    children = [
        subprocess.Popen([*own, "serve", "--web-only"]),  # noqa: S603 -- our own command
        subprocess.Popen([*own, "worker"]),  # noqa: S603
    ]
    sys.exit(_supervise(children))


@main.command()
def worker() -> None:
    """Carry out runs until stopped."""
    runtime = _runtime()
    carrier = Worker(runtime=runtime)
    threads = runtime.settings.worker_threads
    # In this order: Huey takes the signals first, and we take them from it.
    with (
        runtime.queue.consuming(carrier.drain, threads=threads),
        _stopping(carrier.stop),
        scheduled(Watchdog(runtime=runtime), carrier.stop),
    ):
        carrier.run()


@main.command()
def watch() -> None:
    """Look once for issues that are stuck in a hold; workers do it on a schedule."""
    rescued = Watchdog(runtime=_runtime()).watch()
    if rescued is None:
        raise click.ClickException("another process is looking; try again later")
    click.echo(f"{rescued} issues are being rescued")


@main.group()
def db() -> None:
    """Look after the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the database to a revision; the newest one by default."""
    command.upgrade(_alembic(), revision)


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the database back to an older revision."""
    command.downgrade(_alembic(), revision)


@main.group("tenants")
def tenants_group() -> None:
    """Look after the sites that installed us."""


@tenants_group.command("list")
def list_tenants() -> None:
    """List the sites: id, state, address, and by which door each is known as what."""
    runtime = _runtime()
    with runtime.sessions.begin() as session:
        rows = session.execute(
            sa.select(Tenant, TenantIdentity)
            .join(TenantIdentity, TenantIdentity.tenant_id == Tenant.id)
            .order_by(Tenant.installed_at, TenantIdentity.id)
        )
        for tenant, name in rows:
            ended = " (ended)" if name.ended_at else ""
            click.echo(
                f"{tenant.id}  {tenant.state:<12} {tenant.base_url}"
                f"  {name.door} {name.external_id}{ended}"
            )


@tenants_group.command()
@click.argument("tenant_id", type=click.UUID)
def approve(tenant_id: str) -> None:
    """Let in a site that waits for approval."""
    runtime = _runtime()
    with runtime.sessions.begin() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None:
            raise click.ClickException("no such tenant; see `countersign tenants list`")
        approved = tenants.approve(session, tenant, actor="operator", now=runtime.now())
    click.echo("approved" if approved else "it was not waiting")


@main.group()
def keys() -> None:
    """Look after the keys that seal secrets."""


@keys.command()
def reseal() -> None:
    """Seal every secret with the newest key; then the older keys can go."""
    runtime = _runtime()
    with runtime.sessions.begin() as session:
        count = vault.reseal(session, runtime.keyring)
    click.echo(f"{count} secrets sealed again")


@main.command()
def prune() -> None:
    """Forget what may be forgotten; the worker does the same every hour."""
    Worker(runtime=_runtime()).keep_house()
    click.echo("pruned")


def _alembic() -> Config:
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = _settings().database_url
    return config


def _serve_web() -> None:
    runtime = _runtime()
    flask = create_app(runtime)
    host, _, port = runtime.settings.listen.rpartition(":")
    server = create_server(
        flask,
        host=host,
        port=int(port),
        threads=runtime.settings.web_threads,
        connection_limit=CONNECTIONS,
        # select() cannot hold a thousand sockets; and who says nothing is let go.
        asyncore_use_poll=True,
        channel_timeout=30,
        cleanup_interval=10,
        max_request_body_size=2 * MAX_BODY,
        ident="",
    )

    def close(number: int, frame: FrameType | None) -> None:
        del number, frame
        flask.extensions[KEY].draining.set()
        # Waitress ends its loop on this and lets its threads finish what they have.
        raise SystemExit

    signal.signal(signal.SIGTERM, close)
    signal.signal(signal.SIGINT, close)
    server.run()


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT inside the block."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    before = {n: signal.signal(n, handle) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _supervise(children: list[subprocess.Popen[bytes]]) -> int:
    """Wait for a signal or the first child that ends; stop the rest; return a status.

    A child that died takes the other with it: half an add-on that looks alive is worse
    than one that its init system starts again.
    """
    stop = threading.Event()
    with _stopping(stop):
        while not stop.wait(0.2) and all(c.poll() is None for c in children):
            pass
        failed = not stop.is_set()
        for child in children:
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    main()
