"""T14: whatever happens to a tenant's keys, in any order, receivers can rely on them.

One tenant, its keys in a real SQLite, and a clock that only the test moves. A receiver
knows nothing of us but the key set, and goes on with what it has read for as long as
our `max-age` lets it: all that may have looked at any moment are asked, every time.
"""

import itertools
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.orm import Session, sessionmaker

from app import keys, vault
from app.crypto import KeyPair, Keyring
from app.keys import KeyState, Rotation
from app.tenants import State, Tenant
from app.tokens import ours
from app.web.issuers import MAX_AGE
from tests import lending

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYRING = Keyring([b"k" * 32])
PUBLISH, LIFETIME = timedelta(hours=1), timedelta(days=2)
"""The shortest that the settings allow: what they promise, longer ones do too."""
FRESH = timedelta(seconds=int(re.findall(r"max-age=(\d+)", MAX_AGE)[0]))
"""How long a receiver may go on without another look at our key set."""
LATE = timedelta(seconds=60)
"""How late a receiver may still take a token: its clock, and what it allows for it."""
LAST = timedelta(minutes=5) + LATE
"""After this, nobody takes a token of a key that signs no more."""


@dataclass(frozen=True)
class Token:
    key_id: str
    expires_at: datetime


@dataclass(frozen=True)
class Look:
    """What a receiver read of our key set, and when."""

    at: datetime
    key_ids: frozenset[str]


class Lifecycle(RuleBasedStateMachine):
    """A tenant's keys, what was done to them, and who relies on them."""

    def __init__(
        self, sessions: sessionmaker[Session], lend: Callable[[], KeyPair]
    ) -> None:
        super().__init__()
        self.sessions, self.lend, self.now = sessions, lend, START
        self.is_here = False
        self.tokens: list[Token] = []
        self.looks: list[Look] = []
        self.ended: dict[str, datetime] = {}
        self.revoked: set[str] = set()
        self.sudden: dict[str, datetime] = {}
        """Keys that had to sign before everybody could know them, and since when they
        were published."""
        with sessions.begin() as session:
            tenant = Tenant(
                id=uuid.uuid4(),
                state=State.ACTIVE,
                base_url="https://acme.atlassian.net",
                enabled=True,
                installed_at=START,
                lifecycle_at=START,
            )
            session.add(tenant)
            self.tenant_id = tenant.id

    def rotation(self, pairs: int) -> Rotation:
        fresh = [self.lend() for _ in range(pairs)]
        return Rotation(
            tenant_id=self.tenant_id, actor="ada", now=self.now, fresh=fresh
        )

    def listed(self, *states: KeyState) -> dict[str, keys.ListedKey]:
        with self.sessions.begin() as session:
            found = keys.listed(session, self.tenant_id)
        return {str(key.id): key for key in found if key.state in states}

    def key_set(self) -> dict[str, dict[str, Any]]:
        with self.sessions.begin() as session:
            found = keys.key_set(session, self.tenant_id, now=self.now)
        return {key["kid"]: key for key in found}

    def active(self) -> str:
        [key_id] = self.listed(KeyState.ACTIVE)
        return key_id

    def note_sudden(self) -> None:
        for key_id, key in self.listed(KeyState.ACTIVE).items():
            self.sudden[key_id] = key.published_at

    @rule(seconds=st.integers(1, 4000))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(which=st.integers(0, 9), off=st.sampled_from([-1, 0, 1]))
    def time_comes_to_an_edge(self, which: int, off: int) -> None:
        """A moment at which something ends or may begin, or a second beside it."""
        keys = self.listed(KeyState.ACTIVE, KeyState.NEXT).values()
        edges = {
            *(at + LAST for at in self.ended.values()),
            *(key.published_at + PUBLISH for key in keys),
            *(key.active_at + LIFETIME for key in keys if key.active_at),
            *(token.expires_at for token in self.tokens),
        }
        if coming := sorted(each for each in edges if each > self.now):
            moment = coming[which % len(coming)] + timedelta(seconds=off)
            self.now = max(self.now, moment)

    @initialize()
    def first_keys(self) -> None:
        with self.sessions.begin() as session:
            keys.ensure(session, KEYRING, self.rotation(2))
        self.note_sudden()
        self.is_here = True

    @rule()
    def come_back_or_be_asked_for_keys_again(self) -> None:
        before = self.listed(KeyState.ACTIVE, KeyState.NEXT)
        with self.sessions.begin() as session:
            keys.ensure(session, KEYRING, self.rotation(2))
        if self.is_here:
            assert self.listed(KeyState.ACTIVE, KeyState.NEXT) == before
            return
        self.note_sudden()
        self.is_here = True

    @precondition(lambda self: self.is_here)
    @rule(is_patient=st.booleans())
    def rotate(self, is_patient: bool) -> None:  # noqa: FBT001 -- hypothesis calls it
        """By hand: refused until the next key is known to everybody."""
        self.mint()
        [waiting] = self.listed(KeyState.NEXT).values()
        former, ready_at = self.active(), waiting.published_at + PUBLISH
        if is_patient:
            self.now = max(self.now, ready_at)
        try:
            with self.sessions.begin() as session:
                keys.rotate(session, KEYRING, self.rotation(1), publish=PUBLISH)
        except keys.TooSoonError:
            assert self.now < ready_at
        else:
            assert self.now >= ready_at
            self.ended[former] = self.now

    @rule()
    def housekeeping(self) -> None:
        with self.sessions.begin() as session:
            vault.delete_expired(session, now=self.now)
            due = keys.due(session, lifetime=LIFETIME, publish=PUBLISH, now=self.now)
        if self.tenant_id not in due:
            return
        self.ended[self.active()] = self.now
        with self.sessions.begin() as session:
            keys.rotate(session, KEYRING, self.rotation(1), publish=PUBLISH)

    @precondition(lambda self: self.is_here)
    @rule(is_all=st.booleans())
    def revoke(self, is_all: bool) -> None:  # noqa: FBT001 -- as above
        if is_all:
            self.revoked |= set(self.listed(*KeyState))
            with self.sessions.begin() as session:
                keys.revoke_all(session, KEYRING, self.rotation(2))
        else:
            self.revoked.add(self.active())
            with self.sessions.begin() as session:
                keys.revoke_active(session, KEYRING, self.rotation(1))
        self.note_sudden()

    @rule()
    def leave(self) -> None:
        """Go, whether or not there were any keys."""
        self.ended |= dict.fromkeys(self.listed(KeyState.ACTIVE), self.now)
        self.revoked |= set(self.listed(KeyState.NEXT))
        with self.sessions.begin() as session:
            keys.end(session, self.tenant_id, now=self.now)
        self.is_here = False

    @rule()
    def mint(self) -> None:
        try:
            with self.sessions.begin() as session:
                signer = keys.signer(session, KEYRING, self.tenant_id, now=self.now)
        except keys.NoKeyError:
            assert not self.is_here
            return
        assert self.is_here
        assert signer.key_id not in self.revoked | self.ended.keys()
        claims = ours.bind({}, b"", self.now)
        text = ours.sign_with_key(signer.private_key, signer.key_id, claims)
        published = jwt.PyJWK(self.key_set()[signer.key_id])
        jwt.decode(text, published, options={"verify_exp": False, "verify_iat": False})
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        self.tokens.append(Token(signer.key_id, expires_at))

    @invariant()
    def one_key_signs_and_one_waits(self) -> None:
        alive = self.listed(KeyState.ACTIVE, KeyState.NEXT)
        states = sorted(key.state for key in alive.values())
        assert states == ([KeyState.ACTIVE, KeyState.NEXT] if self.is_here else [])
        with self.sessions.begin() as session:
            private = session.scalars(
                sa.select(vault.SecretVersion.kind).where(
                    vault.SecretVersion.tenant_id == self.tenant_id
                )
            )
            assert sorted(private) == sorted(f"signing-key:{each}" for each in alive)

    @invariant()
    def key_set_has_these_and_those_whose_tokens_live(self) -> None:
        published = set(self.key_set())
        alive = set(self.listed(KeyState.ACTIVE, KeyState.NEXT))
        retiring = {each for each, at in self.ended.items() if self.now < at + LAST}
        assert published == alive | (retiring - self.revoked)
        assert not published & self.revoked
        self.looks.append(Look(self.now, frozenset(published)))

    @invariant()
    def no_receiver_refuses_a_token_that_lives(self) -> None:
        """Whenever it looked last, but for what an emergency is meant to do."""
        self.looks = [each for each in self.looks if self.now - each.at < FRESH]
        self.tokens = [
            each for each in self.tokens if self.now < each.expires_at + LATE
        ]
        for look, token in itertools.product(self.looks, self.tokens):
            sudden = self.sudden.get(token.key_id)
            is_unknown = sudden is not None and look.at <= sudden
            if token.key_id not in self.revoked and not is_unknown:
                assert token.key_id in look.key_ids


def test_t14_no_token_is_refused_after_a_scheduled_rotation_and_no_key_comes_back(
    sessions: sessionmaker[Session],
) -> None:
    pairs = lending.key_pairs()
    # Neighbours differ, and that is what tells a key that signs from one that did.
    lend = itertools.cycle([pairs() for _ in range(6)]).__next__

    class Here(Lifecycle):
        def __init__(self) -> None:
            super().__init__(sessions, lend)

    run_state_machine_as_test(
        Here, settings=settings(max_examples=30, stateful_step_count=25, deadline=None)
    )
