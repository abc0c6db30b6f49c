# SPDX-License-Identifier: BSD-3-Clause
"""What the interfaces of all caches have in common."""

from __future__ import annotations

__all__ = ["CacheIterator", "ExpireT", "Resource"]

import abc
import datetime
import typing

import hikari

_T = typing.TypeVar("_T")

ExpireT: typing.TypeAlias = datetime.timedelta | int | float | None
"""How long an entry is kept.

A number is an amount of seconds, precise to the millisecond. None, infinity and NaN mean for ever.
"""


class Resource(abc.ABC):
    """Something that has to be opened before it is used, and closed afterwards."""

    __slots__ = ()

    @property
    @abc.abstractmethod
    def is_alive(self) -> bool:
        """Whether the resource is open, in an event loop that has not ended.

        This tells whether it may be used, not whether the backend answers.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the resource.

        What was received and not written yet is written first, as far as the backend can be reached, then all
        connections are closed. What is called after closing has begun raises [sake.errors.ClosedClient][]. Nothing
        happens if the resource is not open. A second call waits for the first.

        If this is cancelled, nothing more is written: what is lost is counted and logged. The cancellation is raised
        once everything is closed all the same.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is open in another event loop.
        """

    @abc.abstractmethod
    async def open(self) -> None:
        """Open the resource.

        Nothing happens if the resource is open already. It can be used in the running event loop, and only there, until
        it is closed; after that it can be opened in another one.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is open in another event loop.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """


class CacheIterator(hikari.LazyIterator[_T], abc.ABC, typing.Generic[_T]):
    """Asynchronous iterator over entries of a cache.

    Use it with `async for`, or with the methods of [hikari.iterators.LazyIterator][]: `filter`, `map`, `limit`,
    `collect` and so on. Awaiting it gives a sequence of all entries.

    Making an iterator asks the backend for nothing: entries are fetched in windows while iterating. Each entry is
    returned once, in no particular order. Entries that are added or removed meanwhile may or may not be seen. Entries
    that cannot be read, or that this version of hikari cannot build, are skipped.

    While iterating, [sake.errors.ClosedClient][] is raised if the resource is not open, and
    [sake.errors.BackendError][] if the backend cannot be reached or refuses the request.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def len(self) -> int:
        """Count the entries.

        This neither fetches the entries nor changes the state of the iterator. Entries which iterating skips, since no
        model can be built from them, are counted too.

        Returns
        -------
        int
            How many entries are stored of what the iterator was made for, however many it has returned already.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """
