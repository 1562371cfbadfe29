"""The keys of the add-on's issuers, found by discovery and kept for a while.

OpenID Connect Discovery 1.0: `<iss>/.well-known/openid-configuration` names the
`jwks_uri`. Like many receivers it does not ask again before its time is up: a key that
signs before it was published long enough is refused here.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt

from sandbox.wire import Transport

Json = dict[str, Any]

_OK = 200
_SMALLEST_KEY_BITS = 2048


class IssuerError(Exception):
    """The issuer is not trusted, or its key cannot be had; the text says why."""


class Issuers:
    """Trusts the issuers of one add-on and nobody else's."""

    def __init__(self, addon_base_url: str, transport: Transport) -> None:
        self.trusted = addon_base_url.rstrip("/") + "/issuers/"
        self.transport = transport
        self.keeps = timedelta(minutes=5)
        """How long the keys of an issuer are not asked for again."""
        self._kept: dict[str, tuple[datetime, dict[str, Json]]] = {}

    def check(self, issuer: object) -> str:
        """The issuer, if its address is one of the add-on's."""
        text = issuer if isinstance(issuer, str) else ""
        tenant = text.removeprefix(self.trusted)
        # Attack: whoever may name the issuer may name his own keys.
        is_ours = text.startswith(self.trusted) and tenant.replace("-", "").isalnum()
        if not is_ours or not text.isascii():
            raise IssuerError(f"iss is {issuer!r}, not one under {self.trusted}")
        return text

    def key(self, issuer: object, kid: object, now: datetime) -> jwt.PyJWK:
        """The public key that the token names."""
        known = self._keys(self.check(issuer), now)
        if not isinstance(kid, str) or kid not in known:
            raise IssuerError(f"the issuer's keys, as known here, have no kid {kid!r}")
        try:
            key = jwt.PyJWK(known[kid], algorithm="RS256")
        except (jwt.PyJWTError, ValueError) as error:
            raise IssuerError(f"the key {kid!r} cannot be read: {error}") from None
        if key.key.key_size < _SMALLEST_KEY_BITS:
            raise IssuerError(f"the key {kid!r} is too short")
        return key

    def forget(self) -> None:
        self._kept.clear()

    def _keys(self, issuer: str, now: datetime) -> dict[str, Json]:
        kept = self._kept.get(issuer)
        if kept is None or not timedelta() <= now - kept[0] < self.keeps:
            kept = now, self._fetched(issuer)
            self._kept[issuer] = kept
        return kept[1]

    def _fetched(self, issuer: str) -> dict[str, Json]:
        found = self._get(f"{issuer}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise IssuerError(f"discovery names another issuer: {found.get('issuer')}")
        address = str(found.get("jwks_uri"))
        if not address.startswith(issuer + "/"):
            raise IssuerError(f"jwks_uri leads elsewhere: {address}")
        keys = self._get(address).get("keys")
        return {
            str(key.get("kid")): key
            for key in (keys if isinstance(keys, list) else [])
            if isinstance(key, dict) and _is_for_signatures(key)
        }

    def _get(self, url: str) -> Json:
        path = urlsplit(url).path
        try:
            status, body = self.transport("GET", url, {}, b"")
            answer = json.loads(body) if status == _OK else None
        except (OSError, ValueError) as error:
            raise IssuerError(f"{path}: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise IssuerError(f"{path} was answered {status}, without what is needed")
        return answer


def _is_for_signatures(key: Json) -> bool:
    # Attack: with a symmetric key in the set, everybody who reads it could sign.
    return (
        key.get("kty") == "RSA"
        and key.get("use", "sig") == "sig"
        and key.get("alg", "RS256") == "RS256"
    )
