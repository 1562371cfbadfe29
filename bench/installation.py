"""An installation of ours to measure: settings as an operator has them, and sites."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.runtime import Runtime
from app.settings import Settings
from bench import databases, tenants


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Its database, with our tables and sites in it, and the settings of all parts."""

    env: Mapping[str, str]
    database_url: str

    @contextmanager
    def opened(self) -> Iterator[Runtime]:
        """Open it in this process."""
        runtime = Runtime.build(Settings.from_env(self.env))
        yield runtime
        runtime.sessions.kw["bind"].dispose()

    def listening(
        self, port: int, *, threads: int, processes: int = 1
    ) -> dict[str, str]:
        """Return the settings of a web server at this port."""
        return {
            **self.env,
            "COUNTERSIGN_LISTEN": f"127.0.0.1:{port}",
            "COUNTERSIGN_WEB_THREADS": str(threads),
            "COUNTERSIGN_WEB_PROCESSES": str(processes),
        }


@contextmanager
def installed(
    database: str, within: Path, *, sites: int, **settings: str
) -> Iterator[Installation]:
    """Make one for production, behind a TLS proxy that is left out here."""
    with ExitStack() as stack:
        url = stack.enter_context(databases.migrated(database, within, "ours"))
        queue = stack.enter_context(databases.queue(database, within, "ours"))
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        env = {
            "COUNTERSIGN_BASE_URL": "https://countersign.example",
            "COUNTERSIGN_DATABASE_URL": url,
            "COUNTERSIGN_QUEUE_URL": queue,
            "COUNTERSIGN_ENCRYPTION_KEYS": key,
        }
        found = Installation(env=env | settings, database_url=url)
        with found.opened() as runtime:
            tenants.install(runtime, sites)
        databases.settle(url)
        yield found
