# SPDX-License-Identifier: BSD-3-Clause
"""What redis-py's connections are used for, and what has to be done to the sockets under them."""

from __future__ import annotations

__all__ = ["Connection", "abort", "drop", "transport_of", "widen"]

import asyncio
import contextlib
import socket
import struct
import typing

_SEND_BUFFER: typing.Final = 4_194_304
"""Bytes to ask a unix socket to take at once, as TCP does: with what it takes unasked, a batch waits for many turns."""

_RESET: typing.Final = struct.pack("ii", 1, 0)
"""What makes a socket forget what it has not sent yet when it is closed."""


class Connection(typing.Protocol):
    """What is used of redis-py's connections, which are typed in part."""

    @property
    def is_connected(self) -> bool: ...

    async def connect(self) -> None: ...

    async def disconnect(self, nowait: bool = ...) -> None: ...

    async def read_response(self, disable_decoding: bool = ...) -> object: ...

    async def send_packed_command(self, command: bytes | list[bytes], check_health: bool = ...) -> None: ...


def transport_of(connection: Connection, /) -> asyncio.WriteTransport | None:
    """Return what a connection writes to, if it is connected."""
    # redis-py keeps it to itself, and forgets it as soon as something fails.
    writer = getattr(connection, "_writer", None)
    return writer.transport if isinstance(writer, asyncio.StreamWriter) else None


def widen(transport: asyncio.WriteTransport, /) -> None:
    """Let a unix socket take more at once."""
    channel = transport.get_extra_info("socket")
    if channel is not None and channel.family == getattr(socket, "AF_UNIX", None):
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def abort(transport: asyncio.WriteTransport, /) -> None:
    """Close a connection so that nothing of what it was given is sent any more, neither by us nor by the system."""
    channel = transport.get_extra_info("socket")
    if channel is not None and channel.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    transport.abort()


async def drop(connection: Connection, transport: asyncio.WriteTransport | None, /) -> None:
    """Give up a connection."""
    # redis-py only closes it, which goes on sending what waits: the server would do that after what is sent anew.
    if transport is not None:
        abort(transport)

    await connection.disconnect(nowait=True)
