# SPDX-License-Identifier: BSD-3-Clause
"""The client that all caches on Redis are made of: settings, life cycle, events."""

from __future__ import annotations

__all__ = ["ResourceClient"]

import asyncio
import contextlib
import itertools
import logging
import typing
from collections import abc as collections

import hikari
import orjson
import typing_extensions

from sake import abc
from sake import errors

from .._engine import connections
from .._engine.engine import Engine
from .._model import kinds
from .._model import people
from .._model.codec import Codec
from .._model.draft import Draft
from .._model.epochs import Epochs
from .._model.expiry import DEFAULT_SLOW_EXPIRE
from .._model.expiry import to_milliseconds
from .._model.keys import Keys
from .._model.keys import ResourceIndex
from .._model.keys import check_namespace
from .._model.kinds import Kind
from .._model.kinds import Kinds
from .._model.meta import Meta
from .._model.setup import Setup
from .._model.statistics import Statistics
from .._model.wire import Packer
from . import knowledge
from .feed import Feed
from .lifecycle import LifeCycle
from .settings import at_least
from .settings import check
from .settings import to_app
from .settings import warn_of_missing_intents

if typing.TYPE_CHECKING:
    import types

    import alluka
    import tanjun

    from sake import embedded

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_DEFAULT_BACKLOG_LIMIT: typing.Final = 268_435_456
_DEFAULT_READ_TIMEOUT: typing.Final = 1.0
_DRAIN_SECONDS: typing.Final = 10.0
_IN_CLUSTER: typing.Final = "a Redis Cluster has no database but 0"
_UNFED_SECONDS: typing.Final = 30.0
"""So long after its opening, a cache that a bot could fill and nothing does is told of."""


class ResourceClient(abc.Resource):
    """Base of the caches on Redis: it is what they have in common.

    A cache is made of one or more resource classes, each of which brings the entities it stores and the gateway
    events it stores them from:

    ```python
    class Cache(sake.redis.MemberCache, sake.redis.RoleCache): ...
    ```

    Parameters
    ----------
    address : str
        Where the server is: `redis://[[user]:password@]host[:port][/database]`, `rediss://` for TLS,
        `unix:///path/to.sock`, `valkey://` and `valkeys://`, or `embedded://` for a bundled server that keeps nothing
        (needs the `embedded` extra). A Redis Cluster is `redis+cluster://[[user]:password@]host[:port],host[:port]`,
        with some of its nodes; a server that Sentinels watch is
        `redis+sentinel://[[user]:password@]host[:port],host[:port]/service`, with theirs, and `sentinel_username` and
        `sentinel_password` as options where they want them. Both may begin with `rediss`, `valkey` and `valkeys` as
        well. Options of redis-py may follow as `?name=value`, for instance
        `socket_timeout` (seconds, 10 unless given) and `socket_connect_timeout` (seconds, 5 unless given).
    app : hikari.RESTAware | hikari.api.RESTClient
        The bot or REST client that models are bound to. Its entity factory builds them, and `fetch_*` methods ask
        Discord through it.
    event_manager : hikari.api.EventManager | None
        The event manager to fill the cache from. Without one the cache is only read, and changed by hand. If `app` is a
        bot that is running, and nothing has been stored half a minute after the cache was opened, that is logged.
    config : collections.MutableMapping[str, typing.Any] | None
        Settings of the resources, such as their lifetimes. It is kept as it is, so clients may share one.
    default_expire : sake.abc.ExpireT
        How long users, messages, invites that never expire, direct message channels and the application are kept where
        no lifetime of their own was set: seconds or a time delta. [None][], infinity and NaN mean for ever. Unless
        given, users are kept for `DEFAULT_EXPIRE`, messages for `DEFAULT_FAST_EXPIRE`, invites for
        `DEFAULT_INVITE_EXPIRE`, the others for `DEFAULT_SLOW_EXPIRE`.
    event_managed : bool
        Whether the bot's starting and stopping opens and closes the cache. A server that is away then does not stop the
        bot: what happens is kept and written once the server is there.
    password : str | None
        Takes the place of the password in the address.
    max_connections_per_db : int
        How many connections to one database there are at most.
    dumps : collections.Callable[[dict[str, typing.Any]], bytes]
        Encodes a payload.
    loads : collections.Callable[[bytes], dict[str, typing.Any]]
        Decodes what `dumps` made.
    database : int | None
        One database for all resources, in place of one for each. Recommended, since then all effects of an event become
        visible at once. A database in the address means the same. A Redis Cluster has no other than 0, and there it is
        0 unless given.
    namespace : str
        Begins the name of every key, so that several bots can share a database. At most 64 ASCII letters, digits, `_`,
        `.`, `-`.
    backlog_limit : int
        About how many bytes of memory may be taken by changes that wait for a server that is away. When it is
        passed, the oldest entries are dropped, which is logged and counted in `statistics`. 256 MiB unless given.
    connection_options : collections.Mapping[str, typing.Any] | None
        Passed to every connection of redis-py, for instance `ssl_ca_certs`. Host, port, path and database are told by
        `address` and `database` alone.
    read_timeout : float
        Seconds that a look-up may take from when it was asked for, before it raises
        [BackendError][sake.errors.BackendError]: 1 unless given. Where it has to ask more than once, as it may by id
        alone, it takes a fifth of a second more at most. An iterator has this time for each question: a window takes
        one or two, the first one, and `len()`, up to four. After two questions in a row that took longer, all fail at
        once until the server answers again, which is tried once a second. What is not written yet is answered all the
        same.

    Raises
    ------
    ValueError
        If an argument cannot be used; it is named.
    TypeError
        If `app` is neither a bot nor a REST client, or `default_expire` neither seconds, a time delta nor [None][].
    """

    __slots__ = (
        "_app",
        "_backlog_limit",
        "_codec",
        "_config",
        "_connection_options",
        "_database",
        "_default_expire",
        "_event_manager",
        "_feed",
        "_given_address",
        "_index_overrides",
        "_keys",
        "_life_cycle",
        "_lifetimes",
        "_max_connections",
        "_password",
        "_read_timeout",
        "_statistics",
    )
    _KINDS: typing.ClassVar[Kinds] = ()
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.NONE

    def __init__(
        self,
        address: str,
        app: hikari.RESTAware | hikari.api.RESTClient,
        event_manager: hikari.api.EventManager | None = None,
        *,
        config: collections.MutableMapping[str, typing.Any] | None = None,
        default_expire: abc.ExpireT | hikari.UndefinedType = hikari.UNDEFINED,
        event_managed: bool = False,
        password: str | None = None,
        max_connections_per_db: int = 5,
        dumps: collections.Callable[[dict[str, typing.Any]], bytes] = orjson.dumps,
        loads: collections.Callable[[bytes], dict[str, typing.Any]] = orjson.loads,
        database: int | None = None,
        namespace: str = "sake",
        backlog_limit: int = _DEFAULT_BACKLOG_LIMIT,
        connection_options: collections.Mapping[str, typing.Any] | None = None,
        read_timeout: float = _DEFAULT_READ_TIMEOUT,
    ) -> None:
        check(config=config, connection_options=connection_options, dumps=dumps, loads=loads, password=password)
        self._given_address, path_database = connections.check_address(address)
        slot_of = connections.find_slots(self._given_address)
        if slot_of is not None and database:
            error_message = f"database={database} cannot be: {_IN_CLUSTER}"
            raise ValueError(error_message)
        if database is not None and path_database is not None and path_database != database:
            error_message = f"database={database} contradicts the address, which names database {path_database}"
            raise ValueError(error_message)

        self._app = to_app(app)
        self._backlog_limit = at_least(1, backlog_limit, "backlog_limit")
        self._codec = Codec(dumps, loads)
        self._config: collections.MutableMapping[str, typing.Any] = {} if config is None else config
        self._connection_options = dict(connection_options or {})
        connections.check_options(self._given_address, self._connection_options)
        database = path_database if database is None else database
        self._database = None if database is None else at_least(0, database, "database")
        self._default_expire = (
            default_expire if default_expire is hikari.UNDEFINED else to_milliseconds(default_expire, "default_expire")
        )
        self._event_manager = event_manager
        self._index_overrides: dict[ResourceIndex, int] = {}
        self._keys = Keys(check_namespace(namespace), slot_of=slot_of)
        self._lifetimes: dict[AnyKind, int] = {}
        self._life_cycle = LifeCycle(type(self).__name__, self._begin, self._end)
        self._max_connections = at_least(1, max_connections_per_db, "max_connections_per_db")
        self._password = password
        self._read_timeout = connections.check_seconds("read_timeout", read_timeout)
        self._statistics = Statistics()
        self._feed = Feed(self, self._statistics)

        if event_managed and event_manager is None:
            error_message = "event_managed needs an event_manager"
            raise ValueError(error_message)

        if event_manager is not None:
            parts = _declared(type(self), "_INTENTS")
            warn_of_missing_intents(type(self), self.all_intents(), parts, event_manager, app)

        if event_managed and event_manager is not None:
            event_manager.subscribe(hikari.StartingEvent, self._on_starting)
            event_manager.subscribe(hikari.StoppingEvent, self._on_stopping)

    def _given_up(self, guilds: collections.Set[str], /) -> None:
        """Take note that changes of these guilds were given up, so that what is stored of them is not true any more."""

    def _forgotten(self) -> int:
        """Take note that the server has forgotten more than can be written again; return how many guilds are stale."""
        guilds = self._feed.begin_anew()
        self._given_up(guilds)
        return len(guilds)

    @classmethod
    def index(cls) -> collections.Sequence[ResourceIndex]:
        """Return the indexes of all its resources; see `all_indexes` for the databases of a client."""
        return tuple(dict.fromkeys(kind.index for kind in cls._all_kinds()))

    @classmethod
    def intents(cls) -> hikari.Intents:
        """Return the intents that all its resources need to be filled from events."""
        intents = hikari.Intents.NONE
        for own in _declared(cls, "_INTENTS").values():
            intents |= own

        return intents

    @classmethod
    def all_intents(cls) -> hikari.Intents:
        """Return the intents that a bot needs for this cache to be filled whole: what `intents` returns."""
        return cls.intents()

    @classmethod
    def _all_kinds(cls) -> list[AnyKind]:
        return list(dict.fromkeys(itertools.chain.from_iterable(_declared(cls, "_KINDS").values())))

    @classmethod
    def _stored_kinds(cls) -> list[AnyKind]:
        """Return all that is stored: the kinds, and what says which of their lists are complete."""
        own = cls._all_kinds()
        lists = [kinds.LISTS[kind] for kind in own if kind in kinds.LISTS]
        return list(dict.fromkeys([*own, *lists, *([kinds.SESSIONS] if lists else ())]))

    def all_indexes(self) -> collections.MutableSet[ResourceIndex | int]:
        """Return the databases that this cache uses, overrides included."""
        kinds = self._stored_kinds()
        indexes = {kind.index for kind in kinds}
        if any(kind.in_guild for kind in kinds):
            indexes.add(ResourceIndex.REFERENCE)
        return {self._database_of(index) for index in indexes}

    @property
    def app(self) -> hikari.RESTAware:
        """The application that models are bound to."""
        return self._app

    @property
    def config(self) -> collections.MutableMapping[str, typing.Any]:
        """Settings of the resources: the mapping that was given."""
        return self._config

    @property
    def default_expire(self) -> int | None:
        """Milliseconds that entries without a lifetime of their own are kept, if that is not for ever."""
        if isinstance(self._default_expire, hikari.UndefinedType):
            return DEFAULT_SLOW_EXPIRE

        return self._default_expire

    @property
    def event_manager(self) -> hikari.api.EventManager | None:
        """The event manager that the cache is filled from, if any."""
        return self._event_manager

    @property
    @typing_extensions.override
    def is_alive(self) -> bool:
        return self._life_cycle.is_open

    @property
    def statistics(self) -> Statistics:
        """What this client did so far, in numbers that are kept up to date."""
        return self._statistics

    def dump(self, data: dict[str, typing.Any], /) -> bytes:
        """Encode a payload as it is stored."""
        return self._codec.dumps(data)

    def load(self, data: bytes, /) -> dict[str, typing.Any]:
        """Decode a stored payload."""
        return self._codec.loads(data)

    def get_index_override(self, index: ResourceIndex, /) -> int | None:
        """Return the database that was set for a resource, if any."""
        return self._index_overrides.get(index)

    def with_index_override(self, index: ResourceIndex, /, *, override: int | None = None) -> typing_extensions.Self:
        """Set the database of a resource.

        Parameters
        ----------
        index : ResourceIndex
            The resource.
        override : int | None
            Number of the database. [None][] unsets it.

        Returns
        -------
        Self
            The client, to chain calls.

        Raises
        ------
        ValueError
            If the client is open, or the number is negative, or not 0 where the server is a Redis Cluster.
        """
        problem = "while the client is open" if self.is_alive else ""
        if override and not self._keys.is_one_place:
            problem = f"to {override}: {_IN_CLUSTER}"
        if problem:
            error_message = f"The override of {ResourceIndex(index).name} cannot be set {problem}"
            raise ValueError(error_message)

        if override is None:
            self._index_overrides.pop(index, None)
        else:
            self._index_overrides[index] = at_least(0, override, "override")

        return self

    def add_to_tanjun(
        self,
        client: tanjun.abc.Client,
        /,
        *,
        trust_get_for: collections.Collection[type[object]] | None = None,
        tanjun_managed: bool = False,
    ) -> None:
        """Register this cache as the async caches that a Tanjun client asks.

        The client also injects it wherever a callback asks for one of the interfaces or classes that it is made of.

        Parameters
        ----------
        client : tanjun.abc.Client
            The client to register with.
        trust_get_for : collections.Collection[type[object]] | None
            The interfaces whose "not found" is final, such as `[sake.abc.RoleCache]`. For all others Tanjun is told
            that the cache does not know, and asks REST. Unless given: emojis, guilds, guild channels, members,
            presences, roles, stickers and voice states. Even then it is final only where a process hears of all that
            happens in the guild, has received it since it does, and the bot has the intent for what is asked for; where
            the guild is not named, if that is so of all guilds, of which there are at most 100; of members, if the
            member list is complete; of guilds, if a process hears of all guilds of the shard. What is in no guild is
            final wherever it is named here.
        tanjun_managed : bool
            Whether the client's starting and closing opens and closes the cache. A cache that cannot be opened stops
            the client's start. If the client is alive already, the cache is opened at once.

        Raises
        ------
        ImportError
            If Tanjun is not installed: it comes with the `tanjun` extra.
        TypeError
            If `trust_get_for` is something else than a collection of interfaces of resources.
        ValueError
            If this cache was added to that client before.
        """
        from sake import _tanjun

        _tanjun.add_to_tanjun(
            self,
            client,
            trust_get_for=trust_get_for,
            tanjun_managed=tanjun_managed,
            knowledge=knowledge.Knowledge(self._engine),
        )
        self.add_to_alluka(client.injector)

    def add_to_alluka(self, client: alluka.abc.Client, /) -> None:
        """Register this cache for injection, in bots that use Alluka but not Tanjun.

        Callbacks then get it by asking for one of the interfaces of [sake.abc][] or classes of [sake.redis][] that it
        is made of, or for its own class.

        Parameters
        ----------
        client : alluka.abc.Client
            The client to register with.
        """
        for interface in type(self).mro():
            if issubclass(interface, abc.Resource):
                client.set_type_dependency(interface, self)

    # Only at run time, for a type checker tells of a plain `with` by itself.
    if not typing.TYPE_CHECKING:

        def __enter__(self) -> typing.NoReturn:
            error_message = f"{type(self).__name__} needs an event loop: write `async with`, not `with`"
            raise TypeError(error_message)

        def __exit__(self, *_: object) -> None: ...

    def __repr__(self) -> str:
        databases = ", ".join(str(int(index)) for index in sorted(self.all_indexes()))
        parts = [
            f"{type(self).__name__} at {connections.hide_password(self._given_address)}",
            f"database{'s' if ',' in databases else ''} {databases}",
            f"namespace {self._keys.prefix[:-1]}",
            "open" if self.is_alive else "closed",
        ]
        return f"<{', '.join(parts)}>"

    async def __aenter__(self) -> typing_extensions.Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: types.TracebackType | None,
    ) -> None:
        await self.close()

    @typing_extensions.override
    async def open(self) -> None:
        await self._life_cycle.open(needs_server=True)

    @typing_extensions.override
    async def close(self) -> None:
        await self._life_cycle.close(_DRAIN_SECONDS)

    async def flush(self) -> None:
        """Make all events received so far visible to every other process.

        Raises
        ------
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. What was received is kept and will be written.
        """
        engine = self._engine()
        # The listeners of what was received a moment ago have not run yet.
        await asyncio.sleep(0)
        await engine.writer.flush()

    def _engine(self) -> Engine:
        return self._life_cycle.engine()

    async def _begin(self, needs_server: bool, /) -> Engine:
        async with contextlib.AsyncExitStack() as undo:
            server = None
            if self._given_address.startswith("embedded://"):
                from sake import embedded

                server = embedded.EmbeddedServer()
                undo.push_async_callback(server.close)
                await server.start()

            engine = self._make_engine(server)
            undo.push_async_callback(engine.connections.close)
            try:
                await engine.check(writes=self._event_manager is not None)
            except errors.BackendError as exc:
                if needs_server:
                    raise
                _LOGGER.error("The cache starts without its server, and writes once it is there: %s", exc)
            undo.pop_all()

        engine.writer.start()
        if self._event_manager is not None:
            self._feed.start(self._event_manager, engine)
        elif isinstance(self._app, hikari.EventManagerAware):
            engine.spawn("sake advice", self._tell_if_unfed(engine))

        return engine

    def _end(self) -> None:
        if self._event_manager is not None:
            self._feed.stop(self._event_manager)

    def _make_engine(self, server: embedded.EmbeddedServer | None, /) -> Engine:
        kinds = self._stored_kinds()
        epochs = Epochs(self._keys)
        self._lifetimes.update({kind: self._lifetime_of(kind) for kind in kinds if kind.lifetime is not None})
        return Engine(
            connections=connections.Connections(
                self._given_address if server is None else server.url,
                password=self._password,
                limit=self._max_connections,
                options=self._connection_options,
                meta=Meta(self._keys, self._codec),
                epochs=epochs,
                revive=None if server is None else server.ensure_running,
            ),
            setup=Setup(
                backlog_limit=self._backlog_limit,
                codec=self._codec,
                keys=self._keys,
                layout={kind: self._database_of(kind.index) for kind in kinds},
                lifetimes=self._lifetimes,
                packer=Packer(self._keys, self._codec.dumps),
                read_timeout=self._read_timeout,
                reference=self._database_of(ResourceIndex.REFERENCE),
                statistics=self._statistics,
            ),
            factory=self._app.entity_factory,
            server=server,
            epochs=epochs,
            on_given_up=self._given_up,
            on_forgotten=self._forgotten,
        )

    def _database_of(self, index: ResourceIndex, /) -> int:
        return int(self._index_overrides.get(index, index if self._database is None else self._database))

    def _lifetime_of(self, kind: AnyKind, /) -> int:
        own = self._config.get(f"expire_{kind.name}")
        if own is None:
            own = kind.lifetime if isinstance(self._default_expire, hikari.UndefinedType) else self._default_expire

        return own or 0

    def _set_lifetime(self, kind: AnyKind, expire: abc.ExpireT, /) -> None:
        name = f"expire_{kind.name}"
        if expire is None:
            self._config.pop(name, None)
        else:
            self._config[name] = to_milliseconds(expire, "expire") or 0

        self._lifetimes[kind] = self._lifetime_of(kind)

    async def _tell_if_unfed(self, engine: Engine, /) -> None:
        await asyncio.sleep(_UNFED_SECONDS)
        if getattr(self._app, "is_alive", False) and engine.writer.is_idle and not self._statistics.batches:
            _LOGGER.warning(
                "%s is open beside a running bot, but has no event_manager and nothing was stored in it. To fill it"
                " here, make it with event_manager=bot.event_manager; if another process does, give it app=bot.rest",
                type(self).__name__,
            )

    async def _on_starting(self, _: hikari.StartingEvent, /) -> None:
        await self._life_cycle.open(needs_server=False)

    async def _on_stopping(self, _: hikari.StoppingEvent, /) -> None:
        await self.close()

    def _lay_users(self, draft: Draft, users: collections.Iterable[people.User | None], /) -> None:
        if kinds.USERS in self._engine().setup.layout:
            people.lay(draft, users, self._lifetimes[kinds.USERS])

    def _put_users(self, draft: Draft, users: collections.Iterable[people.User | None], /) -> None:
        if kinds.USERS in self._engine().setup.layout:
            people.put_each(draft, users)


def _declared(cls: type[ResourceClient], constant: str, /) -> dict[type[object], typing.Any]:
    """Return what each class that a client is made of says of itself, not what it has from its bases."""
    return {base: vars(base)[constant] for base in cls.mro() if constant in vars(base)}
