# SPDX-License-Identifier: BSD-3-Clause
"""What happens when what waits for the server takes more memory than it may, and what a client tells meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import tracemalloc
import typing

import hikari
import pytest
from _support import gateway
from _support import own_server
from _support import samples

import sake
import sake.redis
from sake import testing


class Guilds(sake.redis.GuildCache, sake.redis.MemberCache, sake.redis.RoleCache):
    """What a guild's lists can be seen in."""


def _guilds(payloads: testing.Payloads, count: int, roles: int, members: int) -> list[dict[str, typing.Any]]:
    found = []
    for _ in range(count):
        guild = payloads.guild(
            members=[payloads.member() for _ in range(members)],
            roles=[payloads.role() for _ in range(roles)],
        )
        found.append({**guild, "member_count": members})

    return found


async def test_a_full_backlog_never_leaves_a_list_in_part_nor_calls_it_complete(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guilds = _guilds(payloads, 20, 200, 30)
    async with Guilds(own.url, bot, bot.event_manager, database=0, backlog_limit=1_000_000) as cache:
        for guild in guilds:
            feed("GUILD_CREATE", guild)
            await cache.flush()
        assert cache.statistics.dropped == 0
        own.pause()
        for guild in guilds:
            feed("GUILD_CREATE", guild)
            await asyncio.sleep(0.01)
        await own_server.eventually(lambda: cache.statistics.dropped > 0)
        own.resume()
        async with Guilds(own.url, bot, database=0) as reader:
            await own_server.eventually(lambda: cache.statistics.backlog == 0)
            stale = await reader.get_stale_guild_ids()
            assert stale
            for guild in guilds:
                here = int(guild["id"])
                assert await reader.iter_roles_for_guild(here).len() == 200
                assert await reader.iter_members_for_guild(here).len() == 30
                assert await reader.is_guild_stale(here) == (here in stale)
                assert await reader.is_member_list_complete(here) != (here in stale)
            for guild in guilds:
                feed("GUILD_CREATE", guild)
                await cache.flush()
            assert not await reader.get_stale_guild_ids()


async def test_what_waits_is_counted_by_what_changes_and_not_by_how_often(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with sake.redis.MemberCache(own.url, bot, bot.event_manager, database=0) as cache:
        own.kill()
        for number in range(20_000):
            feed("GUILD_MEMBER_UPDATE", samples.member(1, str(number)))
            if number % 500 == 0:
                await asyncio.sleep(0)
        await own_server.eventually(lambda: cache.statistics.is_away)
        await own_server.eventually(lambda: cache.statistics.backlog < 2_500_000)
        feed("GUILD_DELETE", {"id": samples.GUILD})
        own.start()
        await own_server.eventually(lambda: cache.statistics.backlog == 0)
        assert cache.statistics.dropped == 0


@pytest.mark.parametrize("what", ["edits", "threads that are gone", "shards that say what they have"])
async def test_memory_in_an_outage_stays_within_its_limit(
    what: str, own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    limit = 1_000_000
    async with sake.RedisCache(own.url, bot, bot.event_manager, database=0, backlog_limit=limit) as cache:
        own.kill()
        feed("GUILD_MEMBER_ADD", samples.member(1, "x"))
        await own_server.eventually(lambda: cache.statistics.is_away)
        thread = {**payloads.thread(), "guild_id": samples.GUILD}
        ready = testing.World(guilds=1, members=2).ready()
        ready["guilds"] = [{"id": str(number << 22), "unavailable": True} for number in range(2_000)]
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for number in range(20_000):
                if what == "edits":
                    feed("MESSAGE_UPDATE", {"id": str(number), "channel_id": "1", "content": "x" * 300})
                elif what == "threads that are gone":
                    feed("THREAD_CREATE", {**thread, "id": str(number)})
                    feed("THREAD_DELETE", {**thread, "id": str(number)})
                elif number % 200 == 0:
                    feed("READY", ready)
                if number % 50 == 0:
                    await asyncio.sleep(0)
            await feed.settle()
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert taken < 2 * limit
        assert cache.statistics.backlog < 2 * limit
        own.start()
        await own_server.eventually(lambda: not cache.statistics.backlog, within=20)


async def test_an_edit_that_had_to_be_given_up_takes_its_message_with_it(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    messages = [payloads.message() for _ in range(200)]
    async with sake.RedisCache(own.url, bot, bot.event_manager, database=0, backlog_limit=100_000) as cache:
        for message in messages:
            feed("MESSAGE_CREATE", message)
        await cache.flush()
        own.pause()
        for message in messages:
            feed("MESSAGE_UPDATE", {"id": message["id"], "channel_id": "1", "content": "edited " + "x" * 1_000})
            await asyncio.sleep(0)
        await feed.settle()
        await own_server.eventually(lambda: cache.statistics.dropped > 0)
        own.resume()
        async with sake.RedisCache(own.url, bot, database=0) as reader:
            await own_server.eventually(lambda: cache.statistics.backlog == 0)
            contents = [message.content or "" async for message in reader.iter_messages()]
            assert all(content.startswith("edited") for content in contents)


# What is told meanwhile


async def test_statistics_are_true_at_the_moment_they_are_looked_at(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with sake.RedisCache(own.url, bot, bot.event_manager, database=0) as cache:
        feed("GUILD_MEMBER_ADD", samples.member(0, "x"))
        await cache.flush()
        statistics = cache.statistics
        assert (statistics.backlog, statistics.is_away) == (0, False)
        assert statistics.lag < 1
        own.pause()
        try:
            began = time.monotonic()
            for number in range(500):
                feed("GUILD_MEMBER_ADD", samples.member(number, "x"))
            await feed.settle()
            assert statistics.backlog > 500 * 100
            await own_server.eventually(lambda: statistics.is_away, within=3)
            assert statistics.lag >= time.monotonic() - began - 0.5
            assert statistics.failures == 0
            assert f"backlog={statistics.backlog}, lag=" in repr(statistics)
            assert repr(statistics).endswith(", is_away=True)")
        finally:
            own.resume()
        await own_server.eventually(lambda: statistics.backlog == 0 and not statistics.is_away)


async def test_what_is_lost_when_a_client_is_closed_in_an_outage_is_counted(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    cache = sake.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    own.kill()
    for number in range(100):
        feed("GUILD_MEMBER_ADD", samples.member(number, "x"))
    closing = asyncio.create_task(cache.close())
    await own_server.eventually(lambda: cache.statistics.failures > 0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    assert cache.statistics.dropped >= 100
    assert any("are lost" in record.getMessage() for record in caplog.records)
