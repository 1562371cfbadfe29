"""What a mail server's replies mean, in words of ours that say what to fix (T15).

Source: RFC 5321, 4.2.1: what begins with 4 may be tried again, what begins with 5 not.
"""

from collections.abc import Mapping

from app.destinations.answers import CROWDED, Judged, Verdict
from app.http import ForbiddenError, Reply, SendError, Stage

_LATER, _NEVER, _END_OF_CODES = 400, 500, 600


def judge(reply: Reply, count: int) -> Judged:
    """Say what came of a letter to so many recipients.

    Where the server refuses some of them, the others have got it: that is a success,
    and its words say how many have not. To try it again would write to the others
    twice, and to fail would say that nobody knows of it.
    """
    if reply.stage is Stage.END and _is_good(reply.code):
        return Judged(
            verdict=Verdict.ACCEPTED, words=_taken(reply, count), status=reply.code
        )
    return _judged(reply)


def judge_trial(reply: Reply) -> Judged:
    """Say what came of a talk without a letter."""
    if reply.stage is not Stage.END or not _is_good(reply.code):
        return _judged(reply)
    words = "the mail server lets us in; whether it takes a letter, the first one says"
    return Judged(verdict=Verdict.ACCEPTED, words=words, status=reply.code)


def judge_silence(error: SendError) -> Judged:
    """Say what it means that there was no last word."""
    if isinstance(error, ForbiddenError):
        return Judged(verdict=Verdict.REJECTED, words=str(error))
    if error.sent:
        words = f"no answer came, and the letter may be under way: {error}"
        return Judged(verdict=Verdict.AMBIGUOUS, words=words, wait=CROWDED)
    words = f"it could not be reached: {error}"
    return Judged(verdict=Verdict.RETRY, words=words)


def _judged(reply: Reply) -> Judged:
    verdict = _verdict(reply)
    if verdict is Verdict.AMBIGUOUS:
        words = "its last word does not say whether it took the letter"
    elif verdict is Verdict.RETRY:
        words = f"the mail server does not take it now: {_NOW[reply.stage]}"
    else:
        words = _REFUSED[reply.stage]
    return Judged(verdict=verdict, words=words, status=reply.code)


def _verdict(reply: Reply) -> Verdict:
    if _NEVER <= reply.code < _END_OF_CODES:
        return Verdict.REJECTED
    if _LATER <= reply.code < _NEVER or reply.stage is not Stage.END:
        # Before its end there is no letter, whatever odd word it had.
        return Verdict.RETRY
    return Verdict.AMBIGUOUS


def _is_good(code: int) -> bool:
    return 200 <= code < 300  # noqa: PLR2004 -- RFC 5321


def _taken(reply: Reply, count: int) -> str:
    words = "the mail server took it"
    if not reply.refused:
        return words
    left, lost = count - len(reply.refused), len(reply.refused)
    return f"{words} for {left} of {count} recipients and refused {lost}: correct those"


_NOW: Mapping[Stage, str] = {
    Stage.GREETING: "it is busy, or takes nothing from this machine's address",
    Stage.SECURITY: "it cannot secure the connection",
    Stage.LOGIN: "its login is out of order",
    Stage.SENDER: "it cannot judge the sender, or has had enough letters for a while",
    Stage.RECIPIENTS: "it put off every recipient",
    Stage.CONTENT: "it is busy",
    Stage.END: "it is busy, or a mailbox is full",
}

_REFUSED: Mapping[Stage, str] = {
    Stage.GREETING: "the mail server takes nothing from this machine: ask its host to"
    " let it in, or whether the name and the port are those for mail with a login",
    Stage.SECURITY: "the mail server refused to secure the connection: choose the other"
    " security, with its port",
    Stage.LOGIN: "the mail server does not take user and password: give both anew; many"
    " servers want an “app password”, or have logins by SMTP switched off",
    Stage.SENDER: "the mail server does not let this login write from that address:"
    " correct “From”, or give user and password if there are none",
    Stage.RECIPIENTS: "the mail server refused every recipient: correct them",
    Stage.CONTENT: "the mail server refused the letter before it heard it",
    Stage.END: "the mail server refused the letter, perhaps as unwanted: ask its host",
}
