# SPDX-License-Identifier: BSD-3-Clause
"""When a client is open, and in which event loop."""

from __future__ import annotations

__all__ = ["LifeCycle"]

import asyncio
import threading
import typing
from collections import abc as collections

from sake import errors

from .._engine.engine import Engine


class _Home:
    """What a client has in one event loop."""

    __slots__ = ("engine", "lock", "loop", "thread")

    def __init__(self, loop: asyncio.AbstractEventLoop, /) -> None:
        self.engine: Engine | None = None
        self.lock: typing.Final = asyncio.Lock()
        """Held by what opens or closes the client."""
        self.loop: typing.Final = loop
        self.thread: typing.Final = threading.current_thread().name

    @property
    def is_in_use(self) -> bool:
        return not self.loop.is_closed() and (self.engine is not None or self.lock.locked())


class LifeCycle:
    """Opens and closes a client: one after the other, each whole, and all in one event loop until it is closed.

    Parameters
    ----------
    name
        What the client is called in errors.
    begin
        Makes the parts of an open client, running, or raises and leaves nothing.
    end
        Lets nothing new come in.
    """

    __slots__ = ("_begin", "_claim", "_end", "_home", "_name")

    def __init__(
        self,
        name: str,
        begin: collections.Callable[[bool], collections.Awaitable[Engine]],
        end: collections.Callable[[], None],
        /,
    ) -> None:
        self._begin = begin
        self._claim = threading.Lock()
        self._end = end
        self._home: _Home | None = None
        self._name = name

    @property
    def is_open(self) -> bool:
        """Whether the client is open, in an event loop that there still is."""
        home = self._home
        return home is not None and home.engine is not None and not home.loop.is_closed()

    def engine(self) -> Engine:
        """Return the parts of the open client.

        Raises
        ------
        sake.errors.ClosedClient
            If it is not open, or in another event loop.
        """
        home = self._home
        if home is None or home.engine is None:
            error_message = f"This {self._name} is not open: call its open() first"
            raise errors.ClosedClient(error_message)
        if home.loop is not asyncio.get_running_loop():
            raise self._is_elsewhere(home)

        return home.engine

    async def open(self, *, needs_server: bool) -> None:
        """Open the client, if it is not open.

        Raises
        ------
        sake.errors.ClosedClient
            If it is open in another event loop.
        sake.errors.BackendError
            If the server is away and is needed.
        """
        home = await self._move()
        async with home.lock:
            if home.engine is None:
                home.engine = await self._begin(needs_server)

    async def close(self, within: float, /) -> None:
        """Close the client, if it is open, after writing what is left for at most `within` seconds.

        Whoever is cancelled meanwhile ends the writing, and goes on when everything is freed.

        Raises
        ------
        sake.errors.ClosedClient
            If it is open in another event loop.
        """
        home = await self._move()
        async with home.lock:
            engine = home.engine
            if engine is None:
                return

            # A task of its own, for it has to end whatever happens to who waits for it.
            closing = home.loop.create_task(self._finish(home, engine, within), name="sake closing")
            cancelled: asyncio.CancelledError | None = None
            while not closing.done():
                try:
                    await asyncio.wait([closing])
                except asyncio.CancelledError as exc:
                    cancelled = exc
                    engine.give_up()

            closing.result()
            if cancelled is not None:
                raise cancelled

    async def _finish(self, home: _Home, engine: Engine, within: float, /) -> None:
        # As a task it begins one turn later: by then the listeners of what was received a moment ago have run.
        home.engine = None
        self._end()
        await engine.close(within)

    async def _move(self) -> _Home:
        """Return what the client has in the running event loop, and tidy up what it left in one that has ended."""
        loop = asyncio.get_running_loop()
        with self._claim:
            home = self._home
            if home is not None and home.loop is loop:
                return home
            if home is not None and home.is_in_use:
                raise self._is_elsewhere(home)
            here = self._home = _Home(loop)

        if home is not None and home.engine is not None:
            async with here.lock:
                self._end()
                await home.engine.abandon()

        return here

    def _is_elsewhere(self, home: _Home, /) -> errors.ClosedClient:
        if home.loop.is_closed():
            error_message = f"This {self._name} was open in an event loop that has ended: call its open() in this one"
        else:
            error_message = (
                f"This {self._name} was opened in another event loop, in the thread {home.thread}, and can be used"
                " and closed only there: make one for each event loop"
            )
        return errors.ClosedClient(error_message)
