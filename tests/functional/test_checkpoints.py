"""The proof of a history: what is changed behind the product's back has a name."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app import keys, vault
from app.audit import AuditEvent
from app.checkpoints import CheckpointKey, judging
from app.checkpoints.tables import owner
from app.crypto import Keyring, make_signing_pair
from app.tokens import checkpoint as tokens
from tests.functional import chains
from tests.functional.chains import Chained, Sessions, when
from tests.functional.conftest import KEY
from tests.functional.fakes import Clock


@pytest.fixture
def chain(sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Chained:
    """Nine events under three checkpoints, and one under none."""
    return chains.of_ten(sessions, Keyring.from_base64([KEY]), clock, monkeypatch)


def test_whole_history_is_found_whole(chain: Chained) -> None:
    report = chain.verify()

    assert report.findings == []
    assert (report.checkpoints, report.events, report.open) == (3, 9, 1)
    assert report.newest is not None
    assert (report.newest.seq, report.newest.count) == (3, 3)


def test_history_without_events_is_no_broken_one(chain: Chained) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)

    report = other.verify()

    assert (report.findings, report.fingerprint, report.newest) == ([], "", None)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "disabled"},
        {"actor": "erased"},
        {"detail": '{"a":1}'},
        {"happened_at": Clock()() + timedelta(days=1)},
        {"nonce": b"0" * 16},
        {"nonce": None},
        {"claimed_issuer": "somebody"},
    ],
    ids=["kind", "actor", "facts", "time", "nonce", "no-nonce", "issuer"],
)
def test_changed_event_is_named(chain: Chained, values: dict[str, object]) -> None:
    victim = chain.ids()[4]

    chain.change(victim, **values)

    assert chain.found() == [f"event {when(victim)} was changed"]


def test_deleted_event_is_named(chain: Chained) -> None:
    victim = chain.ids()[4]

    chain.delete(victim)

    assert chain.found() == [f"event {when(victim)} is missing"]


def test_first_broken_event_is_named_first(chain: Chained) -> None:
    ids = chain.ids()

    chain.delete(ids[7])
    chain.change(ids[1], actor="eve")
    chain.delete(ids[4])

    assert chain.found() == [
        f"event {when(ids[1])} was changed",
        f"event {when(ids[4])} is missing",
        f"event {when(ids[7])} is missing",
    ]


@pytest.mark.parametrize("place", ["of another", "of its own"])
def test_inserted_event_is_named(chain: Chained, place: str) -> None:
    is_own = place == "of its own"
    put = chain.insert(
        chain.clock(),
        checkpoint_id=uuid.uuid4() if is_own else chain.checkpoint(2).id,
    )

    [found] = chain.found()

    assert found.startswith(f"event {when(put)} does not belong to this history")


def test_event_put_in_under_no_checkpoint_is_named_before_and_after_it_has_one(
    chain: Chained,
) -> None:
    """It looks like one that was just written, but for its age."""
    chain.clock.advance(timedelta(days=1))
    chain.write()
    chain.seal()
    put = chain.insert(chain.clock() - timedelta(hours=2))

    [before] = chain.found()
    chain.seal()
    [after] = chain.found()

    assert before.startswith(f"event {when(put)} was put in later: checkpoint 5 had")
    assert after == before


def test_event_of_a_time_to_come_is_named(chain: Chained) -> None:
    """It would be the newest line of the log for years, and under no checkpoint."""
    put = chain.insert(chain.clock() + timedelta(days=300))
    chain.seal()

    [found] = chain.found()

    assert found.startswith(f"event {when(put)} is of a time to come")


def test_event_with_an_id_of_somebodys_own_making_is_named(chain: Chained) -> None:
    now = chain.clock()
    put = chain.insert(now, id=uuid.uuid4())
    dated = chain.insert(now, happened_at=now - timedelta(days=30))

    found = chain.found()

    assert len(found) == 2
    assert {text.split()[1] for text in found} == {str(put), str(dated)}
    assert all("does not belong to this history" in text for text in found)


def test_events_that_changed_places_are_named(chain: Chained) -> None:
    one, other = chain.ids()[3:5]

    chain.swap(one, other)

    assert chain.found() == [
        f"events {when(one)} and {when(other)} changed places",
    ]


def test_events_that_changed_places_over_checkpoints_are_named(chain: Chained) -> None:
    one, other = chain.ids()[2:4]

    chain.swap(one, other)

    found = chain.found()
    assert any(str(one) in text for text in found)
    assert any(str(other) in text for text in found)


def test_event_taken_out_of_its_checkpoint_is_named(chain: Chained) -> None:
    victim = chain.ids()[4]

    chain.change(victim, checkpoint_id=None, actor="eve")

    expected = f"event {when(victim)} was taken out of checkpoint 2"
    assert chain.found() == [expected]
    chain.seal()  # what was changed comes under another one: no better
    assert expected in chain.found()


def test_event_given_to_another_site_is_named(chain: Chained) -> None:
    victim = chain.ids()[4]
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)

    chain.change(victim, tenant_id=other.tenant_id)

    assert chain.found() == [f"event {when(victim)} was taken out of checkpoint 2"]
    assert other.found()[0].startswith(f"event {when(victim)} does not belong")


# --- checkpoints


def test_deleted_checkpoints_are_named(chain: Chained) -> None:
    chain.delete_checkpoint(2)
    assert chain.found()[0] == "checkpoint 2 is missing"

    chain.delete_checkpoint(1)
    assert "checkpoints 1 to 2 are missing" in chain.found()


def test_checkpoint_deleted_with_its_events_is_named(chain: Chained) -> None:
    chain.run(sa.delete(AuditEvent).where(AuditEvent.id.in_(chain.ids()[:3])))
    chain.delete_checkpoint(1)

    assert chain.found() == ["checkpoint 1 is missing"]


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_changed_checkpoint_is_named(chain: Chained, seq: int) -> None:
    jws = chain.jws(seq)
    head, body, signature = jws.split(".")
    last = "A" if signature[-1] != "A" else "Q"  # some bits of it count for nothing
    for forged in (f"{head}.{body}.{signature[:-1]}{last}", f"{head}.{body}.", "x"):
        chain.change_checkpoint(seq, jws=forged)

        [found] = chain.found()
        assert found == f"checkpoint {seq} was changed: its signature does not fit"


def test_list_of_events_that_was_changed_is_named(chain: Chained) -> None:
    for leaves in (b"", None, (chain.checkpoint(2).leaves or b"")[:-48]):
        chain.change_checkpoint(2, leaves=leaves)

        [found] = chain.found()
        assert found.startswith("checkpoint 2 was changed: its list of events")


def test_history_signed_by_another_key_is_named(chain: Chained) -> None:
    """Who may write the database signs anew, with a key that he has put there."""
    pair = make_signing_pair()
    kid = tokens.thumbprint(pair.public)
    payload = tokens.unverified(chain.jws(3))
    chain.change_checkpoint(3, jws=tokens.sign(pair.private, kid, payload))
    stored = sa.update(CheckpointKey.__table__)  # type: ignore[arg-type]
    chain.run(stored.values(public_jwk=str(pair.public).replace("'", '"')))

    assert chain.found() == [
        "checkpoint 3 is signed by an unknown key",
        "the public key kept with this history was changed",
    ]


def test_genuine_checkpoint_of_another_place_is_named(chain: Chained) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)
    other.write(3)
    other.seal()

    chain.change_checkpoint(2, jws=chain.jws(1))
    assert chain.found() == [
        "checkpoint 2 was changed: it was signed for another place"
    ]
    chain.change_checkpoint(2, jws=other.jws(1))
    assert chain.found() == ["checkpoint 2 is signed by an unknown key"]


def test_genuine_checkpoint_that_nothing_follows_is_named(chain: Chained) -> None:
    chains.fork(chain)

    assert chain.found() == [f"checkpoint 4 was changed: {judging.NOT_FOLLOWED}"]


def test_history_cut_off_at_its_end_is_named_by_who_kept_a_checkpoint(
    chain: Chained,
) -> None:
    kept = chain.jws(3)
    assert chain.found(kept) == []
    chain.run(sa.delete(AuditEvent).where(AuditEvent.id.in_(chain.ids()[6:])))
    chain.delete_checkpoint(3)

    assert chain.found() == []  # nothing that is left says that there was more
    assert chain.found(kept) == ["checkpoint 3 is missing"]

    chain.write(3)  # and it grows again
    chain.seal()
    assert chain.found(kept) == ["checkpoint 3 is not the one that was kept elsewhere"]


def test_checkpoint_kept_of_another_history_is_none_of_this(chain: Chained) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)
    other.write()
    other.seal()

    expected = ["what was kept elsewhere is no checkpoint of this history"]
    assert chain.found(other.jws(1)) == expected
    assert chain.found("x") == expected


def test_broken_chain_grows_on_and_stays_broken(chain: Chained) -> None:
    """What was tampered with must not be what stops the proof of all that follows."""
    chain.change_checkpoint(3, jws="x")
    chain.seal()
    victim = chain.ids()[9]
    chain.change(victim, actor="eve")

    assert chain.found() == [
        "checkpoint 3 was changed: its signature does not fit",
        f"event {when(victim)} was changed",
    ]


# --- keys


def test_key_stays_with_the_history_when_the_site_leaves(chain: Chained) -> None:
    with chain.sessions.begin() as session:
        vault.forget_tenants(session, sa.select(sa.literal(chain.tenant_id)))

    chain.seal()

    assert chain.found() == []


def test_key_that_cannot_be_opened_is_said_and_its_public_half_verifies(
    chain: Chained,
) -> None:
    victim = chain.ids()[4]
    chain.change(victim, actor="eve")
    lost = replace(chain, keyring=Keyring([b"x" * 32]))

    found = lost.found()

    assert found[0].startswith("the key that signs this history cannot be opened")
    assert found[1:] == [f"event {when(victim)} was changed"]


def test_public_half_that_was_deleted_is_written_again(chain: Chained) -> None:
    chain.run(sa.delete(CheckpointKey))

    assert chain.found() == ["the public key kept with this history was changed"]
    chain.seal()
    assert chain.found() == []


def test_t5_sites_have_keys_and_numbers_of_their_own(chain: Chained) -> None:
    other = chains.chained(chain.sessions, chain.keyring, chain.clock)
    other.write(2)
    other.seal()

    report = other.verify()

    assert (report.checkpoints, report.events, report.findings) == (1, 2, [])
    assert report.fingerprint != chain.verify().fingerprint


def test_checkpoint_key_is_in_no_key_set(chain: Chained) -> None:
    """A receiver that believed it would take a checkpoint for a token."""
    with chain.sessions.begin() as session:
        assert keys.key_set(session, chain.tenant_id, now=chain.clock()) == []
        kinds = session.scalars(sa.select(vault.SecretVersion.kind)).all()
    assert kinds == [owner(chain.tenant_id).kind]
