"""All rules of a site as one file: to keep, to compare, to map onto another site."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from app import destinations, rules
from app.rules import Entry, InvalidRuleError
from app.runtime import Runtime
from app.steps.deliver import reference
from app.tenants import Tenant
from app.web import live_rules
from app.web.context import web
from app.web.making import Maker, Order, stamped
from app.web.rules import gates
from app.web.site_names import Sort

VERSION = 1


def document(runtime: Runtime, order: Order) -> dict[str, Any]:
    """Return the file's content; no secret is in it, neither a rule's nor another's.

    Rules keep their ids, for runs and approvals go by them; what the numbers of
    destinations and statuses are called here stands beside them. Asks Jira, so not
    inside a transaction.
    """
    entries = live_rules.find(order.tenant_id)
    statuses = web().site_names.find(order.tenant_id, Sort.STATUSES) or ()
    with runtime.sessions.begin() as session:
        tenant = session.get_one(Tenant, order.tenant_id)
        last = [known.entry for known in gates.read(session, order.tenant_id)]
        site = tenant.display_url or tenant.base_url
        named = _destinations(session, order.tenant_id)
    return {
        "v": VERSION,
        "site": site,
        "exported_at": order.now.isoformat(timespec="seconds"),
        "source": "last-look" if entries is None else "jira",
        "rules": [
            _rule(entry) for entry in _sorted(last if entries is None else entries)
        ],
        "destinations": named,
        "statuses": {
            str(each["id"]): each["name"] for each in statuses if "id" in each
        },
    }


def _sorted(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Bring them into an order that only a change of a rule changes."""
    return sorted(entries, key=lambda e: (e.workflow, e.transition_id, e.hash))


def _rule(entry: Entry) -> dict[str, Any]:
    place: dict[str, Any] = {
        "workflow": entry.workflow,
        "transition": {"id": entry.transition_id, "name": entry.transition_name},
    }
    try:
        rules.parse(entry.text)
    except InvalidRuleError as error:
        problems = [str(problem) for problem in error.problems]
        return place | {"unreadable": entry.text, "problems": problems}
    return place | {"rule": rules.read_json(entry.text)}


def _destinations(session: Session, tenant_id: uuid.UUID) -> Mapping[str, Any]:
    """Return what they are called; no address, for some are credentials (T8)."""
    return {
        reference(row.id): {"name": row.name, "environment": row.environment}
        for row in destinations.listed(session, tenant_id)
    }


def _validate(body: Mapping[str, Any]) -> dict[str, Any]:
    del body  # there is nothing to choose
    return {}


def _filename(order: Order) -> str:
    return stamped("rules", "json", order.now)


def _mimetype(order: Order) -> str:
    del order
    return "application/json"


def _stream(runtime: Runtime, order: Order) -> Iterator[str]:
    """Return the whole in one piece: it is small, and made while the request lasts."""
    text = json.dumps(document(runtime, order), indent=2, ensure_ascii=False)
    return iter((text + "\n",))


MAKER = Maker(
    validate=_validate, filename=_filename, mimetype=_mimetype, stream=_stream
)
