# SPDX-License-Identifier: BSD-3-Clause
"""What a test does to the bots over the gateway."""

from __future__ import annotations

__all__ = ["GatewayControl"]

import asyncio
import collections as collections_
import typing
from collections import abc as collections

from .sessions import Connection
from .sessions import Session

if typing.TYPE_CHECKING:
    from .._world.steps import Event
    from .._world.world import World
    from .gateway import Command
    from .gateway import Gateway

_MAX_BATCH: typing.Final = 200
_OTHER_LOOP: typing.Final = (
    "this loopback Discord was started in another event loop: a test that uses it and the fixture that starts it need "
    "the same one, so give both the same loop_scope"
)
_PACE: typing.Final = 0.005


class GatewayControl:
    """The part of `LoopbackDiscord` that sends events and handles connections.

    Parameters
    ----------
    world
        What is true.
    gateway
        Who is connected.
    shards
        The number of shards that bots are told to start.
    """

    __slots__ = ("_gateway", "_interactions", "_loop", "_shards", "_world")

    def __init__(self, world: World, gateway: Gateway, shards: int, /) -> None:
        self._world = world
        self._gateway = gateway
        self._loop: asyncio.AbstractEventLoop | None = None
        self._shards = shards
        self._interactions: dict[str, collections.Mapping[str, typing.Any]] = {}

    @property
    def world(self) -> World:
        """What is true."""
        return self._world

    @property
    def commands(self) -> list[Command]:
        """What bots have sent over the gateway but heartbeats, oldest first. The list may be cleared."""
        return self._gateway.commands

    @property
    def connected_shards(self) -> list[int]:
        """Numbers of the shards that a bot is connected on and has been greeted, in order."""
        return sorted({session.shard_id for session in self._gateway.sessions.values() if session.is_ready})

    def _check_loop(self) -> None:
        """Refuse to wait where what is waited for cannot happen."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise RuntimeError(_OTHER_LOOP)

    def _check_is_served(self) -> None:
        """Refuse to give an address to a bot that would wait for ever; one in another thread would not."""
        if self._loop is None or self._loop.is_running():
            return

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return

        raise RuntimeError(_OTHER_LOOP)

    async def dispatch(
        self, name: str, payload: collections.Mapping[str, typing.Any], /, *, shard_id: int | None = None
    ) -> None:
        """Send an event to the bots that are connected.

        The world is not changed by it. A session whose connection is lost gets the event when it resumes.

        Parameters
        ----------
        name
            The event's name, for instance `GUILD_CREATE`.
        payload
            Its payload.
        shard_id
            The shard. When not given it follows from the payload's `guild_id` (of a GUILD_CREATE, GUILD_UPDATE and
            GUILD_DELETE: `id`); without a guild it is shard 0, for USER_UPDATE every shard.

        Raises
        ------
        TypeError
            If JSON cannot express the payload.
        """
        await self.dispatch_many(((name, payload),), shard_id=shard_id)

    async def dispatch_many(
        self,
        events: collections.Iterable[tuple[str, collections.Mapping[str, typing.Any]]],
        /,
        *,
        shard_id: int | None = None,
    ) -> None:
        """Send many events without a pause between them, so that they reach the bot as one burst.

        Parameters
        ----------
        events
            Names and payloads.
        shard_id
            The shard; found out from each payload when not given.

        Raises
        ------
        TypeError
            If JSON cannot express a payload; the events before it are sent.
        """
        self._check_loop()
        connections: set[Connection] = set()
        try:
            for name, payload in events:
                if name == "INTERACTION_CREATE" and "token" in payload:
                    self._interactions[payload["token"]] = payload

                connections.update(self._gateway.publish(name, payload, shard_id=shard_id))
        finally:
            for connection in connections:
                await connection.flush()

    async def play(
        self, *, count: int | None = None, duration: float | None = None, rate: float | None = None
    ) -> dict[str, int]:
        """Let things happen in the world, and tell the bots.

        Parameters
        ----------
        count
            Number of events.
        duration
            Seconds. With both, whichever is over first ends it.
        rate
            Events per second; as many as possible when not given.

        Returns
        -------
        dict[str, int]
            How often which event happened.

        Raises
        ------
        ValueError
            If neither `count` nor `duration` is given, or `rate` is not positive.
        """
        if count is None and duration is None:
            raise ValueError("play needs a count or a duration")

        if rate is not None and not rate > 0:
            raise ValueError(f"rate must be positive: {rate}")

        self._check_loop()
        played: collections_.Counter[str] = collections_.Counter()
        clock = asyncio.get_running_loop().time
        began = clock()
        done = 0
        while (count is None or done < count) and (duration is None or clock() - began < duration):
            due = _MAX_BATCH if rate is None else min(_MAX_BATCH, int((clock() - began) * rate) + 1 - done)
            if count is not None:
                due = min(due, count - done)

            if due > 0:
                await self.dispatch_many(self._happen(due, played))
                done += due

            await asyncio.sleep(0 if rate is None or due == _MAX_BATCH else _PACE)

        return dict(played)

    def _happen(self, count: int, played: collections_.Counter[str], /) -> collections.Iterator[Event]:
        for name, payload in self._world.steps(count):
            played[name] += 1
            yield name, payload

    async def wait_ready(self, *, within: float = 30.0) -> None:
        """Wait until every shard is connected and has been sent what follows READY or RESUME.

        Parameters
        ----------
        within
            Seconds to wait.

        Raises
        ------
        TimeoutError
            If it takes longer.
        """
        self._check_loop()
        await self._gateway.signal.until(
            lambda: set(range(self._shards)) <= set(self.connected_shards),
            within=within,
            what=f"a bot on each of {self._shards} shards",
        )

    async def settle(self, *, within: float = 30.0) -> None:
        """Wait until the bots have received everything that was sent, and what they have asked for in turn.

        What others send while it waits is not waited for, so it ends while `play` runs too.
        A shard that is reconnecting, or starts anew because its session was ended, is waited for. Events are received
        when hikari has handed them to its event manager: its cache is up to date and listeners have been started, but a
        listener may still be at work. Member requests which hikari holds back for its own rate limit (117 a minute and
        shard) are not waited for.

        Parameters
        ----------
        within
            Seconds to wait.

        Raises
        ------
        TimeoutError
            If it takes longer.
        RuntimeError
            If no bot has ever connected, or all have left.
        """
        self._check_loop()
        if not self._gateway.sessions:
            raise RuntimeError("there is no bot to settle")

        try:
            async with asyncio.timeout(within):
                for session in list(self._gateway.sessions.values()):
                    await self._settle(session, within)
        except TimeoutError:
            raise TimeoutError(f"the bots have not received everything within {within} s") from None

    async def _settle(self, session: Session, within: float, /) -> None:
        sessions = self._gateway.sessions
        while session.id in sessions:
            await self._gateway.signal.until(
                lambda: session.is_ready or session.id not in sessions, within=within, what="reconnecting"
            )
            connection, asked = session.connection, session.asked
            # The second round catches what the bot has asked for when it got the last events.
            if (
                connection is not None
                and await connection.round_trip()
                and await connection.round_trip()
                and session.asked == asked
                and not session.is_ended
            ):
                return

        if session.successor is not None:
            await self._settle(session.successor, within)

    async def reconnect(self, shard_id: int, /, *, within: float = 30.0) -> None:
        """Ask a shard to reconnect and resume, and wait until it has left.

        Parameters
        ----------
        shard_id
            The shard.
        within
            Seconds to wait.

        Raises
        ------
        RuntimeError
            If no bot is connected on that shard.
        TimeoutError
            If it takes longer.
        """
        connections = self._connections_of(shard_id)
        for connection in connections:
            await self._gateway.ask_to_reconnect(connection)

        await self._wait_closed(connections, within)

    async def drop(self, shard_id: int, /, *, within: float = 30.0) -> None:
        """Cut a shard's connection without a word, as a network failure does. The session can be resumed.

        Parameters
        ----------
        shard_id
            The shard.
        within
            Seconds to wait until the connection is gone.

        Raises
        ------
        RuntimeError
            If no bot is connected on that shard.
        TimeoutError
            If it takes longer.
        """
        connections = self._connections_of(shard_id)
        for connection in connections:
            connection.cut()

        await self._wait_closed(connections, within)

    async def invalidate(self, shard_id: int, /) -> None:
        """End a shard's sessions for good: the bot has to identify anew, and gets READY and GUILD_CREATEs again.

        Parameters
        ----------
        shard_id
            The shard, connected or not.

        Raises
        ------
        RuntimeError
            If there is no session of that shard.
        """
        self._check_loop()
        sessions = [session for session in self._gateway.sessions.values() if session.shard_id == shard_id]
        if not sessions:
            raise RuntimeError(f"there is no session of shard {shard_id}")

        for session in sessions:
            await self._gateway.invalidate(session)

    def _connections_of(self, shard_id: int, /) -> list[Connection]:
        self._check_loop()
        sessions = self._gateway.sessions.values()
        connections = [s.connection for s in sessions if s.shard_id == shard_id and s.connection is not None]
        if not connections:
            raise RuntimeError(f"no bot is connected on shard {shard_id}")

        return connections

    async def _wait_closed(self, connections: list[Connection], within: float, /) -> None:
        await self._gateway.signal.until(
            lambda: all(connection.closed for connection in connections), within=within, what="disconnecting"
        )
