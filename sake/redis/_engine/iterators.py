# SPDX-License-Identifier: BSD-3-Clause
"""The one iterator: windows of bytes in, models out."""

from __future__ import annotations

__all__ = ["EntryIterator", "Window"]

import asyncio
import contextlib
import types
import typing
from collections import abc as collections

from sake import abc
from sake import errors

_T = typing.TypeVar("_T")

Window = tuple[str, collections.Iterable[bytes]]
"""What one guild (or "") adds: its id and the bytes of entities."""

_Fetch = collections.Callable[[], collections.Coroutine[typing.Any, typing.Any, Window | None]]


class EntryIterator(abc.CacheIterator[_T]):
    """Iterates over the models of entries, window by window.

    Parameters
    ----------
    build
        Makes a model of (guild id, bytes); entries for which it raises [InvalidDataFound][sake.errors.InvalidDataFound]
        are left out.
    windows
        Fetches the entries.
    count
        Counts them.
    spawn
        Runs something in the background that ends with the client.
    """

    __slots__ = (
        "_build",
        "_count",
        "_failure",
        "_fetching",
        "_guild",
        "_is_complete",
        "_spawn",
        "_traceback",
        "_window",
        "_windows",
    )

    def __init__(
        self,
        build: collections.Callable[[str, bytes], _T],
        windows: collections.AsyncIterator[Window],
        count: collections.Callable[[], collections.Awaitable[int]],
        spawn: collections.Callable[[_Fetch], asyncio.Task[Window | None]],
        /,
    ) -> None:
        self._build = build
        self._count = count
        self._failure: Exception | None = None
        self._fetching: asyncio.Task[Window | None] | None = None
        """Fetches the next window, and goes on when whoever waits for it is cancelled: what it fetches is not lost."""
        self._guild = ""
        self._is_complete = False
        self._spawn = spawn
        self._traceback: types.TracebackType | None = None
        self._window: collections.Iterator[bytes] = iter(())
        self._windows = windows

    async def __anext__(self) -> _T:
        while True:
            for data in self._window:
                with contextlib.suppress(errors.EntryNotFound, errors.InvalidDataFound):
                    return self._build(self._guild, data)

            if self._is_complete:
                self._complete()
            if self._failure is not None:
                raise self._failure.with_traceback(self._traceback)

            if self._fetching is None:
                self._fetching = self._spawn(self._fetch)
            fetching = self._fetching
            await asyncio.wait((fetching,))
            if fetching is self._fetching:
                self._fetching = None
                self._take(fetching)

    async def len(self) -> int:
        return await self._count()

    async def _fetch(self) -> Window | None:
        return await anext(self._windows, None)

    def _take(self, fetching: asyncio.Task[Window | None], /) -> None:
        try:
            window = fetching.result()
        except asyncio.CancelledError:
            error_message = "The client was closed"
            self._failure = errors.ClosedClient(error_message)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is raised by the next step and all that follow
            self._failure, self._traceback = exc, exc.__traceback__
        else:
            self._is_complete = window is None
            if window is not None:
                self._guild, self._window = window[0], iter(window[1])
