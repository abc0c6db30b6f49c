# SPDX-License-Identifier: BSD-3-Clause
"""What several callers ask for at the same time is done once, for all of them."""

from __future__ import annotations

__all__ = ["Flights"]

import asyncio
import copy
import dataclasses
import typing
from collections import abc as collections

from sake import errors

_T = typing.TypeVar("_T")

_Work = collections.Callable[[], "collections.Coroutine[typing.Any, typing.Any, _T]"]


@dataclasses.dataclass(slots=True)
class _Flight:
    task: asyncio.Task[typing.Any]
    waiting: int = 0
    """How many wait for it."""


class Flights:
    """Work under way, and who waits for it.

    Nobody is hurt by the others: who is cancelled leaves the work to those who still wait, each is told of a failure by
    an error of their own, and only what nobody waits for any more is cancelled. So there is never more under way than
    is waited for.
    """

    __slots__ = ("_flights", "_is_closed", "_tasks")

    def __init__(self) -> None:
        self._is_closed = False
        self._flights: dict[collections.Hashable, _Flight] = {}
        self._tasks: set[asyncio.Task[typing.Any]] = set()

    async def join(self, key: collections.Hashable, work: _Work[_T], /) -> _T:
        """Return what comes of some work, which is begun only if none with that key is under way.

        Raises
        ------
        sake.errors.ClosedClient
            If `cancel` or `close` was called.
        sake.errors.SakeException
            What the work raised.
        """
        flight = self._flights.get(key)
        # Of an event loop that was stopped in the middle nothing ever comes.
        if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
            flight = self._begin(key, work)
        flight.waiting += 1
        try:
            await asyncio.wait((flight.task,))
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                self._forget(key, flight)
                flight.task.cancel()

        return typing.cast("_T", _result(flight.task))

    def cancel(self) -> None:
        """Cancel what is under way, and begin nothing more."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """Cancel what is under way, and wait until it has ended."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, key: collections.Hashable, work: _Work[typing.Any], /) -> _Flight:
        if self._is_closed:
            raise _closed()

        task = asyncio.get_running_loop().create_task(work(), name=f"sake flight {key}")
        flight = self._flights[key] = _Flight(task)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._end(key, flight))
        return flight

    def _end(self, key: collections.Hashable, flight: _Flight, /) -> None:
        self._forget(key, flight)
        self._tasks.discard(flight.task)
        if not flight.task.cancelled():
            # Whoever waited may have gone before it failed.
            flight.task.exception()

    def _forget(self, key: collections.Hashable, flight: _Flight, /) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


def _result(task: asyncio.Task[typing.Any], /) -> object:
    if task.cancelled():
        raise _closed()

    exc = task.exception()
    if isinstance(exc, errors.SakeException):
        # An error that is raised in several places would carry the traceback of all of them.
        raise copy.copy(exc) from exc.__cause__

    return task.result()


def _closed() -> errors.ClosedClient:
    return errors.ClosedClient("The client was closed")
