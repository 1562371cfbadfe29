"""What an admin may say of a listener, judged: one model for each kind of proof.

Titles and descriptions are what the form shows; messages are for the same reader.
"""

import re
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.http import refuse_odd
from app.listeners.keysets import KeySource
from app.listeners.tables import Proof
from app.tokens import public_keys
from app.tokens.listener import Expected, Pins

MAX_PINS = 20
MAX_VALUES = 20
DAY = 24 * 60

_CLAIM = re.compile(r"[A-Za-z0-9_.:/-]{1,100}", re.ASCII)
_CHECKED = frozenset({"iss", "aud", "iat", "exp", "nbf", "body_sha256"})
"""Claims that every listener's token is checked for, in their own ways."""


def _is_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("write it on one line, in letters and signs that can be seen")
    return value


def _is_address(value: str) -> str:
    """Refuse what is no address; where it leads, `Http` judges every time (T11)."""
    refuse_odd(value)
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise ValueError("this is not an address") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("the address must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("the address must not hold a user name or password")
    return value


def _is_issuer(value: str) -> str:
    if "?" in value:
        raise ValueError("an issuer's address has no part after “?”")
    return _is_address(value)


def _are_pins(value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if len(value) > MAX_PINS:
        raise ValueError(f"at most {MAX_PINS} claims")
    for name, allowed in value.items():
        if not _CLAIM.fullmatch(name):
            raise ValueError("a claim's name has letters, digits and _ . : / -")
        if name in _CHECKED:
            raise ValueError(f"“{name}” is checked anyway")
        if not 0 < len(allowed) <= MAX_VALUES:
            raise ValueError(f"“{name}” needs 1 to {MAX_VALUES} values")
        if not all(0 < len(text) <= 500 and text.isprintable() for text in allowed):  # noqa: PLR2004
            raise ValueError(f"a value of “{name}” is empty, too long or no text")
    return value


def _is_public_key(value: str) -> str:
    public_keys.read_key(value)
    return value


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_line)]
Address = Annotated[
    str, Field(min_length=1, max_length=2000), AfterValidator(_is_address)
]
Issuer = Annotated[
    str, Field(min_length=1, max_length=2000), AfterValidator(_is_issuer)
]
AnyPins = Annotated[dict[str, tuple[str, ...]], AfterValidator(_are_pins)]


PublicKeyText = Annotated[
    str,
    AfterValidator(_is_public_key),
    Field(
        title="Public key",
        description="PEM or JWK: RSA of 2048 bits or more, P-256 or Ed25519.",
        json_schema_extra={"format": "long"},
    ),
]


class Definition(BaseModel):
    """One listener as its form has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
    proof: ClassVar[Proof]

    name: str = Field(min_length=1, max_length=80, title="Name")

    @property
    def settings(self) -> dict[str, Any]:
        """What is stored beside the name."""
        return self.model_dump(mode="json", exclude={"name"})


class Tokened(Definition):
    """A caller that brings a token."""

    is_own: ClassVar[bool] = False
    """It makes its tokens itself, so each has a `jti` and binds the body."""

    issuer: str
    max_minutes: int

    def expected(self, url: str) -> Expected:
        """Return what a token must say to open the listener at `url`."""
        return Expected(
            issuer=self.issuer,
            audience=url,
            longest=timedelta(minutes=self.max_minutes),
            identity=self.identity,
            pins=self.pins,
            is_own=self.is_own,
            run_claim=self.run_claim,
        )

    @property
    def identity(self) -> Pins:
        """Which claims say whose the token is."""
        return {}

    @property
    def pins(self) -> Pins:
        """Which claims say what of theirs may call."""
        return {}

    @property
    def run_claim(self) -> str | None:
        return None


class Own(Tokened):
    """A caller that makes its tokens itself."""

    is_own = True

    issuer: Line = Field(
        title="Issuer", description="What its tokens have as “iss”: a name you choose."
    )
    max_minutes: int = Field(
        default=10,
        ge=1,
        le=60,
        title="Longest lifetime",
        description="Minutes that a token may live. Short is safe.",
    )


class SecretProof(Own):
    """A script or a service that keeps a secret with us."""

    proof = Proof.SECRET


class PublicKeyProof(Own):
    """A script or a service with a key pair of its own."""

    proof = Proof.PUBLIC_KEY

    public_key: PublicKeyText


class Federated(Tokened):
    """A caller whose tokens an issuer makes for it."""

    max_minutes: int = Field(
        default=60,
        ge=1,
        le=DAY,
        title="Longest lifetime",
        description="Minutes that a token may live; jobs' tokens may live for hours.",
    )

    def key_source(self, tenant_id: uuid.UUID) -> KeySource:
        """Return where its keys are read from."""
        return KeySource.of_issuer(tenant_id, self.issuer)


class _Pinned(Federated):
    claims: AnyPins = Field(
        min_length=1,
        title="Claims",
        description="What a token must say, each with the values that are allowed. At"
        " least one says whose it is, such as “sub”.",
    )

    @property
    def identity(self) -> Pins:
        return frozen(self.claims)


class JwksProof(_Pinned):
    """An issuer whose key set is at an address that you name."""

    proof = Proof.JWKS

    issuer: Line = Field(
        title="Issuer", description="What its tokens have as “iss”, to the letter."
    )
    jwks_url: Address = Field(
        title="Key set", description="Its address (JWKS), by https."
    )

    def key_source(self, tenant_id: uuid.UUID) -> KeySource:
        return KeySource(tenant_id=tenant_id, url=self.jwks_url)


class OidcProof(_Pinned):
    """An issuer that says itself where its keys are (OpenID Connect Discovery)."""

    proof = Proof.OIDC

    issuer: Issuer = Field(
        title="Issuer", description="Its address, to the letter: also what “iss” says."
    )


def frozen(pins: Mapping[str, tuple[str, ...]]) -> Pins:
    return {name: frozenset(allowed) for name, allowed in pins.items()}
