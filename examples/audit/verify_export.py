"""Verify a history that Countersign exported, without Countersign.

    python verify_export.py LOG.ndjson FINGERPRINT [EARLIER.ndjson]

FINGERPRINT is that of the key which signs the site's checkpoints; the page of the log
shows it. Note it early, where Countersign's operator cannot change it. An EARLIER
export tells what was cut off the end: its newest checkpoint has to be in the later one.
Needs Python 3.11 and the package `cryptography`. Exit status: 0 whole, 1 broken.
"""

import base64
import hashlib
import itertools
import json
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LATE = timedelta(hours=1)  # by which an event may be older than what was signed before
MOMENT = timedelta(milliseconds=1)  # an id says no more of when it was made
FIELDS = {"time", "id", "kind", "who", "facts", "checkpoint"}  # nothing else is signed
Line = dict[str, Any]


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value: object, **options: bool) -> bytes:
    return json.dumps(value, separators=(",", ":"), **options).encode()  # type: ignore[arg-type]


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def signed(line: Line, fingerprint: str) -> Line | None:
    """Return what a checkpoint says; None if the key did not sign exactly this."""
    try:
        key, (head, body, signature) = line["key"], line["jws"].split(".")
        named = compact({n: key[n] for n in ("crv", "kty", "x")}, sort_keys=True)
        if octets(fingerprint) != hashlib.sha256(named).digest():  # RFC 7638
            return None
        raw, header = octets(signature), json.loads(octets(head))
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != signature:
            return None
        if (header["alg"], header["typ"]) != ("EdDSA", "countersign-checkpoint+jws"):
            return None
        public = Ed25519PublicKey.from_public_bytes(octets(key["x"]))
        public.verify(raw, f"{head}.{body}".encode())
        said: Line = json.loads(octets(body))
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError):
        return None
    return said if said["v"] == 1 and said["seq"] == line["checkpoint"] else None


def digest(tenant: str, event: Line) -> str:
    """Return the hash of an event's canonical text, version 1 (docs/security.md)."""
    facts = compact(event["facts"], sort_keys=True, ensure_ascii=False).decode()
    text = ["countersign-event-1", tenant, event["id"], event["kind"], event["who"]]
    return sha256(compact([*text, event["time"], facts, event["nonce"]]))


def packed(rows: Iterable[Sequence[str]]) -> str:
    """Return the hash of rows: of each the event's id, and the hashes after it."""
    return sha256(
        b"".join(
            uuid.UUID(key).bytes + bytes.fromhex("".join(rest)) for key, *rest in rows
        )
    )


def moment(event_id: str) -> datetime:
    """Return when an event was written: its id says so, to the millisecond."""
    milliseconds = min(uuid.UUID(event_id).int >> 80, 253_370_764_800_000)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def loads(text: str) -> Line:
    """Read JSON that says each thing once: of two, who reads it might take either."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a name stands twice")
        return found

    line: Line = json.loads(text, object_pairs_hook=once)
    return line


def named(event_id: str) -> str:
    return f"event {event_id} of {moment(event_id):%Y-%m-%d %H:%M:%S} UTC"


def misplaced(places: list[str], wanted: set[str]) -> Iterator[str]:
    for one, other in itertools.pairwise(places):
        if one <= other:
            yield f"{named(one)} and {other} changed places"
    for event_id in sorted(wanted - set(places), reverse=True):
        yield f"{named(event_id)} is missing"


def unproven(events: list[Line]) -> Iterator[str]:
    """Yield what is wrong with events that no checkpoint has yet."""
    for one in events:
        apart = datetime.fromisoformat(one["time"]) - moment(one["id"])
        if one["checkpoint"] is not None or set(one) != FIELDS:
            yield f"{named(one['id'])} does not belong"
        elif abs(apart) >= MOMENT:
            yield f"{named(one['id'])} has another time than its id"


class Verifier:
    """Reads checkpoints from the newest to the first, each with its events."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint, self.seq = fingerprint, 0
        self.above: Line | None = None  # the checkpoint before, if it can be believed
        self.newest, self.pruned, self.oldest, self.events = "", 0, "", 0
        self.unsealed: list[str] = []  # events under no checkpoint
        self.amended = defaultdict[str, list[tuple[str, str]]](list)

    def read(self, line: Line | None, events: list[Line]) -> Iterator[str]:
        """Yield what is wrong with a checkpoint and the events that follow it."""
        said = signed(line, self.fingerprint) if line else None
        if line is None:
            self.unsealed = [one["id"] for one in events]
            yield from unproven(events)
        elif line.get("later"):  # made while the file was written: says what was pruned
            if self.seq and said and said["previous"] == self.newest:
                self.pruned = said["pruned_through"]
                self.newest = sha256(line["jws"].encode())
            else:
                yield f"checkpoint {line['checkpoint']} does not follow the newest one"
            yield from (f"{named(one['id'])} does not belong" for one in events)
        else:
            if not self.seq:
                self.newest = sha256(line["jws"].encode())
                self.pruned = said["pruned_through"] if said else 0
                yield from self.late(said) if said else ()
            yield from self.link(line, said)
            self.above, self.seq, self.oldest = said, line["checkpoint"], ""
            yield from self.compare(line, said, events) if said else ()

    def late(self, newest: Line) -> Iterator[str]:
        through = datetime.fromisoformat(newest["through"])
        for event_id in self.unsealed:
            if moment(event_id) < through - LATE:
                yield f"{named(event_id)} was put in later"

    def link(self, line: Line, said: Line | None) -> Iterator[str]:
        if self.seq and self.seq != line["checkpoint"] + 1:
            yield f"checkpoint {self.seq - 1} is missing"
        elif said is None:
            yield f"checkpoint {line['checkpoint']} was changed, or is another key's"
        elif self.above and self.above["previous"] != sha256(line["jws"].encode()):
            yield f"checkpoint {self.seq - 1} is not the one that the next one follows"
        elif self.above and self.oldest and self.above["made_at"] >= said["made_at"]:
            through = datetime.fromisoformat(said["through"])
            if moment(self.oldest) < through - LATE:
                yield f"{named(self.oldest)} was put in later"

    def compare(self, line: Line, said: Line, events: list[Line]) -> Iterator[str]:
        """Compare events with what was signed of them, and with attested changes."""
        seq, leaves = said["seq"], {} if said["seq"] <= self.pruned else line["leaves"]
        changes = line["amended"]
        roots = (packed(leaves.items()), packed(changes))
        if seq > self.pruned and roots != (said["root"], said["amendments"]):
            yield f"checkpoint {seq} was changed: its lists do not fit"
            return
        for event in events:
            found = digest(said["tenant"], event)
            for old, new in self.amended.pop(event["id"], []):
                found = old if found == new else found
            fits = event["checkpoint"] == seq and set(event) == FIELDS | {"nonce"}
            if event["id"] not in leaves or not fits:
                yield f"{named(event['id'])} does not belong"
            elif found != leaves[event["id"]]:
                yield f"{named(event['id'])} was changed"
        yield from misplaced([event["id"] for event in events], set(leaves))
        self.oldest, self.events = min(leaves, default=""), self.events + len(leaves)
        for key, old, new in changes:  # an event's newest change comes first
            self.amended[key].append((old, new))


def groups(lines: Iterable[str]) -> Iterator[tuple[Line | None, list[Line]]]:
    """Yield each checkpoint with the events that follow it in the file."""
    head: Line | None = None
    events: list[Line] = []
    for text in lines:
        line = loads(text)
        if "jws" in line:
            if not isinstance(line["checkpoint"], int):
                raise TypeError("a checkpoint has no number")
            yield head, events
            head, events = line, []
        else:
            events.append(line)
    yield head, events


def main(log: str, fingerprint: str, earlier: str = "") -> int:
    verifier, found, kept = Verifier(fingerprint), list[str](), ""
    try:
        if earlier:
            with Path(earlier).open(encoding="ascii") as lines:
                kept = next(head["jws"] for head, _ in groups(lines) if head)
        with Path(log).open(encoding="ascii") as lines:
            for head, events in groups(lines):
                found += verifier.read(head, events)
                kept = "" if head and head["jws"] == kept else kept
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        found.append(f"a file was cut or changed: {error!r}")
    if verifier.seq > 1:
        found.append(f"the file ends before checkpoint {verifier.seq - 1}")
    if kept:
        found.append("the newest checkpoint of the earlier export is missing")
    for text in reversed(found):  # the oldest first
        print(f"BROKEN: {text}")
    unsealed = len(verifier.unsealed)
    said = f"{verifier.events} events under checkpoints, {unsealed} under none yet"
    print(f"{said}: {'broken' if found else 'whole'}")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
