# SPDX-License-Identifier: BSD-3-Clause
"""The server goes away, refuses or comes back: nothing is lost but what is said and counted."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import pathlib
import time
import tracemalloc
import typing
from collections import abc as collections

import hikari
import orjson
import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import keys
from _support import leaks
from _support import own_server
from _support import samples

import sake
import sake.redis
from sake import testing
from sake.redis._client import client as _client

Payload = dict[str, typing.Any]


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


async def _opened(
    stack: contextlib.AsyncExitStack, url: str, bot: hikari.GatewayBot, **options: typing.Any
) -> sake.redis.RedisCache:
    cache = sake.redis.RedisCache(url, bot, bot.event_manager, database=0, **options)
    return await stack.enter_async_context(cache)


@pytest_asyncio.fixture
async def stack() -> collections.AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as found:
        yield found


async def _fails_within(seconds: float, call: collections.Awaitable[object]) -> None:
    started = time.monotonic()
    with pytest.raises(sake.BackendError) as caught:
        await call
    assert caught.value.exception is not None
    assert caught.value.__cause__ is not None
    assert time.monotonic() - started < seconds


async def _catches_up(cache: sake.redis.RedisCache) -> None:
    """Wait until what was kept is written."""
    await own_server.eventually(lambda: not cache.statistics.is_away and cache.statistics.backlog == 0)
    await cache.flush()


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_what_happens_while_the_server_is_away_is_written_when_it_is_back(
    own: own_server.OwnServer,
    stack: contextlib.AsyncExitStack,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    way: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = await _opened(stack, f"{own.url}?socket_timeout=0.3", bot)
    feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
    feed("MESSAGE_CREATE", testing.Payloads().message(id="8", content="before"))
    await cache.flush()
    own.kill() if way == "kill" else own.pause()
    for number in range(50):
        feed("GUILD_MEMBER_UPDATE", samples.member(1, f"away {number}"))
        feed("GUILD_MEMBER_ADD", samples.member(100 + number, "new"))
        feed("GUILD_MEMBER_REMOVE", {"guild_id": samples.GUILD, "user": {"id": str(100 + number - 1)}})
        await asyncio.sleep(0.002)

    await _fails_within(2, cache.flush())
    statistics = cache.statistics
    assert statistics.is_away
    assert statistics.failures > 0
    await own_server.eventually(lambda: statistics.backlog > 0)

    # What is kept can be read, anything else cannot be.
    assert (await cache.get_member(int(samples.GUILD), 1)).nickname == "away 49"
    assert await cache.get_members(int(samples.GUILD), [148]) == {}
    await _fails_within(2, cache.get_member(int(samples.GUILD), 999))
    await _fails_within(2, cache.get_members(int(samples.GUILD), [1, 999]))
    await _fails_within(2, cache.iter_members().len())
    await _fails_within(2, anext(cache.iter_roles()))
    await _fails_within(2, cache.set_role(1, testing.Payloads().role(id="3", name="by hand")))
    assert (await cache.get_role(3)).name == "by hand"

    own.start() if way == "kill" else own.resume()
    await _catches_up(cache)
    other = await _opened(stack, own.url, gateway.make_bot())
    assert (await other.get_member(int(samples.GUILD), 1)).nickname == "away 49"
    assert {member.id async for member in other.iter_members()} == {1, 149}
    assert (await other.get_role(3)).name == "by hand"
    assert statistics.dropped == 0
    assert statistics.skipped == 0
    texts = [record.getMessage() for record in caplog.records if record.name == "sake.redis"]
    assert any("cannot be written" in text for text in texts)
    assert any("back" in text for text in texts)


async def test_a_server_that_refuses_to_write_loses_nothing(
    own: own_server.OwnServer, stack: contextlib.AsyncExitStack, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = await _opened(stack, own.url, bot)
    with contextlib.closing(own.client()) as client:
        client.config_set("maxmemory", "1")
        feed("GUILD_MEMBER_ADD", samples.member(1, "kept"))
        await _fails_within(2, cache.flush())
        assert cache.statistics.is_away
        client.config_set("maxmemory", "0")
        await _catches_up(cache)
        assert orjson.loads(client.hget(keys.in_guild("member", samples.GUILD), "1"))["nick"] == "kept"
        client.replicaof("127.0.0.1", "1")
        feed("GUILD_MEMBER_UPDATE", samples.member(1, "kept again"))
        await _fails_within(2, cache.flush())
        client.replicaof("NO", "ONE")
        await _catches_up(cache)
        assert orjson.loads(client.hget(keys.in_guild("member", samples.GUILD), "1"))["nick"] == "kept again"
    assert cache.statistics.skipped == 0


async def test_a_lost_connection_or_script_is_nobodys_business(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    own_connection = await raw.client_id()
    for number in range(20):
        feed("GUILD_MEMBER_ADD", samples.member(1, f"x {number}"))
        feed("GUILD_ROLE_CREATE", {"guild_id": samples.GUILD, "role": testing.Payloads().role(id=str(number + 1))})
        await cache.flush()
        await raw.script_flush()
        for client in await raw.client_list():
            if int(client["id"]) != own_connection:
                await raw.client_kill_filter(_id=client["id"])
        assert (await cache.get_member(int(samples.GUILD), 1)).nickname == f"x {number}"
    assert await cache.iter_roles().len() == 20
    assert cache.statistics.failures == 0
    assert cache.statistics.skipped == 0


async def test_a_server_that_was_restarted_is_used_like_a_new_one(
    own: own_server.OwnServer, stack: contextlib.AsyncExitStack, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = await _opened(stack, own.url, bot)
    for number in range(3):
        feed("GUILD_CREATE", samples.guild(number, 6))
        await cache.flush()
        assert await cache.iter_roles().len() == 6
        own.kill()
        own.start()
        await cache.get_members(int(samples.GUILD), [1])
        # What was written in the last seconds is written again.
        await own_server.eventually(lambda seen=number: cache.statistics.rewinds > seen)
        await cache.flush()
        assert await cache.iter_roles().len() == 6
        assert (await cache.get_member(int(samples.GUILD), 1)).nickname == f"member 1 {number}"
    assert cache.statistics.skipped == 0


class Messages(sake.redis.MessageCache):
    """Messages alone, so that what is dropped can be counted."""


async def test_a_backlog_over_its_limit_drops_the_oldest_says_so_and_counts_them(
    own: own_server.OwnServer,
    stack: contextlib.AsyncExitStack,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limit, count = 200_000, 2_000
    cache = Messages(own.url, bot, bot.event_manager, database=0, backlog_limit=limit)
    cache.with_message_expire(None).with_message_expire(600)
    await stack.enter_async_context(cache)
    own.kill()
    for number in range(count):
        feed(*samples.small_message(number))
        if number % 100 == 0:
            await asyncio.sleep(0)
    await feed.settle()
    statistics = cache.statistics
    await own_server.eventually(lambda: statistics.dropped > 0 and 0 < statistics.backlog <= limit)
    dropped = [record.getMessage() for record in caplog.records if "backlog_limit" in record.getMessage()]
    assert dropped
    assert str(limit) in dropped[0]
    own.start()
    await _catches_up(cache)
    with contextlib.closing(own.client()) as client:
        stored = {int(key.removeprefix(b"sake:message:")) for key in client.scan_iter("sake:message:*")}
    assert stored
    assert len(stored) + statistics.dropped == count
    assert max(stored) == count - 1
    assert set(range(count - 50, count)) <= stored


async def test_a_burst_over_the_limit_of_the_backlog_loses_no_more_than_is_counted(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(Messages, database=0, backlog_limit=3_000_000)
    count = 0
    for wave in range(12):
        for _ in range(1_200 + 300 * (wave % 4)):
            feed(*samples.small_message(count))
            count += 1
        for _ in range(wave):
            await asyncio.sleep(0.001)
    await cache.flush()
    stored = len(await raw.keys(keys.single("message", "*")))
    assert stored + cache.statistics.dropped == count
    assert await raw.exists(keys.single("message", count - 1))


@pytest.mark.parametrize("way", ["kill", "pause"])
@pytest.mark.parametrize("what", ["messages", "deletions"])
async def test_memory_stays_bounded_while_the_server_is_away(
    own: own_server.OwnServer,
    stack: contextlib.AsyncExitStack,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    way: str,
    what: str,
) -> None:
    limit = 1_000_000
    cache = Messages(f"{own.url}?socket_timeout=3", bot, bot.event_manager, database=0, backlog_limit=limit)
    await stack.enter_async_context(cache)
    own.kill() if way == "kill" else own.pause()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1_000):
            if what == "messages":
                feed("MESSAGE_CREATE", {"id": str(number), "content": f"{number} {'x' * 10_000}"})
            else:
                ids = [str(10**18 + 100 * number + i) for i in range(100)]
                feed("MESSAGE_DELETE_BULK", {"ids": ids, "channel_id": "1"})
            if number % 20 == 0:
                await feed.settle()
        await feed.settle()
        taken = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    own.start() if way == "kill" else own.resume()
    await _catches_up(cache)
    # A few times the limit, for it counts what is taken only about. Without a bound it would be 10 times the limit.
    assert taken < 6 * limit, f"{taken} bytes were taken, the limit is {limit}"
    assert cache.statistics.dropped > 0


async def test_closing_writes_what_is_left(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0, backlog_limit=2**30)
    for number in range(5_000):
        feed(*samples.small_message(number))
    await feed.settle()
    await cache.close()
    assert len(await raw.keys(keys.single("message", "*"))) == 5_000
    assert cache.statistics.dropped == 0


async def test_closing_just_when_the_server_comes_back_writes_what_is_left(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    own.kill()
    feed("GUILD_MEMBER_ADD", samples.member(1, "kept"))
    await own_server.eventually(lambda: cache.statistics.failures > 1)
    closing = asyncio.create_task(cache.close())
    await asyncio.sleep(0.01)
    own.start()
    await closing
    with contextlib.closing(own.client()) as client:
        assert orjson.loads(client.hget(keys.in_guild("member", samples.GUILD), "1"))["nick"] == "kept"
    assert cache.statistics.dropped == 0


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_closing_while_the_server_is_away_ends_in_time_and_says_what_is_lost(
    own: own_server.OwnServer,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    monkeypatch.setattr(_client, "_DRAIN_SECONDS", 0.3)
    cache = sake.redis.RedisCache(f"{own.url}?socket_timeout=1", bot, bot.event_manager, database=0)
    await cache.open()
    own.kill() if way == "kill" else own.pause()
    feed("GUILD_MEMBER_ADD", samples.member(1, "lost"))
    await feed.settle()
    reading = asyncio.gather(cache.get_user(404), cache.flush(), return_exceptions=True)
    await asyncio.sleep(0)
    async with asyncio.timeout(3):
        await cache.close()
        assert all(isinstance(result, sake.SakeException) for result in await reading)
    assert cache.statistics.dropped >= 2
    assert any("lost" in record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR)
    if way == "pause":
        own.resume()


async def test_a_bot_that_starts_while_the_server_is_away_gets_its_cache_when_it_is_back(
    tmp_path: pathlib.Path, binary: str
) -> None:
    server = own_server.OwnServer(binary, tmp_path)
    world = testing.World(seed=6, guilds=2, members=20)
    async with testing.LoopbackDiscord(world) as discord:
        bot = discord.bot()
        cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, event_managed=True, database=0)
        try:
            async with discord.running(bot):
                assert cache.is_alive
                await _fails_within(2, cache.flush())
                for guild in world.guilds.values():
                    assert (await cache.get_guild(int(guild.id))).name == guild.record["name"]
                server.start()
                await _catches_up(cache)
                assert await cache.iter_guilds().len() == len(world.guilds)
                assert await cache.iter_members().len() == sum(len(guild.members) for guild in world.guilds.values())
            assert not cache.is_alive
        finally:
            server.kill()
