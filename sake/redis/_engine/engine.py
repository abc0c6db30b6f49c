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

from .._model import rights
from .._model.epochs import Epochs
from .._model.facts import Facts
from .._model.setup import Setup
from .connections import Connections
from .reader import Reader
from .takeovers import Takeovers
from .writer import Writer

if typing.TYPE_CHECKING:
    from sake import embedded

_LOGGER: typing.Final = logging.getLogger("sake.redis")


class Engine:
    """The parts of an open client, put together.

    Parameters
    ----------
    connections
        Where to.
    setup
        How the client is set up.
    factory
        Builds models.
    server
        The embedded server, if that is the server: it is closed with the engine.
    epochs
        Hears when the server has forgotten something.
    on_given_up
        Is told of guilds whose changes were given up.
    on_forgotten
        Is told when the server has forgotten more than can be written again, and returns how many guilds are stale.
    """

    __slots__ = (
        "_draining",
        "_has_given_up",
        "_server",
        "_tasks",
        "codec",
        "connections",
        "factory",
        "facts",
        "flights",
        "keys",
        "loop",
        "reader",
        "setup",
        "takeovers",
        "writer",
    )

    def __init__(
        self,
        *,
        connections: Connections,
        setup: Setup,
        factory: hikari.api.EntityFactory,
        server: embedded.EmbeddedServer | None,
        epochs: Epochs,
        on_given_up: collections.Callable[[collections.Set[str]], None],
        on_forgotten: collections.Callable[[], int],
    ) -> None:
        self._draining: asyncio.Task[None] | None = None
        self._has_given_up = False
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self.takeovers: typing.Final = Takeovers(connections, setup, epochs.token)
        self.codec: typing.Final = setup.codec
        self.connections: typing.Final = connections
        self.facts: typing.Final = Facts(setup.keys)
        self.factory: typing.Final = factory
        self.flights: typing.Final = Flights()
        self.keys: typing.Final = setup.keys
        self.loop: typing.Final = asyncio.get_running_loop()
        self.setup: typing.Final = setup
        self.writer: typing.Final = Writer(
            connections, setup, self.facts, epochs, self.takeovers, on_given_up, on_forgotten
        )
        self.reader: typing.Final = Reader(connections, setup, self.writer, self.facts)
        for index in setup.databases:
            connections.database(index)

    async def check(self, *, writes: bool) -> None:
        """Connect, and find out whether the server lets us do what we have to; to write only if `writes`.

        Raises
        ------
        sake.errors.BackendError
            If it cannot be reached or does not.
        """
        await self.connections.check(
            {index: rights.probes(self.setup, index, writes=writes) for index in self.setup.databases}
        )

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
