"""Listeners on their pages: what an admin sees, sets up, changes and deletes."""

import html
import json
import re
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from flask import Flask

from app import listeners
from app.audit import Change
from app.http import ForbiddenError, Request, Response
from app.listeners import Proof, keeping
from app.runtime import Runtime
from app.tenants import Door
from app.web.listeners import listener_form
from app.worker import Worker
from sandbox import Jira
from tests.functional import bots
from tests.functional.bots import BOT, Bot
from tests.functional.callers import BASE_URL, Caller
from tests.functional.doors import ANSWER
from tests.functional.fakes import Answer, Clock, Wire, call
from tests.functional.receiving import Desk, open_desk
from tests.functional.test_destinations import actors, ada, problems

API = "/api/v1/listeners"
PAGES = "/api/v1/pages/listeners"
ACTIONS = "https://token.actions.githubusercontent.com"
WORKFLOW = {
    "name": "Deploy",
    "proof": "github-actions",
    "repository": "acme/shop",
    "repository_id": "74",
    "repository_owner_id": "65",
    "workflow": "deploy.yml",
}
KEY = jwt.algorithms.OKPAlgorithm.to_jwk(
    ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True
)
OPEN_ID = {
    "name": "CI",
    "proof": "oidc",
    "issuer": "https://ci.example",
    "claims": [["sub", "one"], ["sub", "two"], ["env", "prod"]],
}


@pytest.fixture
def caller(app: Flask, site: Jira, clock: Clock) -> Caller:
    return Caller(app=app, jira=site, clock=clock)


@pytest.fixture
def desk(runtime: Runtime, app: Flask, site: Jira, worker: Worker, wire: Wire) -> Desk:
    return open_desk(runtime, app, site, worker, wire)


@pytest.fixture(autouse=True)
def issuers(wire: Wire) -> None:
    for issuer in (ACTIONS, "https://ci.example"):
        wire.elsewhere[issuer.partition("//")[2]] = issuing(issuer)


def issuing(issuer: str) -> Any:
    def answer(request: Request) -> Answer:
        body: Any = {"keys": [KEY | {"kid": "k-1"}]}
        if request.url.endswith("openid-configuration"):
            body = {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"}
        return Response(status=200, body=json.dumps(body).encode())

    return answer


def ask(caller: Caller, method: str, path: str, body: Any = None) -> Response:
    data = json.dumps({} if body is None else body).encode()
    return caller.send(method, path, token=caller.context(), body=data)


def create(caller: Caller, **whole: Any) -> dict[str, Any]:
    answer = ask(caller, "POST", API, whole or BOT)
    assert answer.status == 201, answer.body
    created: dict[str, Any] = json.loads(answer.body)
    return created


def page(caller: Caller, path: str = "") -> str:
    answer = caller.send("GET", f"{PAGES}{path}", token=caller.context())
    assert answer.status == 200
    return html.unescape(re.sub(r"\s+", " ", answer.body.decode()))


def as_bot(created: dict[str, Any]) -> Bot:
    return Bot(created["id"], created["secret"])


def post(desk: Desk, bot: Bot, **claims: Any) -> int:
    """Call at the bot's door; 401 is the answer to an answer nobody waits for, too."""
    sent = json.dumps(ANSWER).encode()
    headers = {"Authorization": f"Bearer {bot.token(sent, desk.clock, **claims)}"}
    return call(desk.app, "POST", f"{BASE_URL}{bot.path}", headers, sent).status


def was_heard(desk: Desk, bot: Bot) -> bool:
    """Say whether a call of the bot's gets in, by what its page says afterwards."""
    caller = Caller(app=desk.app, jira=desk.jira, clock=desk.clock)
    refused = page(caller, f"/{bot.id}").count("Its signature is not")
    post(desk, bot)
    return page(caller, f"/{bot.id}").count("Its signature is not") == refused


def test_page_without_listeners_tells_how_to_begin(caller: Caller) -> None:
    shown = page(caller)

    assert "No listeners yet" in shown
    assert 'href="#/listeners/new"' in shown


def test_kind_of_proof_is_asked_first(caller: Caller) -> None:
    shown = page(caller, "/new")

    offered = listener_form.offered(Door.CONNECT)
    assert not any(proof.is_transition for proof in offered)
    for proof, (name, _) in offered.items():
        assert f'href="#/listeners/new?proof={proof}">{name}' in shown
    assert "<form" not in shown
    assert page(caller, "/new?proof=none") == shown


@pytest.mark.parametrize(
    ("proof", "keys"),
    [
        (Proof.SECRET, ["proof", "name", "issuer", "max_minutes"]),
        (Proof.PUBLIC_KEY, ["proof", "name", "issuer", "public_key", "max_minutes"]),
        (Proof.JWKS, ["proof", "name", "issuer", "claims", "jwks_url", "max_minutes"]),
        (Proof.OIDC, ["proof", "name", "issuer", "claims", "max_minutes"]),
        (
            Proof.GITHUB_ACTIONS,
            [
                "proof",
                "name",
                "issuer",
                "repository",
                "repository_id",
                "repository_owner_id",
                "workflow",
                "ref",
                "events",
                "max_minutes",
            ],
        ),
        (
            Proof.GITLAB_CI,
            [
                "proof",
                "name",
                "issuer",
                "project_id",
                "namespace_id",
                "ref",
                "sources",
                "max_minutes",
            ],
        ),
    ],
)
def test_form_has_the_fields_of_its_proof(
    caller: Caller, proof: Proof, keys: list[str]
) -> None:
    shown = page(caller, f"/new?proof={proof}")

    assert sorted(re.findall(r'data-key="(\w+)"', shown)) == sorted(keys)
    assert "From 1 to" in shown


def test_form_proposes_what_is_usual(caller: Caller) -> None:
    shown = page(caller, "/new?proof=github-actions")

    assert f'value="{ACTIONS}"' in shown
    assert 'value="refs/heads/main"' in shown
    assert 'value="60"' in shown
    assert re.findall(r'checkbox" value="(\w+)" checked', shown) == [
        "workflow_dispatch",
        "repository_dispatch",
    ]


def test_created_listener_is_listed_and_its_secret_shown_once(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller)

    one, every = page(caller, f"/{created['id']}"), page(caller)

    assert re.fullmatch(r"[\w-]{43}", created["secret"])
    assert created["secret"] not in one + every
    assert f'value="{BASE_URL}/listeners/{created["id"]}"' in one
    for text in ("Bot", "A shared secret", "Not heard yet", "Never"):
        assert text in every
    for text in ("body_sha256", "jti", "At most 10 minutes apart", "Number 1, made"):
        assert text in one
    assert actors(desk, "listener-created") == [ada()]


def test_workflow_is_set_up_without_a_secret_and_its_page_says_what_is_pinned(
    caller: Caller,
) -> None:
    created = create(caller, **WORKFLOW)

    shown = page(caller, f"/{created['id']}")

    assert created["secret"] is None
    for text in (
        "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
        "repository_dispatch, or workflow_dispatch",
        "<dd>74</dd>",
    ):
        assert text in shown
    assert "New secret …" not in shown


def test_claims_are_kept_with_all_their_values(caller: Caller) -> None:
    created = create(caller, **OPEN_ID)

    shown = page(caller, f"/{created['id']}")

    assert "<dd>one, or two</dd>" in shown
    boxes = re.findall(r'<input class="control" value="([^"]*)" maxlength', shown)
    assert boxes[:6] == ["sub", "one", "sub", "two", "env", "prod"]
    as_object = {"sub": "one"}
    path = f"{API}/{created['id']}"
    assert ask(caller, "PUT", path, OPEN_ID | {"claims": as_object}).status == 200


@pytest.mark.parametrize(
    ("whole", "key", "said"),
    [
        (BOT | {"name": ""}, "name", "it is empty"),
        (BOT | {"name": "a\x00"}, "name", "no text"),
        (BOT | {"issuer": ""}, "issuer", "it is empty"),
        (BOT | {"max_minutes": "many"}, "max_minutes", "a whole number"),
        (BOT | {"max_minutes": 61}, "max_minutes", "a whole number"),
        (BOT | {"secret": "of-my-own"}, "secret", "unknown"),
        (BOT | {"proof": "public-key"}, "public_key", "missing"),
        (
            BOT | {"proof": "public-key", "public_key": "x"},
            "public_key",
            "paste a public key",
        ),
        ({"name": "a", "proof": "oidc", "issuer": ACTIONS}, "claims", "missing"),
        (OPEN_ID | {"claims": []}, "claims", "choose at least one"),
        (OPEN_ID | {"claims": [["aud", "x"]]}, "claims", "checked anyway"),
        (OPEN_ID | {"issuer": "ci.example"}, "issuer", "https://"),
        (OPEN_ID | {"issuer": "https://nowhere.example"}, "issuer", "not found"),
        (OPEN_ID | {"issuer": "https://ci.example/"}, "issuer", "another issuer"),
        (WORKFLOW | {"events": ["pull_request"]}, "events", "offered"),
        (WORKFLOW | {"repository_id": "acme"}, "repository_id", "in digits"),
    ],
    ids=range(16),
)
def test_problem_is_told_at_its_field(
    caller: Caller, wire: Wire, whole: Any, key: str, said: str
) -> None:
    wire.elsewhere["nowhere.example"] = lambda _: ForbiddenError("not found")

    found = problems(ask(caller, "POST", API, whole))

    assert said in html.unescape(found[key])
    assert "No listeners yet" in page(caller)


@pytest.mark.parametrize("body", [{}, {"proof": "none"}, OPEN_ID | {"claims": [1]}])
def test_form_that_is_none_of_ours_is_refused(caller: Caller, body: Any) -> None:
    assert ask(caller, "POST", API, body).status == 400


def test_name_is_one_listeners_only(caller: Caller) -> None:
    create(caller)

    found = problems(ask(caller, "POST", API, BOT))

    assert found == {"name": "another listener is called “Bot”"}


def test_t11_issuers_keys_are_read_for_the_tenant_that_names_it(
    caller: Caller, desk: Desk, wire: Wire
) -> None:
    created = create(caller, **OPEN_ID)
    asked = [each for each in wire.sent if "ci.example" in each.url]
    assert {each.tenant_id for each in asked} == {desk.tenant_id}
    wire.elsewhere["ci.example"] = lambda _: ForbiddenError("away")

    path = f"{API}/{created['id']}"
    assert ask(caller, "PUT", path, OPEN_ID | {"name": "New name"}).status == 200
    moved = OPEN_ID | {"issuer": "https://ci.example/b"}
    assert problems(ask(caller, "PUT", path, moved)) == {"issuer": "away"}


def test_t8_another_issuer_gets_a_new_secret_and_the_old_one_opens_nothing(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller)
    assert was_heard(desk, as_bot(created))

    path = f"{API}/{created['id']}"
    same = json.loads(ask(caller, "PUT", path, BOT | {"name": "New"}).body)
    other = json.loads(ask(caller, "PUT", path, BOT | {"issuer": "other"}).body)

    assert same["secret"] is None
    assert re.fullmatch(r"[\w-]{43}", other["secret"])
    assert not was_heard(desk, as_bot(created))


def test_new_secret_leaves_the_old_one_a_day_unless_it_is_to_end_at_once(
    caller: Caller, desk: Desk
) -> None:
    created = create(caller)
    path = f"{API}/{created['id']}/secret"

    second = json.loads(ask(caller, "POST", path).body)
    assert "Number 1 is accepted until" in page(caller, f"/{created['id']}")
    assert was_heard(desk, as_bot(created))
    assert was_heard(desk, as_bot(second))
    third = json.loads(ask(caller, "POST", path, {"at_once": True}).body)

    assert not was_heard(desk, as_bot(second))
    assert was_heard(desk, as_bot(third))
    assert "is accepted until" not in page(caller, f"/{created['id']}")
    assert actors(desk, "listener-secret-renewed") == [ada(), ada()]


def test_paused_listener_says_so_and_can_be_resumed(caller: Caller, desk: Desk) -> None:
    bot = bots.create(desk)

    assert ask(caller, "POST", f"{API}/{bot.id}/pause").status == 204
    paused = page(caller, f"/{bot.id}")
    assert ask(caller, "POST", f"{API}/{bot.id}/resume").status == 204
    resumed = page(caller, f"/{bot.id}")

    assert "Its calls are refused." in paused
    assert f"listeners/{bot.id}/resume" in paused
    assert f"listeners/{bot.id}/pause" in resumed
    assert "Its calls are refused." not in resumed


def test_deleted_listener_is_gone_and_before_its_page_says_what_breaks(
    caller: Caller, desk: Desk
) -> None:
    bot = bots.create(desk)
    assert "From now on its address opens nothing" in page(caller, f"/{bot.id}")

    assert ask(caller, "DELETE", f"{API}/{bot.id}").status == 204

    assert "No listeners yet" in page(caller)
    assert ask(caller, "GET", f"{PAGES}/{bot.id}").status == 404
    assert ask(caller, "DELETE", f"{API}/{bot.id}").status == 404


def test_page_tells_when_it_was_heard_and_what_proved_nothing(
    caller: Caller, desk: Desk
) -> None:
    bot = bots.create(desk)
    assert "None that are kept." in page(caller, f"/{bot.id}")

    post(desk, bot)
    post(desk, Bot(bot.id, "x" * 43))

    shown = page(caller, f"/{bot.id}")
    assert "Working" in shown
    assert "Never" not in shown
    assert "1 at its address." in shown
    assert "Its signature is not that of who it claims to be from." in shown
    log = caller.send("GET", "/api/v1/pages/log", token=caller.context()).body.decode()
    assert "A listener's call was refused." in html.unescape(log)
    assert ">A listener<" in log


def test_t11_site_has_only_so_many_listeners(
    caller: Caller, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: each may have a host that we ask for keys, and keep what it says."""
    monkeypatch.setattr(keeping, "MOST", 2)
    elsewhere = Change(tenant_id=desk.another_tenant(), actor="eve", now=desk.clock())
    with desk.runtime.sessions.begin() as session:
        others = bots.define("Theirs")
        listeners.create(session, desk.runtime.keyring, elsewhere, others)
    first = create(caller, **BOT)
    create(caller, **BOT | {"name": "Second"})

    answer = ask(caller, "POST", API, BOT | {"name": "Third"})

    assert answer.status == 409
    assert "at most 2 listeners" in json.loads(answer.body)["message"]
    assert "Third" not in page(caller)
    assert ask(caller, "DELETE", f"{API}/{first['id']}").status == 204
    create(caller, **BOT | {"name": "Third"})
