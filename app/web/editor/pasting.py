"""Fills the rule editor with a rule from elsewhere: read kindly, saved by nobody yet.

What is pasted is judged like any other rule when it is saved. Ids of another site mean
something else here, or nothing, so what this site does not have is to be chosen anew.
"""

import json
from dataclasses import replace

from app import rules
from app.rules import InvalidRuleError, Problem
from app.web import bodies
from app.web.editor import drafts
from app.web.editor.drafts import Draft
from app.web.site_names import Named


def draft(text: str, statuses: Named | None) -> Draft:
    """Return the form's content for a pasted text, with what is wrong with it.

    `statuses` are this site's; None if Jira does not say.
    """
    found = replace(drafts.draft(_compact(text)), is_pasted=True)
    if not text.strip():
        return replace(found, problems=[Problem("", "nothing was pasted")])
    known = {str(status.get("id")) for status in statuses or ()}
    if known and found.hold_status and found.hold_status not in known:
        # Kept, it would look chosen; and its number may be another status tomorrow.
        return replace(found, hold_status="", foreign_status=found.hold_status)
    return found


def _compact(text: str) -> str:
    """Return it without the white space that makes it readable: a rule has a limit.

    A text that is no JSON stays as it is, for `rules.parse` to say where that begins.
    """
    try:
        data = rules.read_json(text, limit=None)
    except (InvalidRuleError, RecursionError):
        return text
    if bodies.is_deep(data):
        return text
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
