# SPDX-License-Identifier: BSD-3-Clause
"""The gateway: who is connected, and what they say and hear."""

from __future__ import annotations

__all__ = ["Command", "Gateway"]

import itertools
import logging
import typing
from collections import abc as collections

import aiohttp
import hikari
import orjson
from aiohttp import web

from .chunks import channel_info
from .chunks import member_chunks
from .intents import fit_guild
from .intents import is_wanted
from .sessions import Connection
from .sessions import Session
from .sessions import Signal
from .transports import find_encoder

if typing.TYPE_CHECKING:
    from .._world.world import World

_LOGGER: typing.Final = logging.getLogger("sake.testing")

_HEARTBEAT: typing.Final = 1
_IDENTIFY: typing.Final = 2
_PRESENCE_UPDATE: typing.Final = 3
_VOICE_STATE_UPDATE: typing.Final = 4
_RESUME: typing.Final = 6
_RECONNECT: typing.Final = 7
_REQUEST_GUILD_MEMBERS: typing.Final = 8
_INVALID_SESSION: typing.Final = 9
_HELLO: typing.Final = 10
_HEARTBEAT_ACK: typing.Final = 11
_REQUEST_CHANNEL_INFO: typing.Final = 43

_UNKNOWN_OPCODE: typing.Final = (4001, "Unknown opcode.")
_DECODE_ERROR: typing.Final = (4002, "Error while decoding payload.")
_NOT_AUTHENTICATED: typing.Final = (4003, "Not authenticated.")
_AUTHENTICATION_FAILED: typing.Final = (4004, "Authentication failed.")
_ALREADY_AUTHENTICATED: typing.Final = (4005, "Already authenticated.")
_INVALID_SHARD: typing.Final = (4010, "Invalid shard.")
_SESSION_ENDING_CODES: typing.Final = frozenset((1000, 1001))

_REQUIRED: typing.Final[dict[int, frozenset[str]]] = {
    _IDENTIFY: frozenset(("token", "intents")),
    _RESUME: frozenset(("token", "session_id", "seq")),
    _REQUEST_GUILD_MEMBERS: frozenset(("guild_id",)),
    _REQUEST_CHANNEL_INFO: frozenset(("guild_id",)),
}

# Bursts are to reach the bot at once, so writing pauses only when this many bytes wait for the bot.
_WRITE_BUFFER: typing.Final = 32 * 1024 * 1024
_NAMED_BY_ID: typing.Final = frozenset(("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"))


class Command(typing.NamedTuple):
    """Something a bot has sent over the gateway, heartbeats excepted."""

    shard_id: int
    """The shard that sent it."""
    opcode: int
    """What it is: 2 identify, 3 presence, 4 voice state, 6 resume, 8 guild members, 43 channel info."""
    data: typing.Any
    """Its payload."""


class Gateway:
    """The gateway of a loopback Discord.

    Parameters
    ----------
    world
        What is true.
    token
        The token that bots have to identify with.
    large_threshold
        Overrides what bots ask for.
    heartbeat_interval
        Seconds between a bot's heartbeats.
    replay_limit
        Number of events each session keeps for RESUME.
    """

    __slots__ = (
        "_heartbeat_interval",
        "_ids",
        "_large_threshold",
        "_replay_limit",
        "_token",
        "_world",
        "commands",
        "connections",
        "sessions",
        "signal",
        "url",
    )

    def __init__(
        self,
        world: World,
        /,
        *,
        token: str,
        large_threshold: int | None,
        heartbeat_interval: float,
        replay_limit: int,
    ) -> None:
        self._world = world
        self._token = token
        self._large_threshold = large_threshold
        self._heartbeat_interval = heartbeat_interval
        self._replay_limit = replay_limit
        self._ids = itertools.count(1)
        self.url: str = ""
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.commands: list[Command] = []
        self.signal: Signal = Signal()

    def publish(
        self, name: str, payload: collections.Mapping[str, typing.Any], /, *, shard_id: int | None = None
    ) -> list[Connection]:
        """Queue an event for every session that gets it.

        Parameters
        ----------
        name
            The event's name.
        payload
            Its payload.
        shard_id
            The shard; found out from the payload when not given.

        Returns
        -------
        list[Connection]
            The connections to flush.
        """
        sessions = [s for s in self.sessions.values() if _hears(s, name, payload, shard_id)]
        own_id = self._world.me["id"]
        flushed: list[Connection] = []
        data = b"" if name == "GUILD_CREATE" else orjson.dumps(payload)
        for session in sessions:
            if not is_wanted(name, payload, session.intents, own_id):
                continue

            if name == "GUILD_CREATE":
                data = self._guild_create(session, payload)

            if (connection := session.put(name, data)) is not None:
                flushed.append(connection)

        return flushed

    def _guild_create(self, session: Session, payload: collections.Mapping[str, typing.Any], /) -> bytes:
        fitted = fit_guild(payload, session.intents, session.large_threshold, self._world.me["id"])
        return orjson.dumps(fitted)

    async def serve(self, request: web.Request, /) -> web.StreamResponse:
        """Serve one connection of a bot until it ends.

        Parameters
        ----------
        request
            The request to upgrade to a web socket.

        Returns
        -------
        aiohttp.web.StreamResponse
            The web socket, or a refusal.
        """
        try:
            encode = find_encoder(request.query.get("compress"))
        except ValueError as error:
            return web.Response(status=400, text=str(error))

        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=0)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket

        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        connection = Connection(socket, transport, encode)
        self.connections.add(connection)
        try:
            connection.put_control(_HELLO, {"heartbeat_interval": int(self._heartbeat_interval * 1_000)})
            await connection.flush()
            await self._listen(connection)
        finally:
            self._end(connection)

        return socket

    def _end(self, connection: Connection, /) -> None:
        connection.end()
        self.connections.discard(connection)
        session = connection.session
        if session is not None and session.connection is connection:
            session.connection = None
            session.greeted = False
            if connection.socket.close_code in _SESSION_ENDING_CODES:
                self.sessions.pop(session.id, None)

        self.signal.fire()

    async def _listen(self, connection: Connection, /) -> None:
        async for message in connection.socket:
            if message.type is aiohttp.WSMsgType.PONG:
                connection.pong(bytes(message.data))
            elif message.type is aiohttp.WSMsgType.PING:
                await connection.socket.pong(message.data)
            elif message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                try:
                    frame = orjson.loads(message.data)
                    opcode, data = frame["op"], frame.get("d")
                except (ValueError, KeyError, TypeError, AttributeError):
                    await connection.close(*_DECODE_ERROR)
                    return

                await self._receive(connection, opcode, data)

    async def _receive(self, connection: Connection, opcode: int, data: typing.Any, /) -> None:
        fields = typing.cast("dict[str, object]", data) if isinstance(data, dict) else {}
        if not _REQUIRED.get(opcode, frozenset()) <= fields.keys():
            await connection.close(*_DECODE_ERROR)
        elif opcode == _HEARTBEAT:
            connection.put_control(_HEARTBEAT_ACK)
            await connection.flush()
        elif opcode == _IDENTIFY:
            await self._identify(connection, data)
        elif opcode == _RESUME:
            await self._resume(connection, data)
        elif connection.session is None:
            await connection.close(*_NOT_AUTHENTICATED)
        else:
            await self._obey(connection, connection.session, opcode, data)

    async def _obey(self, connection: Connection, session: Session, opcode: int, data: typing.Any, /) -> None:
        self.commands.append(Command(session.shard_id, opcode, data))
        session.asked += 1
        if opcode == _REQUEST_GUILD_MEMBERS:
            for payload in member_chunks(self._world, data):
                session.put("GUILD_MEMBERS_CHUNK", orjson.dumps(payload))
        elif opcode == _REQUEST_CHANNEL_INFO:
            session.put("CHANNEL_INFO", orjson.dumps(channel_info(self._world, data)))
        elif opcode not in {_PRESENCE_UPDATE, _VOICE_STATE_UPDATE}:
            await connection.close(*_UNKNOWN_OPCODE)

        self.signal.fire()
        await connection.flush()

    async def _identify(self, connection: Connection, data: typing.Any, /) -> None:
        if connection.session is not None and not connection.session.is_ended:
            await connection.close(*_ALREADY_AUTHENTICATED)
            return

        if data["token"].removeprefix("Bot ") != self._token:
            await connection.close(*_AUTHENTICATION_FAILED)
            return

        shard_id, shard_count = data.get("shard") or (0, 1)
        if not 0 <= shard_id < shard_count:
            await connection.close(*_INVALID_SHARD)
            return

        self.commands.append(Command(shard_id, _IDENTIFY, data))
        threshold = self._large_threshold if self._large_threshold is not None else data.get("large_threshold", 50)
        session = Session(
            id=f"{next(self._ids):032x}",
            shard_id=shard_id,
            shard_count=shard_count,
            intents=int(data["intents"]),
            large_threshold=threshold,
            replay_limit=self._replay_limit,
        )
        self._replace(connection, session)
        self.sessions[session.id] = session
        self._attach(connection, session)
        _LOGGER.debug("shard %s of %s has identified", shard_id, shard_count)
        await self._greet(connection, session)

    def _replace(self, connection: Connection, session: Session, /) -> None:
        """Drop the sessions that a shard gives up by starting a new one."""
        shard = (session.shard_id, session.shard_count)
        of_shard = [other for other in self.sessions.values() if (other.shard_id, other.shard_count) == shard]
        ended = [other for other in of_shard if other.is_ended]
        # Another bot's was ended as well, and is to be replaced by its own.
        ended.sort(key=lambda other: (other is not connection.session, other.connection is not None))
        for other in ended[:1]:
            other.successor = session
            del self.sessions[other.id]

        for other in of_shard:
            if other.connection is None and not other.is_ended:
                del self.sessions[other.id]

    def _attach(self, connection: Connection, session: Session, /) -> None:
        connection.session = session
        session.connection = connection

    async def _greet(self, connection: Connection, session: Session, /) -> None:
        ready = self._world.ready(
            session.shard_id,
            shard_count=session.shard_count,
            session_id=session.id,
            resume_gateway_url=self.url,
        )
        session.put("READY", orjson.dumps(ready))
        # All at once: an event that happens meanwhile must not overtake the GUILD_CREATE of its guild.
        for stub in ready["guilds"]:
            payload = self._world.guild_create(stub["id"])
            if self._world.guilds[stub["id"]].available and session.intents & hikari.Intents.GUILDS:
                session.put("GUILD_CREATE", self._guild_create(session, payload))

        await connection.flush()
        session.greeted = session.connection is connection
        self.signal.fire()

    async def invalidate(self, session: Session, /) -> None:
        """End a session for good, which makes its bot start a new one; it is kept until then, to be waited for."""
        session.is_ended = True
        if session.connection is not None:
            session.connection.put_control(_INVALID_SESSION, False)
            await session.connection.flush()

        self.signal.fire()

    async def ask_to_reconnect(self, connection: Connection, /) -> None:
        """Ask a bot to reconnect and resume."""
        connection.put_control(_RECONNECT)
        await connection.flush()

    async def _resume(self, connection: Connection, data: typing.Any, /) -> None:
        if data["token"].removeprefix("Bot ") != self._token:
            await connection.close(*_AUTHENTICATION_FAILED)
            return

        session = self.sessions.get(data["session_id"])
        missed = session.missed_since(data["seq"]) if session is not None and not session.is_ended else None
        if session is None or missed is None:
            connection.put_control(_INVALID_SESSION, False)
            await connection.flush()
            return

        if session.connection is not None:
            session.connection.cut()

        self.commands.append(Command(session.shard_id, _RESUME, data))
        _LOGGER.debug("shard %s resumes after %s, %s events are replayed", session.shard_id, data["seq"], len(missed))
        self._attach(connection, session)
        for frame in missed:
            connection.put(frame)

        session.put("RESUMED", b"{}")
        await connection.flush()
        session.greeted = session.connection is connection
        self.signal.fire()


def _hears(session: Session, name: str, payload: collections.Mapping[str, typing.Any], shard_id: int | None, /) -> bool:
    if session.is_ended:
        return False

    if shard_id is not None:
        return session.shard_id == shard_id

    guild_id = payload.get("guild_id")
    if guild_id is None and name in _NAMED_BY_ID:
        guild_id = payload["id"]

    if guild_id is None:
        return session.shard_id == 0 or name == "USER_UPDATE"

    return (int(guild_id) >> 22) % session.shard_count == session.shard_id
