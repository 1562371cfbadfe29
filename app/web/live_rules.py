"""Which rules Jira has at this moment, for people who look at them."""

import logging
import uuid
from collections.abc import Sequence

from app.http import SendError
from app.jira import JiraError, open_jira
from app.rules import Entry
from app.web.context import runtime, web

log = logging.getLogger(__name__)


def find(tenant_id: uuid.UUID) -> Sequence[Entry] | None:
    """Return every rule of its live workflows; None if Jira does not say.

    Asks Jira, so not inside a transaction.
    """
    with runtime().sessions.begin() as session:
        jira = open_jira(session, runtime(), tenant_id)
    try:
        return web().inventory.listed(tenant_id, jira, now=runtime().now())
    except (JiraError, SendError) as error:
        log.info("tenant=%s no inventory: %s", tenant_id, error)
        return None
