"""What Slack's refusals mean, in words of ours that say what to fix (rule T15).

Sources: Slack's documentation, "chat.postMessage" and "auth.test" (errors), "Changes
to errors for incoming webhooks".
"""

from collections.abc import Mapping

from app.destinations.answers import Verdict

LIMITS = frozenset({"ratelimited", "rate_limited"})

UNKNOWN = "Slack refused it, for a reason that has no words here: look at its answer"

VERDICTS: Mapping[str, Verdict] = {
    # Part of it may have been done before these were raised.
    "fatal_error": Verdict.AMBIGUOUS,
    "internal_error": Verdict.AMBIGUOUS,
    # Slack did not read it, or is moving the workspace.
    "request_timeout": Verdict.RETRY,
    "service_unavailable": Verdict.RETRY,
    "team_added_to_org": Verdict.RETRY,
}
"""Of errors that are no refusal for good."""

_TOKEN = "install the app once more, and give its bot's new token"  # noqa: S105 -- words
_CHANNEL = "Slack shows the bot no such channel: check its id, and invite the bot to it"
_ARCHIVED = "the channel is archived: choose another one, or have it opened again"
_FORBIDDEN = "the workspace forbids the app to post there: ask its admins"
_SHAPE = "Slack does not understand the message: tell who operates Countersign"

BOT: Mapping[str, str] = {
    "access_denied": _FORBIDDEN,
    "account_inactive": f"the bot's account is gone: {_TOKEN}",
    "channel_not_found": _CHANNEL,
    "ekm_access_denied": "the workspace's admins have suspended posting",
    "fatal_error": "Slack had an error of its own, and may have posted it",
    "internal_error": "Slack had an error of its own, and may have posted it",
    "invalid_auth": f"Slack does not take the bot's token: {_TOKEN}; or let this"
    " machine's address in, if the app restricts addresses",
    "invalid_blocks": _SHAPE,
    "invalid_blocks_format": _SHAPE,
    "is_archived": _ARCHIVED,
    "missing_scope": "the bot lacks the scope chat:write: add it, and install the app"
    " once more",
    "msg_blocks_too_long": "the message is too long for Slack: shorten the rule's text",
    "msg_too_long": "the message is too long for Slack: shorten the rule's text",
    "no_permission": _FORBIDDEN,
    "no_text": "the message is empty: give the rule a text",
    "not_allowed_token_type": "this is no bot's token: it begins with xoxb-",
    "not_authed": f"Slack saw no token: {_TOKEN}",
    "not_in_channel": "the bot is not in the channel: invite it there",
    "request_timeout": "Slack did not get the whole message",
    "restricted_action": _FORBIDDEN,
    "restricted_action_read_only_channel": "nobody may post in this channel: choose"
    " another one",
    "service_unavailable": "Slack is not available: not now",
    "team_access_not_granted": "the app is not let into this workspace: ask its admins",
    "team_added_to_org": "the workspace is being moved: not now",
    "token_expired": f"the bot's token has expired: {_TOKEN}",
    "token_revoked": f"the bot's token was revoked: {_TOKEN}",
}

_NEW = "have a new one made, and give its address"

HOOK: Mapping[str, str] = {
    "action_prohibited": _FORBIDDEN,
    "channel_is_archived": _ARCHIVED,
    "channel_not_found": f"the webhook's channel is gone: {_NEW}",
    "invalid_blocks": _SHAPE,
    "invalid_payload": _SHAPE,
    "invalid_token": f"the webhook is not known: {_NEW}",
    "no_active_hooks": f"the webhook is switched off: {_NEW}",
    "no_service": f"the webhook is gone or switched off: {_NEW}",
    "no_team": f"the webhook's workspace is gone: {_NEW}",
    "no_text": "the message is empty: give the rule a text",
    "posting_to_general_channel_denied": "the app may not post to the general channel:"
    " ask the workspace's admins",
    "user_not_found": f"who the webhook posts to is gone: {_NEW}",
}

BY_STATUS: Mapping[int, str] = {
    400: _SHAPE,
    403: _FORBIDDEN,
    404: f"the webhook is gone or switched off: {_NEW}",
    410: "the webhook's channel is archived or gone",
}
