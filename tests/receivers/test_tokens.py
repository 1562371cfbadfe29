"""Three libraries that are not ours verify our tokens, by discovery alone.

Each is used as docs/receivers.md shows: what is tested here is also the document.
"""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from app.tokens import ours
from tests.receivers.conftest import MakeJudge
from tests.receivers.issuing import Minted, RealSigner, Source, World
from tests.receivers.judges import NodeJudge, PythonJudge, RefusedError

Judge = PythonJudge | NodeJudge
LIBRARIES = pytest.mark.parametrize(
    "name", ["verify.py", "verify_joserfc.py", "verify.mjs"]
)


@pytest.fixture
def source(world: World) -> Source:
    return world.source()


@pytest.fixture
def judge(name: str, source: Source, make_judge: MakeJudge) -> Judge:
    return make_judge(name, source)


@LIBRARIES
def test_genuine_token_is_accepted(world: World, source: Source, judge: Judge) -> None:
    minted = world.mint(source)

    claims = judge(minted.authorization, minted.body)

    assert claims["sub"] == source.subject
    assert claims["delivery_id"] == minted.headers["webhook-id"]
    assert claims["issue_key"] == "DEMO-1"


def wrong_audience(world: World, source: Source) -> Minted:
    return world.mint(source, audience="https://deploy.example/other")


def other_tenant(world: World, source: Source) -> Minted:
    """A genuine token of the same add-on, for another of its tenants."""
    del source
    return world.mint(world.source())


def other_tenants_key(world: World, source: Source) -> Minted:
    """Another tenant's key, named as it is, under this tenant's name."""
    minted, other = world.mint(source), world.signer(world.source())
    return encoded(minted, claims_of(minted), other, kid=other.key_id)


def stolen_key_id(world: World, source: Source) -> Minted:
    """The right key's id, and another key's signature."""
    minted, other = world.mint(source), world.signer(world.source())
    return encoded(minted, claims_of(minted), other, kid=world.signer(source).key_id)


def no_algorithm(world: World, source: Source) -> Minted:
    minted = world.mint(source)
    return with_header(minted, {"alg": "none"}, lambda _: b"")


def public_key_as_secret(world: World, source: Source) -> Minted:
    """RS256's public key, which everybody has, taken for a secret of HS256."""
    private = load_pem_private_key(world.signer(source).private_key.encode(), None)
    public = private.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    minted = world.mint(source)
    return with_header(
        minted, {"alg": "HS256"}, lambda data: hmac.digest(public, data, "sha256")
    )


def expired(world: World, source: Source) -> Minted:
    now = world.clock.time
    world.clock.time = now - ours.DELIVERY_LIFETIME * 2
    minted = world.mint(source)
    world.clock.time = now
    return minted


def of_the_future(world: World, source: Source) -> Minted:
    now = world.clock.time
    world.clock.time = now + ours.DELIVERY_LIFETIME * 2
    minted = world.mint(source)
    world.clock.time = now
    return minted


def other_body(world: World, source: Source) -> Minted:
    minted = world.mint(source)
    return Minted(headers=minted.headers, body=minted.body.replace(b"DEMO", b"EVIL"))


def other_destination(world: World, source: Source) -> Minted:
    """The same tenant, audience and key, but another destination's subject."""
    minted = world.mint(source)
    said = claims_of(minted)
    sub = said["sub"].replace(str(source.destination_id), str(source.tenant_id))
    return encoded(minted, said | {"sub": sub}, world.signer(source))


def without(name: str) -> Callable[[World, Source], Minted]:
    """Return a maker of tokens, genuine but for one claim that is missing."""

    def made(world: World, source: Source) -> Minted:
        minted = world.mint(source)
        said = {k: v for k, v in claims_of(minted).items() if k != name}
        return encoded(minted, said, world.signer(source))

    return made


@LIBRARIES
@pytest.mark.parametrize(
    "made",
    [
        wrong_audience,
        other_tenant,
        other_tenants_key,
        stolen_key_id,
        no_algorithm,
        public_key_as_secret,
        expired,
        of_the_future,
        other_body,
        other_destination,
        pytest.param(without("exp"), id="no-exp"),
        pytest.param(without("sub"), id="no-sub"),
        pytest.param(without("aud"), id="no-aud"),
        pytest.param(without("body_sha256"), id="no-body-hash"),
    ],
)
def test_every_other_is_refused(
    world: World,
    source: Source,
    judge: Judge,
    made: Callable[[World, Source], Minted],
) -> None:
    minted = made(world, source)

    with pytest.raises(RefusedError):
        judge(minted.authorization, minted.body)


@LIBRARIES
def test_token_that_we_sign_ourselves_would_be_accepted(
    world: World, source: Source, judge: Judge
) -> None:
    """So that the refusals above are for what was changed, and nothing else."""
    minted = world.mint(source)
    again = encoded(minted, claims_of(minted), world.signer(source))

    assert judge(again.authorization, again.body)["sub"] == source.subject


def claims_of(minted: Minted) -> dict[str, Any]:
    options: Any = {"verify_signature": False}
    claims: dict[str, Any] = jwt.decode(minted.token, options=options)
    return claims


def encoded(
    minted: Minted, claims: dict[str, Any], by: RealSigner, *, kid: str = ""
) -> Minted:
    """Sign these claims anew, in the place of the token."""
    headers = {"kid": kid or by.key_id}
    token = jwt.encode(claims, by.private_key, algorithm="RS256", headers=headers)
    return replaced(minted, token)


def with_header(
    minted: Minted, header: dict[str, str], sign: Callable[[bytes], bytes]
) -> Minted:
    """Keep the claims, and change the header and what signs."""
    whole = jwt.get_unverified_header(minted.token) | header
    signed = f"{text(json.dumps(whole).encode())}.{minted.token.split('.')[1]}"
    return replaced(minted, f"{signed}.{text(sign(signed.encode()))}")


def replaced(minted: Minted, token: str) -> Minted:
    headers = {**minted.headers, "Authorization": f"Bearer {token}"}
    return Minted(headers=headers, body=minted.body)


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
