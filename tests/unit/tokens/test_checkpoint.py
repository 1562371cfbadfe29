"""Checkpoints of a history: one key, one type, one spelling, and none of the others."""

import base64
import hashlib
import json

import jwt
import pytest

from app.crypto import make_signing_pair, public_half, read_signing_key
from app.tokens import checkpoint
from app.tokens.checkpoint import BadCheckpointError, UnknownKeyError

PAIR, OTHER = make_signing_pair(), make_signing_pair()
KID = checkpoint.thumbprint(PAIR.public)
SAID = {"v": 1, "seq": 7}


def signed(**header: object) -> str:
    headers = {"typ": checkpoint.TYPE, "kid": KID} | header
    key = read_signing_key(PAIR.private)
    return jwt.encode(SAID, key, algorithm="EdDSA", headers=headers)


def test_what_was_signed_is_read() -> None:
    jws = checkpoint.sign(PAIR.private, KID, SAID)

    assert checkpoint.read(jws, PAIR.public) == SAID
    assert jwt.get_unverified_header(jws) == {
        "alg": "EdDSA",
        "kid": KID,
        "typ": "countersign-checkpoint+jws",
    }


def test_another_key_is_told_from_a_broken_signature() -> None:
    jws = checkpoint.sign(OTHER.private, checkpoint.thumbprint(OTHER.public), SAID)
    claimed = checkpoint.sign(OTHER.private, KID, SAID)

    with pytest.raises(UnknownKeyError):
        checkpoint.read(jws, PAIR.public)
    with pytest.raises(BadCheckpointError):
        checkpoint.read(claimed, PAIR.public)


@pytest.mark.parametrize("typ", ["JWT", "", "countersign-checkpoint"])
def test_other_families_are_no_checkpoints(typ: str) -> None:
    with pytest.raises(BadCheckpointError):
        checkpoint.read(signed(typ=typ), PAIR.public)


def test_algorithm_is_the_keys_and_never_the_tokens() -> None:
    headers = {"typ": checkpoint.TYPE, "kid": KID}
    secret = PAIR.public["x"].ljust(64, "x")
    for algorithm, key in (("none", ""), ("HS256", secret)):
        forged = jwt.encode(SAID, key, algorithm=algorithm, headers=headers)
        with pytest.raises(BadCheckpointError):
            checkpoint.read(forged, PAIR.public)


def test_checkpoint_has_one_spelling() -> None:
    jws = checkpoint.sign(PAIR.private, KID, SAID)
    spellings = [jws[:-1] + chr(ord(jws[-1]) + 1), f"{jws}=", f"{jws}\n", f" {jws}"]

    for each in [*spellings, jws[:-1], jws + "A", "é", "", "a.b.c", f"{jws}.{jws}"]:
        with pytest.raises(BadCheckpointError):
            checkpoint.read(each, PAIR.public)


@pytest.mark.parametrize(
    "payload", [b"[7]", b'"7"', b"no JSON", b"\xff", b"[" * 99_999]
)
def test_what_is_signed_and_says_nothing_is_no_checkpoint(payload: bytes) -> None:
    key = read_signing_key(PAIR.private)
    headers = {"typ": checkpoint.TYPE, "kid": KID}
    jws = jwt.PyJWS().encode(payload, key, algorithm="EdDSA", headers=headers)

    with pytest.raises(BadCheckpointError):
        checkpoint.read(jws, PAIR.public)
    with pytest.raises(BadCheckpointError):
        checkpoint.unverified(jws)


def test_fingerprint_is_that_of_the_standard() -> None:
    """RFC 8037, appendix A.3: the thumbprint of its example key."""
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = {"x": x, "kty": "OKP", "kid": "is not part of it", "crv": "Ed25519"}

    assert checkpoint.thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_public_half_belongs_to_the_private_one() -> None:
    assert public_half(PAIR.private) == PAIR.public
    assert public_half(OTHER.private) != PAIR.public


def test_digest_is_of_the_whole_text() -> None:
    jws = checkpoint.sign(PAIR.private, KID, SAID)

    assert checkpoint.digest(jws) == hashlib.sha256(jws.encode()).hexdigest()
    body = base64.urlsafe_b64decode(jws.split(".")[1] + "==")
    assert checkpoint.unverified(jws) == json.loads(body) == SAID
    with pytest.raises(BadCheckpointError):
        checkpoint.unverified("x")
