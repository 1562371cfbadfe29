"""The code that the page of keys shows, run as it stands by a receiver."""

import runpy
from pathlib import Path

import pytest

from app import destinations
from app.web import create_app
from app.web.keys import samples
from app.web.keys.samples import Matched
from tests.processes import ROOT
from tests.receivers.issuing import AUDIENCE, Minted, Source, World
from tests.receivers.judges import NodeJudge, PythonJudge, RefusedError
from tests.receivers.test_tokens import (
    expired,
    no_algorithm,
    other_body,
    other_destination,
    other_tenants_key,
    public_key_as_secret,
)

FILES = {"python": "sample.py", "node": "sample.mjs"}


@pytest.fixture
def source(world: World) -> Source:
    return world.source()


@pytest.fixture(params=list(FILES))
def judge(
    request: pytest.FixtureRequest, world: World, source: Source, tmp_path: Path
) -> PythonJudge | NodeJudge:
    """Set up a receiver with nothing but what was copied from the page."""
    matched = Matched(
        issuer=source.issuer,
        key_set=f"{source.issuer}/jwks.json",
        audience=AUDIENCE,
        subjects=[source.subject],
    )
    with create_app(world.runtime).app_context():
        found = {sample.id: sample.text for sample in samples.of(matched)}
    path = tmp_path / FILES[request.param]
    path.write_text(found[request.param], encoding="utf-8")
    if request.param == "node":
        (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
        return NodeJudge(path, {})
    return PythonJudge(runpy.run_path(str(path))["verify"])


def test_genuine_delivery_is_accepted(
    world: World, source: Source, judge: PythonJudge | NodeJudge
) -> None:
    minted = world.mint(source)

    claims = judge(minted.authorization, minted.body)

    assert claims["sub"] == source.subject
    assert claims["delivery_id"] == minted.headers["webhook-id"]


def other_audience(world: World, source: Source) -> Minted:
    return world.mint(source, audience="https://deploy.example/other")


def other_issuer(world: World, source: Source) -> Minted:
    """A genuine delivery of another site of the same Countersign."""
    del source
    return world.mint(world.source())


@pytest.mark.parametrize(
    "made",
    [
        other_audience,
        other_issuer,
        other_tenants_key,
        other_destination,
        other_body,
        expired,
        no_algorithm,
        public_key_as_secret,
    ],
)
def test_every_other_is_refused(
    world: World, source: Source, judge: PythonJudge | NodeJudge, made: object
) -> None:
    assert callable(made)
    minted = made(world, source)

    with pytest.raises(RefusedError):
        judge(minted.authorization, minted.body)


def test_what_the_page_shows_is_what_a_delivery_says(
    world: World, source: Source
) -> None:
    """The three claims come from the same place as those of a token."""
    with world.runtime.sessions.begin() as session:
        row = destinations.get(session, source.tenant_id, source.destination_id)
        subject = destinations.subject_of(
            source.tenant_id, "10000", destination_id=source.destination_id
        )
        assert destinations.audience_of(row) == AUDIENCE
    assert subject == source.subject
