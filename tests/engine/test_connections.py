# SPDX-License-Identifier: BSD-3-Clause
"""What becomes of commands when a connection fails while they are on their way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import abc as collections

import pytest
from _support import servers

from sake import errors
from sake.redis._engine import connections as _connections
from sake.redis._engine import sockets as _sockets
from sake.redis._model import wire as _wire

Serve = collections.Callable[[asyncio.StreamReader, asyncio.StreamWriter], collections.Awaitable[None]]


@contextlib.asynccontextmanager
async def _database(serve: Serve, *, seconds: float) -> collections.AsyncIterator[_connections.Database]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1_024)
    port = server.sockets[0].getsockname()[1]
    options = {"socket_timeout": seconds, "driver_info": None}
    connections = _connections.Connections(f"redis://127.0.0.1:{port}", password=None, limit=1, options=options)
    try:
        yield connections.database(0)
    finally:
        await connections.close()
        server.close()


async def test_what_waits_to_be_sent_is_not_sent_after_it_was_given_up() -> None:
    size = 32_000_000
    given_up, received = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await given_up.wait()
        total = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1_048_576):
                total += len(data)
        received.set_result(total)
        writer.close()

    async with _database(serve, seconds=0.3) as database:
        with pytest.raises(errors.BackendError, match="did not answer"):
            await database.exchange([_wire.pack("SET", "key", b"x" * size)], 1)

        given_up.set()
        assert await asyncio.wait_for(received, 10) < size


@pytest.mark.parametrize(("answered", "times"), [(b"", 2), (b"+QUEUED\r\n", 1)], ids=["unanswered", "half answered"])
async def test_only_what_was_not_answered_is_sent_a_second_time(answered: bytes, times: int) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_024):
            if b"PING" in data:
                writer.write(b"+PONG\r\n")
                continue
            seen.append(data)
            writer.write(answered if len(seen) == 1 else b"+QUEUED\r\n+OK\r\n")
            if len(seen) == 1:
                break
        await writer.drain()
        writer.close()

    async with _database(serve, seconds=5) as database:
        await database.exchange([_wire.pack("PING")], 1)
        outcome = database.exchange([_wire.pack("MULTI"), _wire.pack("EXEC")], 2)
        if times == 1:
            with pytest.raises(errors.BackendError):
                await outcome
        else:
            assert await outcome == [b"QUEUED", b"OK"]

    assert len(seen) == times


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets")
async def test_a_unix_socket_takes_more_at_once_than_unasked(valkey: servers.Server) -> None:
    address, _ = _connections.check_address(valkey.url)
    connections = _connections.Connections(address, password=None, limit=1, options={})
    try:
        await connections.database(0).exchange([_wire.pack("PING")], 1)
        (connection,) = connections.database(0)._idle
        transport = _sockets.transport_of(connection)
        assert transport is not None
        with socket.socket(socket.AF_UNIX) as unasked:
            size = unasked.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) > size
    finally:
        await connections.close()
