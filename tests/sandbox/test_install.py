"""The life of an installation, as the add-on sees it."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from sandbox import Jira, create_app, people, qsh
from sandbox.addon import AddonError
from tests.sandbox.stand_in import StandIn

Json = dict[str, Any]


def last(stand_in: StandIn, path: str) -> tuple[Json, Json, Json]:
    """Token header, claims and body of the last call of this path; unverified."""
    _, _, headers, body = next(c for c in reversed(stand_in.seen) if c[1] == path)
    token = headers["Authorization"].removeprefix("JWT ")
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.get_unverified_header(token) | {"token": token}, claims, json.loads(body)


def test_installed_is_signed_by_the_published_key(
    jira: Jira, stand_in: StandIn
) -> None:
    header, claims, body = last(stand_in, "/installed")
    client = create_app(jira).test_client()
    published = client.get(f"/install-keys/{header['kid']}")
    assert published.mimetype == "text/plain"
    verified = jwt.decode(
        header["token"],
        published.text,
        algorithms=["RS256"],
        audience=stand_in.base_url,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert verified == claims
    assert claims["iss"] == body["clientKey"] == jira.site.client_key
    assert claims["aud"] == [stand_in.base_url]
    assert claims["qsh"] == qsh.of("POST", "/installed")
    assert claims["exp"] - claims["iat"] == 180
    assert client.get("/install-keys/another").status_code == 404


def test_installed_body(jira: Jira, stand_in: StandIn) -> None:
    _, _, body = last(stand_in, "/installed")
    assert len(body["sharedSecret"]) >= 64
    assert body["sharedSecret"] == jira.site.shared_secret
    assert body["key"] == "stand-in"
    assert body["baseUrl"] == "http://jira.test"
    assert (body["productType"], body["eventType"]) == ("jira", "installed")


def test_enabled_follows_with_the_shared_secret(jira: Jira, stand_in: StandIn) -> None:
    assert [path for _, path, _, _ in stand_in.seen] == ["/installed", "/enabled"]
    header, claims, body = last(stand_in, "/enabled")
    assert header["alg"] == "HS256"
    jwt.decode(
        header["token"],
        jira.site.shared_secret,
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_iat": False},
    )
    assert set(claims) == {"iss", "iat", "exp", "qsh"}
    assert "sharedSecret" not in body


def test_refused_installation_leaves_everything_as_it_was(
    jira: Jira, stand_in: StandIn
) -> None:
    before = jira.site.shared_secret
    stand_in.statuses = [401]
    with pytest.raises(AddonError, match="HTTP response code 401"):
        jira.addon.install(secret="n" * 64, base_url="http://other.test")
    assert jira.site.shared_secret == before
    assert jira.site.base_url == "http://jira.test"
    assert jira.site.installed


def test_first_installation_that_fails_is_none(
    make_jira: Callable[..., Jira], stand_in: StandIn
) -> None:
    jira = make_jira()
    stand_in.status = 302
    with pytest.raises(AddonError):
        jira.install()
    assert not jira.site.installed


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"baseUrl": "https://elsewhere.test"}, "baseUrl"),
        ({"lifecycle": {}}, "lifecycle.installed"),
        ({"key": None}, "lacks key"),
    ],
)
def test_a_bad_descriptor_is_refused(
    make_jira: Callable[..., Jira], stand_in: StandIn, changes: Json, why: str
) -> None:
    descriptor = {
        k: v for k, v in (stand_in.descriptor | changes).items() if v is not None
    }

    def transport(*_: object) -> tuple[int, bytes]:
        return 200, json.dumps(descriptor).encode()

    with pytest.raises(AddonError, match=why):
        make_jira(transport=transport).install()


def test_uninstall_sends_both_and_asks_for_no_success(
    jira: Jira, stand_in: StandIn
) -> None:
    stand_in.status = 500
    jira.uninstall()
    assert [path for _, path, _, _ in stand_in.seen][-2:] == [
        "/disabled",
        "/uninstalled",
    ]
    assert last(stand_in, "/disabled")[0]["alg"] == "HS256"
    header, claims, body = last(stand_in, "/uninstalled")
    assert header["alg"] == "RS256"
    assert claims["aud"] == [stand_in.base_url]
    assert "sharedSecret" not in body
    assert not jira.site.installed


def test_client_key_outlives_a_new_installation(jira: Jira) -> None:
    before = jira.site.client_key
    jira.uninstall()
    jira.install()
    assert jira.site.client_key == before


def test_iframe_url_is_bound_and_names_its_user(jira: Jira) -> None:
    url = jira.page_url("config", "vic")
    plain, _, token = url.rpartition("&jwt=")
    claims = jwt.decode(
        token,
        jira.site.shared_secret,
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == people.VIC.account_id
    assert claims["qsh"] == qsh.of("GET", plain)
    assert "xdm_e=http%3A%2F%2Fjira.test" in plain
    assert "xdm_c=channel-stand-in__config" in plain
    assert "lic=none" in plain


def test_context_token(jira: Jira) -> None:
    claims = jwt.decode(
        jira.context_token("dee", {"jira": {"issue": {"id": "10100"}}}),
        jira.site.shared_secret,
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["qsh"] == "context-qsh"
    assert claims["sub"] == people.DEE.account_id
    assert claims["exp"] - claims["iat"] == 900
    assert claims["context"] == {"jira": {"issue": {"id": "10100"}}}


def test_post_function_url_fills_in_the_variables(jira: Jira) -> None:
    made = jira.add_post_function("Deploy", '{"v":1}')
    url = jira.post_function_url("edit", function=made)
    assert f"/page?id={made.id}&xdm_e=" in url
