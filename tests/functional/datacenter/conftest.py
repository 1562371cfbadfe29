"""A self-managed Jira instead of a site in the cloud, and its admin on our pages."""

import pytest
from flask import Flask

from app.runtime import Runtime
from app.worker import Worker
from sandbox import Jira
from tests.functional.conftest import Heard, rule
from tests.functional.fakes import Clock, Wire
from tests.functional.receiving import open_desk
from tests.functional.self_managed import Office, jira_of, open_office


@pytest.fixture
def jira(clock: Clock, addon: dict[str, Flask], heard: list[Heard]) -> Jira:
    return jira_of(clock, addon, heard)


@pytest.fixture
def office(
    runtime: Runtime,
    app: Flask,
    jira: Jira,
    worker: Worker,
    wire: Wire,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    return open_office(open_desk(runtime, app, jira, worker, wire), monkeypatch)


@pytest.fixture
def listening(office: Office) -> Office:
    """A site whose webhook is bound to a transition, with a rule that comments."""
    listener = office.listen()
    office.save(listener, rule())
    office.place(listener)
    return office
