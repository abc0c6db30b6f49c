# SPDX-License-Identifier: BSD-3-Clause
"""From an address to replies: the only module that imports `redis`, and the one place where its errors become ours."""

from __future__ import annotations

__all__ = ["Connections", "Database", "ReplyError", "check_address", "check_options", "check_seconds", "hide_password"]

import asyncio
import contextlib
import inspect
import sys
import typing
import urllib.parse
from collections import abc as collections

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.asyncio.retry
import redis.backoff
import redis.exceptions

from sake import _about
from sake import errors

from . import _addresses
from . import _rights
from . import _sockets
from ._patience import Patience
from ._replies import ReplyError
from ._sockets import Connection

_CODES: typing.Final[dict[type[redis.ResponseError], str]] = {
    redis.exceptions.AskError: "ASK",
    redis.exceptions.ClusterCrossSlotError: "CROSSSLOT",
    redis.exceptions.ClusterDownError: "CLUSTERDOWN",
    redis.exceptions.ExecAbortError: "EXECABORT",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.MovedError: "MOVED",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.NoScriptError: "NOSCRIPT",
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.TryAgainError: "TRYAGAIN",
}
"""The codes that redis-py takes away from the beginning of an error."""

_ANSWER_TIMEOUT: typing.Final = 10.0
"""Seconds to wait for progress of what is sent in one go unless the address says otherwise (`?socket_timeout=`)."""

_CLOSE_TIMEOUT: typing.Final = 1.0
"""Seconds that connections may take to say good-bye."""

_CONNECT_TIMEOUT: typing.Final = 5.0
"""Seconds to wait for a connection unless the address says otherwise (`?socket_connect_timeout=`)."""

_PIECE_BYTES: typing.Final = 131_072
"""What is larger is sent in pieces of this size, so that it is seen whether the server takes them."""

_PING: typing.Final = b"*1\r\n$4\r\nPING\r\n"

_Revive: typing.TypeAlias = "collections.Callable[[], collections.Awaitable[object]]"

check_address = _addresses.check_address
hide_password = _addresses.hide_password


class _Pool(typing.Protocol):
    """What is used of redis-py's connection pool: it knows how connections to an address are made."""

    connection_class: type[object]
    connection_kwargs: dict[str, typing.Any]

    def make_connection(self) -> Connection: ...


def check_options(address: str, options: collections.Mapping[str, typing.Any], /) -> None:
    """Check the options of redis-py in an address that `check_address` returned, and those given beside it.

    Raises
    ------
    ValueError
        If redis-py does not know one of them, or cannot use it, or the address tells it; it is named.
    """
    if told := next((name for name in ("host", "port", "path", "db") if name in options), None):
        error_message = f"connection_options must not have {told!r}, which `address` and `database` tell"
        raise ValueError(error_message)

    if address.startswith("embedded://"):
        address = "redis://localhost"

    pairs = urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query)
    known = _known_options(address, options)
    for name in (*(name for name, _ in pairs), *options):
        if known is not None and name not in known:
            error_message = f"redis-py has no connection option {name!r}: see `address` and `connection_options`"
            raise ValueError(error_message)

    given: dict[str, typing.Any] = {}
    for name, value in pairs:
        given[name] = _read_option(name, value)
    for name in ("socket_connect_timeout", "socket_timeout"):
        seconds = {**given, **options}.get(name)
        if seconds is not None:
            check_seconds(name, seconds)


def check_seconds(name: str, seconds: object, /) -> float:
    """Return a time that can be waited.

    Raises
    ------
    ValueError
        If it is not a positive number.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < typing.cast("float", seconds) <= sys.float_info.max:
        error_message = f"{name} must be a positive number of seconds, not {seconds!r:.64}"
        raise ValueError(error_message)

    return float(typing.cast("float", seconds))


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
    revive
        Called before a connection is made: starts the server where that is ours to do.
    """

    __slots__ = ("_address", "_databases", "_is_closed", "_limit", "_options", "_revive")

    def __init__(
        self,
        address: str,
        /,
        *,
        password: str | None,
        limit: int,
        options: collections.Mapping[str, typing.Any],
        revive: _Revive | None = None,
    ) -> None:
        self._address = address
        self._databases: dict[int, Database] = {}
        self._is_closed = False
        self._limit = limit
        self._revive = revive
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
        """Return a database by number. No connection is made before it is used.

        Raises
        ------
        sake.errors.ClosedClient
            If the connections were closed.
        """
        try:
            return self._databases[index]
        except KeyError:
            if self._is_closed:
                error_message = "The client was closed"
                raise errors.ClosedClient(error_message) from None

        pool = _make_pool(self._address, self._options)
        pool.connection_kwargs["db"] = index
        if "password" in self._options:
            pool.connection_kwargs["password"] = self._options["password"]
        if pool.connection_class is redis.asyncio.UnixDomainSocketConnection:
            pool.connection_kwargs.pop("socket_keepalive", None)
        name = f"{hide_password(self._address)} (database {index})"
        database = self._databases[index] = Database(pool, name, self._limit, self._revive)
        return database

    async def check(self, probes: collections.Mapping[int, collections.Sequence[_rights.Probe]], /) -> None:
        """Connect to every database that was asked for, and find out whether we may do there what has to be done.

        Raises
        ------
        sake.errors.BackendError
            If one of them cannot be reached, does not let us in or do that, or is in a Cluster.
        """
        checks = (database.check(probes.get(index, ())) for index, database in self._databases.items())
        results = await asyncio.gather(*checks, return_exceptions=True)
        failures = [result for result in results if result is not None]
        for failure in sorted(failures, key=lambda failure: _rights.CLUSTER not in str(failure)):
            raise failure

    async def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        databases, self._databases = list(self._databases.values()), {}
        await asyncio.gather(*(database.close() for database in databases))


class Database:
    """One database: sends packed commands and returns their replies."""

    __slots__ = ("_free", "_has_msetex", "_idle", "_is_closed", "_pool", "_revive", "_timeout", "limit", "name")

    def __init__(self, pool: _Pool, name: str, limit: int, revive: _Revive | None = None, /) -> None:
        self._pool = pool
        self._idle: list[Connection] = []
        self._is_closed = False
        self._free = asyncio.Semaphore(limit)
        self._has_msetex: bool | None = None
        self._revive = revive
        self._timeout: float | None = pool.connection_kwargs["socket_timeout"]
        # One timeout covers all replies to a write: redis-py's own is one for each of them.
        pool.connection_kwargs["socket_timeout"] = None
        self.limit: typing.Final = limit
        self.name: typing.Final = name

    async def exchange(
        self, commands: bytes | list[bytes], replies: int, /, *, within: float | None = None
    ) -> list[typing.Any]:
        """Send packed commands and return as many replies.

        An error reply is returned as a [ReplyError][sake.redis._replies.ReplyError]. Commands may be sent a second
        time where an idle connection turns out to be dead before it has answered, so they must not add up.

        Parameters
        ----------
        commands
            What to send.
        replies
            How many commands these are.
        within
            Seconds that all of it may take, waiting for a connection included. Unless given, it may take as long as
            the server takes what is sent, or answers, at least once in `socket_timeout` seconds.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be reached, refuses us or does not answer in time.
        """
        data = commands if isinstance(commands, bytes) else b"".join(commands)
        seconds = self._timeout if within is None else within
        try:
            with Patience(seconds, is_renewed=within is None) as patience:
                if within is not None:
                    patience.begin()
                async with self._free:
                    if within is None:
                        patience.begin()
                    while self._idle:
                        with contextlib.suppress(redis.ConnectionError):
                            return await self._exchange(self._idle.pop(), data, replies, patience)

                    if self._revive is not None:
                        await self._revive()
                    return await self._exchange(self._pool.make_connection(), data, replies, patience)
        except TimeoutError as exc:
            await self._drop_idle()
            limit = f"within {seconds} seconds" if within is None else "in time"
            error_message = f"{self.name} did not answer {limit}"
            raise errors.BackendError(error_message, exception=exc) from exc
        except (redis.RedisError, OSError) as exc:
            raise self._explain(exc) from exc

    async def check(self, probes: collections.Sequence[_rights.Probe], /) -> None:
        """Connect, and find out whether what has to be done may be done.

        Raises
        ------
        sake.errors.BackendError
            If the server cannot be reached, does not let us in or do that, or is a node of a Cluster.
        """
        _, begun, _, ended = await self.exchange(_PING + _rights.ABORTED + _rights.END, 4)
        answers: dict[str, object] = {"MULTI": begun, "EXEC": ended}
        # Otherwise what is only asked for would be done.
        if isinstance(ended, ReplyError) and ended.code == _rights.THROWN_AWAY:
            commands = [_rights.ABORTED, *(command for _, command in probes), _rights.END]
            _, _, *found, _ = await self.exchange(commands, len(probes) + 3)
            answers = dict(zip((name for name, _ in probes), found, strict=True))

        needed = {name for name, _ in probes}
        if "MULTI" in needed:
            needed.add("EXEC")
        if problem := _rights.find_problem({name: answer for name, answer in answers.items() if name in needed}):
            error_message = f"{self.name} {problem[0]}: {problem[1]}"
            raise errors.BackendError(error_message, exception=problem[1]) from problem[1]

    async def has_msetex(self) -> bool:
        """Return whether many keys can be set with one lifetime: Redis 8.4 and Valkey 9.1 can, if the user may.

        Raises
        ------
        sake.errors.BackendError
            If it has to be asked and cannot be.
        """
        if self._has_msetex is None:
            # A number of keys that cannot be: it sets nothing wherever it is known.
            (answer,) = await self.exchange(b"*4\r\n$6\r\nMSETEX\r\n$1\r\n0\r\n$1\r\n0\r\n$1\r\n0\r\n", 1)
            self._has_msetex = not isinstance(answer, ReplyError) or not (answer.is_forbidden or answer.is_unknown)

        return self._has_msetex

    async def close(self) -> None:
        """Close the connections; those in use are closed when they are given back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        transports = list(map(_sockets.transport_of, idle))
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await asyncio.gather(*(connection.disconnect() for connection in idle), return_exceptions=True)
        except TimeoutError:
            for transport in transports:
                if transport is not None:
                    _sockets.abort(transport)

    async def _exchange(
        self, connection: Connection, data: bytes, replies: int, patience: Patience, /
    ) -> list[typing.Any]:
        answers: list[typing.Any] = []
        transport: asyncio.WriteTransport | None = None
        try:
            if is_new := not connection.is_connected:
                await connection.connect()
            transport = _sockets.transport_of(connection)
            if is_new and transport is not None:
                _sockets.widen(transport)
            await _send(connection, data, patience)
            while len(answers) < replies:
                answers.append(await _read(connection))
                patience.renew()
        except BaseException as exc:
            self._has_msetex = None
            await _sockets.drop(connection, transport or _sockets.transport_of(connection))
            if answers and isinstance(exc, redis.ConnectionError):
                # What was done in part must not be sent again before the caller knows.
                raise self._explain(exc) from exc
            raise

        if self._is_closed:
            await _sockets.drop(connection, transport)
        else:
            self._idle.append(connection)
        return answers

    async def _drop_idle(self) -> None:
        # They are likely to be as dead as the one that did not answer.
        idle, self._idle = self._idle, []
        for connection in idle:
            await _sockets.drop(connection, _sockets.transport_of(connection))

    def _explain(self, exc: Exception, /) -> errors.BackendError:
        text = str(exc)
        # While it connects, redis-py makes a connection error of it.
        is_refusal = isinstance(exc, redis.AuthenticationError) or isinstance(exc.__cause__, redis.AuthenticationError)
        if is_refusal or text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
            what = f"{self.name} refused the password or user name: {exc}"
        elif "SELECT is not allowed in cluster mode" in text:
            what = f"{self.name} {_rights.CLUSTER}: {exc}"
        elif "DB index is out of range" in text:
            what = (
                f"{self.name} does not exist, as the server has fewer databases: use `database=` or override the index"
            )
        else:
            what = f"{self.name} cannot be used: {exc or type(exc).__name__}"

        return errors.BackendError(what, exception=exc)


def _make_pool(address: str, options: collections.Mapping[str, typing.Any], /) -> _Pool:
    make_pool = typing.cast("collections.Callable[..., _Pool]", redis.asyncio.ConnectionPool.from_url)  # pyright: ignore[reportUnknownMemberType]
    return make_pool(address, **options)


def _known_options(address: str, options: collections.Mapping[str, typing.Any], /) -> set[str] | None:
    """Return the names of the options that connections to an address have, if these are redis-py's own."""
    if "connection_class" in options:
        return None

    pool = _make_pool(address.partition("?")[0], {})
    known = {"max_connections", "socket_keepalive"}
    for base in pool.connection_class.__mro__:
        if "__init__" in vars(base):
            known.update(inspect.signature(vars(base)["__init__"]).parameters)

    return known - {"args", "kwargs", "self"}


def _read_option(name: str, value: str, /) -> typing.Any:
    query = urllib.parse.urlencode({name: value})
    with contextlib.suppress(ValueError):
        found = typing.cast("dict[str, typing.Any]", redis.asyncio.connection.parse_url(f"redis://localhost?{query}"))
        return found[name]

    error_message = f"address must give {name} a value that redis-py can read"
    raise ValueError(error_message)


async def _send(connection: Connection, data: bytes, patience: Patience, /) -> None:
    if len(data) <= _PIECE_BYTES:
        await connection.send_packed_command(data, check_health=False)
        return

    for start in range(0, len(data), _PIECE_BYTES):
        await connection.send_packed_command(data[start : start + _PIECE_BYTES], check_health=False)
        patience.renew()


async def _read(connection: Connection, /) -> typing.Any:
    try:
        answer = await connection.read_response(disable_decoding=True)
    except redis.ResponseError as exc:
        return _reply_error(exc)

    if isinstance(answer, list):
        parts = typing.cast("list[object]", answer)
        return [_reply_error(part) if isinstance(part, redis.ResponseError) else part for part in parts]

    return answer


def _reply_error(exc: redis.ResponseError, /) -> ReplyError:
    code = _CODES.get(type(exc))
    return ReplyError(f"{code} {exc}" if code else str(exc))
