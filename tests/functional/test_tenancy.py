"""One site's ids are nothing to another's admins, on every route that has one (T5)."""

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.db import Base
from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira, people
from tests.functional.doors import (
    MAKERS,
    OF_OUR_FILES,
    House,
    build,
    doors,
    families,
    made_up,
)
from tests.functional.fakes import Wire
from tests.functional.receiving import open_desk

ADA = people.ADA.account_id
FOR_EVERYBODY = {
    # What receivers verify deliveries with; they are of no site.
    "GET /issuers/<tenant_id>/.well-known/openid-configuration",
    "GET /issuers/<tenant_id>/jwks.json",
    # A listener's own door: its own proof opens it, and no site's token.
    "POST /listeners/<listener_id>",
    # No id, but a secret that is good once: who has it may be anybody.
    "GET /downloads/<unverified_ticket>",
}


@pytest.fixture
def house(
    runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire
) -> House:
    return build(open_desk(runtime, app, site, worker, wire), wire)


def with_ids(app: Flask) -> list[str]:
    """Return the routes whose address holds an id of somebody's."""
    return [
        key
        for key, rule in doors(app).items()
        if rule.arguments - OF_OUR_FILES - set(rule.defaults or ())
    ]


def rows_of(house: House) -> dict[str, list[Any]]:
    """Return everything that is stored of the site."""
    tenant_id = house.desk.tenant_id
    with house.desk.runtime.sessions.begin() as session:
        return {
            table.name: sorted(
                map(str, session.execute(table.select().where(_is(table, tenant_id))))
            )
            for table in Base.metadata.sorted_tables
            if table.name == "tenant" or "tenant_id" in table.columns
        }


def _is(table: sa.Table, tenant_id: object) -> sa.ColumnElement[bool]:
    column = table.c.id if table.name == "tenant" else table.c.tenant_id
    return column == tenant_id


def test_t5_every_id_in_a_route_has_a_maker(app: Flask) -> None:
    used = {
        argument
        for key in with_ids(app)
        for argument in doors(app)[key].arguments - OF_OUR_FILES
    }

    assert used == set(MAKERS)
    assert set(with_ids(app)) >= FOR_EVERYBODY


def test_t5_another_sites_ids_are_404_like_made_up_ones_and_nothing_changes(
    house: House, app: Flask
) -> None:
    before = rows_of(house)
    assert len(before["run"]) == 1
    tried = set(with_ids(app)) - FOR_EVERYBODY

    found = {}
    for key in sorted(tried):
        token = house.signed(house.stranger, families(app)[key], key, ADA, {})
        theirs = house.knock(key, token)
        nobodys = house.knock(key, token, made_up())
        found[key] = (theirs.status, theirs.body == nobodys.body, nobodys.status)

    assert found == dict.fromkeys(tried, (404, True, 404))
    assert rows_of(house) == before


def test_t5_own_ids_open_all_of_them(house: House, app: Flask) -> None:
    """Or the test above would prove nothing."""
    tried = sorted(set(with_ids(app)) - FOR_EVERYBODY)

    found = {key: house.knock(key, house.token(key, ADA)).status for key in tried}

    closed = {key: status for key, status in found.items() if status == 404}
    # Sorted, they are deleted before they are asked for again.
    gone = ("<destination_id>", "<listener_id>")
    assert all(any(each in key for each in gone) for key in closed)
    for each in ("destinations/<destination_id>", "listeners/<listener_id>"):
        assert found[f"DELETE /api/v1/{each}"] == 204


@pytest.mark.parametrize("act", ["pages/{}", "{}/replay"])
def test_t5_run_of_another_site_is_not_behind_an_issue_of_ones_own(
    house: House, act: str
) -> None:
    # Each site counts its issues by itself: this number is an issue of both.
    assert house.stranger.jira.issue("10100").key == "DEMO-1"
    house.desk.fire("DEMO-1")
    house.desk.worker.drain()
    [run] = [run for run in house.desk.runs() if run.issue_id == "10100"]
    path = "/api/v1/" + act.format(f"issues/10100/runs/{run.id}")
    method = "POST" if act.endswith("replay") else "GET"

    ours, theirs = (
        house.caller.send(method, path, token=by.context(), body={}).status
        for by in (house.caller, house.stranger)
    )

    assert (ours < 300, theirs) == (True, 404)


def test_t5_issue_both_sites_have_shows_each_its_own_runs(house: House) -> None:
    house.desk.fire("DEMO-1")
    house.desk.worker.drain()
    path = "/api/v1/pages/issues/10100"

    ours = house.caller.send("GET", path, token=house.caller.context())
    theirs = house.caller.send("GET", path, token=house.stranger.context())

    assert b"data-item" in ours.body
    assert theirs.status == 200
    assert b"data-item" not in theirs.body
