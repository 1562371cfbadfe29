"""What the doctor sees in a database, of either kind, and of sites through any door."""

import dataclasses

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from app import doctor, vault
from app.crypto import Keyring, Secret
from app.doctor import Finding, databases
from app.http import Request, Response
from app.runtime import Runtime
from app.tenants import State, Tenant
from sandbox import Jira
from tests import lending
from tests.functional.callers import BASE_URL
from tests.functional.conftest import KEY
from tests.functional.fakes import Wire, call

OTHER = "b3Rvb3Rvb3Rvb3Rvb3Rvb3Rvb3Rvb3Rvb3Rvb3Rvb3Q="
READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
}


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {each.check: each for each in findings}


def test_revision_is_this_programs_or_it_says_which_way_to_go(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        present = session.scalar(sa.text("SELECT version_num FROM alembic_version"))
        now = databases.revision(session, [str(present), "0001"])
        behind = databases.revision(session, ["9999", str(present), "0001"])
        ahead = databases.revision(session, ["0001"])

    assert now.health == "ok"
    assert behind.health == ahead.health == "fail"
    assert "countersign db upgrade" in behind.do
    assert "newer than this program" in ahead.saw


def test_database_that_takes_nothing_is_told(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        assert databases.writable(session).health == "ok"

    with pytest.raises(sa.exc.DBAPIError), sessions.begin() as session:  # noqa: PT012
        connection = session.connection()
        connection.exec_driver_sql(READ_ONLY[connection.dialect.name])
        try:
            databases.writable(session)
        finally:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = OFF")


def test_each_encryption_key_that_is_still_needed_is_known(
    runtime: Runtime, site: Jira
) -> None:
    del site
    both = Keyring.from_base64([OTHER, KEY])
    with runtime.sessions.begin() as session:
        tenant = session.scalars(sa.select(Tenant)).one()
        found = databases.seals(session, runtime)
        older = databases.seals(session, dataclasses.replace(runtime, keyring=both))
        vault.put(session, both, tenant.shared_secret, Secret("new"), now=runtime.now())
        session.flush()
        missing = databases.seals(session, runtime)

    old, new = runtime.keyring.key_ids[0], both.key_ids[0]
    assert found.health == "ok"
    assert old in found.saw
    assert older.health == "warn"
    assert "countersign keys reseal" in older.do
    assert missing.health == "fail"
    assert f"missing key: {new} is not in the ring" in missing.saw


def test_only_active_sites_are_asked(runtime: Runtime, site: Jira, wire: Wire) -> None:
    del site
    with runtime.sessions.begin() as session:
        tenant = session.scalars(sa.select(Tenant)).one()
        assert list(doctor.active(session)) == [tenant.id]
        tenant.state = State.PENDING
    wire.sent.clear()

    with runtime.sessions.begin() as session:
        assert list(doctor.active(session)) == []
        assert doctor.waiting(session) == 1


def test_forge_only_leaves_out_what_is_connects_and_says_so(
    runtime: Runtime, app: Flask, forge_site: Jira, wire: Wire
) -> None:
    del forge_site
    settings = runtime.settings.model_copy(update={"doors": ("forge",)})
    forge_only = dataclasses.replace(runtime, settings=settings)
    wire.elsewhere[BASE_URL.partition("//")[2]] = lambda request: call(
        app, "GET", BASE_URL + (request.target or ""), {}, b""
    )
    with runtime.sessions.begin() as session:
        [tenant_id] = doctor.active(session)
        read = doctor.read(session, forge_only, tenant_id)

    found = by_check(list(doctor.everywhere(forge_only, [read])))

    for check in ("descriptor", "targets", "install-keys"):
        assert found[check].health == "skipped", check
        assert "Connect's door is shut" in found[check].saw
    for check in ("base-url", "forge-keys", "forge-token"):
        assert found[check].health == "ok", (check, found[check])
    assert found["forge-token"].tenant_id == tenant_id
    assert "secret" not in found


@pytest.mark.parametrize(("stripped", "health"), [("", "ok"), ("/jira", "fail")])
def test_prefix_of_the_base_url_must_arrive(
    runtime: Runtime, wire: Wire, stripped: str, health: str
) -> None:
    base_url = f"{BASE_URL}/jira"
    settings = runtime.settings.model_copy(update={"base_url": base_url})
    prefixed = dataclasses.replace(runtime, settings=settings)
    app = lending.addon(prefixed)

    def proxy(request: Request) -> Response:
        target = request.target or request.url.removeprefix(BASE_URL)
        return call(app, "GET", BASE_URL + target.removeprefix(stripped), {}, b"")

    wire.elsewhere[BASE_URL.partition("//")[2]] = proxy

    found = by_check(list(doctor.everywhere(prefixed, [])))

    assert found["base-url"].health == health, found["base-url"]
    assert found["targets"].health == ("ok" if health == "ok" else "skipped")
    assert found["descriptor"].health == ("ok" if health == "ok" else "skipped")
