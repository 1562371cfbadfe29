"""What a delivery says to receivers of CDEvents: a ticket was updated, and how.

Sources: CDEvents 0.4.1, "Continuous Operations Events" (ticket updated), "Custom Event
Types", and its "CloudEvents Binding" (structured mode). Of its vocabulary only the
ticket fits: we know that a workflow moved an issue on, not that anything was queued or
deployed; that is the receiver's to say. Our own facts are in `customData`, word for
word as in the other format.
"""

import json
from typing import Any

from app.destinations import events
from app.destinations.events import Delivery

SPEC_VERSION = "0.4.1"
TYPE = "dev.cdevents.ticket.updated.0.1.0"
TEST_TYPE = "dev.cdeventsx.countersign-destination.tested.0.1.0"
"""A type of our own: a test must not look like a ticket that moved (rule T7)."""
DATA_CONTENT_TYPE = "application/cdevents+json"


def message(delivery: Delivery, *, base_url: str) -> bytes:
    """Return the body: a CloudEvent whose data is a CDEvent, both with one name."""
    envelope = events.envelope(delivery, base_url=base_url)
    event_type = TEST_TYPE if delivery.is_test else TYPE
    subject = _of_test(delivery) if delivery.is_test else _of_ticket(delivery)
    event = {
        "context": {
            "version": SPEC_VERSION,
            "id": envelope["id"],
            "source": envelope["source"],
            "type": event_type,
            "timestamp": envelope["time"],
        },
        "subject": subject,
        "customData": events.data(delivery),
        "customDataContentType": "application/json",
    }
    envelope |= {
        "type": event_type,
        "subject": subject["id"],
        "datacontenttype": DATA_CONTENT_TYPE,
        "data": event,
    }
    return json.dumps(envelope, ensure_ascii=False, sort_keys=True).encode()


def _of_ticket(delivery: Delivery) -> dict[str, Any]:
    """Return the issue; nothing that a reporter wrote is among it."""
    facts = delivery.facts
    content = {"uri": delivery.issue_url, "group": facts["project_key"]}
    if facts["actor"]:
        content["updatedBy"] = facts["actor"]
    found = {"id": f"issue/{delivery.issue_id}", "type": "ticket", "content": content}
    # The ticket is the site's, not ours.
    return found | ({"source": delivery.site_url} if delivery.site_url else {})


def _of_test(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": f"destination/{delivery.destination_id}",
        "type": "countersign-destination",
        "content": {},
    }
