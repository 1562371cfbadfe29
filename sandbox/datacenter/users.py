"""Users as a self-managed Jira knows them: a name to sign in by, a key that stays."""

from dataclasses import dataclass

from sandbox import people
from sandbox.people import Person


@dataclass(frozen=True)
class User:
    name: str
    """Can be changed; what mentions and REST bodies use."""
    key: str
    """Never changes; one from before Jira 8.4 is the first name that the user had."""

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"


USERS = {
    people.ADA.account_id: User("ada", "JIRAUSER10100"),
    people.DEE.account_id: User("dee", "ddesigner"),
    people.VIC.account_id: User("vic", "JIRAUSER10102"),
    people.APP.account_id: User("countersign", "JIRAUSER10103"),
}


def of(account_id: str | None) -> User | None:
    return USERS.get(account_id or "")


def named(name: str) -> Person | None:
    found = (account for account, user in USERS.items() if user.name == name)
    return people.find(next(found, None))


def keyed(key: str) -> Person | None:
    found = (account for account, user in USERS.items() if user.key == key)
    return people.find(next(found, None))
