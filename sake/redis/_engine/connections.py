# SPDX-License-Identifier: BSD-3-Clause
"""From an address to replies: the only module that imports `redis`, and the one place where its errors become ours."""

from __future__ import annotations

__all__ = [
    "Connections",
    "Database",
    "ReplyError",
    "Server",
    "check_address",
    "check_options",
    "check_seconds",
    "hide_password",
]

import asyncio
import contextlib
import functools
import inspect
import sys
import typing
import urllib.parse
from collections import abc as collections

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.connection
import redis.asyncio.retry
import redis.backoff
import redis.crc

from sake import _about
from sake import errors

from .._model import addresses
from .._model import rights
from .._model import wire
from .._model.epochs import Epochs
from .._model.meta import Meta
from .._model.replies import ReplyError
from .._model.wire import Parcel
from .cluster import Cluster
from .database import Database
from .database import Pool
from .database import Prepare
from .sentinels import Sentinels
from .sentinels import check_role

_ANSWER_TIMEOUT: typing.Final = 10.0
"""Seconds to wait for progress of what is sent in one go unless the address says otherwise (`?socket_timeout=`)."""

_CONNECT_TIMEOUT: typing.Final = 5.0
"""Seconds to wait for a connection unless the address says otherwise (`?socket_connect_timeout=`)."""

_NODE_TIMEOUT: typing.Final = 1.0
"""Seconds to wait for progress of what is sent to one node of a Cluster."""

_MEET_SECONDS: typing.Final = 5.0
"""Seconds to wait for a primary that has taken the place of another."""

_WATCH_SECONDS: typing.Final = 2.0
"""How often the server is asked whether it still has what it said it has: what was written is kept a little longer."""

_PING: typing.Final = Parcel(0, wire.pack("PING"))

_TOPOLOGY_TIMEOUT: typing.Final = 1.0
"""Seconds to wait for one server that is asked where the others are."""

Server = Database | Cluster
"""What commands are sent to, by the places that they are about."""

check_address = addresses.check_address
hide_password = addresses.hide_password


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

    if addresses.is_sentinel(address):
        options = {name: value for name, value in options.items() if name not in addresses.OF_SENTINELS}
    if addresses.is_cluster(address) or addresses.is_sentinel(address):
        address = addresses.of_node(address, *addresses.nodes(address)[0])

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


def find_slots(address: str, /) -> collections.Callable[[str], int] | None:
    """Return what tells in which place a key is, if there are more than one."""
    return (lambda key: redis.crc.key_slot(key.encode())) if addresses.is_cluster(address) else None


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
    meta
        Tells whether what is stored can be used; without one, nothing is told.
    epochs
        Numbers what is written, and hears what the server has forgotten of it.
    revive
        Called before a connection is made: starts the server where that is ours to do.
    """

    __slots__ = (
        "_address",
        "_databases",
        "_epochs",
        "_is_closed",
        "_limit",
        "_meeting",
        "_meta",
        "_options",
        "_revive",
        "_sentinel_options",
        "_sentinels",
    )

    def __init__(
        self,
        address: str,
        /,
        *,
        password: str | None,
        limit: int,
        options: collections.Mapping[str, typing.Any],
        meta: Meta | None = None,
        epochs: Epochs | None = None,
        revive: Prepare | None = None,
    ) -> None:
        self._address = address
        self._databases: dict[int, Server] = {}
        self._epochs = epochs
        self._is_closed = False
        self._limit = limit
        self._meeting: asyncio.Task[None] | None = None
        self._meta = meta
        self._revive = revive
        self._sentinel_options = addresses.sentinel_options(address, options)
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
        for name in addresses.OF_SENTINELS:
            self._options.pop(name, None)
        if password is not None:
            self._options["password"] = password
        self._sentinels = self._make_sentinels() if addresses.is_sentinel(address) else None

    @property
    def age(self) -> int:
        """Is another number after a connection was made."""
        return 0 if self._meta is None else self._meta.greetings

    def database(self, index: int, /) -> Server:
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

        database = self._databases[index] = self._make_server(index)
        if self._epochs is not None:
            if isinstance(database, Cluster):
                database.number(self._epochs)
            else:
                database.number(self._epochs.of(index, ""))
        return database

    def _make_server(self, index: int, /) -> Server:
        shown = hide_password(self._address)
        if addresses.is_cluster(self._address):
            return self._make_cluster(shown)

        name = f"{shown} (database {index})"
        if self._sentinels is None:
            return self._make_database(self._make_pool(self._address), index, name, self._revive)

        # Where it is, is found out before each connection.
        pool = self._make_pool(addresses.of_node(self._address, *addresses.nodes(self._address)[0]))
        pool.connection_kwargs.setdefault("redis_connect_func", check_role)
        return self._make_database(pool, index, name, functools.partial(_aim, pool, self._sentinels))

    def _make_database(self, pool: Pool, index: int, name: str, prepare: Prepare | None = None, /) -> Database:
        pool.connection_kwargs["db"] = index
        if "password" in self._options:
            pool.connection_kwargs["password"] = self._options["password"]
        if pool.connection_class is redis.asyncio.UnixDomainSocketConnection:
            pool.connection_kwargs.pop("socket_keepalive", None)
        return Database(pool, name, self._limit, self._meta, prepare)

    def _make_pool(self, address: str, /) -> Pool:
        return _make_pool(address, self._options)

    def _make_sentinels(self) -> Sentinels:
        found: list[Database] = []
        for host, port in addresses.nodes(self._address):
            pool = self._make_pool(addresses.of_node(self._address, host, port))
            # What the server asks for is not what its Sentinels ask for.
            for name in ("credential_provider", "db", "password", "username"):
                pool.connection_kwargs.pop(name, None)
            pool.connection_kwargs.update(self._sentinel_options)
            found.append(Database(pool, f"The Sentinel {host}:{port}", 1, None))
        return Sentinels(found, addresses.service(self._address), hide_password(self._address), self._move)

    def _make_cluster(self, name: str, /) -> Cluster:
        found = addresses.nodes(self._address)
        server = self._make_pool(addresses.of_node(self._address, *found[0]))
        known = inspect.signature(redis.asyncio.cluster.RedisCluster).parameters.keys() - {
            "host",
            "port",
            "db",
            "retry",
        }
        kwargs = {key: value for key, value in server.connection_kwargs.items() if key in known}
        kwargs |= {"socket_timeout": _TOPOLOGY_TIMEOUT, "socket_connect_timeout": _TOPOLOGY_TIMEOUT}
        if "password" in self._options:
            kwargs["password"] = self._options["password"]
        topology = redis.asyncio.cluster.RedisCluster(
            startup_nodes=[redis.asyncio.cluster.ClusterNode(host, port) for host, port in found],
            require_full_coverage=False,
            ssl=issubclass(server.connection_class, redis.asyncio.SSLConnection),
            **kwargs,
        )
        return Cluster(topology, self._make_node, name, self._limit, self._meta)

    def _make_node(self, host: str, port: int, /) -> Database:
        pool = self._make_pool(addresses.of_node(self._address, host, port))
        # A node that is frozen keeps the others waiting for so long.
        pool.connection_kwargs["socket_timeout"] = min(pool.connection_kwargs["socket_timeout"], _NODE_TIMEOUT)
        return self._make_database(pool, 0, f"{hide_password(self._address)} (node {host}:{port})")

    @property
    def has_away(self) -> bool:
        """Whether a part of the server cannot be reached, and only a part."""
        return any(database.has_away for database in self._databases.values())

    @property
    def turns(self) -> int:
        """Is another number after what was away may not be any more."""
        return sum(database.turns for database in self._databases.values())

    def is_away(self, slot: int, /) -> bool:
        """Return whether that is so of the part that a slot belongs to."""
        return any(database.is_away(slot) for database in self._databases.values())

    async def check(self, probes: collections.Mapping[int, collections.Sequence[rights.Probe]], /) -> None:
        """Connect to every database that was asked for, and find out whether we may do there what has to be done.

        Raises
        ------
        sake.errors.BackendError
            If one of them cannot be reached, does not let us in or do that, or is in a Cluster.
        """
        checks = (database.check(probes.get(index, ())) for index, database in self._databases.items())
        results = await asyncio.gather(*checks, return_exceptions=True)
        failures = [result for result in results if result is not None]
        for failure in sorted(failures, key=lambda failure: rights.CLUSTER not in str(failure)):
            raise failure

    async def watch(self) -> None:
        """Find out again and again whether the server still has what it said it has."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for database in [*self._databases.values()]:
                # That the server is away is heard of by who needs it.
                with contextlib.suppress(errors.BackendError, errors.ClosedClient):
                    await database.watch(_WATCH_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        databases, self._databases = list(self._databases.values()), {}
        await asyncio.gather(*(database.close() for database in databases))
        if self._sentinels is not None:
            await self._sentinels.close()
        if self._meeting is not None:
            self._meeting.cancel()
            await asyncio.wait([self._meeting])

    def renew(self) -> None:
        """Let everything be connected anew: the server is not the one any more that is to be written to."""
        for database in self._databases.values():
            if isinstance(database, Database):
                database.renew()

    def _move(self) -> None:
        """Leave a server that another has taken the place of, and hear what that one has."""
        self.renew()
        if self._meeting is not None:
            self._meeting.cancel()
        self._meeting = asyncio.create_task(self._meet(), name="sake connections: another primary")

    async def _meet(self) -> None:
        # Whoever has nothing to write would not learn otherwise that what was written last is missing.
        greetings = (database.send([_PING], within=_MEET_SECONDS) for database in self._databases.values())
        await asyncio.gather(*greetings, return_exceptions=True)


async def _aim(pool: Pool, sentinels: Sentinels, /) -> None:
    pool.connection_kwargs["host"], pool.connection_kwargs["port"] = await sentinels.find()


def _make_pool(address: str, options: collections.Mapping[str, typing.Any], /) -> Pool:
    make_pool = typing.cast("collections.Callable[..., Pool]", redis.asyncio.ConnectionPool.from_url)  # pyright: ignore[reportUnknownMemberType]
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
