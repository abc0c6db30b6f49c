# SPDX-License-Identifier: BSD-3-Clause
"""Gateway sessions, and the connections they are served over."""

from __future__ import annotations

__all__ = ["Connection", "Session", "Signal"]

import asyncio
import collections as collections_
import itertools
import typing
from collections import abc as collections

import aiohttp
import orjson
from aiohttp import web

if typing.TYPE_CHECKING:
    from .transports import Encoder

# Compressing a frame of this many bytes takes so long that others should get their turn after it.
_LARGE_FRAME: typing.Final = 65_536


class Signal:
    """Wakes up whoever waits for a condition. Call `fire` after each change that a condition may depend on."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        """Let everybody who waits look again."""
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, condition: collections.Callable[[], bool], /, *, within: float, what: str) -> None:
        """Wait until something is true.

        Parameters
        ----------
        condition
            What has to be true.
        within
            Seconds to wait for it.
        what
            What is waited for, for the error.

        Raises
        ------
        TimeoutError
            If it has not become true in time.
        """
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await self._event.wait()
        except TimeoutError:
            raise TimeoutError(f"{what} has not happened within {within} s") from None


class Connection:
    """A web socket to a bot, with what is still to be sent over it.

    Parameters
    ----------
    socket
        The web socket.
    transport
        The socket's transport, which can be cut.
    encode
        Compresses a frame; without it frames are text.
    """

    __slots__ = ("_encode", "_lock", "_outbox", "_pings", "_tokens", "_transport", "closed", "session", "socket")

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        encode: Encoder | None,
        /,
    ) -> None:
        self.socket: web.WebSocketResponse = socket
        self.session: Session | None = None
        self.closed: bool = False
        self._transport = transport
        self._encode = encode
        self._outbox: collections_.deque[bytes] = collections_.deque()
        self._lock = asyncio.Lock()
        self._pings: dict[bytes, asyncio.Future[bool]] = {}
        self._tokens = itertools.count()

    def put(self, frame: bytes, /) -> None:
        """Queue a frame; `flush` sends it."""
        self._outbox.append(frame)

    def put_control(self, opcode: int, data: object = None, /) -> None:
        """Queue a frame which is not an event; `flush` sends it."""
        self._outbox.append(orjson.dumps({"op": opcode, "d": data, "s": None, "t": None}))

    async def flush(self) -> None:
        """Send what is queued, in order. A lost connection is no error: a session keeps its events for the next one."""
        if self.closed:
            self._outbox.clear()
            return

        async with self._lock:
            await self._send_queued()

    async def _send_queued(self) -> None:
        outbox, encode, send = self._outbox, self._encode, self.socket.send_frame
        kind = aiohttp.WSMsgType.TEXT if encode is None else aiohttp.WSMsgType.BINARY
        try:
            while outbox:
                frame = outbox.popleft()
                await send(encode(frame) if encode is not None else frame, kind)
                if len(frame) > _LARGE_FRAME:
                    await asyncio.sleep(0)
        except ConnectionResetError:
            outbox.clear()

    async def round_trip(self) -> bool:
        """Wait until the bot has read everything that was sent before this call.

        Returns
        -------
        bool
            False if the connection ended before.
        """
        token = b"%d" % next(self._tokens)
        answer = self._pings[token] = asyncio.get_running_loop().create_future()
        try:
            async with self._lock:
                await self._send_queued()
                if self.closed:
                    return False

                # The bot's side answers a ping when it reads on after the frame before it.
                await self.socket.ping(token)

            return bool(await answer)
        except ConnectionResetError:
            return False
        finally:
            self._pings.pop(token, None)

    def pong(self, token: bytes, /) -> None:
        """Take note of the answer to a ping."""
        answer = self._pings.get(token)
        if answer is not None and not answer.done():
            answer.set_result(True)

    async def close(self, code: int, reason: str, /) -> None:
        """Close the connection as Discord does, with a code and a reason."""
        await self.flush()
        await self.socket.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """Let the connection end without a word."""
        self._transport.abort()

    def end(self) -> None:
        """Take note that the connection is gone."""
        self.closed = True
        self._outbox.clear()
        for answer in self._pings.values():
            if not answer.done():
                answer.set_result(False)


class Session:
    """What one shard of one bot has been told.

    Parameters
    ----------
    id
        The session's id.
    shard_id
        Number of the shard.
    shard_count
        How many shards the bot has.
    intents
        What the bot has declared.
    large_threshold
        Guilds with more members than this arrive without who is offline.
    replay_limit
        Number of events that are kept for RESUME.
    """

    __slots__ = (
        "_log",
        "asked",
        "connection",
        "greeted",
        "id",
        "intents",
        "is_ended",
        "large_threshold",
        "sequence",
        "shard_count",
        "shard_id",
        "successor",
    )

    def __init__(
        self, *, id: str, shard_id: int, shard_count: int, intents: int, large_threshold: int, replay_limit: int
    ) -> None:
        self.id: str = id
        self.shard_id: int = shard_id
        self.shard_count: int = shard_count
        self.intents: int = intents
        self.large_threshold: int = large_threshold
        self.sequence: int = 0
        self.asked: int = 0
        self.greeted: bool = False
        self.is_ended: bool = False
        self.connection: Connection | None = None
        self.successor: Session | None = None
        self._log: collections_.deque[bytes] = collections_.deque(maxlen=replay_limit)

    @property
    def is_ready(self) -> bool:
        """True while a bot is connected and has been sent everything that follows IDENTIFY or RESUME."""
        return self.connection is not None and self.greeted and not self.is_ended

    def put(self, name: str, data: bytes, /) -> Connection | None:
        """Add an event, to be sent now or after RESUME.

        Parameters
        ----------
        name
            The event's name.
        data
            Its payload as JSON.

        Returns
        -------
        Connection | None
            The connection to flush, if there is one.
        """
        self.sequence += 1
        frame = b'{"op":0,"s":%d,"t":%s,"d":%s}' % (self.sequence, orjson.dumps(name), data)
        self._log.append(frame)
        if self.connection is not None:
            self.connection.put(frame)

        return self.connection

    def missed_since(self, sequence: int, /) -> list[bytes] | None:
        """List the events that came after one.

        Parameters
        ----------
        sequence
            Sequence number of the last event which the bot has received.

        Returns
        -------
        list[bytes] | None
            The frames, or `None` when some of them are not kept any more or the number was never sent.
        """
        missed = self.sequence - sequence
        if not 0 <= missed <= len(self._log):
            return None

        return list(self._log)[len(self._log) - missed :]
