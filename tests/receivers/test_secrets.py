"""Receivers that share a secret with us, as docs/receivers.md shows them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.crypto import Secret
from app.destinations import Signing
from tests.receivers.conftest import MakeJudge
from tests.receivers.issuing import Minted, Source, World
from tests.receivers.judges import NodeJudge, PythonJudge, RefusedError

Judge = PythonJudge | NodeJudge
STANDARD = pytest.mark.parametrize("name", ["verify_webhook.py", "verify_webhook.mjs"])


def lower(minted: Minted) -> dict[str, str]:
    """Return the headers as servers hand them on."""
    return {name.lower(): value for name, value in minted.headers.items()}


@pytest.fixture
def by_secret(world: World) -> Source:
    return world.source(Signing.SECRET)


@pytest.fixture
def by_webhook(world: World) -> Source:
    return world.source(Signing.WEBHOOK)


def test_secret_proves_a_token(
    world: World, by_secret: Source, make_judge: MakeJudge
) -> None:
    judge, minted = make_judge("verify_secret.py", by_secret), world.mint(by_secret)

    assert judge(minted.authorization, minted.body)["sub"] == by_secret.subject


@pytest.mark.parametrize("fault", ["body", "secret", "audience"])
def test_secret_proves_no_other(
    world: World, by_secret: Source, make_judge: MakeJudge, fault: str
) -> None:
    judge = make_judge("verify_secret.py", by_secret)
    changes: dict[str, dict[str, Any]] = {
        "secret": {"secrets": [Secret("x" * 43)]},
        "audience": {"audience": "https://deploy.example/other"},
    }
    minted = world.mint(by_secret, **changes.get(fault, {}))

    with pytest.raises(RefusedError):
        judge(minted.authorization, minted.body + b" " * (fault == "body"))


@STANDARD
def test_standard_webhook_is_accepted(
    name: str, world: World, by_webhook: Source, make_judge: MakeJudge
) -> None:
    judge, minted = make_judge(name, by_webhook), world.mint(by_webhook)

    event = judge(lower(minted), minted.body)

    assert event["id"] == minted.headers["webhook-id"]
    assert event["source"] == by_webhook.issuer


@STANDARD
def test_either_signature_of_a_renewal_fits(
    name: str, world: World, by_webhook: Source, make_judge: MakeJudge
) -> None:
    judge = make_judge(name, by_webhook)
    assert by_webhook.secret is not None
    fresh = Secret("whsec_" + "B" * 43 + "=")

    minted = world.mint(by_webhook, secrets=[fresh, by_webhook.secret])

    assert judge(lower(minted), minted.body)["source"] == by_webhook.issuer


def another_secret(minted: Minted, world: World, source: Source) -> Minted:
    del minted
    return world.mint(source, secrets=[Secret("whsec_" + "C" * 43 + "=")])


def another_body(minted: Minted, world: World, source: Source) -> Minted:
    del world, source
    return replace(minted, body=minted.body.replace(b"DEMO", b"EVIL"))


def another_id(minted: Minted, world: World, source: Source) -> Minted:
    """Attack: a delivery that was carried out comes again as a new one."""
    del world, source
    return replace(minted, headers={**minted.headers, "webhook-id": "another"})


def too_late(minted: Minted, world: World, source: Source) -> Minted:
    del minted
    world.clock.time -= timedelta(minutes=6)
    return world.mint(source)


@STANDARD
@pytest.mark.parametrize("fault", [another_secret, another_body, another_id, too_late])
def test_every_other_webhook_is_refused(
    name: str,
    world: World,
    by_webhook: Source,
    make_judge: MakeJudge,
    fault: Callable[[Minted, World, Source], Minted],
) -> None:
    judge = make_judge(name, by_webhook)

    minted = fault(world.mint(by_webhook), world, by_webhook)

    with pytest.raises(RefusedError):
        judge(lower(minted), minted.body)
