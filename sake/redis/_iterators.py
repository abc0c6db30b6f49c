# SPDX-License-Identifier: BSD-3-Clause
"""The one iterator: windows of bytes in, models out."""

from __future__ import annotations

__all__ = ["EntryIterator", "Window"]

import typing
from collections import abc as collections

from sake import abc
from sake import errors

_T = typing.TypeVar("_T")

Window = tuple[str, collections.Iterable[bytes]]
"""What one guild (or "") adds: its id and the bytes of entities."""


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
    """

    __slots__ = ("_build", "_count", "_guild", "_window", "_windows")

    def __init__(
        self,
        build: collections.Callable[[str, bytes], _T],
        windows: collections.AsyncIterator[Window],
        count: collections.Callable[[], collections.Awaitable[int]],
        /,
    ) -> None:
        self._build = build
        self._count = count
        self._guild = ""
        self._window: collections.Iterator[bytes] = iter(())
        self._windows = windows

    async def __anext__(self) -> _T:
        while True:
            for data in self._window:
                try:
                    return self._build(self._guild, data)
                except (errors.EntryNotFound, errors.InvalidDataFound):
                    continue

            try:
                self._guild, window = await anext(self._windows)
            except StopAsyncIteration:
                self._complete()
            else:
                self._window = iter(window)

    async def len(self) -> int:
        return await self._count()
