# SPDX-License-Identifier: BSD-3-Clause
"""How long to wait for a server."""

from __future__ import annotations

__all__ = ["Patience"]

import asyncio
import types
import typing

_LATE: typing.Final = 0.05
"""An event loop that is late by so many seconds was blocked: what has come meanwhile is looked at first."""


class Patience:
    """A block that raises [TimeoutError][] when it takes too long.

    Unlike `asyncio.timeout`, its time can begin anew without a new timer, and time in which the event loop was blocked
    does not count (once).

    Parameters
    ----------
    seconds
        How long it may take, or [None][] for ever.
    is_renewed
        Whether `renew` lets the time begin anew.
    """

    __slots__ = ("_is_renewed", "_loop", "_seconds", "_timeout", "_timer", "_until", "_was_late")

    def __init__(self, seconds: float | None, /, *, is_renewed: bool) -> None:
        self._is_renewed = is_renewed and seconds is not None
        self._loop = asyncio.get_running_loop()
        self._seconds = 0.0 if seconds is None else seconds
        self._timeout = asyncio.timeout(None)
        self._until = self._loop.time() + self._seconds
        self._timer = None if seconds is None else self._loop.call_at(self._until, self._look)
        self._was_late = False

    async def __aenter__(self) -> typing.Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: types.TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(exc_type, exc_val, exc_tb)

    def renew(self) -> None:
        """Take note of progress."""
        if self._is_renewed:
            self._until = self._loop.time() + self._seconds

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._until
        if late >= _LATE and not self._was_late:
            self._was_late = True
            self._until = now + min(late, self._seconds)

        if now < self._until:
            self._timer = self._loop.call_at(self._until, self._look)
        else:
            self._timeout.reschedule(now)
