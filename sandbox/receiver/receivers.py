"""The receivers of this service: what each expects, how it answers, what it got."""

import contextlib
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox import wire
from sandbox.receiver import answers, proofs
from sandbox.receiver.answers import Mood
from sandbox.receiver.issuers import Issuers
from sandbox.receiver.proofs import Delivery, Expected, Verdict

Json = dict[str, Any]

FIRST = "deploy"
"""There from the start."""
KEPT = 50
_MOST_NAMES = 50
_MOST_IDS = 5_000
_LONGEST_BODY = 20_000
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_CREDENTIAL = re.compile("auth|cookie|signature|token|secret|password|api-?key")
"""In the name of a header: its value is not shown."""
ELSEWHERE = "https://somebody-else.example"
"""The audience of the manner that expects a wrong one."""


@dataclass(frozen=True)
class Received:
    """One call, without its credentials."""

    number: int
    at: str
    verdict: str
    """accepted or refused."""
    why: str
    claims: Json
    headers: dict[str, str]
    body: str
    delivery_id: str
    times: int
    """How often this delivery id had come, this call included."""
    performed: bool
    is_test: bool
    answered: str
    """The name of the manner."""


@dataclass
class Settings:
    audience: str
    proof: str = proofs.ISSUER
    secret: str = field(default="", repr=False)
    honours_delivery_id: bool = True

    def json(self) -> Json:
        """Without the secret."""
        shown = asdict(self)
        return shown | {"secret": bool(shown.pop("secret"))}


@dataclass(frozen=True)
class Reply:
    """What is to be answered; `mood` says in which manner."""

    mood: Mood
    status: int
    body: Json


class Receiver:
    """One endpoint. Its lock is not held while an issuer is asked."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self.settings = Settings(audience=url)
        self.mood = Mood()
        self.received: deque[Received] = deque(maxlen=KEPT)
        """The newest first."""
        self._lock = threading.Lock()
        self._count = 0
        self._times: dict[str, int] = {}
        self._performed: dict[str, int] = {}
        self._seen: dict[str, None] = {}

    def take(self, delivery: Delivery, issuers: Issuers, now: datetime) -> Reply:
        """Judge a delivery, carry it out at most once, and say what to answer."""
        with self._lock:
            mood, kept = self.mood, self.settings
            self.mood = mood.after_one_call()
        is_wrong = mood.manner.name == answers.WRONG_AUDIENCE
        audience = ELSEWHERE if is_wrong else kept.audience
        expected = Expected(kept.proof, audience, now, kept.secret)
        verdict = proofs.judge(delivery, expected, issuers)
        with self._lock:
            verdict = self._once(verdict)
            does = mood.manner.performs and verdict.is_good
            performed = does and self._perform(delivery.id)
            self._record(delivery, verdict, mood, performed=performed, at=now)
        return _reply(mood, verdict, delivery.id, performed=performed)

    def _once(self, verdict: Verdict) -> Verdict:
        """A token is made for one try: the same one again was copied."""
        token = str(verdict.claims.get("jti", ""))
        if not verdict.is_good or not token:
            return verdict
        if token in self._seen:
            return Verdict("jti was seen before: a copied token", verdict.claims)
        _remember(self._seen, token, None)
        return verdict

    def _perform(self, delivery_id: str) -> bool:
        before = self._performed.get(delivery_id, 0)
        if delivery_id and before and self.settings.honours_delivery_id:
            return False
        _remember(self._performed, delivery_id, before + 1)
        return True

    def _record(
        self,
        delivery: Delivery,
        verdict: Verdict,
        mood: Mood,
        *,
        performed: bool,
        at: datetime,
    ) -> None:
        self._count += 1
        times = self._times.get(delivery.id, 0) + 1
        _remember(self._times, delivery.id, times)
        entry = Received(
            number=self._count,
            at=at.astimezone(UTC).isoformat(timespec="milliseconds"),
            verdict="accepted" if verdict.is_good else "refused",
            why=verdict.why,
            claims=verdict.claims,
            headers=_without_credentials(delivery.headers),
            body=_pretty(delivery.body),
            delivery_id=delivery.id,
            times=times,
            performed=performed,
            is_test=verdict.is_test,
            answered=mood.manner.name,
        )
        self.received.appendleft(entry)

    def expect(self, given: Json) -> None:
        """Change some settings; raise ValueError for a proof that is not there."""
        known = self.settings
        proof = str(given.get("proof", known.proof))
        if proof not in proofs.PROOFS:
            raise ValueError(f"proof is one of {', '.join(proofs.PROOFS)}")
        self.settings = Settings(
            audience=str(given.get("audience", known.audience)).strip() or self.url,
            proof=proof,
            secret=str(given.get("secret", known.secret)).strip(),
            honours_delivery_id=bool(
                given.get("honours_delivery_id", known.honours_delivery_id)
            ),
        )

    def deliveries(self) -> Json:
        """By delivery id: how often it came, and how often it was carried out."""
        with self._lock:
            return {
                name: {"received": times, "performed": self._performed.get(name, 0)}
                for name, times in self._times.items()
                if name
            }

    def newest(self) -> list[Received]:
        with self._lock:
            return list(self.received)

    def json(self) -> Json:
        return {
            "name": self.name,
            "url": self.url,
            "settings": self.settings.json(),
            "answer": {
                "how": self.mood.manner.name,
                "left": self.mood.left,
                "seconds": self.mood.seconds,
            },
            "deliveries": self.deliveries(),
            "received": [asdict(entry) for entry in self.newest()],
        }


class Receivers:
    """All of them, by name; the first call makes one."""

    def __init__(
        self,
        base_url: str,
        addon_base_url: str,
        *,
        now: Callable[[], datetime],
        transport: wire.Transport = wire.send,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.now = now
        self.issuers = Issuers(addon_base_url, transport)
        self._lock = threading.Lock()
        self._named: dict[str, Receiver] = {}
        self.at(FIRST)

    def at(self, name: str) -> Receiver:
        """Raise LookupError for what is no name, or one too many."""
        with self._lock:
            if name in self._named:
                return self._named[name]
            if not _NAME.fullmatch(name):
                raise LookupError("a name has small letters, digits and hyphens")
            if len(self._named) >= _MOST_NAMES:
                raise LookupError("there are receivers enough")
            made = Receiver(name, f"{self.base_url}/receiver/{name}")
            self._named[name] = made
            return made

    def names(self) -> list[str]:
        with self._lock:
            return list(self._named)

    def forget(self) -> None:
        """As on the first day: receivers, what they got, and the keys."""
        with self._lock:
            self._named.clear()
        self.issuers.forget()
        self.at(FIRST)


def _reply(mood: Mood, verdict: Verdict, delivery_id: str, *, performed: bool) -> Reply:
    manner = mood.manner
    if not manner.performs:
        return Reply(mood, manner.status, {"error": manner.says})
    if not verdict.is_good:
        return Reply(mood, 401, {"error": verdict.why})
    return Reply(mood, 200, {"received": delivery_id, "performed": performed})


def _remember(memory: dict[str, Any], name: str, value: object) -> None:
    memory[name] = value
    if len(memory) > _MOST_IDS:
        del memory[next(iter(memory))]


def _without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    shown = {}
    for name, value in headers.items():
        if _CREDENTIAL.search(name):
            scheme = value.split(" ")[0] + " " if " " in value else ""
            shown[name] = f"{scheme if scheme.strip().isalpha() else ''}(removed)"
        else:
            shown[name] = value
    return shown


def _pretty(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    # what is no JSON is shown as it came
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text[:_LONGEST_BODY]
