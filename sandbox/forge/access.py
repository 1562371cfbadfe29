"""Access tokens for Jira's API: whom they stand for, and whether they still do.

To the app they are opaque but for `exp`; to Jira they are an entry in a register.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt

from sandbox import people
from sandbox.forge.installation import Issued
from sandbox.people import Person
from sandbox.world import World

Json = dict[str, Any]

LIFETIME = timedelta(hours=4)
LEFT_AT_LEAST = timedelta(hours=2)
"""A token with less than that is not handed out again."""


@dataclass(frozen=True)
class Judged:
    person: Person | None = None
    claims: Json | None = None
    why: str = ""
    """Why it is refused; empty for a good one."""


class Access:
    """The register of one installation's tokens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._handed_out: dict[str, tuple[str, float]] = {}
        """By account: the token, while it lives long enough, and when it ends."""

    def system_token(self) -> str:
        return self.token(people.FORGE)

    def refused_token(self) -> str:
        """A system token that Jira does not take, although it looks well."""
        nobody = Issued("", expires=0, is_refused=True)
        return self._minted(people.FORGE, nobody)

    def revoke_all(self) -> None:
        """Those handed out are dead from now on, and new ones are made."""
        with self.world.change() as state:
            self._handed_out.clear()
            for issued in state.forge.tokens.values():
                issued.is_refused = True

    def forget(self) -> None:
        """Of another installation now."""
        with self.world.change() as state:
            self._handed_out.clear()
            state.forge.tokens.clear()

    def token(self, person: Person) -> str:
        """One that acts as this person, or as the app itself."""
        now = self.world.now().timestamp()
        with self.world.lock:
            token, expires = self._handed_out.get(person.account_id, ("", 0.0))
            if expires - now < LEFT_AT_LEAST.total_seconds():
                expires = now + LIFETIME.total_seconds()
                token = self._minted(person, Issued(person.account_id, expires))
                self._handed_out[person.account_id] = token, expires
        return token

    def _minted(self, person: Person, issued: Issued) -> str:
        now, jti = self.world.now(), str(uuid.uuid4())
        with self.world.change() as state:
            kept = state.forge
            kept.tokens = {
                old: one
                for old, one in kept.tokens.items()
                if one.expires > now.timestamp()
            } | {jti: issued}
            claims = {
                "iss": "https://auth.atlassian.com",
                "sub": person.account_id,
                "iat": int(now.timestamp()),
                "exp": int((now + LIFETIME).timestamp()),
                "jti": jti,
            }
            return jwt.encode(claims, kept.secret, algorithm="HS256")

    def judge(self, token: str) -> Judged:
        kept = self.world.state.forge
        try:
            claims: Json = jwt.decode(
                token,
                kept.secret,
                algorithms=["HS256"],
                # PyJWT reads the machine's clock; times are judged below by ours
                options={"verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError) as error:
            return Judged(why=f"no access token of this site: {error}")
        if not kept.is_live:
            return Judged(claims=claims, why="the app is not installed")
        issued = kept.tokens.get(str(claims.get("jti")))
        if issued is None or issued.is_refused:
            return Judged(claims=claims, why="the access token was revoked")
        if issued.expires <= self.world.now().timestamp():
            return Judged(claims=claims, why="the access token is expired")
        person = people.find(issued.account)
        if person is None:
            return Judged(claims=claims, why="the account is gone")
        return Judged(self.world.as_of_now(person), claims)
