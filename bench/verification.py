"""`make bench ARGS=verification`: what one verification costs, by part, in process."""

import itertools
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import click
import sqlalchemy as sa
from werkzeug.test import Client

from app import audit, runs, vault
from app.audit import Fact
from app.rules import rule_hash
from app.runs import Call
from app.runtime import Runtime
from app.tenants import Door, callers
from app.tenants.callers import Known
from app.tokens import checks, connect, target
from app.vault import SecretVersion
from app.web import create_app
from app.web.express.lane import Lane
from bench import databases, report
from bench.hooks import calls, contestants
from bench.installation import installed
from bench.report import Section
from bench.serving import apps

BATCHES = 15
"""Whose median counts."""

TOGETHER = 16
"""Calls of one transaction, as they come when many come."""

TOKENS = 100
"""Taken in turn: one that brings a thousand calls is suspicious."""

LEAST_SECONDS = 0.02
"""Of one batch."""

NOTE = (
    f"In one thread of one process, medians of {BATCHES} batches. The whole is more"
    " than its parts: Flask, logs and locks have no line of their own."
)
Parts = Mapping[str, Callable[[], object]]
NO_CONTENT = 204


@click.command()
def verification() -> list[Section]:
    """Measure what one verification costs, by part."""
    found: dict[str, dict[str, float]] = {}
    for name in databases.NAMES:
        with (
            databases.folder() as folder,
            installed(name, folder, sites=calls.TENANTS) as made,
            made.opened() as runtime,
        ):
            for part, act in _parts(runtime).items():
                found.setdefault(part, {})[name] = _microseconds(act)
    section = Section(
        title="One verification, by part",
        columns=["µs", *databases.NAMES],
        rows=[
            [part, *(f"{each[name]:.0f}" for name in databases.NAMES)]
            for part, each in found.items()
        ],
        notes=[NOTE],
        figures=found,
    )
    click.echo(report.text(section))
    return [section]


def _microseconds(act: Callable[[], object]) -> float:
    act()
    began = time.perf_counter()
    act()
    times = max(1, int(LEAST_SECONDS / (time.perf_counter() - began)))
    batches = []
    for _ in range(BATCHES):
        began = time.perf_counter()
        for _ in range(times):
            act()
        batches.append((time.perf_counter() - began) / times)
    return statistics.median(batches) * 1e6


def _parts(runtime: Runtime) -> Parts:
    return {**_pure(runtime), **_stored(runtime), **_whole(runtime)}


def _token(runtime: Runtime) -> str:
    """Return a token of the first site's."""
    return next(calls.made(contestants.OURS, now=runtime.now(), sites=[0]))


def _pure(runtime: Runtime) -> Parts:
    """Return what needs no database; the secret was read before."""
    text, secret, now = _token(runtime), calls.secret(0), runtime.now()
    token = checks.read(text)
    hashes = target.hashes("POST", contestants.OURS)
    with runtime.sessions.begin() as session:
        row = session.scalars(sa.select(SecretVersion).limit(1)).one()
        session.expunge(row)
    [opened] = [runtime.keyring.open(row.sealed, context=vault.context_of(row))]
    known = [(type(opened)(secret), 1)]

    def verify() -> object:
        return connect.verify_url_bound(token, known, hashes=hashes, now=now)

    return {
        "read the token": lambda: checks.read(text),
        "refuse confusable targets": lambda: target.refuse_confusable(contestants.OURS),
        "canonicalise and hash the target": (
            lambda: target.hashes("POST", contestants.OURS)
        ),
        "HMAC alone": lambda: checks.check_signature(token, secret, "HS256"),
        "HMAC, binding, claims": verify,
        "open the secret": lambda: runtime.keyring.open(
            row.sealed, context=vault.context_of(row)
        ),
        "hash the rule": lambda: rule_hash(calls.RULE),
    }


def _stored(runtime: Runtime) -> Parts:
    """Return what asks the database, each in a transaction of its own."""
    numbers = _numbers()

    def read() -> Known:
        now, name = runtime.now(), calls.client_key(0)
        with runtime.reading.begin() as session:
            return callers.get_known(session, runtime.keyring, name, now=now)

    known = read()
    proof = known.proof(known.secrets[0].generation)

    def record(count: int = 1) -> object:
        now, many = runtime.now(), [next(numbers) for _ in range(count)]
        database = runtime.recording
        made = [_call(known.tenant.id, number) for number in many]
        prepared = runs.prepare(database.dialect, made, now=now)
        facts = [_fact(known.tenant.id, number) for number in many]
        events = audit.prepare(database.dialect, facts, now=now)
        with database.begin() as connection:
            callers.hold(connection, [proof])
            callers.still_callers(connection, [proof], now=now)
            events.insert(connection, prepared.record(connection, range(count)))
        return many

    return {
        "database: tenant and secrets, once in five minutes": read,
        "database: still so, run and event, committed": record,
        f"the same for {TOGETHER} calls at once": lambda: record(TOGETHER),
        "wake a worker, beside the calls": runtime.queue.wake,
    }


def _call(tenant_id: uuid.UUID, number: str) -> Call:
    return Call(
        door=Door.CONNECT,
        tenant_id=tenant_id,
        token_hash=number,
        raw_body=number.encode(),
        issue_id=number,
        config=calls.RULE,
        rule_hash="measured",
        unverified_hint={"transitionId": "11"},
        webhook_id=number,
    )


def _fact(tenant_id: uuid.UUID, number: str) -> Fact:
    return Fact(
        tenant_id=tenant_id,
        kind="verification-accepted",
        actor="jira",
        detail={"run": number, "route": "triggered.triggered", "age": 1},
    )


def _whole(runtime: Runtime) -> Parts:
    """Return whole requests, without a server and the network."""
    numbers, written = _numbers(calls.FIRST * 2), calls.body()
    made = calls.made(contestants.OURS, now=runtime.now(), sites=[0] * TOKENS)
    tokens = itertools.cycle(list(made))
    product = create_app(runtime)
    long_way = cast("Lane", product.wsgi_app).long_way

    def call(client: Client, path: str) -> object:
        body = written.replace(calls.NUMBER.encode(), next(numbers).encode())
        headers = {"Authorization": f"JWT {next(tokens)}"}
        answer: Any = client.post(path, data=body, headers=headers)
        if answer.status_code != NO_CONTENT:
            raise click.ClickException(f"{path}: {answer.status_code}")
        return answer

    short, long_ = Client(product), Client(long_way)
    empty = Client(apps.empty(runtime))
    return {
        "whole call, without a server": lambda: call(short, contestants.OURS),
        "whole call by the long way": lambda: call(long_, contestants.OURS),
        "empty view, without a server": lambda: call(empty, apps.TARGET),
    }


def _numbers(first: int = calls.FIRST) -> Iterator[str]:
    return map(str, range(first, first + calls.FIRST))
