# SPDX-License-Identifier: BSD-3-Clause
"""What an open client works with."""

from __future__ import annotations

__all__ = ["Engine"]

import asyncio
import logging
import typing
from collections import abc as collections

import hikari

from ._codec import Codec
from ._connections import Connections
from ._keys import Keys
from ._kinds import Kind
from ._reader import Reader
from ._statistics import Statistics
from ._writer import Writer

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_REMEMBERED_OWNERS: typing.Final = 100_000
"""How many owner entries a process remembers: about 20 MB."""


class Engine:
    """The parts of an open client, put together.

    Parameters
    ----------
    connections
        Where to.
    layout
        The database of each kind that the client has.
    keys
        The names of the keys.
    codec
        Encodes and decodes payloads.
    lifetimes
        Milliseconds that entries of each expiring kind live; 0 for ever. May change while the engine runs.
    backlog_limit
        Bytes of memory, about, that unwritten changes may take.
    factory
        Builds models.
    statistics
        Is kept up to date.
    """

    __slots__ = (
        "_owners",
        "_tasks",
        "codec",
        "connections",
        "factory",
        "keys",
        "layout",
        "lifetimes",
        "reader",
        "statistics",
        "writer",
    )

    def __init__(
        self,
        *,
        connections: Connections,
        layout: collections.Mapping[AnyKind, int],
        keys: Keys,
        codec: Codec,
        lifetimes: collections.Mapping[AnyKind, int],
        backlog_limit: int,
        factory: hikari.api.EntityFactory,
        statistics: Statistics,
    ) -> None:
        self._owners: dict[tuple[AnyKind, str], str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.codec: typing.Final = codec
        self.connections: typing.Final = connections
        self.factory: typing.Final = factory
        self.keys: typing.Final = keys
        self.layout: typing.Final = layout
        self.lifetimes: typing.Final = lifetimes
        self.statistics: typing.Final = statistics
        self.writer: typing.Final = Writer(connections, layout, keys, codec, lifetimes, backlog_limit, statistics)
        self.reader: typing.Final = Reader(connections, layout, keys, codec, self.writer)
        for index in set(layout.values()):
            connections.database(index)

    def recall_owner(self, kind: AnyKind, entity: str, /) -> str | None:
        """Return the guild an entity was in when it was last seen."""
        return self._owners.get((kind, entity))

    def remember_owner(self, kind: AnyKind, entity: str, guild: str | None, /) -> None:
        """Remember in which guild an entity is, or with [None][] forget it."""
        self._owners.pop((kind, entity), None)
        if guild is None:
            return

        if len(self._owners) >= _REMEMBERED_OWNERS:
            del self._owners[next(iter(self._owners))]
        self._owners[kind, entity] = guild

    def spawn(self, name: str, work: collections.Coroutine[typing.Any, typing.Any, None], /) -> None:
        """Run something in the background, and log it if it fails."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def close(self, within: float, /) -> None:
        """Stop, after writing what is left for at most `within` seconds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.writer.close(within)
        await self.reader.close()
        await self.connections.close()

    def _done(self, task: asyncio.Task[None], /) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()):
            _LOGGER.error("%s failed: %s", task.get_name(), exc, exc_info=exc)
