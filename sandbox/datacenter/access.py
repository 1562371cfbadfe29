"""Personal access tokens: made, revoked, and judged on every call."""

import base64
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta

from sandbox import people
from sandbox.datacenter.kept import Token
from sandbox.people import Person
from sandbox.world import World, parse_stamp, stamp

DAYS = 90
"""How long one lives, unless its maker says otherwise."""


GIVEN = frozenset({"ADMINISTER_PROJECTS", "MANAGE_WATCHERS"})
"""What the add-on's account was given besides, to read who is in a project's role."""


@dataclass(frozen=True)
class Access:
    """The tokens of one site; each acts as its owner, with all that he may do."""

    world: World

    def make(self, person: Person, name: str, days: float = DAYS) -> Token:
        with self.world.change() as state:
            number = self.world.next_number("token", 100_000_000_017)
            raw = f"{number}:".encode() + secrets.token_bytes(20)
            made = Token(
                id=str(number),
                name=name,
                account=person.account_id,
                raw=base64.b64encode(raw).decode(),
                expires=stamp(self.world.now() + timedelta(days=days)),
            )
            state.datacenter.tokens.append(made)
        return made

    def revoke(self, token_id: str) -> Token:
        with self.world.change():
            found = self.get(token_id)
            found.is_revoked = True
        return found

    def get(self, token_id: str) -> Token:
        for token in self.listed():
            if token.id == token_id:
                return token
        raise LookupError(f"there is no personal access token {token_id!r}")

    def listed(self) -> list[Token]:
        return self.world.state.datacenter.tokens

    def newest(self, person: Person) -> Token | None:
        """The newest of his that has not been revoked."""
        his = [t for t in self.listed() if t.account == person.account_id]
        return next((t for t in reversed(his) if not t.is_revoked), None)

    def judge(self, raw: str) -> tuple[Person | None, str]:
        """Whose token it is; nobody's, and why, if it opens nothing."""
        for token in self.listed():
            if not hmac.compare_digest(token.raw.encode(), raw.encode()):
                continue
            if token.is_revoked:
                return None, f"the personal access token “{token.name}” was revoked"
            if parse_stamp(token.expires) <= self.world.now():
                return None, f"the personal access token “{token.name}” has expired"
            return self._owner(token), ""
        return None, "no personal access token of this site"

    def _owner(self, token: Token) -> Person | None:
        person = people.find(token.account)
        if person is None:
            return None
        if person == people.APP:
            rights = person.project_permissions | GIVEN
            person = replace(person, project_permissions=rights)
        return self.world.as_of_now(person)
