"""How many calls one token brought: as many as Jira may begin in one second.

No signature covers a body, and two transitions in one second may carry identical tokens
(rule T2), so one token may come with several bodies. Attack: a captured one comes with
ever other bodies, each of them a run to be confirmed, until the disk is full.

What Jira sends comes within a moment of its token. So only calls that come with a token
of some age are refused: else a thief who is quick, and sends a thousand calls with a
token that he has just seen, would have Jira's own next one with it refused.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.tokens.checks import Reason, Refused, Verified

MOST = 1000
"""Calls with one token that are recorded by one process, once it is not fresh. Jira
begins far fewer transitions in a second."""

FRESH = timedelta(seconds=60)
"""How long after its token was made any call is recorded, however many there were."""

REMEMBERED = 20_000
"""Tokens whose calls are counted; the one that was used longest ago is forgotten. Only
genuine tokens are counted here, so a stranger cannot push one out."""


@dataclass
class TokenUses:
    """Calls by what stands for their token. Safe for threads."""

    _counts: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refuse_worn(self, verified: Verified, *, now: datetime) -> None:
        """Refuse a token of some age that brought as many calls as one may."""
        with self._lock:
            count = self._counts.get(verified.token_hash, 0)
        if count >= MOST and now - verified.issued_at >= FRESH:
            detail = f"{MOST} calls came with it"
            raise Refused(Reason.TOKEN_REUSED, detail, proven=True)

    def note(self, token_hash: str) -> None:
        """Count a call that was recorded."""
        with self._lock:
            self._counts[token_hash] = self._counts.get(token_hash, 0) + 1
            self._counts.move_to_end(token_hash)
            while len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)
