"""Our ids: by their order and their moment, on every database."""

import secrets
import threading
import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 253_370_764_800_000
"""The beginning of the year 9999."""


class _Ids:
    """Makes ids of version 7; those of one process and millisecond count upwards."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = (0, 0)

    def next(self, milliseconds: int) -> uuid.UUID:
        with self._lock:
            before, tail = self._last
            # 62 bits: the random part that follows the variant bits.
            tail = tail + 1 if before == milliseconds else secrets.randbits(61)
            self._last = (milliseconds, tail)
        value = milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | tail & (2**62 - 1)
        return uuid.UUID(int=value)


_ids = _Ids()


def new_id(now: datetime) -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562): sorted by time, and by order within it.

    Not a secret: two of one millisecond differ by one.
    """
    return _ids.next(_milliseconds(now))


def _milliseconds(moment: datetime) -> int:
    # Whole numbers: a float's last digits would sort a moment before itself.
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def least_id(moment: datetime) -> uuid.UUID:
    """Return the least id that can have been made at `moment` or later.

    Ids of other moments sort before or behind it, on every database: so a period is a
    range of ids, and needs no index of its own.
    """
    return uuid.UUID(int=max(_milliseconds(moment), 0) << 80)


def is_of(key: uuid.UUID, moment: datetime) -> bool:
    """Say whether an id of `new_id` was made at that moment, to the millisecond."""
    return key.int >> 80 == _milliseconds(moment)


def moment_of(key: uuid.UUID) -> datetime:
    """Return when an id of `new_id` was made; for any other, no more than some time."""
    # An id of chance may name a year that there is not.
    return _EPOCH + timedelta(milliseconds=min(key.int >> 80, _LAST_MILLISECOND))
