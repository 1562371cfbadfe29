"""Listeners as admins keep them, and who gets in by each (rules T5, T8, T11, T17)."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa

from app import listeners
from app.audit import AuditEvent, Change
from app.crypto import Secret
from app.http import Request, Response
from app.listeners import (
    DEFINITIONS,
    Call,
    Definition,
    KeySets,
    Listener,
    ListenerState,
    NameTakenError,
    NoSuchListenerError,
    Proof,
)
from app.runtime import Runtime
from app.tenants import State, Tenant
from app.tokens import checks
from app.tokens.checks import Reason, Refused
from app.tokens.listener import Heard
from app.vault import SecretVersion
from tests.functional.conftest import BASE_URL
from tests.functional.fakes import Clock, Wire

BODY = b'{"result":"succeeded"}'
BOT = {"name": "Deploy bot", "issuer": "deploy-bot"}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ACTIONS = "https://token.actions.githubusercontent.com"
WORKFLOW = {
    "name": "Deploy",
    "repository": "acme/shop",
    "repository_id": "74",
    "repository_owner_id": "65",
    "workflow": "deploy.yml",
}


@dataclass(kw_only=True)
class Office:
    """An admin's hands at one site, and a caller's."""

    runtime: Runtime
    tenant_id: uuid.UUID
    key_sets: KeySets

    def change(self) -> Change:
        return Change(tenant_id=self.tenant_id, actor="ada", now=self.runtime.now())

    def create(
        self, proof: Proof = Proof.SECRET, **values: Any
    ) -> tuple[uuid.UUID, Secret | None]:
        definition = define(proof, **values)
        with self.runtime.sessions.begin() as session:
            return listeners.create(
                session, self.runtime.keyring, self.change(), definition
            )

    def change_to(self, listener_id: uuid.UUID, made: Definition) -> Secret | None:
        with self.runtime.sessions.begin() as session:
            return listeners.change_to(
                session, self.runtime.keyring, self.change(), listener_id, made
            )

    def renew(self, listener_id: uuid.UUID, **options: Any) -> Secret | None:
        with self.runtime.sessions.begin() as session:
            return listeners.renew_secret(
                session, self.runtime.keyring, self.change(), listener_id, **options
            )

    def act(self, how: Callable[..., None], listener_id: uuid.UUID) -> None:
        with self.runtime.sessions.begin() as session:
            how(session, self.change(), listener_id)

    def row(self, listener_id: uuid.UUID) -> Listener:
        with self.runtime.sessions.begin() as session:
            row = session.get_one(Listener, listener_id)
            session.expunge(row)
        return row

    def secrets(self) -> int:
        wanted = sa.select(sa.func.count()).where(
            SecretVersion.kind.startswith("listener-secret:")
        )
        with self.runtime.sessions.begin() as session:
            return session.scalars(wanted).one()

    def events(self) -> list[tuple[str, str]]:
        wanted = (
            sa.select(AuditEvent)
            .where(AuditEvent.kind.startswith("listener-"))
            .order_by(AuditEvent.id)
        )
        with self.runtime.sessions.begin() as session:
            found = session.scalars(wanted).all()
            return [(event.kind, str(event.facts["name"])) for event in found]

    def hear(self, listener_id: uuid.UUID, token: str, body: bytes = BODY) -> Heard:
        """Judge a call as the door does: the database first, then the network."""
        now, runtime = self.runtime.now(), self.runtime
        with runtime.sessions.begin() as session:
            called = listeners.open_called(
                session, runtime.keyring, listener_id, now=now
            )
        url = listeners.url_of(BASE_URL, called.id)
        call = Call(token=checks.read(token), body=body, url=url)
        return listeners.judge(called, call, self.key_sets, now=now)

    def claims(self, listener_id: uuid.UUID, **changes: Any) -> dict[str, Any]:
        seconds = int(self.runtime.now().timestamp())
        return {
            "iss": "deploy-bot",
            "aud": f"{BASE_URL}/listeners/{listener_id}",
            "iat": seconds,
            "exp": seconds + 60,
            "jti": "j-1",
            "body_sha256": hashlib.sha256(BODY).hexdigest(),
        } | changes

    def by_secret(self, listener_id: uuid.UUID, secret: Secret | None) -> Heard:
        assert secret is not None
        text = jwt.encode(self.claims(listener_id), secret.reveal(), algorithm="HS256")
        return self.hear(listener_id, text)


def define(proof: Proof = Proof.SECRET, **values: Any) -> Definition:
    return DEFINITIONS[proof](**(BOT | values))


def another_tenant(runtime: Runtime) -> uuid.UUID:
    now = runtime.now()
    tenant = Tenant(
        id=uuid.uuid4(),
        state=State.ACTIVE,
        base_url="https://acme.atlassian.net",
        enabled=True,
        installed_at=now,
        lifecycle_at=now,
    )
    with runtime.sessions.begin() as session:
        session.add(tenant)
        return tenant.id


@pytest.fixture
def office(runtime: Runtime, wire: Wire) -> Office:
    key_sets = KeySets(http=wire, now=runtime.now)
    tenant_id = another_tenant(runtime)
    return Office(runtime=runtime, tenant_id=tenant_id, key_sets=key_sets)


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as error:
        call()
    return error.value


def test_new_listener_opens_by_the_secret_that_was_shown_once(office: Office) -> None:
    listener_id, secret = office.create()

    heard = office.by_secret(listener_id, secret)

    assert (heard.issuer, heard.generation) == ("deploy-bot", 1)
    row = office.row(listener_id)
    assert secret is not None
    assert secret.reveal() not in json.dumps(row.settings)
    assert office.events() == [("listener-created", "Deploy bot")]


def test_t17_ones_token_opens_no_other_listener(office: Office) -> None:
    one, secret = office.create()
    other, _ = office.create(name="Other")
    assert secret is not None
    text = jwt.encode(office.claims(other), secret.reveal(), algorithm="HS256")

    assert refused(lambda: office.hear(other, text)).reason is Reason.BAD_SIGNATURE
    error = refused(lambda: office.hear(one, text))
    assert (error.reason, error.proven) == (Reason.WRONG_AUDIENCE, True)


def test_renewed_secret_and_the_one_before_open_for_a_day(
    office: Office, clock: Clock
) -> None:
    listener_id, old = office.create()
    new = office.renew(listener_id)

    clock.advance(timedelta(hours=23, minutes=59))
    assert office.by_secret(listener_id, old).generation == 1
    assert office.by_secret(listener_id, new).generation == 2

    clock.advance(timedelta(minutes=1))
    assert refused(lambda: office.by_secret(listener_id, old)).reason is (
        Reason.BAD_SIGNATURE
    )
    office.by_secret(listener_id, new)


def test_secret_that_somebody_has_seen_can_end_at_once(office: Office) -> None:
    listener_id, first = office.create()
    second = office.renew(listener_id)
    third = office.renew(listener_id, grace=timedelta(0))

    for old in (first, second):
        assert refused(lambda s=old: office.by_secret(listener_id, s)).reason is (  # type: ignore[misc]
            Reason.BAD_SIGNATURE
        )
    office.by_secret(listener_id, third)


@pytest.mark.parametrize(
    "made",
    [
        define(issuer="another-bot"),
        define(Proof.OIDC, issuer=ACTIONS, claims={"sub": ["x"]}),
    ],
    ids=["issuer", "proof"],
)
def test_t8_another_issuer_or_proof_clears_the_secret(
    office: Office, made: Definition
) -> None:
    listener_id, old = office.create()

    new = office.change_to(listener_id, made)

    assert (new is not None) is (made.proof is Proof.SECRET)
    assert office.secrets() == (1 if new else 0)
    office.change_to(listener_id, define())  # and back: nothing comes to life
    assert refused(lambda: office.by_secret(listener_id, old)).reason is (
        Reason.BAD_SIGNATURE
    )


def test_another_name_or_lifetime_keeps_the_secret(office: Office) -> None:
    listener_id, secret = office.create()

    assert office.change_to(listener_id, define(name="New", max_minutes=5)) is None

    office.by_secret(listener_id, secret)
    assert office.row(listener_id).settings["max_minutes"] == 5
    assert office.events()[-1] == ("listener-changed", "New")


def test_only_a_listener_with_a_secret_has_one_to_renew(office: Office) -> None:
    listener_id, secret = office.create(
        Proof.GITHUB_ACTIONS, issuer=ACTIONS, **WORKFLOW
    )

    assert secret is None
    assert office.renew(listener_id) is None
    assert office.events() == [("listener-created", "Deploy")]


def test_paused_listener_opens_for_nobody_until_it_is_resumed(office: Office) -> None:
    listener_id, secret = office.create()
    office.act(listeners.pause, listener_id)

    error = refused(lambda: office.by_secret(listener_id, secret))
    assert error.reason is Reason.LISTENER_PAUSED

    office.act(listeners.resume, listener_id)
    office.by_secret(listener_id, secret)


def test_deleted_listener_opens_for_nobody_and_frees_its_name(office: Office) -> None:
    listener_id, secret = office.create()
    office.act(listeners.delete, listener_id)

    error = refused(lambda: office.by_secret(listener_id, secret))
    assert error.reason is Reason.UNKNOWN_LISTENER
    assert office.secrets() == 0
    assert office.row(listener_id).state is ListenerState.DELETED
    office.create()
    assert [kind for kind, _ in office.events()] == [
        "listener-created",
        "listener-deleted",
        "listener-created",
    ]


def test_listener_that_nobody_made_is_unknown(office: Office) -> None:
    listener_id, secret = office.create()
    del listener_id

    error = refused(lambda: office.by_secret(uuid.uuid4(), secret))
    assert (error.reason, error.proven) == (Reason.UNKNOWN_LISTENER, False)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.PENDING, Reason.TENANT_PENDING),
        (State.UNINSTALLED, Reason.TENANT_UNINSTALLED),
        (State.SUPERSEDED, Reason.TENANT_SUPERSEDED),
    ],
)
def test_t5_listener_of_a_site_that_may_not_call_opens_for_nobody(
    office: Office, state: State, reason: Reason
) -> None:
    listener_id, secret = office.create()
    with office.runtime.sessions.begin() as session:
        session.get_one(Tenant, office.tenant_id).state = state

    assert refused(lambda: office.by_secret(listener_id, secret)).reason is reason


def test_name_is_one_listeners_only(office: Office, runtime: Runtime) -> None:
    listener_id, _ = office.create(name="Other")
    office.create()

    for call in (office.create, lambda: office.change_to(listener_id, define())):
        with pytest.raises(NameTakenError, match="Deploy bot"):
            call()
    Office(
        runtime=runtime,
        tenant_id=another_tenant(runtime),
        key_sets=office.key_sets,
    ).create()


def test_name_that_two_give_at_once_is_the_firsts(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.create()
    monkeypatch.setattr("app.names.refuse_taken", lambda *_, **__: None)

    with pytest.raises(NameTakenError):
        office.create()


def test_t5_another_tenants_listener_is_not_there(
    office: Office, runtime: Runtime
) -> None:
    listener_id, _ = office.create()
    other = Office(
        runtime=runtime,
        tenant_id=another_tenant(runtime),
        key_sets=office.key_sets,
    )

    calls: list[Callable[[], object]] = [
        lambda: other.act(listeners.pause, listener_id),
        lambda: other.act(listeners.resume, listener_id),
        lambda: other.act(listeners.delete, listener_id),
        lambda: other.renew(listener_id),
        lambda: other.change_to(listener_id, define(name="Mine")),
    ]
    for call in calls:
        with pytest.raises(NoSuchListenerError):
            call()
    with runtime.sessions.begin() as session:
        assert listeners.listed(session, other.tenant_id) == []
        assert listeners.find(session, other.tenant_id, listener_id) is None
        assert len(listeners.listed(session, office.tenant_id)) == 1


def test_last_time_it_was_heard_is_kept(office: Office) -> None:
    listener_id, _ = office.create()
    assert office.row(listener_id).heard_at is None

    now = office.runtime.now()
    with office.runtime.sessions.begin() as session:
        listeners.note_heard(session, office.tenant_id, listener_id, now=now)
        listeners.note_heard(session, uuid.uuid4(), listener_id, now=now)

    assert office.row(listener_id).heard_at == now


def test_public_key_opens_and_nothing_is_asked_for_it(
    office: Office, wire: Wire
) -> None:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())
    listener_id, secret = office.create(Proof.PUBLIC_KEY, public_key=public)

    text = jwt.encode(office.claims(listener_id), KEY, algorithm="RS256")

    assert secret is None
    assert office.hear(listener_id, text).issuer == "deploy-bot"
    assert wire.sent == []


@dataclass
class GitHub:
    """The issuer of jobs' tokens: its two documents, and what it signs."""

    office: Office
    asked: list[str]

    def __call__(self, request: Request) -> Response:
        self.asked.append(request.url)
        assert request.tenant_id == self.office.tenant_id
        if request.url.endswith("/openid-configuration"):
            body: Any = {"issuer": ACTIONS, "jwks_uri": f"{ACTIONS}/jwks"}
        else:
            public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
            body = {"keys": [public | {"kid": "k-1", "use": "sig"}]}
        return Response(status=200, body=json.dumps(body).encode())

    def token(self, listener_id: uuid.UUID, **changes: Any) -> str:
        own = self.office.claims(listener_id)
        claims = {name: own[name] for name in ("aud", "iat", "exp", "jti")} | {
            "iss": ACTIONS,
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "repository_id": "74",
            "repository_owner_id": "65",
            "ref": "refs/heads/main",
            "workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
            "event_name": "workflow_dispatch",
            "run_id": "1234",
        }
        return jwt.encode(claims | changes, KEY, "RS256", headers={"kid": "k-1"})


@pytest.fixture
def github(office: Office, wire: Wire) -> GitHub:
    made = GitHub(office=office, asked=[])
    wire.elsewhere[ACTIONS.partition("//")[2]] = made
    return made


def test_workflow_opens_by_githubs_token_and_names_its_run(
    office: Office, github: GitHub
) -> None:
    listener_id, _ = office.create(Proof.GITHUB_ACTIONS, issuer=ACTIONS, **WORKFLOW)

    heard = office.hear(listener_id, github.token(listener_id))

    assert (heard.provider_run_id, heard.claims["ref"]) == ("1234", "refs/heads/main")
    office.hear(listener_id, github.token(listener_id, run_id="1235"))
    assert len(github.asked) == 2  # both documents, once


@pytest.mark.parametrize(
    "changes",
    [
        {"repository_id": "75"},
        {"repository_owner_id": "66"},
        {"event_name": "pull_request"},
        {"ref": "refs/pull/7/merge"},
        {"aud": "https://countersign.example/listeners/other"},
        {"exp": 1},
        {"iss": "https://token.actions.githubusercontent.com/evil"},
    ],
    ids=str,
)
def test_t17_stranger_makes_us_ask_nobody(
    office: Office, github: GitHub, changes: dict[str, Any]
) -> None:
    """Attack: everybody's job gets a token of GitHub's, made for any address."""
    listener_id, _ = office.create(Proof.GITHUB_ACTIONS, issuer=ACTIONS, **WORKFLOW)

    error = refused(
        lambda: office.hear(listener_id, github.token(listener_id, **changes))
    )

    assert not error.proven
    assert github.asked == []


def test_t13_own_mistake_is_proven_once_the_keys_are_known_a_strangers_never(
    office: Office, github: GitHub
) -> None:
    listener_id, _ = office.create(Proof.GITHUB_ACTIONS, issuer=ACTIONS, **WORKFLOW)
    office.hear(listener_id, github.token(listener_id))

    def tried(**changes: Any) -> Refused:
        token = github.token(listener_id, **changes)
        return refused(lambda: office.hear(listener_id, token))

    own, strangers = tried(ref="refs/heads/dev"), tried(repository_id="75")

    assert (own.reason, own.proven) == (Reason.WRONG_CLAIM, True)
    assert own.detail == "ref: refs/heads/dev"
    assert (strangers.reason, strangers.proven) == (Reason.WRONG_CLAIM, False)
