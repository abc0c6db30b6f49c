# SPDX-License-Identifier: BSD-3-Clause
"""What a client was given, and how it is opened from that."""

from __future__ import annotations

__all__ = ["Blueprint"]

import contextlib
import logging
import typing
from collections import abc as collections

import hikari

from sake import abc
from sake import errors

from .._engine import connections
from .._engine.engine import Engine
from .._model.codec import Codec
from .._model.epochs import Epochs
from .._model.keys import Keys
from .._model.keys import ResourceIndex
from .._model.keys import check_namespace
from .._model.kinds import Kind
from .._model.meta import Meta
from .._model.setup import Setup
from .._model.statistics import Statistics
from .._model.wire import Packer
from .lifetimes import Lifetimes
from .settings import at_least
from .settings import check
from .settings import to_app

if typing.TYPE_CHECKING:
    from sake import embedded

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_IN_CLUSTER: typing.Final = "a Redis Cluster has no database but 0"


class Blueprint:
    """What a client was given, checked: its engine is made of it each time that it is opened.

    The parameters are those of `ResourceClient`, and so are the errors.
    """

    __slots__ = (
        "_backlog_limit",
        "_connection_options",
        "_database",
        "_max_connections",
        "_overrides",
        "_password",
        "_read_timeout",
        "address",
        "app",
        "codec",
        "keys",
        "lifetimes",
        "statistics",
    )

    def __init__(
        self,
        address: str,
        app: hikari.RESTAware | hikari.api.RESTClient,
        /,
        *,
        backlog_limit: int,
        config: collections.MutableMapping[str, typing.Any] | None,
        connection_options: collections.Mapping[str, typing.Any] | None,
        database: int | None,
        default_expire: abc.ExpireT | hikari.UndefinedType,
        dumps: collections.Callable[[dict[str, typing.Any]], bytes],
        loads: collections.Callable[[bytes], dict[str, typing.Any]],
        max_connections_per_db: int,
        namespace: str,
        password: str | None,
        read_timeout: float,
    ) -> None:
        check(config=config, connection_options=connection_options, dumps=dumps, loads=loads, password=password)
        self.address, path_database = connections.check_address(address)
        slot_of = connections.find_slots(self.address)
        database = _agree(database, path_database, is_cluster=slot_of is not None)
        self.app: typing.Final = to_app(app)
        self._backlog_limit = at_least(1, backlog_limit, "backlog_limit")
        self.codec: typing.Final = Codec(dumps, loads)
        self._connection_options = dict(connection_options or {})
        connections.check_options(self.address, self._connection_options)
        self._database = None if database is None else at_least(0, database, "database")
        self.lifetimes: typing.Final = Lifetimes({} if config is None else config, default_expire)
        self.keys = Keys(check_namespace(namespace), slot_of=slot_of)
        self._max_connections = at_least(1, max_connections_per_db, "max_connections_per_db")
        self._overrides: dict[ResourceIndex, int] = {}
        self._password = password
        self._read_timeout = connections.check_seconds("read_timeout", read_timeout)
        self.statistics: typing.Final = Statistics()

    def database_of(self, index: ResourceIndex, /) -> int:
        """Return the number of the database that a resource is stored in."""
        return int(self._overrides.get(index, index if self._database is None else self._database))

    def override_of(self, index: ResourceIndex, /) -> int | None:
        """Return the number of the database that was set for a resource, if any."""
        return self._overrides.get(index)

    def override(self, index: ResourceIndex, database: int | None, /, *, is_open: bool) -> None:
        """Set the number of the database of a resource; [None][] unsets it.

        Raises
        ------
        ValueError
            If the client is open, or the number is negative, or not 0 where the server is a Redis Cluster.
        """
        problem = "while the client is open" if is_open else ""
        if database and not self.keys.is_one_place:
            problem = f"to {database}: {_IN_CLUSTER}"
        if problem:
            error_message = f"The override of {ResourceIndex(index).name} cannot be set {problem}"
            raise ValueError(error_message)

        if database is None:
            self._overrides.pop(index, None)
        else:
            self._overrides[index] = at_least(0, database, "override")

    async def build(
        self,
        kinds: collections.Sequence[AnyKind],
        /,
        *,
        writes: bool,
        needs_server: bool,
        on_given_up: collections.Callable[[collections.Set[str]], None],
        on_forgotten: collections.Callable[[], int],
    ) -> Engine:
        """Return the engine of a client that stores these kinds, connected, or raise and leave nothing.

        Raises
        ------
        sake.errors.BackendError
            If the server is away and is needed.
        """
        async with contextlib.AsyncExitStack() as undo:
            server = await self._start_server(undo)
            epochs = Epochs(self.keys)
            engine = Engine(
                connections=self._connections(server, epochs),
                setup=self._setup(kinds),
                factory=self.app.entity_factory,
                server=server,
                epochs=epochs,
                on_given_up=on_given_up,
                on_forgotten=on_forgotten,
            )
            undo.push_async_callback(engine.connections.close)
            try:
                await engine.check(writes=writes)
            except errors.BackendError as exc:
                if needs_server:
                    raise
                _LOGGER.error("The cache starts without its server, and writes once it is there: %s", exc)
            undo.pop_all()

        return engine

    async def _start_server(self, undo: contextlib.AsyncExitStack, /) -> embedded.EmbeddedServer | None:
        if not self.address.startswith("embedded://"):
            return None

        from sake import embedded

        server = embedded.EmbeddedServer()
        undo.push_async_callback(server.close)
        await server.start()
        return server

    def _connections(self, server: embedded.EmbeddedServer | None, epochs: Epochs, /) -> connections.Connections:
        return connections.Connections(
            self.address if server is None else server.url,
            password=self._password,
            limit=self._max_connections,
            options=self._connection_options,
            meta=Meta(self.keys, self.codec),
            epochs=epochs,
            revive=None if server is None else server.ensure_running,
        )

    def _setup(self, kinds: collections.Sequence[AnyKind], /) -> Setup:
        return Setup(
            backlog_limit=self._backlog_limit,
            codec=self.codec,
            keys=self.keys,
            layout={kind: self.database_of(kind.index) for kind in kinds},
            lifetimes=self.lifetimes.of(kinds),
            packer=Packer(self.keys, self.codec.dumps),
            read_timeout=self._read_timeout,
            reference=self.database_of(ResourceIndex.REFERENCE),
            statistics=self.statistics,
        )


def _agree(database: int | None, named: int | None, *, is_cluster: bool) -> int | None:
    """Return the database that was given or that the address names, if any; they have to agree."""
    if is_cluster and database:
        error_message = f"database={database} cannot be: {_IN_CLUSTER}"
        raise ValueError(error_message)
    if database is not None and named is not None and named != database:
        error_message = f"database={database} contradicts the address, which names database {named}"
        raise ValueError(error_message)

    return named if database is None else database
