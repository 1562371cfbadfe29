"""Kind: Slack, by an incoming webhook or as a bot.

Sources: Slack's documentation, "Sending messages using incoming webhooks",
"chat.postMessage", "auth.test", "Formatting text for app surfaces", "Rate limits".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from app.destinations import events, slack_words
from app.destinations.answers import Judged, Verdict, as_object, judge
from app.destinations.attempting import Exchange, Form, Line, Signed, Target
from app.destinations.connector import Connector
from app.destinations.events import Delivery
from app.http import Request, Response, SendError

MOST_TEXT = 3000
"""Characters of one section, as Slack counts them: escaped."""

_TOKEN = re.compile(r"xoxb-[A-Za-z0-9-]{10,200}", re.ASCII)
_HOOK = re.compile(r"/services/[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]+", re.ASCII)
_POST = "api/chat.postMessage"
_OK, _TOO_MANY = 200, 429


class Settings(Form):
    """By which way, and to which channel; a webhook has its own channel."""

    how: Literal["webhook", "bot"] = Field(
        default="webhook",
        title="Sent by",
        description="An incoming webhook posts to the one channel that it was made for;"
        " a bot posts to the channel below, which it has to be a member of",
    )
    channel: str = Field(
        default="",
        title="Channel id",
        description="For a bot: it begins with C, and stands at the end of “View"
        " channel details” in Slack. A name can be taken over, an id cannot",
        pattern=r"^(C[A-Z0-9]{6,20})?$",
    )
    cloud: Literal["slack.com", "slack-gov.com"] = Field(
        default="slack.com",
        title="Slack at",
        description="GovSlack is at slack-gov.com, every other Slack at slack.com",
    )

    @model_validator(mode="after")
    def _bot_has_a_channel(self) -> Self:
        if self.is_bot and not self.channel:
            raise ValueError("name the channel's id")
        if not self.is_bot and self.channel:
            raise ValueError("a webhook has its own channel: leave the id empty")
        return self

    @property
    def is_bot(self) -> bool:
        return self.how == "bot"

    @property
    def origin(self) -> str:
        return f"https://{self.cloud if self.is_bot else f'hooks.{self.cloud}'}"


class Credentials(Form):
    """What lets us post."""

    secret: SecretStr = Field(
        title="Webhook's address, or bot's token",
        description="https://hooks.slack.com/services/… or xoxb-…, as “Sent by” says."
        " The bot needs the scope chat:write",
    )

    @field_validator("secret")
    @classmethod
    def _is_one_of_both(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        if not _TOKEN.fullmatch(text) and not hook_host(text):
            raise ValueError(
                "this is neither the whole address of an incoming webhook"
                " (https://hooks.slack.com/services/…) nor a bot's token (xoxb-…)"
            )
        return SecretStr(text)


def hook_host(text: str) -> str:
    """Return the host of a webhook's address; nothing for what is none."""
    host, _, path = text.removeprefix("https://").partition("/")
    known = host in {"hooks.slack.com", "hooks.slack-gov.com"}
    whole = text == f"https://{host}/{path}" and _HOOK.fullmatch(f"/{path}")
    return host if known and whole else ""


def escaped(text: str) -> str:
    """Return text as Slack shows it, whatever stands in it (rule T15).

    Attack: an issue is called `<!channel> look` or `<https://evil.example|our wiki>`,
    and our message wakes everybody, or lends the link our name. Without `<` there is
    neither; `verbatim`, below, keeps Slack from making any out of bare words.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fits(text: str) -> str:
    if len(escaped(text)) > MOST_TEXT:
        raise ValueError("too long")
    return text


class Inputs(Form):
    """What a rule may say."""

    text: Annotated[str, AfterValidator(_fits)] = Field(
        title="Text",
        description=f"At most {MOST_TEXT} characters, of which & counts for five, < and"
        " > for four; *bold* and _italic_ as in Slack; it mentions nobody",
        min_length=1,
        max_length=MOST_TEXT,
    )


SlackTarget = Target[Settings, Credentials]


class Slack(Connector[Settings, Credentials]):
    """Posts one message; Slack takes no two for one, so a second try may double it."""

    kind = "slack"
    title = "Slack"
    about = "Posts a message to a channel that an admin chose"
    url_key = "credentials.secret"
    may_repeat = True
    settings_form = Settings
    credentials_form = Credentials

    def url(self, settings: Settings, credentials: Credentials | None) -> str:
        if credentials is None or settings.is_bot:
            return settings.origin
        return credentials.secret.get_secret_value()

    def address(self, settings: Settings) -> str:
        return f"{settings.origin}/{_POST if settings.is_bot else ''}"

    def misfit(self, settings: Settings, credentials: Credentials) -> str:
        host = hook_host(credentials.secret.get_secret_value())
        if settings.is_bot:
            return "a bot has a token, which begins with xoxb-" if host else ""
        if host != urlsplit(settings.origin).hostname:
            return f"a webhook has an address, here {settings.origin}/services/…"
        return ""

    def place(self, settings: Settings) -> str:
        channel = f"channel {settings.channel}" if settings.is_bot else "a webhook"
        return f"{channel} at {settings.cloud}"

    def inputs(self, settings: Settings) -> type[Form]:
        del settings
        return Inputs

    def body(self, settings: Settings, delivery: Delivery, *, base_url: str) -> str:
        """Return the message: the rule's text, and what it is about below it."""
        del base_url
        text = escaped(delivery.inputs.get("text", events.TEST_WORDS))
        said: dict[str, Any] = {
            "text": text,
            "blocks": [
                {"type": "section", "text": _mrkdwn(text)},
                {
                    "type": "context",
                    "elements": [_mrkdwn(escaped(events.in_words(delivery)))],
                },
            ],
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if settings.is_bot:
            said |= {"channel": settings.channel, "parse": "none"}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    def request(self, target: SlackTarget, delivery: Delivery, body: bytes) -> Request:
        del delivery
        is_bot = target.settings.is_bot
        return Request(
            method="POST",
            url=self.address(target.settings) if is_bot else target.url,
            headers=_headers(target),
            body=body,
        )

    def hidden(
        self, target: SlackTarget, headers: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return the token; of a webhook's address what counts, alone, too."""
        secret = target.credentials.secret.get_secret_value()
        of_hook = urlsplit(secret).path.removeprefix("/services/")
        parts = (of_hook, of_hook.rpartition("/")[2]) if hook_host(secret) else ()
        return (*super().hidden(target, headers), *parts)

    def send(self, target: SlackTarget, signed: Signed, line: Line) -> Exchange:
        is_bot = target.settings.is_bot
        return self.exchange(signed, line, _judge_bot if is_bot else _judge_hook)

    def has_trial(self, settings: Settings) -> bool:
        """Only the bot can be asked: whatever reaches a webhook is posted."""
        return settings.is_bot

    def trial(self, target: SlackTarget, line: Line) -> Exchange:
        """Ask who the bot is; whether it is in the channel, nobody says beforehand."""
        request = Request(
            method="POST",
            url=f"{target.settings.origin}/api/auth.test",
            headers=_headers(target),
        )
        words = "Slack knows the bot; invite it to the channel, if it is not there yet"
        judged_by = partial(_judge_bot, words=words)
        return self.exchange(self.ready(request, target), line, judged_by)


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _headers(target: SlackTarget) -> dict[str, str]:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if target.settings.is_bot:
        token = target.credentials.secret.get_secret_value()
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _judge_bot(
    answer: Response | SendError, now: datetime, *, words: str = "Slack posted it"
) -> Judged:
    """Judge by `ok`: a refusal comes as 200, too."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError) or judged.verdict is not Verdict.ACCEPTED:
        return _limited(judged)
    said = as_object(answer)
    if said.get("ok") is True:
        return replace(judged, words=words)
    if not isinstance(said.get("error"), str):
        unclear = "it answered without saying whether that was “ok”"
        return replace(judged, verdict=Verdict.AMBIGUOUS, words=unclear)
    error = said["error"]
    if error in slack_words.LIMITS:
        # As a 429, with the wait that it names.
        limited = judge(replace(answer, status=_TOO_MANY), now=now)
        return replace(_limited(limited), status=answer.status)
    verdict = slack_words.VERDICTS.get(error, Verdict.REJECTED)
    told = slack_words.BOT.get(error, slack_words.UNKNOWN)
    return replace(judged, verdict=verdict, words=told)


def _judge_hook(answer: Response | SendError, now: datetime) -> Judged:
    """Judge by the word `ok`, and by the words of a refusal."""
    judged = judge(answer, now=now)
    if isinstance(answer, SendError):
        return judged
    said = answer.body[:100].decode(errors="replace").strip()
    if judged.verdict is Verdict.ACCEPTED:
        if answer.status == _OK and said == "ok":
            return replace(judged, words="Slack posted it")
        unclear = "it answered without Slack's “ok”"
        return replace(judged, verdict=Verdict.AMBIGUOUS, words=unclear)
    if judged.verdict is Verdict.REJECTED:
        otherwise = slack_words.BY_STATUS.get(answer.status, judged.words)
        return replace(judged, words=slack_words.HOOK.get(said, otherwise))
    return _limited(judged)


def _limited(judged: Judged) -> Judged:
    if judged.status != _TOO_MANY:
        return judged
    words = "Slack takes about one message a second for a channel: not now"
    return replace(judged, words=words)
