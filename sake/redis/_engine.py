# SPDX-License-Identifier: BSD-3-Clause
"""What an open client works with."""

from __future__ import annotations

__all__ = ["Engine"]

import asyncio
import contextlib
import logging
import typing
from collections import abc as collections

import hikari

from sake import errors
from sake._flights import Flights

from . import _rights
from ._codec import Codec
from ._connections import Connections
from ._keys import Keys
from ._kinds import Kind
from ._reader import Reader
from ._statistics import Statistics
from ._writer import Writer

if typing.TYPE_CHECKING:
    from sake import embedded

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
    read_timeout
        Seconds that a read may take.
    factory
        Builds models.
    statistics
        Is kept up to date.
    server
        The embedded server, if that is the server: it is closed with the engine.
    on_given_up
        Is told of guilds whose changes were given up.
    """

    __slots__ = (
        "_draining",
        "_has_given_up",
        "_owners",
        "_server",
        "_tasks",
        "codec",
        "connections",
        "factory",
        "flights",
        "keys",
        "layout",
        "lifetimes",
        "loop",
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
        read_timeout: float,
        factory: hikari.api.EntityFactory,
        statistics: Statistics,
        server: embedded.EmbeddedServer | None,
        on_given_up: collections.Callable[[collections.Set[str]], None],
    ) -> None:
        self._draining: asyncio.Task[None] | None = None
        self._has_given_up = False
        self._owners: dict[tuple[AnyKind, str], str] = {}
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self.codec: typing.Final = codec
        self.connections: typing.Final = connections
        self.factory: typing.Final = factory
        self.flights: typing.Final = Flights()
        self.keys: typing.Final = keys
        self.layout: typing.Final = layout
        self.lifetimes: typing.Final = lifetimes
        self.loop: typing.Final = asyncio.get_running_loop()
        self.statistics: typing.Final = statistics
        self.writer: typing.Final = Writer(
            connections, layout, keys, codec, lifetimes, backlog_limit, statistics, on_given_up
        )
        self.reader: typing.Final = Reader(connections, layout, keys, codec, self.writer, statistics, read_timeout)
        for index in set(layout.values()):
            connections.database(index)

    async def check(self, *, writes: bool) -> None:
        """Connect, and find out whether the server lets us do what we have to; to write only if `writes`.

        Raises
        ------
        sake.errors.BackendError
            If it cannot be reached or does not.
        """
        kinds: dict[int, list[AnyKind]] = {}
        for kind, index in self.layout.items():
            kinds.setdefault(index, []).append(kind)

        await self.connections.check(
            {index: _rights.probes(self.keys, group, writes=writes) for index, group in kinds.items()}
        )

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
        """Stop, after writing what is left for at most `within` seconds.

        A cancel ends the writing, and nothing else.
        """
        async with contextlib.AsyncExitStack() as parts:
            if self._server is not None:
                parts.push_async_callback(self._server.close)
            parts.push_async_callback(self.connections.close)
            parts.push_async_callback(self.reader.close)
            parts.push_async_callback(self.flights.close)
            self.flights.cancel()
            for task in self._tasks:
                task.cancel()
            self._draining = asyncio.current_task()
            with contextlib.suppress(asyncio.CancelledError):
                await self.writer.close(0.0 if self._has_given_up else within)
            self._draining = None
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def give_up(self) -> None:
        """Let `close` write no more."""
        self._has_given_up = True
        if self._draining is not None and not self._draining.cancelling():
            self._draining.cancel()

    async def abandon(self) -> None:
        """Tell what is lost, and free what can be, in place of `close` when the engine's event loop has ended."""
        self.writer.give_up_rest()
        if self._server is not None:
            await self._server.close()

    def _done(self, task: asyncio.Task[None], /) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (exc := task.exception()) is None:
            return

        if isinstance(exc, errors.BackendError):
            # That the server is away was said.
            _LOGGER.debug("%s was given up: %s", task.get_name(), exc)
        else:
            _LOGGER.error("%s failed: %s", task.get_name(), exc, exc_info=exc)
