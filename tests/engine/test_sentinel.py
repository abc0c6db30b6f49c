# SPDX-License-Identifier: BSD-3-Clause
"""Servers that Sentinels watch: what leads to them, what does not, and what a failover costs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
from _support import failovers
from _support import gateway
from _support import leaks
from _support import own_sentinel
from _support import own_server
from _support import samples
from _support import servers

import sake
import sake.redis
from sake.redis._model import wire as _wire

Payload = dict[str, typing.Any]

PASSWORD: typing.Final = "open sesame"
SENTINEL_PASSWORD: typing.Final = "p@ss/two"


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


@pytest.fixture(scope="module")
def started(binary: str) -> collections.Iterator[own_sentinel.OwnSentinels]:
    with own_sentinel.running(binary) as found:
        yield found


@pytest.fixture
def watched(started: own_sentinel.OwnSentinels) -> own_sentinel.OwnSentinels:
    """Servers that Sentinels watch, empty and well."""
    started.restore()
    started.clean()
    return started


@pytest.fixture(scope="module")
def locked(binary: str) -> collections.Iterator[own_sentinel.OwnSentinels]:
    """The same, but the servers ask for a password, and the Sentinels for another."""
    with own_sentinel.running(binary, password=PASSWORD, sentinel_password=SENTINEL_PASSWORD) as found:
        yield found


@contextlib.asynccontextmanager
async def _connected(url: str, **options: typing.Any) -> collections.AsyncIterator[tuple[typing.Any, gateway.Feed]]:
    bot = gateway.make_bot()
    async with sake.redis.RedisCache(url, bot, bot.event_manager, **options) as cache:
        yield cache, gateway.Feed(bot, gateway.Shard())


async def _reads_the_same(url: str, feed: gateway.Feed, cache: sake.redis.RedisCache, **options: typing.Any) -> None:
    guild = samples.whole_guild()
    feed("GUILD_CREATE", guild)
    await cache.flush()
    async with samples.make_cache(address=url, **options) as reader:
        assert (await reader.get_guild(int(guild["id"]))).name == guild["name"]
        found = {str(member.id) async for member in reader.iter_members_for_guild(int(guild["id"]))}
        assert found == {member["user"]["id"] for member in guild["members"]}
        roles = await reader.get_roles([int(role["id"]) for role in guild["roles"]])
        assert {role.name for role in roles.values()} == {role["name"] for role in guild["roles"]}


@pytest.mark.parametrize("options", [{}, {"database": 0}, {"database": 3, "namespace": "bot-a"}])
async def test_what_one_client_fills_another_reads(
    watched: own_sentinel.OwnSentinels, options: dict[str, typing.Any]
) -> None:
    async with _connected(watched.url, **options) as (cache, feed):
        await _reads_the_same(watched.url, feed, cache, **options)


async def test_the_address_may_name_a_database(watched: own_sentinel.OwnSentinels) -> None:
    async with _connected(f"{watched.url}?db=5") as (cache, feed):
        await _reads_the_same(watched.url, feed, cache, database=5)
    assert set(watched.primary.client().info("keyspace")) == {"db5"}


async def test_valkey_is_another_word_for_redis(watched: own_sentinel.OwnSentinels) -> None:
    url = watched.url.replace("redis", "valkey", 1)
    async with _connected(url, database=0) as (cache, feed):
        await _reads_the_same(watched.url, feed, cache, database=0)


async def test_what_the_primary_has_its_replicas_have_and_nothing_is_read_from_them(
    watched: own_sentinel.OwnSentinels,
) -> None:
    name = "of-this-test"
    async with _connected(f"{watched.url}?client_name={name}", database=0) as (cache, feed):
        feed("GUILD_MEMBER_ADD", samples.member(1, "one"))
        await cache.flush()
        await cache.get_member(int(samples.GUILD), 1)
        for server in watched.servers:
            with contextlib.closing(server.client()) as client:
                names = {row["name"] for row in client.client_list()}
            assert (name in names) == (server is watched.primary)


async def test_passwords_of_servers_and_sentinels_are_not_the_same(locked: own_sentinel.OwnSentinels) -> None:
    async with _connected(locked.url, database=0) as (cache, feed):
        await _reads_the_same(locked.url, feed, cache, database=0)


async def test_passwords_may_be_given_beside_the_address(locked: own_sentinel.OwnSentinels) -> None:
    url = f"redis+sentinel://{locked.hosts}/{own_sentinel.SERVICE}"
    options = {"database": 0, "password": PASSWORD, "connection_options": {"sentinel_password": SENTINEL_PASSWORD}}
    async with samples.make_cache(address=url, **options) as cache:
        await cache.iter_guilds().len()


async def test_sentinels_and_servers_are_reached_by_tls(binary: str) -> None:
    if binary != servers.REDIS_SERVER:
        pytest.skip("the bundled server has no TLS")

    with own_sentinel.running(binary, has_tls=True) as secured:
        async with _connected(secured.url, database=0) as (cache, feed):
            await _reads_the_same(secured.url, feed, cache, database=0)


# What leads nowhere


@pytest.mark.parametrize(
    "address",
    [
        "redis+sentinel://",
        "redis+sentinel:///service",
        "redis+sentinel://,/service",
        "redis+sentinel://host:port/service",
        "redis+sentinel://:geheim@/service",
        "redis+sentinel://:ge/heim@host/service",
        "redis+sentinel://host:26379",
        "redis+sentinel://host:26379,other:26379/",
        "redis+sentinel://host:26379/service/0",
        "redis+sentinel://host:26379/service?db=x",
        "unix+sentinel:///run/x.sock",
    ],
)
def test_an_address_without_hosts_or_service_is_an_error_that_says_so(address: str) -> None:
    with pytest.raises(ValueError, match="address must") as caught:
        samples.make_cache(address=address)
    assert "heim" not in str(caught.value)


def test_options_for_sentinels_are_for_sentinels_only() -> None:
    with pytest.raises(ValueError, match="sentinel_password"):
        samples.make_cache(address="redis://localhost", connection_options={"sentinel_password": "x"})
    with pytest.raises(ValueError, match="sentinel_password"):
        samples.make_cache(address="redis://localhost?sentinel_password=x")


def test_what_is_shown_of_an_address_has_no_password() -> None:
    url = "redis+sentinel://me:geheim@one,two:5/service?sentinel_password=geheim&db=2"
    shown = repr(samples.make_cache(address=url))
    assert "redis+sentinel://one:26379,two:5/service" in shown
    assert "geheim" not in shown


async def _refused(address: str, **options: typing.Any) -> sake.BackendError:
    cache = samples.make_cache(address=address, **options)
    with pytest.raises(sake.BackendError) as caught:
        await cache.open()
    assert not cache.is_alive
    assert caught.value.__cause__ is caught.value.exception
    await cache.close()
    gc.collect()
    return caught.value


@pytest.mark.parametrize("database", [0, None])
async def test_an_unknown_service_is_an_error_that_names_it_and_the_sentinels(
    watched: own_sentinel.OwnSentinels, database: int | None
) -> None:
    error = await _refused(f"redis+sentinel://:geheim@{watched.hosts}/another", database=database)
    assert "'another'" in str(error)
    assert watched.hosts in str(error)
    assert "geheim" not in str(error)


async def test_sentinels_that_do_not_listen_are_an_error_that_names_them() -> None:
    hosts = f"127.0.0.1:{own_server.free_port()},127.0.0.1:{own_server.free_port()}"
    error = await _refused(f"redis+sentinel://:geheim@{hosts}/service", database=0)
    assert all(f"Sentinel {host}" in str(error) for host in hosts.split(","))
    assert error.exception is not None
    assert "geheim" not in str(error)


async def test_a_server_is_no_sentinel(own: own_server.OwnServer, watched: own_sentinel.OwnSentinels) -> None:
    error = await _refused(f"redis+sentinel://127.0.0.1:{watched.primary.port}/service", database=0)
    assert f"127.0.0.1:{watched.primary.port} is no Sentinel" in str(error)


async def test_a_sentinel_is_no_server(watched: own_sentinel.OwnSentinels) -> None:
    error = await _refused(f"redis://127.0.0.1:{watched.sentinels[0].port}", database=0)
    assert "redis+sentinel://" in str(error)


@pytest.mark.parametrize("given", [None, "geheim!"])
async def test_a_wrong_password_for_the_sentinels_is_an_error_that_says_so(
    locked: own_sentinel.OwnSentinels, given: str | None
) -> None:
    query = f"?sentinel_password={given}" if given else ""
    url = f"redis+sentinel://{locked.hosts}/{own_sentinel.SERVICE}{query}"
    error = await _refused(url, database=0, password=PASSWORD)
    assert "Sentinel 127.0.0.1" in str(error)
    assert "password" in str(error)
    assert "geheim" not in str(error)
    assert PASSWORD not in str(error)


@pytest.mark.parametrize("given", [None, "geheim!"])
async def test_a_wrong_password_for_the_server_is_an_error_that_says_so(
    locked: own_sentinel.OwnSentinels, given: str | None
) -> None:
    error = await _refused(locked.url.replace(":open%20sesame@", ""), database=0, password=given)
    assert "refused the password" in str(error)
    assert "The Sentinel" not in str(error)
    assert "geheim" not in str(error)


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_one_sentinel_that_answers_is_enough(watched: own_sentinel.OwnSentinels, way: str) -> None:
    away = watched.sentinels[:2]
    for sentinel in away:
        sentinel.kill() if way == "kill" else sentinel.pause()
    try:
        began = time.monotonic()
        async with samples.make_cache(address=watched.url) as cache:
            assert await cache.iter_guilds().len() == 0
        assert time.monotonic() - began < 1
    finally:
        for sentinel in away:
            sentinel.start() if way == "kill" else sentinel.resume()


async def test_sentinels_that_say_nothing_are_an_error_in_time(watched: own_sentinel.OwnSentinels) -> None:
    for sentinel in watched.sentinels:
        sentinel.pause()
    try:
        began = time.monotonic()
        error = await _refused(watched.url)
        assert time.monotonic() - began < 3
        assert "did not answer" in str(error)
    finally:
        for sentinel in watched.sentinels:
            sentinel.resume()


# Failovers

NAME: typing.Final = "of-this-test"
"""What the connections of a test's cache are called on the server."""


def _connections_of(server: own_sentinel.Instance) -> set[int]:
    """Return the ids of the connections that the test's cache has to a server."""
    with contextlib.closing(server.client()) as client:
        return {int(row["id"]) for row in client.client_list() if row["name"] == NAME}


async def _becomes_true(condition: collections.Callable[[], object]) -> None:
    """Wait without keeping the events from flowing."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):
            pass


async def _is_written(cache: sake.redis.RedisCache) -> None:
    await own_server.eventually(lambda: not cache.statistics.is_away and not cache.statistics.backlog, within=20)
    await cache.flush()


@contextlib.asynccontextmanager
async def _streaming(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot, database: int | None
) -> collections.AsyncIterator[tuple[sake.redis.RedisCache, failovers.Stream]]:
    url = f"{watched.url}?client_name={NAME}"
    async with sake.redis.RedisCache(url, bot, bot.event_manager, database=database) as cache:
        stream = failovers.Stream(cache, bot)
        await stream.begin()
        try:
            await stream.until(300)
            yield cache, stream
        finally:
            await stream.end()


async def _nothing_is_lost_since(
    number: int, stream: failovers.Stream, cache: sake.redis.RedisCache, url: str, database: int | None
) -> None:
    await stream.end()
    await _is_written(cache)
    async with samples.make_cache(address=url, database=database) as reader:
        differences = await stream.differences(reader)

    assert stream.since(number, differences) == []
    assert [event for event in stream.stale if event > number] == []
    assert cache.statistics.dropped == 0
    assert cache.statistics.skipped == 0


@pytest.mark.parametrize("way", ["kill", "pause"])
@pytest.mark.parametrize("database", [0, None])
async def test_what_is_fed_after_the_primary_died_is_written_to_the_next_one(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot, way: str, database: int | None
) -> None:
    before = watched.primary
    async with _streaming(watched, bot, database) as (cache, stream):
        before.kill() if way == "kill" else before.pause()
        died = stream.number
        await _becomes_true(lambda: watched.has_moved(before))
        await stream.until(stream.number + 200)
        if way == "pause":
            # For many seconds it takes itself for the primary.
            before.resume()
            await stream.until(stream.number + 200)
            assert before.is_primary
            assert _connections_of(before) == set()
        await stream.until(stream.number + 300)
        await _nothing_is_lost_since(died, stream, cache, watched.url, database)


@pytest.mark.parametrize("database", [0, None])
async def test_a_primary_that_is_asked_to_step_down_is_left_within_moments(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot, database: int | None
) -> None:
    before = watched.primary
    async with _streaming(watched, bot, database) as (cache, stream):
        await asyncio.to_thread(watched.fail_over)
        began = time.monotonic()
        await _becomes_true(lambda: not _connections_of(before))
        assert time.monotonic() - began < 2
        # It goes on taking what it is sent, and will forget it.
        assert before.is_primary
        left = stream.number
        await stream.until(left + 300)
        await _nothing_is_lost_since(left, stream, cache, watched.url, database)


async def test_a_dead_primary_that_comes_back_as_a_replica_is_not_written_to(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot
) -> None:
    before = watched.primary
    async with _streaming(watched, bot, 0) as (cache, stream):
        before.kill()
        died = stream.number
        await _becomes_true(lambda: watched.has_moved(before))
        await stream.until(stream.number + 100)
        before.start()
        # It is told what it is now, in the end.
        await _becomes_true(lambda: not before.is_primary)
        assert _connections_of(before) == set()
        await _nothing_is_lost_since(died, stream, cache, watched.url, 0)


async def test_what_the_old_primary_took_last_is_written_again_though_nothing_else_happens(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    before = watched.primary
    async with sake.redis.RedisCache(watched.url, bot, bot.event_manager, database=0) as cache:
        feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
        await cache.flush()
        await _becomes_true(lambda: all(server.do("DBSIZE") for server in watched.servers))
        replicas = [server for server in watched.servers if server is not before]
        for server in replicas:
            server.pause()
        before.do("CLIENT KILL", "TYPE", "replica")
        feed("GUILD_MEMBER_ADD", samples.member(1, "after"))
        await cache.flush()
        before.kill()
        for server in replicas:
            server.resume()
        await _becomes_true(lambda: watched.has_moved(before))

        async def read() -> str | None:
            async with samples.make_cache(address=watched.url, database=0) as reader:
                return (await reader.get_member(int(samples.GUILD), 1)).nickname

        async with asyncio.timeout(10):
            while await read() != "after":
                pass


async def test_reads_find_the_next_primary_too(watched: own_sentinel.OwnSentinels) -> None:
    """A process that only reads, and whose connections have nothing to do when the primary dies."""
    async with (
        _connected(f"{watched.url}?client_name={NAME}", database=0) as (cache, feed),
        samples.make_cache(address=f"{watched.url}?client_name={NAME}", database=0) as reader,
    ):
        feed("GUILD_MEMBER_ADD", samples.member(1, "one"))
        await cache.flush()
        assert (await reader.get_member(int(samples.GUILD), 1)).nickname == "one"
        before = watched.primary
        await asyncio.to_thread(watched.fail_over)
        await _becomes_true(lambda: not _connections_of(before))
        await _is_written(cache)
        feed("GUILD_MEMBER_UPDATE", samples.member(1, "two"))
        await _is_written(cache)
        assert (await reader.get_member(int(samples.GUILD), 1)).nickname == "two"


async def test_a_cache_that_is_opened_again_after_a_failover_goes_on(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = sake.redis.RedisCache(watched.url, bot, bot.event_manager, database=0)
    before = watched.primary
    async with cache:
        feed("GUILD_MEMBER_ADD", samples.member(1, "one"))
    # What the replicas do not have is lost with it, where nobody is left to write it again.
    before.client().wait(2, 10_000)
    before.kill()
    with pytest.raises(sake.BackendError):
        await cache.open()
    await _becomes_true(lambda: watched.has_moved(before))
    async with cache:
        feed("GUILD_MEMBER_ADD", samples.member(2, "two"))
        await cache.flush()
        assert {member.nickname async for member in cache.iter_members()} == {"one", "two"}


async def test_closing_in_the_middle_of_a_failover_writes_what_is_left(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with sake.redis.RedisCache(watched.url, bot, bot.event_manager, database=0) as cache:
        await cache.flush()
        watched.primary.kill()
        feed("GUILD_MEMBER_ADD", samples.member(1, "one"))
    assert cache.statistics.dropped == 0
    async with samples.make_cache(address=watched.url, database=0) as reader:
        assert (await reader.get_member(int(samples.GUILD), 1)).nickname == "one"


async def test_closing_while_no_server_is_there_says_what_is_lost(
    watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot, feed: gateway.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sake.redis._client.client._DRAIN_SECONDS", 0.3)
    async with sake.redis.RedisCache(watched.url, bot, bot.event_manager, database=0) as cache:
        primary = watched.primary
        for sentinel in watched.sentinels:
            sentinel.pause()
        primary.kill()
        feed("GUILD_MEMBER_ADD", samples.member(1, "one"))
    assert cache.statistics.dropped > 0


# What Sentinels may say that is not so


class _Told:
    """A Sentinel that says whatever a test lets it say."""

    def __init__(self) -> None:
        self.asked = 0
        self.epoch = 0
        self.flags = "master"
        self.port = 0
        self.sentinel_port = 0
        self.successor = 0
        """The port of what has just been made the primary, while it still watches the one before."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4_096):
            writer.write(b"+OK\r\n" * data.count(b"CLIENT"))
            if b"SENTINEL" in data:
                self.asked += 1
                said = {"ip": "127.0.0.1", "port": self.port, "flags": self.flags, "config-epoch": self.epoch}
                writer.write(_wire.pack("127.0.0.1", self.successor or self.port))
                writer.write(_wire.pack(*(word for pair in said.items() for word in pair)))
        writer.close()


@contextlib.asynccontextmanager
async def _telling(count: int) -> collections.AsyncIterator[list[_Told]]:
    told = [_Told() for _ in range(count)]
    async with contextlib.AsyncExitStack() as stack:
        for each in told:
            listener = await asyncio.start_server(each.serve, "127.0.0.1", 0)
            stack.callback(listener.close)
            each.sentinel_port = listener.sockets[0].getsockname()[1]
        yield told


def _url_of(told: list[_Told]) -> str:
    hosts = ",".join(f"127.0.0.1:{each.sentinel_port}" for each in told)
    return f"redis+sentinel://{hosts}/service?client_name={NAME}"


async def test_a_replica_that_a_sentinel_calls_the_primary_is_not_read(watched: own_sentinel.OwnSentinels) -> None:
    replica = next(server for server in watched.servers if server is not watched.primary)
    async with _telling(1) as told:
        told[0].port = replica.port
        error = await _refused(_url_of(told), database=0)
    assert "is a replica" in str(error)


async def test_a_sentinel_that_has_not_heard_of_the_failover_is_not_believed(
    watched: own_sentinel.OwnSentinels, caplog: pytest.LogCaptureFixture
) -> None:
    replica = next(server for server in watched.servers if server is not watched.primary)
    async with _telling(2) as told:
        behind, ahead = told
        behind.port = ahead.port = watched.primary.port
        async with samples.make_cache(address=_url_of(told), database=0) as cache:
            ahead.epoch = 5
            await own_server.eventually(lambda: ahead.asked > 3)
            behind.port, asked = replica.port, behind.asked
            await own_server.eventually(lambda: behind.asked > asked + 3)
            assert await cache.iter_guilds().len() == 0
            assert _connections_of(watched.primary)
    assert not [record for record in caplog.records if "another primary" in record.getMessage()]


async def test_what_has_just_been_made_the_primary_is_it_though_the_one_before_is_down(
    watched: own_sentinel.OwnSentinels,
) -> None:
    async with _telling(1) as told:
        told[0].port, told[0].flags, told[0].successor = 1, "master,s_down,o_down", watched.primary.port
        async with samples.make_cache(address=_url_of(told), database=0) as cache:
            await cache.iter_guilds().len()


async def test_a_primary_that_the_sentinels_call_dead_is_an_error_that_says_so() -> None:
    async with _telling(1) as told:
        told[0].port, told[0].flags = 1, "master,s_down,o_down"
        error = await _refused(_url_of(told), database=0)
    assert "down" in str(error)


@pytest.mark.parametrize(
    "answer", [b"+OK\r\n", b":5\r\n", b"*2\r\n$2\r\nip\r\n$1\r\n1\r\n", b"-\r\n", b"HTTP/1.1 400\r\n"]
)
async def test_whatever_else_listens_there_is_an_error_of_ours(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_024)
        writer.write(answer)
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = listener.sockets[0].getsockname()[1]
        error = await _refused(f"redis+sentinel://127.0.0.1:{port}/service", database=0)
        assert f"127.0.0.1:{port}" in str(error)
    finally:
        listener.close()


async def test_a_server_that_became_a_replica_is_connected_to_anew(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    """Where a name leads to another server by now, connections to the old one must not stay."""
    async with sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0) as cache:
        feed("GUILD_MEMBER_ADD", samples.member(1, "one"))
        await cache.flush()
        with contextlib.closing(own.client()) as client:
            before = {row["id"] for row in client.client_list()} - {str(client.client_id())}
            client.replicaof("127.0.0.1", "1")
            feed("GUILD_MEMBER_REMOVE", {"guild_id": samples.GUILD, "user": {"id": "1"}})
            with pytest.raises(sake.BackendError):
                await cache.flush()
            client.replicaof("NO", "ONE")
            await _is_written(cache)
            after = {row["id"] for row in client.client_list()} - {str(client.client_id())}
        assert after
        assert not after & before
        assert await cache.iter_members().len() == 0
