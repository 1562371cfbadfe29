"""The receiver: what proof it takes, what it performs, and how it misbehaves."""

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from sandbox import Jira, create_app
from sandbox.receiver.answers import MANNERS
from tests.sandbox.conftest import Clock
from tests.sandbox.stand_in import StandIn
from tests.serving import serving

Json = dict[str, Any]

API = "/sandbox/api/receivers"
URL = "http://jira.test/receiver/deploy"
TENANT = "0b0e7c3a-35a6-4c0b-9f0e-0a8d6b9f8f11"
OTHER = "7d0e7c3a-35a6-4c0b-9f0e-0a8d6b9f8f22"
SECRET = "a-secret-of-this-destination-alone"
WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
BODY = b'{"version": "2.4.0"}'


@dataclass
class Sender:
    """Delivers as the add-on does; any part can be made wrong."""

    client: FlaskClient
    clock: Clock
    stand_in: StandIn
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"{self.stand_in.base_url}/issuers/{TENANT}"

    def publish(self, *kids: str) -> None:
        """The issuer's documents, with these keys."""
        for kid in kids:
            if kid not in self.keys:
                self.keys[kid] = rsa.generate_private_key(65537, 2048)
        keys = [
            {
                **jwt.algorithms.RSAAlgorithm.to_jwk(
                    self.keys[kid].public_key(), as_dict=True
                ),
                "kid": kid,
                "use": "sig",
                "alg": "RS256",
            }
            for kid in kids
        ]
        self.stand_in.published = {
            f"{TENANT}/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "jwks_uri": f"{self.issuer}/jwks.json",
            },
            f"{TENANT}/jwks.json": {"keys": keys},
        }

    def claims(self, body: bytes = BODY, **changes: Any) -> Json:
        issued = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": URL,
            "sub": f"tenant:{TENANT}:project:10000:destination:d-1",
            "iat": issued,
            "exp": issued + 300,
            "jti": str(uuid4()),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "delivery_id": "dl-1",
            "issue_key": "DEMO-1",
        }
        return {k: v for k, v in (claims | changes).items() if v is not None}

    def token(self, kid: str = "k1", body: bytes = BODY, **changes: Any) -> str:
        claims = self.claims(body, **changes)
        return jwt.encode(claims, self.keys[kid], "RS256", headers={"kid": kid})

    def post(
        self, token: str = "", body: bytes = BODY, headers: Json | None = None
    ) -> TestResponse:
        sent = {"webhook-id": "dl-1", "Content-Type": "application/json"}
        sent |= headers or {}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return self.client.post("/receiver/deploy", data=body, headers=sent)

    def told(self, name: str = "deploy") -> Json:
        found: Json = self.client.get(f"{API}/{name}").get_json()
        return found

    def last(self) -> Json:
        entry: Json = self.told()["received"][0]
        return entry

    def answers(self, how: str, **more: Any) -> None:
        given = {"how": how} | more
        assert self.client.post(f"{API}/deploy/answer", json=given).status_code == 200

    def expect(self, **given: Any) -> None:
        answer = self.client.post(f"{API}/deploy/settings", json=given)
        assert answer.status_code == 200


@pytest.fixture
def sender(client: FlaskClient, clock: Clock, stand_in: StandIn) -> Sender:
    made = Sender(client, clock, stand_in)
    made.publish("k1")
    return made


def test_proved_delivery_is_performed_and_shown_without_its_token(
    sender: Sender,
) -> None:
    token = sender.token()
    answer = sender.post(token, headers={"X-Api-Key": "hush-hush"})
    assert (answer.status_code, answer.get_json()["performed"]) == (200, True)
    entry = sender.last()
    assert (entry["verdict"], entry["why"]) == ("accepted", "")
    assert entry["claims"]["issue_key"] == "DEMO-1"
    assert json.loads(entry["body"]) == {"version": "2.4.0"}
    assert entry["headers"]["authorization"] == "Bearer (removed)"
    assert token not in json.dumps(sender.told())
    assert "hush-hush" not in json.dumps(sender.told())
    page = sender.client.get("/receiver/deploy").text
    assert "DEMO-1" in page
    assert token.split(".")[2] not in page


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "https://another.example"}, "aud is"),
        ({"aud": None}, "aud is"),
        ({"iss": "https://evil.example/issuers/x"}, "iss is"),
        ({"iss": "https://stand-in.test.evil/issuers/x"}, "iss is"),
        ({"iss": "https://stand-in.test/issuers/../x"}, "iss is"),
        ({"iss": None}, "iss is"),
        ({"sub": "x"}, "sub is"),
        ({"sub": f"tenant:{OTHER}:project:1:destination:2"}, "another tenant"),
        ({"iat": 1795435200 + 60, "exp": 1795435200 + 300}, "in the future"),
        ({"iat": 1795435200 - 300, "exp": 1795435200 - 31}, "expired"),
        ({"exp": 1795435200 + 301}, "longer than five minutes"),
        ({"exp": "soon"}, "exp is missing"),
        ({"exp": True}, "exp is missing"),
        ({"exp": None}, "exp is missing"),
        ({"body_sha256": "00"}, "body_sha256"),
        ({"body_sha256": None}, "body_sha256"),
        ({"jti": None}, "jti is missing"),
        ({"delivery_id": "dl-2"}, "delivery_id"),
    ],
)
def test_wrong_claim_is_refused_by_name(
    sender: Sender, changes: Json, why: str
) -> None:
    answer = sender.post(sender.token(**changes))
    assert answer.status_code == 401
    assert why in answer.get_json()["error"]
    assert (sender.last()["verdict"], sender.last()["performed"]) == ("refused", False)


def test_another_body_is_refused(sender: Sender) -> None:
    assert sender.post(sender.token(), b'{"version": "6.6.6"}').status_code == 401
    assert "body_sha256" in sender.last()["why"]


def test_copied_token_is_refused(sender: Sender) -> None:
    token = sender.token()
    assert sender.post(token).status_code == 200
    assert sender.post(token).status_code == 401
    assert "jti" in sender.last()["why"]


def test_test_delivery_is_marked(sender: Sender) -> None:
    subject = f"tenant:{TENANT}:project:10000:destination:d-1:test"
    assert sender.post(sender.token(sub=subject)).status_code == 200
    assert sender.last()["is_test"]


def test_algorithm_and_key_are_not_the_senders_choice(sender: Sender) -> None:
    public = sender.stand_in.published[f"{TENANT}/jwks.json"]["keys"][0]["n"]
    symmetric = jwt.encode(sender.claims(), public, "HS256", headers={"kid": "k1"})
    unsigned = jwt.encode(sender.claims(), "", "none")
    sender.keys["k2"] = rsa.generate_private_key(65537, 2048)
    headers = {"kid": "k1"}
    strange = jwt.encode(sender.claims(), sender.keys["k2"], "RS256", headers=headers)
    reasons = ("alg is 'HS256'", "alg is 'none'", "signature", "kid 'k2'", "no JWT")
    tokens = (symmetric, unsigned, strange, sender.token("k2"), "x")
    for token, why in zip(tokens, reasons, strict=True):
        assert sender.post(token).status_code == 401
        assert why in sender.last()["why"]
    assert sender.post().status_code == 401
    assert sender.last()["why"] == "no bearer token"


def test_keys_are_kept_for_a_while(sender: Sender) -> None:
    assert sender.post(sender.token()).status_code == 200
    sender.publish("k1", "k2")
    sender.clock.advance(299)
    assert sender.post(sender.token("k2")).status_code == 401
    assert len(sender.stand_in.asked) == 2
    sender.clock.advance(1)
    assert sender.post(sender.token("k2")).status_code == 200
    assert len(sender.stand_in.asked) == 4
    sender.client.post(API, json={"cache_seconds": 0})
    sender.publish("k2")
    assert sender.post(sender.token("k1")).status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://stand-in.test/issuers/other"},
        {"jwks_uri": "https://evil.example/jwks.json"},
        {"jwks_uri": "https://stand-in.test/issuers/other/jwks.json"},
        {"jwks_uri": None},
    ],
)
def test_discovery_that_leads_elsewhere_is_refused(
    sender: Sender, change: Json
) -> None:
    sender.stand_in.published[f"{TENANT}/.well-known/openid-configuration"] |= change
    assert sender.post(sender.token()).status_code == 401
    assert len(sender.stand_in.asked) == 1
    why = sender.last()["why"]
    assert why.startswith(("discovery names another", "jwks_uri leads elsewhere"))


def test_issuer_that_does_not_answer_is_asked_again(sender: Sender) -> None:
    published, sender.stand_in.published = sender.stand_in.published, {}
    assert sender.post(sender.token()).status_code == 401
    assert "was answered 404" in sender.last()["why"]
    sender.stand_in.published = published
    assert sender.post(sender.token()).status_code == 200


def test_shared_secret(sender: Sender) -> None:
    sender.expect(proof="hs256", secret=SECRET)
    good = jwt.encode(sender.claims(), SECRET, "HS256")
    assert sender.post(good).status_code == 200
    wrong = jwt.encode(sender.claims(), SECRET + "x", "HS256")
    assert sender.post(wrong).status_code == 401
    assert sender.post(sender.token()).status_code == 401
    assert sender.told()["settings"]["secret"] is True
    assert SECRET not in sender.client.get("/receiver/deploy").text


def test_without_a_secret_nothing_is_proved(sender: Sender) -> None:
    sender.expect(proof="hs256")
    signed = jwt.encode(sender.claims(), SECRET, "HS256").rpartition(".")[0]
    made = hmac.digest(b"", signed.encode(), "sha256")
    empty = base64.urlsafe_b64encode(made).decode().rstrip("=")
    assert sender.post(f"{signed}.{empty}").status_code == 401
    assert "no secret" in sender.last()["why"]
    sender.expect(proof="standard-webhooks")
    stamp = str(int(sender.clock().timestamp()))
    made = hmac.digest(b"", f"dl-1.{stamp}.".encode() + BODY, "sha256")
    signature = "v1," + base64.b64encode(made).decode()
    headers = {"webhook-timestamp": stamp, "webhook-signature": signature}
    assert sender.post(headers=headers).status_code == 401


def test_standard_webhooks_as_its_own_library_signs(sender: Sender) -> None:
    sender.expect(proof="standard-webhooks", secret=WHSEC)
    now = sender.clock()
    signature = Webhook(WHSEC).sign("dl-1", now, BODY.decode())
    headers = {
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": f"v1,bm8= {signature}",
    }
    assert sender.post(headers=headers).status_code == 200
    assert signature not in json.dumps(sender.told())
    assert sender.post(body=b"{}", headers=headers).status_code == 401
    assert sender.post(headers=headers | {"webhook-id": "dl-2"}).status_code == 401
    sender.clock.advance(301)
    assert sender.post(headers=headers).status_code == 401
    assert "five minutes off" in sender.last()["why"]


def test_same_delivery_is_performed_once(sender: Sender) -> None:
    answers = [sender.post(sender.token()).get_json() for _ in range(3)]
    assert [answer["performed"] for answer in answers] == [True, False, False]
    counts = {"received": 3, "performed": 1}
    assert sender.told()["deliveries"] == {"dl-1": counts}
    sender.expect(honours_delivery_id=False)
    assert sender.post(sender.token()).get_json()["performed"]
    assert sender.told()["deliveries"]["dl-1"]["performed"] == 2


def test_idempotency_key_is_a_delivery_id_too(sender: Sender) -> None:
    for _ in range(2):
        headers = {"webhook-id": "", "Idempotency-Key": "dl-7"}
        sender.post(sender.token(delivery_id="dl-7"), headers=headers)
    assert sender.told()["deliveries"]["dl-7"] == {"received": 2, "performed": 1}


@pytest.mark.parametrize(
    ("how", "status", "performed"),
    [
        ("500", 500, False),
        ("503", 503, False),
        ("429", 429, False),
        ("410", 410, False),
        ("401", 401, False),
        ("redirect", 307, False),
        ("huge", 200, True),
        ("slow", 200, True),
        ("wrong-audience", 401, False),
    ],
)
def test_manner_for_the_next_call_only(
    sender: Sender, how: str, status: int, *, performed: bool
) -> None:
    sender.answers(how, times=1, seconds=0)
    assert sender.post(sender.token()).status_code == status
    assert sender.last()["performed"] is performed
    assert sender.last()["answered"] == how
    assert sender.post(sender.token()).get_json()["performed"] is not performed


def test_manner_lasts_until_reset(sender: Sender) -> None:
    sender.answers("429", seconds=7)
    for _ in range(3):
        assert sender.post(sender.token()).headers["Retry-After"] == "7"
    assert "Answer 429." in sender.client.get("/receiver/deploy").text
    sender.client.post("/receiver/deploy/answer", data={"how": "well", "times": ""})
    assert sender.post(sender.token()).status_code == 200


def test_redirect_shows_who_follows_it(sender: Sender) -> None:
    sender.answers("redirect")
    answer = sender.post(sender.token())
    assert answer.headers["Location"] == "/receiver/redirected"
    sender.client.post(answer.headers["Location"], data=BODY)
    assert sender.told("redirected")["received"][0]["verdict"] == "refused"


def test_huge_answer_is_huge(sender: Sender) -> None:
    sender.answers("huge")
    assert len(sender.post(sender.token()).data) == 32 * 1024 * 1024


def test_the_last_fifty_are_shown(sender: Sender) -> None:
    for _ in range(52):
        sender.post(sender.token())
    assert [entry["number"] for entry in sender.told()["received"]][::49] == [52, 3]


def test_first_call_makes_a_receiver(sender: Sender) -> None:
    url = f"{URL[:-6]}another"
    token = sender.token(aud=url, delivery_id=None)
    headers = {"Authorization": f"Bearer {token}"}
    answer = sender.client.post("/receiver/another", data=BODY, headers=headers)
    assert answer.status_code == 200
    assert sender.client.get(API).get_json()["names"] == ["deploy", "another"]
    assert sender.told("another")["url"] == url
    sender.client.delete(API)
    assert sender.client.get(API).get_json()["names"] == ["deploy"]


def test_names_and_sizes_have_limits(sender: Sender) -> None:
    for name in ("Deploy", "a_b", "x" * 41, "-a", "%2e%2e"):
        assert sender.client.post(f"/receiver/{name}").status_code == 404
        assert sender.client.get(f"{API}/{name}").is_json
    made = [sender.client.post(f"/receiver/n{n}").status_code for n in range(60)]
    assert made == [401] * 49 + [404] * 11
    assert sender.post(sender.token(), b"x" * 1_000_001).status_code == 413
    wrong = sender.client.post(f"{API}/deploy/answer", json={"how": "sing"})
    assert wrong.status_code == 404
    wrong = sender.client.post(f"{API}/deploy/settings", json={"proof": "trust"})
    assert wrong.status_code == 400


def test_settings_by_the_page(sender: Sender) -> None:
    form = {"proof": "hs256", "audience": "https://a.example", "secret": SECRET}
    sender.client.post("/receiver/deploy/settings", data=form)
    kept = sender.told()["settings"]
    assert kept == {
        "audience": "https://a.example",
        "proof": "hs256",
        "secret": True,
        "honours_delivery_id": False,
    }
    # an empty field does not forget the secret, and means one's own address
    form = {"proof": "issuer", "audience": "", "honours_delivery_id": "on"}
    sender.client.post("/receiver/deploy/settings", data=form)
    kept = sender.told()["settings"]
    assert (kept["audience"], kept["secret"]) == (URL, True)
    again = sender.client.post("/receiver", data={"name": " Staging "})
    assert again.headers["Location"] == "/receiver/staging"


def test_every_manner_has_a_button(sender: Sender) -> None:
    text = sender.client.get("/receiver/deploy").text
    for name in MANNERS:
        assert f'name="how" value="{name}"' in text


def test_what_is_sent_is_shown_as_text(sender: Sender) -> None:
    evil = "<script>alert(1)</script>"
    body = json.dumps({"a": evil}).encode()
    sender.post(sender.token(sub=evil, body=body), body, {"X-Evil": evil})
    for path in ("/receiver/deploy", "/receiver/deploy/received"):
        assert "<script>alert" not in sender.client.get(path).text


@pytest.fixture
def served(make_jira: Callable[..., Jira]) -> Iterator[HTTPConnection]:
    listening = socket.create_server(("127.0.0.1", 0))
    with serving(create_app(make_jira()), listening):
        yield HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=10)


def test_dropped_connection_has_no_answer(served: HTTPConnection) -> None:
    given = json.dumps({"how": "drop", "times": 1})
    headers = {"Content-Type": "application/json"}
    served.request("POST", f"{API}/deploy/answer", given, headers)
    served.getresponse().read()
    served.request("POST", "/receiver/deploy", BODY)
    with pytest.raises((HTTPException, ConnectionError)):
        served.getresponse()
    served.close()
    served.request("GET", f"{API}/deploy")
    [entry] = json.loads(served.getresponse().read())["received"]
    served.close()
    assert (entry["answered"], json.loads(entry["body"])) == ("drop", json.loads(BODY))
