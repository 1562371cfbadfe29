"""What may change in a history under checkpoints: it is attested, and nothing else."""

import sqlite3
import threading
import uuid
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, checkpoints, personal
from app.audit import AuditEvent
from app.checkpoints import AmendmentRow, hashing, judging, sealing
from app.checkpoints.tables import Checkpoint
from app.crypto import Keyring, make_signing_pair
from app.db import moment_of, new_id
from app.personal import ERASED
from app.personal.places import PLACES
from app.personal.tables import Erasure
from app.runtime import Runtime
from app.tokens import checkpoint as tokens
from app.worker import Worker, housekeeping
from tests.functional import chains
from tests.functional.chains import Chained, Sessions, when
from tests.functional.conftest import KEY
from tests.functional.fakes import Clock

VIC = "712020:5f9c0000-vic"


@pytest.fixture
def chain(sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Chained:
    """Nine events under three checkpoints, and one under none."""
    return chains.of_ten(sessions, Keyring.from_base64([KEY]), clock, monkeypatch)


def fact(chain: Chained, event_id: uuid.UUID, name: str) -> Any:
    with chain.sessions.begin() as session:
        column = getattr(AuditEvent, name)
        return session.scalars(sa.select(column).where(AuditEvent.id == event_id)).one()


# --- persons are erased


def test_erased_person_leaves_a_whole_history(chain: Chained) -> None:
    chain.write(2, actor=VIC, person=VIC)
    chain.seal()
    chain.write(actor=VIC)  # under no checkpoint yet

    chains.erase(chain, VIC)

    *_, one, other, late = chain.ids()[:13]
    assert {fact(chain, each, "actor") for each in (one, other, late)} == {ERASED}
    report = chain.verify()
    assert report.findings == []
    assert report.newest is not None
    assert (report.newest.count, report.newest.amended) == (0, 2)
    chain.seal()
    assert chain.found() == []


def test_two_persons_erased_from_one_event_leave_a_whole_history(
    chain: Chained,
) -> None:
    chain.write(actor=VIC, person="712020:dee-0")
    chain.seal()

    chains.erase(chain, VIC)
    chains.erase(chain, "712020:dee-0")

    assert chain.found() == []
    assert fact(chain, chain.ids()[10], "detail") == '{"person":"erased"}'


def test_hash_that_is_left_cannot_be_tried_with_account_ids(chain: Chained) -> None:
    """Who knows all account ids of a site must not find whose it was."""
    chain.write(actor=VIC)
    chain.seal()
    victim = chain.ids()[-1]
    nonce = fact(chain, victim, "nonce")
    assert len(nonce) == 16

    chains.erase(chain, VIC)

    assert fact(chain, victim, "nonce") != nonce
    with chain.sessions.begin() as session:
        [old] = session.scalars(sa.select(AmendmentRow.old))
        wanted = sa.select(*hashing.COLUMNS).where(AuditEvent.id == victim)
        [event] = hashing.read(session, wanted)
    guess = event._replace(actor=VIC)
    assert hashing.digest(chain.tenant_id, guess._replace(nonce=nonce)) == old
    assert hashing.digest(chain.tenant_id, guess) != old
    assert hashing.digest(chain.tenant_id, guess._replace(nonce=None)) != old


def test_person_is_forgotten_also_where_the_key_is_lost(chain: Chained) -> None:
    chain.write(actor=VIC)
    chain.seal()
    chain.run(chains.emptying("secret_version"))

    chains.erase(chain, VIC)

    victim = chain.ids()[10]
    assert fact(chain, victim, "actor") == ERASED
    assert f"event {when(victim)} was changed" in chain.found()


@pytest.mark.parametrize("word", ["Denied", "jira", str(uuid.UUID(int=5))])
def test_wish_that_was_put_in_erases_no_word_of_the_history(
    chain: Chained, word: str
) -> None:
    """Attack: written past the page, it names no person; we would attest the change."""
    chain.write(actor=word, person=word)
    chain.seal()
    row = {"tenant_id": chain.tenant_id, "account_id": word, "wanted_by": "ada"}
    row |= {"id": uuid.uuid4(), "wanted_at": chain.clock(), "part": 0, "erased": 0}
    with chain.sessions.begin() as session:
        session.execute(sa.insert(Erasure).values(row))
    for _ in range(2 * len(PLACES)):
        with chain.sessions.begin() as session:
            for each in personal.unfinished(session):
                personal.erase_some(session, chain.keyring, each, now=chain.clock())

    assert fact(chain, chain.ids()[10], "actor") == word
    with chain.sessions.begin() as session:
        assert personal.unfinished(session) == []


def test_forged_erasure_is_named(chain: Chained) -> None:
    victim = chain.ids()[4]

    chain.change(victim, actor=ERASED, nonce=b"n" * 16)

    assert chain.found() == [f"event {when(victim)} was changed"]


def forge_attestation(chain: Chained, victim: uuid.UUID, seq: int) -> None:
    """Change an event of the first checkpoint, and attest it; but for the signature."""
    leaves = hashing.unpack(chain.checkpoint(1).leaves or b"")
    [old] = [leaf.digest for leaf in leaves if leaf.event_id == victim]
    chain.change(victim, actor=ERASED)
    with chain.sessions.begin() as session:
        wanted = sa.select(*hashing.COLUMNS).where(AuditEvent.id == victim)
        [event] = hashing.read(session, wanted)
    new = hashing.digest(chain.tenant_id, event)
    row = {"tenant_id": chain.tenant_id, "event_id": victim, "seq": seq}
    chain.run(sa.insert(AmendmentRow).values(row | {"old": old, "new": new}))


def test_attestation_that_is_forged_while_somebody_verifies_does_not_count(
    chain: Chained,
) -> None:
    walk = chains.walk(chain)
    for _ in range(3):  # the key, what is open, the newest range
        with chain.sessions.begin() as session:
            walk.step(session)
    chain.seal()

    victim = chain.ids()[0]
    forge_attestation(chain, victim, 4)

    report = chains.finish(chain, walk)
    named = [finding.text for finding in report.findings]
    assert named == [f"event {when(victim)} was changed"]


@pytest.mark.parametrize("seq", [2, 3])
def test_forged_attestation_of_an_erasure_is_named(chain: Chained, seq: int) -> None:
    """Who writes the database writes what attests it, too; but for the signature."""
    victim = chain.ids()[0]
    forge_attestation(chain, victim, seq)

    for _ in range(2):
        assert chain.found() == [
            f"checkpoint {seq} was changed: {judging.AMENDMENTS}",
            f"event {when(victim)} was changed",
        ]
        chain.seal()  # nothing that is added later signs it


def test_checkpoint_that_is_not_there_attests_nothing(chain: Chained) -> None:
    """Attack: it is deleted, and what it is said to attest is put in."""
    victim = chain.ids()[0]
    [old] = [
        leaf.digest
        for leaf in hashing.unpack(chain.checkpoint(1).leaves or b"")
        if leaf.event_id == victim
    ]
    chain.change(victim, actor=ERASED)
    with chain.sessions.begin() as session:
        wanted = sa.select(*hashing.COLUMNS).where(AuditEvent.id == victim)
        [event] = hashing.read(session, wanted)
    row = {"tenant_id": chain.tenant_id, "event_id": victim, "seq": 2, "old": old}
    row["new"] = hashing.digest(chain.tenant_id, event)
    chain.run(sa.insert(AmendmentRow).values(row))
    delete_unbound(chain, 2)

    assert f"event {when(victim)} was changed" in chain.found()


def delete_unbound(chain: Chained, seq: int) -> None:
    """Delete a checkpoint past the database's own rules, as who owns it can."""
    engine = chain.sessions.kw["bind"]
    statement = f"DELETE FROM checkpoint WHERE seq = {seq}"  # noqa: S608 -- a number
    if engine.dialect.name == "sqlite":
        # No rule holds for a connection that does not ask for it.
        with closing(sqlite3.connect(engine.url.database)) as connection, connection:
            connection.execute(statement)
        return
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(statement)


def test_change_that_was_made_before_an_erasure_is_not_attested_with_it(
    chain: Chained,
) -> None:
    chain.write(actor=VIC, name="a")
    chain.seal()
    victim = chain.ids()[-1]
    chain.change(victim, detail='{"name":"b"}')

    chains.erase(chain, VIC)

    assert chain.found() == [f"event {when(victim)} was changed"]


def test_amendment_that_was_deleted_is_named(chain: Chained) -> None:
    chain.write(actor=VIC)
    chain.seal()
    chains.erase(chain, VIC)

    chain.run(sa.delete(AmendmentRow))

    found = chain.found()
    assert found[0].startswith("checkpoint 5 was changed: its list of erasures")
    assert found[1] == f"event {when(chain.ids()[10])} was changed"


# --- ranges are pruned


def later(chain: Chained, days: int = 1) -> None:
    chain.clock.advance(timedelta(days=days))
    chain.write(3)
    chain.seal()


def test_pruned_ranges_leave_a_whole_history_and_their_proof(chain: Chained) -> None:
    later(chain)
    ids = chain.ids()

    gone = chain.prune(chain.clock() - timedelta(hours=1))

    assert gone == 9 + 3 + 1 + 1  # events, their three ranges; the tenth and its own
    assert chain.ids() == ids[10:]
    report = chain.verify()
    assert report.findings == []
    assert (report.pruned, report.events) == (4, 3)
    assert [chain.checkpoint(seq).leaves for seq in (1, 2, 3, 4)] == [None] * 4
    assert all(chain.jws(seq) for seq in (1, 2, 3, 4))


def test_range_goes_whole_or_not_at_all(chain: Chained) -> None:
    ids = chain.ids()

    chain.prune(moment_of(ids[5]))

    assert chain.ids() == ids[3:]  # the fourth and fifth are old enough, not the sixth
    assert chain.found() == []


def test_events_under_no_checkpoint_stay_however_old(chain: Chained) -> None:
    chain.clock.advance(timedelta(days=1000))

    chain.prune(chain.clock())

    assert len(chain.ids()) == 1
    assert chain.found() == []


def test_pruning_goes_on_in_batches_and_ends(chain: Chained) -> None:
    later(chain)
    before = chain.clock() - timedelta(hours=1)

    counts = [chain.prune(before, limit=3) for _ in range(6)]

    assert counts == [3 + 1, 3 + 1, 3 + 1, 1 + 1, 0, 0]
    assert chain.found() == []


def test_empty_history_does_not_grow_by_being_pruned(chain: Chained) -> None:
    chain.seal()
    for _ in range(5):
        chain.clock.advance(timedelta(days=400))
        chain.prune(chain.clock())

    report = chain.verify()
    assert report.findings == []
    assert report.checkpoints == 5


def test_range_that_was_deleted_as_if_by_age_is_named(chain: Chained) -> None:
    ids = chain.ids()
    chain.run(sa.delete(AuditEvent).where(AuditEvent.id.in_(ids[:3])))
    assert chain.found() == [f"event {when(each)} is missing" for each in ids[:3]]

    chain.change_checkpoint(1, leaves=None)
    expected = f"checkpoint 1 was changed: {judging.LIST}"
    assert chain.found() == [expected]

    # The newest one says what was pruned; what somebody else has signed is not said on.
    pair = make_signing_pair()
    payload = dict(tokens.unverified(chain.jws(3))) | {"pruned_through": 1}
    kid = tokens.thumbprint(pair.public)
    chain.change_checkpoint(3, jws=tokens.sign(pair.private, kid, payload))
    chain.seal()
    found = chain.found()
    assert set(found) == {expected, "checkpoint 3 is signed by an unknown key"}


def test_range_whose_list_was_changed_is_not_pruned(chain: Chained) -> None:
    """Or others would be deleted with it, and what shows the change as well."""
    later(chain)
    ids = chain.ids()
    others = [hashing.Leaf(each, b"0" * 32) for each in ids[3:6]]

    for packed in (hashing.pack(others), b""):
        chain.change_checkpoint(1, leaves=packed)
        assert chain.prune(chain.clock() - timedelta(hours=1)) == 0

    assert chain.ids() == ids


def test_event_that_came_back_after_it_was_pruned_is_named(chain: Chained) -> None:
    pruned = chain.checkpoint(1).id
    later(chain)
    chain.prune(chain.clock() - timedelta(hours=1))

    put = chain.insert(chain.clock(), checkpoint_id=pruned)

    [found] = chain.found()
    assert found.startswith(f"event {when(put)} does not belong to this history")


def test_person_is_erased_before_and_after_pruning(chain: Chained) -> None:
    chain.write(3, actor=VIC)
    chain.seal()
    chains.erase(chain, VIC)
    later(chain)

    chain.prune(chain.clock() - timedelta(hours=1))

    assert chain.found() == []
    with chain.sessions.begin() as session:
        assert session.scalars(sa.select(AmendmentRow)).all() == []


# --- while others write


def test_event_committed_late_comes_under_the_next_checkpoint(chain: Chained) -> None:
    """A request takes long: its event has an older id than what is sealed already."""
    begun = chain.clock()
    chain.write(2)
    with chain.sessions() as session:
        audit.record(session, chain.tenant_id, "disabled", actor="jira", now=begun)
        if session.get_bind().dialect.name == "postgresql":
            session.flush()  # on SQLite nobody else could write
            chain.seal()
        else:
            session.expunge_all()
            chain.seal()
            audit.record(session, chain.tenant_id, "disabled", actor="jira", now=begun)
        session.commit()

    chain.write()
    assert chain.found() == []
    chain.seal()

    report = chain.verify()
    assert (report.findings, report.open) == ([], 0)


def test_log_has_the_day_on_which_a_history_began_anew(
    chain: Chained, caplog: pytest.LogCaptureFixture
) -> None:
    """Attack: all of it is thrown away with its key. What is left cannot say so."""
    chain.seal()
    with chain.sessions.begin() as session:
        for table in ("checkpoint", "checkpoint_key", "secret_version"):
            session.execute(chains.emptying(table))
        session.execute(sa.update(AuditEvent).values(checkpoint_id=None, nonce=None))
    caplog.clear()

    chain.seal()

    report = chain.verify()
    assert report.findings == []
    said = f"tenant={chain.tenant_id} has a new checkpoint key={report.fingerprint}"
    assert caplog.messages.count(said) == 1


def test_two_workers_at_once_make_one_chain(chain: Chained) -> None:
    chain.write(20)
    chain.clock.advance(timedelta(minutes=1))
    barrier, counts = threading.Barrier(4), list[int]()

    def work() -> None:
        barrier.wait()
        for _ in range(8):
            counts.append(chain.act(checkpoints.seal))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sum(counts) == 21
    report = chain.verify()
    assert (report.findings, report.checkpoints, report.open) == ([], 10, 0)


def test_two_workers_at_once_make_one_key(sessions: Sessions, clock: Clock) -> None:
    chain = chains.chained(sessions, Keyring.from_base64([KEY]), clock)
    chain.write(2)
    chain.clock.advance(timedelta(minutes=1))
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        chain.act(checkpoints.seal)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    report = chain.verify()
    assert (report.findings, report.checkpoints, report.open) == ([], 1, 0)


def test_sealing_that_is_not_committed_is_done_again(chain: Chained) -> None:
    chain.clock.advance(timedelta(minutes=1))
    with chain.sessions() as session:  # killed before the commit
        args = (session, chain.keyring, chain.tenant_id)
        assert checkpoints.seal(*args, now=chain.clock()) == 1

    assert chain.verify().open == 1
    chain.seal()

    report = chain.verify()
    assert (report.findings, report.checkpoints, report.open) == ([], 4, 0)


def test_what_happens_while_somebody_verifies_is_no_fault(chain: Chained) -> None:
    """Sealing, pruning and erasing go on between two steps."""
    chain.write(3, actor=VIC)
    chain.seal()
    later(chain)
    walk = chains.walk(chain)
    for _ in range(3):  # the key, what is open, the newest range
        with chain.sessions.begin() as session:
            walk.step(session)

    chains.erase(chain, VIC)
    later(chain)
    chain.prune(chain.clock() - timedelta(days=1, hours=1), limit=6)
    report = chains.finish(chain, walk)

    assert report.findings == []
    assert report.pruned > 0


# --- the worker


def test_worker_brings_every_site_under_checkpoints(
    chain: Chained, runtime: Runtime, clock: Clock
) -> None:
    other = chains.chained(chain.sessions, chain.keyring, clock)
    other.write(7)
    clock.advance(timedelta(minutes=1))

    for _ in housekeeping.seal(runtime):
        pass

    assert (chain.verify().open, other.verify().open) == (0, 0)
    assert other.verify().checkpoints == 3


def test_site_whose_key_is_lost_keeps_no_other_from_its_proof(
    chain: Chained, runtime: Runtime, clock: Clock
) -> None:
    other = chains.chained(chain.sessions, chain.keyring, clock)
    other.write()
    chain.run(sa.text("DELETE FROM secret_version"))
    clock.advance(timedelta(minutes=1))

    for _ in housekeeping.seal(runtime):
        pass

    assert (chain.verify().open, other.verify().open) == (1, 0)


def test_site_whose_chain_was_numbered_to_the_end_keeps_no_other_from_its_proof(
    chain: Chained, runtime: Runtime, clock: Clock
) -> None:
    """Attack: who can write the database has all sites' events stay without proof."""
    other = chains.chained(chain.sessions, chain.keyring, clock)
    other.write()
    is_sqlite = "sqlite" in runtime.settings.database_url
    last = 2**63 - 1 if is_sqlite else 2**31 - 1
    chain.run(sa.update(Checkpoint).where(Checkpoint.seq == 3).values(seq=last))
    clock.advance(timedelta(minutes=1))

    for _ in housekeeping.seal(runtime):
        pass

    assert (chain.verify().open, other.verify().open) == (1, 0)
    assert chain.verify().findings


def test_history_of_before_the_upgrade_comes_under_checkpoints_day_by_day(
    sessions: Sessions, clock: Clock, runtime: Runtime
) -> None:
    """Old events have neither; what is deleted by age goes by days, not all at once."""
    chain = chains.chained(sessions, runtime.keyring, clock)
    for _ in range(4):
        chain.write(2)
        clock.advance(timedelta(days=2))

    Worker(runtime=runtime).keep_house()

    report = chain.verify()
    assert (report.findings, report.checkpoints, report.open) == ([], 4, 0)
    chain.prune(clock() - timedelta(days=3))
    assert len(chain.ids()) == 2


def test_open_events_are_found_by_their_index(chain: Chained) -> None:
    chain.write(3)
    plan = plan_of(chain, open_events(chain))
    assert "ix_audit_event_tenant_id_id_open" in plan, plan

    place = AuditEvent.checkpoint_id == chain.checkpoint(1).id
    own = AuditEvent.tenant_id == chain.tenant_id
    newest_first = sa.select(AuditEvent.id).order_by(AuditEvent.id.desc())
    plan = plan_of(chain, newest_first.where(own, place).limit(1000))
    assert "ix_audit_event_tenant_id_checkpoint_id_id" in plan, plan
    assert "SORT" not in plan.upper(), plan


def open_events(chain: Chained) -> sa.Select[uuid.UUID]:
    return (
        sa.select(AuditEvent.id)
        .where(
            AuditEvent.tenant_id == chain.tenant_id,
            AuditEvent.checkpoint_id.is_(None),
            AuditEvent.id < new_id(chain.clock()),
        )
        .order_by(AuditEvent.id)
        .limit(sealing.EVENTS)
    )


def plan_of(chain: Chained, statement: sa.Select[uuid.UUID]) -> str:
    with chain.sessions.begin() as session:
        return explain(session, statement)


def explain(session: Session, statement: sa.Select[uuid.UUID]) -> str:
    compiled = str(
        statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    )
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    head = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    rows = session.connection().exec_driver_sql(head + compiled)
    return "\n".join(str(row) for row in rows)
