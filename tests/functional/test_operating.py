"""What an operator does to sites from a shell: their signing keys, and the brake."""

import uuid

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app import keys, runs, stops
from app.keys import KeyState, ListedKey
from app.runtime import utc_now
from tests.functional.shell import Env, Planted, environment, good, plant, run


@pytest.fixture
def planted(sessions: sessionmaker[Session]) -> Planted:
    return plant(sessions)


@pytest.fixture
def env(database_url: str, queue_url: str) -> Env:
    more = {"COUNTERSIGN_KEY_PUBLISH_HOURS": "1"}
    return {**environment(database_url, queue_url), **more}


class Keys:
    """The site's keys, as they are now."""

    def __init__(self, sessions: sessionmaker[Session], tenant_id: uuid.UUID) -> None:
        self.sessions = sessions
        self.tenant_id = tenant_id

    def listed(self) -> list[ListedKey]:
        with self.sessions.begin() as session:
            return keys.listed(session, self.tenant_id)

    def of(self, state: KeyState) -> list[uuid.UUID]:
        return [key.id for key in self.listed() if key.state is state]


@pytest.fixture
def kept(sessions: sessionmaker[Session], planted: Planted) -> Keys:
    return Keys(sessions, planted.tenant_id)


def test_keys_are_listed_by_site(env: Env, planted: Planted, kept: Keys) -> None:
    lines = good(env, "keys", "list").splitlines()

    assert len(lines) == 2
    [active] = kept.of(KeyState.ACTIVE)
    assert any(
        line.startswith(f"{planted.tenant_id}  {active}  active  ") for line in lines
    )
    assert good(env, "keys", "list", str(planted.tenant_id)).splitlines() == lines


def test_t14_next_key_signs_after_a_rotation(
    env: Env, planted: Planted, kept: Keys
) -> None:
    [old], [waiting] = kept.of(KeyState.ACTIVE), kept.of(KeyState.NEXT)

    good(env, "keys", "rotate", str(planted.tenant_id))

    assert kept.of(KeyState.ACTIVE) == [waiting]
    assert kept.of(KeyState.RETIRING) == [old]
    again = run(env, "keys", "rotate", str(planted.tenant_id))
    assert again.exit_code == 1
    assert "the next key may sign from" in again.output
    assert kept.of(KeyState.ACTIVE) == [waiting]


def test_t14_nothing_is_revoked_before_the_operator_said_yes(
    env: Env, planted: Planted, kept: Keys
) -> None:
    before = kept.listed()

    refused = run(env, "keys", "revoke", str(planted.tenant_id), answer="n\n")

    assert refused.exit_code == 1
    assert "Receivers that have not read the key set" in refused.output
    assert kept.listed() == before


@pytest.mark.parametrize(("more", "left"), [([], 2), (["--all"], 2)])
def test_t14_revoked_key_leaves_the_key_set_at_once(
    env: Env,
    planted: Planted,
    kept: Keys,
    sessions: sessionmaker[Session],
    more: list[str],
    left: int,
) -> None:
    [stolen], [waiting] = kept.of(KeyState.ACTIVE), kept.of(KeyState.NEXT)

    good(env, "keys", "revoke", str(planted.tenant_id), "--yes", *more)

    with sessions.begin() as session:
        found = keys.key_set(session, planted.tenant_id, now=utc_now())
    published = {uuid.UUID(key["kid"]) for key in found}
    assert stolen not in published
    assert (waiting in published) == (not more)
    assert len(published) == left


def test_site_without_keys_is_told_apart_from_no_site(
    env: Env, planted: Planted, sessions: sessionmaker[Session]
) -> None:
    with sessions.begin() as session:
        keys.end(session, planted.tenant_id, now=utc_now())

    for command in ("rotate", "revoke"):
        none = run(env, "keys", command, str(planted.tenant_id))
        stranger = run(env, "keys", command, str(uuid.uuid4()))
        assert (none.exit_code, stranger.exit_code) == (1, 1)
        assert "this site has no signing keys" in none.output
        assert "no such tenant" in stranger.output


def test_everything_is_stopped_and_goes_on_by_two_commands(
    env: Env, planted: Planted, sessions: sessionmaker[Session]
) -> None:
    def claimed() -> uuid.UUID | None:
        with sessions.begin() as session:
            found = runs.claim(session, now=utc_now())
            session.rollback()
        return found.run_id if found else None

    assert good(env, "stops") == "nothing is stopped\n"

    good(env, "stop", "--why", "the disk is full", "--by", "olga")

    assert claimed() is None
    assert "everything  since " in good(env, "stops")
    assert "by olga: the disk is full" in good(env, "stops")
    assert good(env, "stop") == "it is stopped already\n"
    refused = run(env, "watch")
    assert (refused.exit_code, "everything is stopped" in refused.output) == (1, True)

    assert good(env, "resume") == "resumed\n"
    assert claimed() == planted.run_id
    assert good(env, "resume") == "it was not stopped\n"


def test_one_site_is_stopped_and_what_is_left_stopped_is_said(
    env: Env, planted: Planted, sessions: sessionmaker[Session]
) -> None:
    del sessions
    site = str(planted.tenant_id)
    good(env, "stop", site)
    good(env, "stop")

    assert f"still stopped: {site}" in good(env, "resume")
    assert good(env, "resume", site) == "resumed\n"
    stranger = run(env, "stop", str(uuid.uuid4()))
    assert (stranger.exit_code, "no such tenant" in stranger.output) == (1, True)


def test_run_in_a_workers_hands_is_counted(
    env: Env, planted: Planted, sessions: sessionmaker[Session]
) -> None:
    del planted
    with sessions.begin() as session:
        assert runs.claim(session, now=utc_now()) is not None

    assert "bring the step in hand to its end: 1" in good(env, "stop")
    with sessions.begin() as session:
        assert stops.count(session).everything
