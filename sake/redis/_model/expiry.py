# SPDX-License-Identifier: BSD-3-Clause
"""How long entries live. Pure."""

from __future__ import annotations

__all__ = [
    "DEFAULT_EXPIRE",
    "DEFAULT_FAST_EXPIRE",
    "DEFAULT_INVITE_EXPIRE",
    "DEFAULT_SLOW_EXPIRE",
    "invite_lifetime",
    "to_lifetime",
    "to_milliseconds",
]

import datetime
import math
import typing
from collections import abc as collections

from sake import abc

DEFAULT_EXPIRE: typing.Final[int] = 3_600_000
"""How long a user is kept unless told otherwise: an hour, in milliseconds."""

DEFAULT_FAST_EXPIRE: typing.Final[int] = 300_000
"""How long a message is kept unless told otherwise: five minutes, in milliseconds."""

DEFAULT_SLOW_EXPIRE: typing.Final[int] = 604_800_000
"""How long an entry of a kind with no lifetime of its own is kept where one is needed: a week, in milliseconds."""

DEFAULT_INVITE_EXPIRE: typing.Final[int] = 2_592_000_000
"""How long an invite is kept which itself never expires: 30 days, in milliseconds."""


def to_milliseconds(expire: abc.ExpireT, name: str, /) -> int | None:
    """Convert an expire time to whole milliseconds.

    Parameters
    ----------
    expire
        Seconds as a number, or a time delta. [None][], infinity and not-a-number mean no expiry.
    name
        What to call the argument in the error.

    Returns
    -------
    int | None
        Milliseconds, at least 1; [None][] for no expiry.

    Raises
    ------
    ValueError
        If the expire time is not positive.
    TypeError
        If it is something else than a number, a time delta or [None][].
    """
    if isinstance(expire, datetime.timedelta):
        seconds = expire.total_seconds()
    elif expire is None or (isinstance(expire, (int, float)) and not isinstance(expire, bool)):  # pyright: ignore[reportUnnecessaryIsInstance]
        seconds = math.inf if expire is None else float(expire)
    else:
        error_message = f"{name} must be seconds, a timedelta or None, not {expire!r}"
        raise TypeError(error_message)

    if math.isnan(seconds) or seconds == math.inf:
        return None

    if seconds <= 0:
        error_message = f"{name} must be more than 0 seconds, not {expire!r}"
        raise ValueError(error_message)

    return max(round(seconds * 1_000), 1)


def to_lifetime(expire: abc.ExpireT, name: str, /) -> int | None:
    """Convert an expire time that may be left out: [None][] if it was, 0 for no expiry, else milliseconds.

    Raises as `to_milliseconds` does.
    """
    return None if expire is None else to_milliseconds(expire, name) or 0


def invite_lifetime(payload: collections.Mapping[str, typing.Any], now: datetime.datetime, /) -> int | None:
    """Return how many milliseconds an invite still has, from its `max_age` (seconds) and `created_at`.

    [None][] stands for an invite that does not expire, 0 or less for one that has.
    """
    max_age = payload.get("max_age")
    if not max_age:
        return None

    created_at = datetime.datetime.fromisoformat(payload["created_at"])
    left = created_at + datetime.timedelta(seconds=int(max_age)) - now
    return left // datetime.timedelta(milliseconds=1)
