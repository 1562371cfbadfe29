"""Whether a token that Forge brought opens a site's Jira, and which that is (T16)."""

from typing import Any

from app.jira.answers import JiraError, segment
from app.jira.calling import Jira

CLIENT_KEY = "connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8"
"""The reserved property in which Atlassian says what the Connect app on the same site
is called. Source: "Retrieving the Connect clientKey in Forge"."""

NOTHING = frozenset({401, 403, 404})
"""What Jira answers where there is no such Connect app, or we do not succeed it."""


def site_of(jira: Jira, *, app_key: str) -> tuple[str, str, str | None]:
    """Return our account there, the site's address, and Connect's client key if any.

    Three calls, each of which Jira answers only to a token that it accepts. Raise
    `JiraError`, or `SendError` for no answer; `LookupError` for one that says nothing.
    """
    account_id = jira.own_account()
    base_url = str(jira.get("/rest/api/3/serverInfo")["baseUrl"])
    return account_id, base_url, _client_key(jira, app_key)


def _client_key(jira: Jira, app_key: str) -> str | None:
    """Ask what the Connect app of this key is called there.

    Attack: an answer that fails for the moment, taken for "there was none", would make
    a second tenant of a site that has one. Whatever is no clear answer is passed on.
    """
    own = f"/rest/atlassian-connect/1/addons/{segment(app_key)}/properties"
    try:
        answer: Any = jira.get(f"{own}/{CLIENT_KEY}")
    except JiraError as error:
        if error.status not in NOTHING:
            raise
        return None
    value = answer.get("value") if isinstance(answer, dict) else None
    return value if isinstance(value, str) and value else None
