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
    """A block that raises [TimeoutError][] when it takes too long after `begin`.

    Unlike `asyncio.timeout`, its time can begin anew without a new timer, and time in which the event loop was blocked
    does not count (once).

    Parameters
    ----------
    seconds
        How long it may take, or [None][] for ever.
    is_renewed
        Whether `renew` lets the time begin anew.
    """

    __slots__ = (
        "_cancelling",
        "_is_over",
        "_is_renewed",
        "_loop",
        "_seconds",
        "_task",
        "_timer",
        "_until",
        "_was_late",
    )

    def __init__(self, seconds: float | None, /, *, is_renewed: bool) -> None:
        self._cancelling = 0
        self._is_over = False
        self._is_renewed = is_renewed and seconds is not None
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._task: asyncio.Task[typing.Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._was_late = False

    def __enter__(self) -> typing.Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: types.TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_over and self._task is not None:
            # Somebody else may have cancelled the task too.
            is_own = self._task.uncancel() <= self._cancelling
            if is_own and exc_type is asyncio.CancelledError:
                raise TimeoutError from exc_val

    def begin(self) -> None:
        """Let the time begin."""
        if self._seconds is not None:
            self._task = asyncio.current_task()
            self._cancelling = self._task.cancelling() if self._task else 0
            self._until = self._loop.time() + self._seconds
            self._timer = self._loop.call_at(self._until, self._look)

    def renew(self) -> None:
        """Take note of progress."""
        if self._is_renewed and self._seconds is not None:
            self._until = self._loop.time() + self._seconds

    def _look(self) -> None:
        now = self._loop.time()
        late = now - self._until
        if late >= _LATE and not self._was_late:
            self._was_late = True
            self._until = now + min(late, self._seconds or 0.0)

        if now < self._until:
            self._timer = self._loop.call_at(self._until, self._look)
        elif self._task is not None:
            self._is_over = True
            self._task.cancel()
