# SPDX-License-Identifier: BSD-3-Clause
"""From an address to replies: the only module that imports `redis`, and the one place where its errors become ours."""

from __future__ import annotations

__all__ = ["Connections", "Database", "ReplyError", "check_address"]

import asyncio
import contextlib
import re
import socket
import typing
from collections import abc as collections

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.asyncio.retry
import redis.backoff
import redis.exceptions

from sake import _about
from sake import errors

_SCHEMES: typing.Final[dict[str, str]] = {
    "embedded": "embedded",
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}

_TEMPORARY: typing.Final = (
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.TryAgainError,
)

_TEMPORARY_CODE: typing.Final = re.compile(
    r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|NOREPLICAS|OOM|READONLY|TRYAGAIN)\b"
)
"""What servers before 7.0 have in the text of a script's error."""

_ANSWER_TIMEOUT: typing.Final = 10.0
"""Seconds to wait for the replies to one write unless the address says otherwise (`?socket_timeout=`)."""

_CONNECT_TIMEOUT: typing.Final = 5.0
"""Seconds to wait for a connection unless the address says otherwise (`?socket_connect_timeout=`)."""


_SEND_BUFFER: typing.Final = 4_194_304
"""Bytes to ask a unix socket to take at once, as TCP does: with what it takes unasked, a batch waits for many turns."""


class _Connection(typing.Protocol):
    """What is used of redis-py's connections, which are typed in part."""

    @property
    def is_connected(self) -> bool: ...

    async def connect(self) -> None: ...

    async def disconnect(self, nowait: bool = ...) -> None: ...

    async def read_response(self, disable_decoding: bool = ...) -> object: ...

    async def send_packed_command(self, command: bytes | list[bytes], check_health: bool = ...) -> None: ...


class _Pool(typing.Protocol):
    """What is used of redis-py's connection pool: it knows how connections to an address are made."""

    connection_class: type[object]
    connection_kwargs: dict[str, typing.Any]

    def make_connection(self) -> _Connection: ...


class ReplyError(Exception):
    """What the server answered instead of a result."""

    def __init__(self, cause: redis.ResponseError | str, /) -> None:
        super().__init__(str(cause))
        self.is_temporary: typing.Final[bool] = isinstance(cause, _TEMPORARY) or bool(
            _TEMPORARY_CODE.search(str(cause))
        )
        """Whether the same request may succeed later."""


def check_address(address: str, /) -> tuple[str, int | None]:
    """Return the address as redis-py reads it, and the database it names, if any.

    Raises
    ------
    ValueError
        If its scheme is not one of those that sake knows, or its path is not a database number.
    """
    scheme, separator, rest = address.partition("://")
    if not separator or scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        error_message = f"address must begin with one of {known}; got {hide_password(address)!r}"
        raise ValueError(error_message)

    scheme = _SCHEMES[scheme]
    address = f"{scheme}://{rest}"
    if scheme == "embedded":
        return address, None

    try:
        options = redis.asyncio.connection.parse_url(address)
    except ValueError as exc:
        error_message = f"address {hide_password(address)!r} cannot be used: {exc}"
        raise ValueError(error_message) from exc

    if scheme == "unix" and not options.get("path"):
        error_message = f"address must name the socket's path, as in unix:///run/redis.sock; got {address!r}"
        raise ValueError(error_message)

    path = "" if scheme == "unix" else rest.partition("?")[0].partition("/")[2]
    if path and not path.isdecimal():
        error_message = (
            f"address must end in a database number, as in redis://localhost/0; got {hide_password(address)!r}"
        )
        raise ValueError(error_message)

    return address, options.get("db")


def hide_password(address: str, /) -> str:
    """Return the address as it may be shown in a log."""
    return re.sub(r"(?<=://)[^/@]*@", "…@", address)


class Connections:
    """Opens connections to the databases of one server.

    Parameters
    ----------
    address
        As [sake.redis.ResourceClient][] takes it, after `check_address`.
    password
        Takes the place of the one in the address.
    limit
        How many connections a database has at most.
    options
        Passed to each redis-py connection.
    """

    __slots__ = ("_address", "_databases", "_limit", "_options")

    def __init__(
        self, address: str, /, *, password: str | None, limit: int, options: collections.Mapping[str, typing.Any]
    ) -> None:
        self._address = address
        self._databases: dict[int, Database] = {}
        self._limit = limit
        self._options: dict[str, typing.Any] = {
            # Without it, redis-py reads its own version from disk for every connection.
            "driver_info": redis.DriverInfo(lib_version=redis.__version__).add_upstream_driver(
                "sake-cache", _about.__version__
            ),
            "socket_connect_timeout": _CONNECT_TIMEOUT,
            "socket_keepalive": True,
            "socket_timeout": _ANSWER_TIMEOUT,
            **options,
            "decode_responses": False,
            "protocol": 2,
            "retry": redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0),
        }
        if password is not None:
            self._options["password"] = password

    def database(self, index: int, /) -> Database:
        """Return a database by number. No connection is made before it is used."""
        try:
            return self._databases[index]
        except KeyError:
            make_pool = typing.cast("collections.Callable[..., _Pool]", redis.asyncio.ConnectionPool.from_url)  # pyright: ignore[reportUnknownMemberType]
            pool = make_pool(self._address, **self._options)
            pool.connection_kwargs["db"] = index
            if "password" in self._options:
                pool.connection_kwargs["password"] = self._options["password"]
            if pool.connection_class is redis.asyncio.UnixDomainSocketConnection:
                pool.connection_kwargs.pop("socket_keepalive", None)
            name = f"{hide_password(self._address)} (database {index})"
            database = self._databases[index] = Database(pool, name, self._limit)
            return database

    async def check(self) -> None:
        """Connect to every database that was asked for.

        Raises
        ------
        sake.errors.BackendError
            If one of them cannot be reached or does not let us in.
        """
        pings = (database.exchange(b"*1\r\n$4\r\nPING\r\n", 1) for database in self._databases.values())
        for answer in await asyncio.gather(*pings, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer

    async def close(self) -> None:
        """Close all connections."""
        for database in self._databases.values():
            await database.close()

        self._databases.clear()


class Database:
    """One database: sends packed commands and returns their replies."""

    __slots__ = ("_free", "_has_msetex", "_idle", "_pool", "_timeout", "limit", "name")

    def __init__(self, pool: _Pool, name: str, limit: int, /) -> None:
        self._pool = pool
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(limit)
        self._has_msetex: bool | None = None
        self._timeout: float | None = pool.connection_kwargs["socket_timeout"]
        # One timeout covers all replies to a write: redis-py's own is one for each of them.
        pool.connection_kwargs["socket_timeout"] = None
        self.limit: typing.Final = limit
        self.name: typing.Final = name

    async def exchange(self, commands: bytes | list[bytes], replies: int, /) -> list[typing.Any]:
        """Send packed commands and return as many replies.

        An error reply is returned as a [ReplyError][sake.redis._connections.ReplyError]. Commands may be sent a second
        time where an idle connection turns out to be dead before it has answered, so they must not add up.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be reached, refuses us or does not answer in time.
        """
        async with self._free:
            try:
                while self._idle:
                    with contextlib.suppress(redis.ConnectionError):
                        return await self._exchange(self._idle.pop(), commands, replies)

                return await self._exchange(self._pool.make_connection(), commands, replies)
            except (redis.RedisError, OSError) as exc:
                raise self._explain(exc) from exc

    async def has_msetex(self) -> bool:
        """Return whether the server can set many keys with one lifetime: Redis 8.4 and Valkey 9.1 can.

        Raises
        ------
        sake.errors.BackendError
            If it has to be asked and cannot be.
        """
        if self._has_msetex is None:
            (known,) = await self.exchange(b"*3\r\n$7\r\nCOMMAND\r\n$4\r\nINFO\r\n$6\r\nMSETEX\r\n", 1)
            self._has_msetex = isinstance(known, list) and any(typing.cast("list[object]", known))

        return self._has_msetex

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().disconnect()

    async def _exchange(
        self, connection: _Connection, commands: bytes | list[bytes], replies: int, /
    ) -> list[typing.Any]:
        answers: list[typing.Any] = []
        transport: asyncio.WriteTransport | None = None
        try:
            async with asyncio.timeout(self._timeout):
                if is_new := not connection.is_connected:
                    await connection.connect()
                transport = _transport_of(connection)
                if is_new and transport is not None:
                    _widen(transport)
                await connection.send_packed_command(commands, check_health=False)
                while len(answers) < replies:
                    answers.append(await _read(connection))
        except TimeoutError as exc:
            await _drop(connection, transport)
            error_message = f"{self.name} did not answer within {self._timeout} seconds"
            raise errors.BackendError(error_message, exception=exc) from exc
        except BaseException as exc:
            self._has_msetex = None
            await _drop(connection, transport)
            if answers and isinstance(exc, redis.ConnectionError):
                # What was done in part must not be sent again before the caller knows.
                raise self._explain(exc) from exc
            raise

        self._idle.append(connection)
        return answers

    def _explain(self, exc: Exception, /) -> errors.BackendError:
        text = str(exc)
        # While it connects, redis-py makes a connection error of it.
        is_refusal = isinstance(exc, redis.AuthenticationError) or isinstance(exc.__cause__, redis.AuthenticationError)
        if is_refusal or text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
            what = f"{self.name} refused the password or user name: {exc}"
        elif "DB index is out of range" in text:
            what = (
                f"{self.name} does not exist, as the server has fewer databases: use `database=` or override the index"
            )
        else:
            what = f"{self.name} cannot be used: {exc or type(exc).__name__}"

        return errors.BackendError(what, exception=exc)


async def _drop(connection: _Connection, transport: asyncio.WriteTransport | None, /) -> None:
    # redis-py only closes it, which goes on sending what waits: the server would do that after what is sent anew.
    if transport is not None:
        transport.abort()

    await connection.disconnect(nowait=True)


def _transport_of(connection: _Connection, /) -> asyncio.WriteTransport | None:
    # redis-py keeps it to itself, and forgets it as soon as something fails.
    writer = getattr(connection, "_writer", None)
    return writer.transport if isinstance(writer, asyncio.StreamWriter) else None


def _widen(transport: asyncio.WriteTransport, /) -> None:
    channel = transport.get_extra_info("socket")
    if channel is not None and channel.family == getattr(socket, "AF_UNIX", None):
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


async def _read(connection: _Connection, /) -> typing.Any:
    try:
        answer = await connection.read_response(disable_decoding=True)
    except redis.ResponseError as exc:
        return ReplyError(exc)

    if isinstance(answer, list):
        parts = typing.cast("list[object]", answer)
        return [ReplyError(part) if isinstance(part, redis.ResponseError) else part for part in parts]

    return answer
