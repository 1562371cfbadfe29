"""What an admin may say of a listener, for each kind of proof (rules T8, T11, T17)."""

import uuid
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import ValidationError

from app.listeners import DEFINITIONS, Definition, Proof, Tokened
from app.listeners.defining import Federated

URL = "https://countersign.example/listeners/0b1c"
KEY = jwt.algorithms.OKPAlgorithm.to_jwk(
    ed25519.Ed25519PrivateKey.generate().public_key()
)
PLACE = {
    "workflow": "Delivery",
    "transition": "Deploy",
    "transition_id": "31",
    "to_status": "Deploying",
}
GOOD: dict[Proof, dict[str, Any]] = {
    Proof.SECRET: {"issuer": "deploy-bot"},
    Proof.PUBLIC_KEY: {"issuer": "deploy-bot", "public_key": KEY},
    Proof.JWKS: {
        "issuer": "ci",
        "jwks_url": "https://ci.example/jwks.json",
        "claims": {"sub": ["bot"]},
    },
    Proof.OIDC: {"issuer": "https://ci.example/a", "claims": {"sub": ["bot"]}},
    Proof.GITHUB_ACTIONS: {
        "repository": "acme/shop",
        "repository_id": "74",
        "repository_owner_id": "65",
        "workflow": "deploy.yml",
    },
    Proof.GITLAB_CI: {"project_id": "7", "namespace_id": "9"},
    Proof.JIRA_WEBHOOK: PLACE,
    Proof.JIRA_SECRET: PLACE | {"issuer": "jira.example"},
    Proof.JIRA_KEY: PLACE | {"issuer": "jira.example", "public_key": KEY},
}


def define(proof: Proof, **changes: Any) -> Definition:
    return DEFINITIONS[proof](**({"name": "CI"} | GOOD[proof] | changes))


def tokened(proof: Proof, **changes: Any) -> Tokened:
    made = define(proof, **changes)
    assert isinstance(made, Tokened)
    return made


def problem_of(proof: Proof, **changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        define(proof, **changes)
    return "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in caught.value.errors())


@pytest.mark.parametrize("proof", Proof)
def test_definition_survives_being_stored(proof: Proof) -> None:
    made = define(proof)

    assert DEFINITIONS[proof](name=made.name, **made.settings) == made
    if isinstance(made, Tokened):
        assert made.expected(URL).audience == URL


@pytest.mark.parametrize("proof", Proof)
def test_every_field_has_its_words_and_no_other_is_taken(proof: Proof) -> None:
    for name, field in DEFINITIONS[proof].model_fields.items():
        assert field.title, name
    assert "unknown: Extra" in problem_of(proof, unknown="x")
    assert "name" in problem_of(proof, name=" ")


@pytest.mark.parametrize(
    ("proof", "default", "longest"),
    [
        (Proof.SECRET, 10, 60),
        (Proof.PUBLIC_KEY, 10, 60),
        (Proof.JWKS, 60, 1440),
        (Proof.OIDC, 60, 1440),
        (Proof.GITHUB_ACTIONS, 60, 1440),
        (Proof.GITLAB_CI, 60, 1440),
        (Proof.JIRA_SECRET, 3, 5),
        (Proof.JIRA_KEY, 3, 5),
    ],
)
def test_t17_lifetime_is_the_listeners_own_and_has_a_cap(
    proof: Proof, default: int, longest: int
) -> None:
    assert tokened(proof).expected(URL).longest == timedelta(minutes=default)
    at_most = tokened(proof, max_minutes=longest).expected(URL)
    assert at_most.longest == timedelta(minutes=longest)
    for minutes in (0, longest + 1):
        assert "max_minutes" in problem_of(proof, max_minutes=minutes)


@pytest.mark.parametrize(
    "proof", [proof for proof in Proof if issubclass(DEFINITIONS[proof], Tokened)]
)
def test_t17_only_who_makes_his_tokens_himself_binds_the_body(proof: Proof) -> None:
    own = proof in {
        *(Proof.SECRET, Proof.PUBLIC_KEY),
        *(Proof.JIRA_SECRET, Proof.JIRA_KEY),
    }

    assert tokened(proof).expected(URL).is_own is own


def test_t17_github_pins_numbers_ref_workflow_and_event() -> None:
    expected = tokened(Proof.GITHUB_ACTIONS).expected(URL)

    assert expected.issuer == "https://token.actions.githubusercontent.com"
    assert expected.identity == {
        "repository_id": {"74"},
        "repository_owner_id": {"65"},
    }
    assert expected.pins == {
        "ref": {"refs/heads/main"},
        "workflow_ref": {"acme/shop/.github/workflows/deploy.yml@refs/heads/main"},
        "event_name": {"workflow_dispatch", "repository_dispatch"},
    }
    assert expected.run_claim == "run_id"


def test_t17_gitlab_pins_numbers_branch_and_source() -> None:
    expected = tokened(Proof.GITLAB_CI, sources=["trigger"]).expected(URL)

    assert expected.issuer == "https://gitlab.com"
    assert expected.identity == {"project_id": {"7"}, "namespace_id": {"9"}}
    assert expected.pins == {
        "ref": {"main"},
        "ref_type": {"branch"},
        "pipeline_source": {"trigger"},
    }
    assert expected.run_claim == "pipeline_id"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events": ["pull_request"]}, "events"),
        ({"events": ["pull_request_target"]}, "events"),
        ({"events": ["push"]}, "events"),
        ({"events": []}, "events"),
        ({"ref": "refs/pull/7/merge"}, "name one branch"),
        ({"ref": "main"}, "name one branch"),
        ({"ref": "refs/heads/*"}, "name one branch"),
        ({"ref": "refs/heads/a b"}, "name one branch"),
        ({"repository": "shop"}, "owner/name"),
        ({"repository": "acme/shop/x"}, "owner/name"),
        ({"repository_id": "acme"}, "in digits"),
        ({"repository_id": "\u0667"}, "in digits"),
        ({"repository_id": ""}, "in digits"),
        ({"repository_owner_id": "-1"}, "in digits"),
        ({"workflow": ".github/workflows/deploy.yml"}, "file's name alone"),
        ({"workflow": "deploy"}, "file's name alone"),
        ({"workflow": "a@b.yml"}, "file's name alone"),
        ({"issuer": "ftp://a.example"}, "begin with https://"),
    ],
    ids=str,
)
def test_t17_github_settings_that_pin_too_little_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    assert said in problem_of(Proof.GITHUB_ACTIONS, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": ["merge_request_event"]}, "sources"),
        ({"sources": ["external_pull_request_event"]}, "sources"),
        ({"sources": []}, "sources"),
        ({"ref": "refs/heads/main"}, "name alone"),
        ({"ref": "ma*n"}, "name alone"),
        ({"project_id": "acme/shop"}, "in digits"),
        ({"namespace_id": "7.0"}, "in digits"),
    ],
    ids=str,
)
def test_t17_gitlab_settings_that_pin_too_little_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    assert said in problem_of(Proof.GITLAB_CI, **changes)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ci.example", "begin with https://"),
        ("ftp://ci.example", "begin with https://"),
        ("https://", "begin with https://"),
        ("https://[", "not an address"),
        ("https://{{ issue.key }}.example", "no templates"),
        ("https://ci.example/#a", "after “#”"),
        ("https://cï.example", "ASCII"),
        ("https://ci.example/\r\nHost: evil", "ASCII"),
        ("https://good@ci.example", "user name"),
    ],
)
def test_t11_address_is_plain_and_whole(url: str, said: str) -> None:
    assert said in problem_of(Proof.JWKS, jwks_url=url)
    assert said in problem_of(Proof.OIDC, issuer=url)


def test_issuer_with_a_query_is_refused() -> None:
    assert "after “?”" in problem_of(Proof.OIDC, issuer="https://ci.example/?a")
    define(Proof.JWKS, jwks_url="https://ci.example/keys?v=2")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({}, "claims"),
        ({"aud": ["x"]}, "checked anyway"),
        ({"exp": ["1"]}, "checked anyway"),
        ({"a b": ["x"]}, "claim's name"),
        ({"": ["x"]}, "claim's name"),
        ({"sub": []}, "1 to 20 values"),
        ({"sub": ["x"] * 21}, "1 to 20 values"),
        ({"sub": [""]}, "empty"),
        ({"sub": ["a\nb"]}, "no text"),
        ({"sub": ["x" * 501]}, "too long"),
        ({f"c{n}": ["x"] for n in range(21)}, "at most 20"),
    ],
    ids=range(11),
)
def test_t17_open_issuer_needs_claims_that_say_whose_token_it_is(
    claims: dict[str, Any], said: str
) -> None:
    for proof in (Proof.JWKS, Proof.OIDC):
        assert said in problem_of(proof, claims=claims)


@pytest.mark.parametrize("issuer", ["", "a\nb", "a\x00", "x" * 201])
def test_issuer_that_an_admin_chooses_is_one_line(issuer: str) -> None:
    for proof in (Proof.SECRET, Proof.PUBLIC_KEY, Proof.JWKS):
        assert problem_of(proof, issuer=issuer).startswith("issuer")


def test_public_key_that_may_not_check_is_refused_with_the_reason() -> None:
    said = problem_of(Proof.PUBLIC_KEY, public_key="-----BEGIN PRIVATE KEY-----")
    assert "private key" in said


def test_discovery_document_is_below_the_issuers_path() -> None:
    tenant_id = uuid.uuid4()
    for issuer in ("https://ci.example/a", "https://ci.example/a/"):
        made = define(Proof.OIDC, issuer=issuer)
        assert isinstance(made, Federated)
        source = made.key_source(tenant_id)
        assert source.url == "https://ci.example/a/.well-known/openid-configuration"
        assert (source.issuer, source.tenant_id) == (issuer, tenant_id)
