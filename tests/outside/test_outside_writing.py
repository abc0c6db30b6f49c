# SPDX-License-Identifier: BSD-3-Clause
"""Writing, as another process sees it: nobody flushes, ids are odd, the server is away, full, or written to by two.

What is held here was wrong once, while all other tests passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import time
import typing
from collections import abc as collections

import hikari
import pytest
import redis
import redis.asyncio
from _support import gateway
from _support import keys
from _support import own_server
from _support import samples
from _support import servers
from _support import streams

import sake
import sake.redis
from sake import testing
from sake.redis._engine import batch as _batch

GUILD: typing.Final = int(samples.GUILD)
_SOON: typing.Final = 2.0
"""Seconds within which a change is in other processes, when the server is well: a thousand times what it takes."""


class Roles(sake.redis.MemberCache, sake.redis.GuildCache, sake.redis.RoleCache):
    """A cache that does not care for most events."""


async def _appears(look: collections.Callable[[], collections.Awaitable[object]], within: float = _SOON) -> None:
    """Wait until another process has something."""
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(sake.EntryNotFound, sake.BackendError):
            if await look():
                return
        assert time.monotonic() < deadline, "it does not appear"
        await asyncio.sleep(0.005)


def _role(number: int = 5, name: str = "new") -> dict[str, typing.Any]:
    return {"guild_id": samples.GUILD, "role": testing.Payloads().role(id=str(number), name=name)}


# Events that change nothing


_NOTHING: typing.Final[dict[str, tuple[type[typing.Any], str, dict[str, typing.Any]]]] = {
    "a message where none is cached": (Roles, "MESSAGE_CREATE", testing.Payloads().message(guild_id=samples.GUILD)),
    "typing in a direct message": (
        Roles,
        "TYPING_START",
        {"channel_id": "8", "user_id": "9", "timestamp": 1_700_000_000},
    ),
    "members of a thread that are only counted": (
        sake.redis.RedisCache,
        "THREAD_MEMBERS_UPDATE",
        {"id": "7", "guild_id": samples.GUILD, "member_count": 3},
    ),
    "pins of an unknown channel": (
        sake.redis.RedisCache,
        "CHANNEL_PINS_UPDATE",
        {"guild_id": samples.GUILD, "channel_id": "8", "last_pin_timestamp": None},
    ),
    "an event that is refused": (sake.redis.RedisCache, "GUILD_ROLE_CREATE", {"guild_id": samples.GUILD}),
}


@pytest.mark.parametrize("what", _NOTHING)
async def test_an_event_that_changes_nothing_does_not_keep_the_next_from_other_processes(
    what: str, make_cache: typing.Any, feed: gateway.Feed
) -> None:
    cls, name, payload = _NOTHING[what]
    await make_cache(cls, database=0)
    reader = await make_cache(cls, database=0, fed=False)
    feed(name, payload)
    await asyncio.sleep(0.02)
    feed("GUILD_ROLE_CREATE", _role())
    await _appears(lambda: reader.get_role(5))


async def test_events_that_change_nothing_are_not_counted(make_cache: typing.Any, feed: gateway.Feed) -> None:
    cache = await make_cache(Roles, database=0)
    _, name, payload = _NOTHING["a message where none is cached"]
    feed(name, payload)
    await feed.settle()
    assert cache.statistics.events == 0
    feed("GUILD_ROLE_CREATE", _role())
    await feed.settle()
    assert cache.statistics.events == 1


# Odd ids


async def test_an_odd_guild_in_an_outage_does_not_end_all_writing(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with sake.RedisCache(own.url, bot, bot.event_manager, database=0) as cache:
        own.kill()
        feed("GUILD_CREATE", {**samples.guild(0, 2), "id": "abc"})
        feed("GUILD_ROLE_CREATE", {**_role(), "guild_id": "abc"})
        feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
        feed("READY", testing.World(guilds=1, members=2).ready())
        await feed.settle()
        await own_server.eventually(lambda: cache.statistics.is_away)
        feed("GUILD_CREATE", samples.guild(1, 2))
        own.start()
        async with sake.RedisCache(own.url, bot, database=0) as reader:
            await _appears(lambda: reader.get_guild(GUILD), 10)
        assert cache.statistics.skipped == 2


@pytest.mark.parametrize("odd", [None, True, 5, "", "a:b", []])
async def test_an_invite_whose_code_is_none_is_skipped_and_counted(
    odd: typing.Any, make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache, reader = await make_cache(database=0), await make_cache(database=0, fed=False)
    for name in ("INVITE_CREATE", "INVITE_DELETE"):
        feed(name, payloads.invite(code=odd, guild_id=samples.GUILD, channel_id="5"))
    feed("INVITE_CREATE", payloads.invite(code="sound", guild_id=samples.GUILD, channel_id="5"))
    await _appears(lambda: reader.get_invite("sound"))
    assert cache.statistics.skipped == 2
    assert await raw.keys(keys.single("invite", "*")) == [keys.single("invite", "sound").encode()]


@pytest.mark.parametrize("odd", ["\ud800", "", "abc", "-1", "1 ", "٣", "9" * 5_000, "{1}", None, 1.5, [], True])
async def test_an_odd_id_costs_none_of_its_hundred_neighbours(
    odd: typing.Any, make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    reader = await make_cache(database=0, fed=False)
    for number in range(100):
        feed("GUILD_MEMBER_ADD", samples.member(number, "whole"))
        if number == 50:
            feed("GUILD_ROLE_DELETE", {"guild_id": samples.GUILD, "role_id": odd})
            feed("GUILD_ROLE_DELETE", {"guild_id": odd, "role_id": "5"})
            feed("MESSAGE_DELETE", {"id": odd, "channel_id": "5"})
            feed("PRESENCE_UPDATE", {"guild_id": odd, "user": {"id": odd}, "status": "online"})

    await _appears(lambda: _counts(reader, 100))
    assert cache.statistics.skipped == 4
    assert not [key for key in await raw.keys() if str(odd).encode(errors="replace") in key.split(b"-")]


async def _counts(reader: typing.Any, count: int) -> bool:
    return typing.cast("bool", await reader.iter_members_for_guild(GUILD).len() == count)


async def test_a_foreign_guild_id_of_any_length_costs_no_shard_what_it_says(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    await make_cache(database=0)
    reader = await make_cache(database=0, fed=False)
    await raw.sadd(keys.guilds(), "9" * 5_000, "\N{ARABIC-INDIC DIGIT ONE}")
    feed("READY", testing.World(guilds=1, members=2).ready())
    feed("GUILD_ROLE_CREATE", _role())
    await _appears(lambda: reader.get_role(5))


@pytest.mark.parametrize("broken", ["no user", "an odd id", "what cannot be encoded"])
async def test_one_bad_member_does_not_cost_its_guild(
    broken: str,
    make_cache: typing.Any,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = await make_cache(database=0)
    guild = payloads.guild(members=[payloads.member() for _ in range(1_000)])
    bad = guild["members"][500]
    if broken == "no user":
        del bad["user"]
    elif broken == "an odd id":
        bad["user"]["id"] = "12x"
    else:
        bad["nick"] = "\ud800"

    feed("GUILD_CREATE", guild)
    reader = await make_cache(database=0, fed=False)
    await _appears(lambda: reader.get_guild(int(guild["id"])))
    assert await reader.iter_members_for_guild(int(guild["id"])).len() == 999
    assert not await reader.is_member_list_complete(int(guild["id"]))
    assert cache.statistics.skipped >= 1
    assert any(
        "GUILD_CREATE" in record.getMessage() and guild["id"] in record.getMessage() for record in caplog.records
    )


@pytest.mark.parametrize("size", [5_000_000, 100_000_000])
async def test_what_is_too_large_is_refused_and_costs_nobody_anything(
    size: int, make_cache: typing.Any, feed: gateway.Feed
) -> None:
    cache = await make_cache(database=0)
    with pytest.raises(ValueError, match=r"takes \d+ bytes, more than"):
        await cache.set_message({"id": "5", "content": "x" * size})
    feed("MESSAGE_CREATE", {**testing.Payloads().message(id="5"), "content": "x" * size})
    feed("GUILD_ROLE_CREATE", _role())
    reader = await make_cache(database=0, fed=False)
    await _appears(lambda: reader.get_role(5))
    assert cache.statistics.skipped == 1


async def test_an_event_that_fails_half_way_leaves_nothing(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    await make_cache(database=0)
    thread = {**payloads.thread(), "guild_id": samples.GUILD}
    del thread["parent_id"]
    feed("THREAD_CREATE", thread)
    feed("GUILD_MEMBER_ADD", {"guild_id": samples.GUILD, "user": {**payloads.user(), "id": "x"}, "roles": []})
    feed("GUILD_ROLE_CREATE", _role())
    await asyncio.sleep(0)
    reader = await make_cache(database=0, fed=False)
    await _appears(lambda: reader.get_role(5))
    assert {key.decode() async for key in raw.scan_iter() if not keys.is_of_sake_itself(key)} == {
        keys.in_guild("role", samples.GUILD),
        keys.guild_of(5),
        keys.guilds(),
    }


# Two clients


@pytest.mark.not_on("fakeredis", reason="it is in one process with the other client")
async def test_two_clients_that_store_the_same_large_list_leave_it_whole(
    server: servers.Server, payloads: testing.Payloads, make_cache: typing.Any
) -> None:
    guild = payloads.guild(members=[payloads.member() for _ in range(server.share(12_000))], member_count=None)
    guild["member_count"] = len(guild["members"])
    reader = await make_cache(database=0, fed=False)
    feeds, caches = [], []
    for _ in range(2):
        bot = gateway.make_bot()
        caches.append(await make_cache(database=0, bot=bot))
        feeds.append(gateway.Feed(bot, gateway.Shard()))
        # They are of one bot: otherwise the later one had the guild alone.
        feeds[-1]("READY", streams.ready(payloads.own_user(), [guild["id"]]))
    for round_ in range(3):
        for feed in feeds:
            feed("GUILD_CREATE", {**guild, "name": f"round {round_}"})
            await asyncio.sleep(0.01)
        await _appears(functools.partial(_is_named, reader, guild, f"round {round_}"), 20)
        await own_server.eventually(lambda: not any(cache.statistics.backlog for cache in caches))
        count = await reader.iter_members_for_guild(int(guild["id"])).len()
        assert count == len(guild["members"])
        assert await reader.is_member_list_complete(int(guild["id"]))


async def _is_named(reader: typing.Any, guild: dict[str, typing.Any], name: str) -> bool:
    with contextlib.suppress(sake.EntryNotFound):
        return typing.cast("bool", (await reader.get_guild(int(guild["id"]))).name == name)

    return False


@pytest.mark.not_on("fakeredis", reason="its lists are as small as its share")
async def test_a_list_that_the_server_evicted_while_it_was_sent_does_not_take_the_place_of_a_whole_one(
    server: servers.Server,
    payloads: testing.Payloads,
    make_cache: typing.Any,
    feed: gateway.Feed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evicted: list[int] = []
    send = _batch.BatchWriter._send

    async def evict(self: typing.Any, database: typing.Any, *transactions: typing.Any) -> None:
        if not evicted:
            with contextlib.closing(server.blocking_client(0)) as client:
                evicted.extend(typing.cast("int", client.delete(key)) for key in client.scan_iter("*staging*"))
        await send(self, database, *transactions)

    cache = await make_cache(database=0)
    guild = payloads.guild(members=[payloads.member() for _ in range(12_000)])
    guild["member_count"] = len(guild["members"])
    feed("GUILD_CREATE", guild)
    await cache.flush()
    monkeypatch.setattr(_batch.BatchWriter, "_send", evict)
    feed("GUILD_CREATE", {**guild, "name": "again"})
    reader = await make_cache(database=0, fed=False)
    counts: set[int] = set()
    while not await _is_named(reader, guild, "again"):
        counts.add(await reader.iter_members_for_guild(int(guild["id"])).len())
        await asyncio.sleep(0.005)
    counts.add(await reader.iter_members_for_guild(int(guild["id"])).len())
    assert evicted
    assert counts == {12_000}


# Partial updates and lifetimes


async def test_a_payload_is_stored_as_it_was_when_its_event_came(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    await make_cache(database=0)
    message = payloads.message()
    update = {"id": message["id"], "channel_id": message["channel_id"], "embeds": [], "content": "edited"}
    feed("MESSAGE_CREATE", message)
    await asyncio.sleep(0.05)
    feed("MESSAGE_UPDATE", update)
    await asyncio.sleep(0)
    update["embeds"].append({"title": "somebody else's", "type": "rich"})
    reader = await make_cache(database=0, fed=False)
    await _appears(lambda: _is_edited(reader, message))
    assert (await reader.get_message(int(message["id"]))).embeds == []


async def _is_edited(reader: typing.Any, message: dict[str, typing.Any]) -> bool:
    return typing.cast("bool", (await reader.get_message(int(message["id"]))).content == "edited")


async def test_lifetimes_count_from_the_event_also_in_an_outage(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    async with sake.RedisCache(own.url, bot, bot.event_manager, database=0) as cache:
        cache.with_message_expire(0.5)
        own.kill()
        message = payloads.message()
        feed("MESSAGE_CREATE", message)
        feed("MESSAGE_CREATE", lasting := payloads.message())
        await feed.settle()
        with contextlib.suppress(sake.BackendError):
            await cache.set_message(lasting, expire_time=600)
        with contextlib.suppress(sake.BackendError):
            await cache.set_user(payloads.user(id="7"), expire_time=0.5)
        assert (await cache.get_message(int(message["id"]))).content == message["content"]
        await asyncio.sleep(0.6)
        for get in (lambda: cache.get_message(int(message["id"])), lambda: cache.get_user(7)):
            with pytest.raises(sake.EntryNotFound):
                await get()
        own.start()
        with contextlib.closing(own.client()) as client:
            await own_server.eventually(lambda: client.exists(keys.single("message", lasting["id"])))
            assert not client.exists(keys.single("message", message["id"]))
            assert not client.exists(keys.single("user", 7))
            assert 590_000 < client.pttl(keys.single("message", lasting["id"])) < 599_500


# A server that is full, and one that is away


async def test_a_server_that_is_full_of_a_guild_lets_go_of_it(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guild = payloads.guild(members=[payloads.member() for _ in range(3_000)])
    with contextlib.closing(own.client()) as client:
        async with sake.redis.MemberCache(own.url, bot, bot.event_manager, database=0) as cache:
            feed("GUILD_CREATE", guild)
            await cache.flush()
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", client.info("memory")["used_memory"] - 400_000)
            for number in range(300):
                feed("GUILD_MEMBER_ADD", samples.member(number, "x" * 30))
                if number == 150:
                    feed("GUILD_DELETE", {"id": guild["id"]})
            await own_server.eventually(lambda: client.hlen(keys.in_guild("member", samples.GUILD)) == 300)
            assert not client.exists(keys.in_guild("member", guild["id"]))


async def test_a_server_that_is_full_lets_go_of_what_is_removed_long_after_it_was_full(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guild = payloads.guild(members=[payloads.member() for _ in range(3_000)])
    with contextlib.closing(own.client()) as client:
        async with sake.redis.MemberCache(own.url, bot, bot.event_manager, database=0) as cache:
            feed("GUILD_CREATE", guild)
            await _appears(lambda: cache.is_member_list_complete(int(guild["id"])))
            await own_server.eventually(lambda: cache.statistics.backlog == 0)
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", client.info("memory")["used_memory"] - 400_000)
            for number in range(300):
                feed("GUILD_MEMBER_ADD", samples.member(number, "x" * 30))
            await own_server.eventually(lambda: cache.statistics.failures > 2)
            feed("GUILD_DELETE", {"id": guild["id"]})
            await own_server.eventually(lambda: client.hlen(keys.in_guild("member", samples.GUILD)) == 300)
            assert not client.exists(keys.in_guild("member", guild["id"]))


async def test_a_shard_that_says_what_it_has_in_an_outage_logs_no_traceback(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "asyncio")
    async with sake.RedisCache(own.url, bot, bot.event_manager, database=0) as cache:
        own.kill()
        for _ in range(3):
            feed("READY", testing.World(guilds=1, members=2).ready())
            feed("GUILD_MEMBER_ADD", samples.member(1, "kept"))
            await asyncio.sleep(0.1)
        await own_server.eventually(lambda: cache.statistics.failures > 2)
        assert not [record for record in caplog.records if record.exc_info]
        own.start()
        await own_server.eventually(lambda: not cache.statistics.is_away)


async def test_the_loop_is_not_blocked_while_many_thousand_deletions_are_written(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    address = f"{own.url}?socket_timeout=0.3"
    async with sake.redis.MessageCache(address, bot, bot.event_manager, database=0) as cache:
        own.pause()
        _delete_messages(feed, 200_000)
        await own_server.eventually(lambda: cache.statistics.failures > 0)
        own.resume()
        # What the tests before have left is not to be collected meanwhile.
        gc.collect()
        gc.freeze()
        ticking = asyncio.create_task(_longest_turn())
        await own_server.eventually(lambda: cache.statistics.backlog == 0)
        ticking.cancel()
        assert await ticking < 0.1
        assert cache.statistics.skipped == cache.statistics.dropped == 0


def _delete_messages(feed: gateway.Feed, count: int) -> None:
    for start in range(0, count, 100):
        feed("MESSAGE_DELETE_BULK", {"ids": [str(number) for number in range(start, start + 100)], "channel_id": "5"})


async def _longest_turn() -> float:
    """Measure, until cancelled, the longest time that this thread worked without giving other tasks their turn."""
    longest = 0.0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    return longest


async def test_what_waits_goes_in_commands_of_a_size_that_every_server_takes(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    address, sizes = f"{own.url}?socket_timeout=0.3", []
    with contextlib.closing(own.client()) as client, client.monitor() as monitor:
        async with sake.redis.MessageCache(address, bot, bot.event_manager, database=0) as cache:
            own.pause()
            _delete_messages(feed, 60_000)
            await own_server.eventually(lambda: cache.statistics.failures > 0)
            own.resume()
            await own_server.eventually(lambda: cache.statistics.backlog == 0)
        client.echo("done")
        for command in monitor.listen():
            sizes.append(command["command"].count(" ") + 1)
            if command["command"].startswith("ECHO"):
                break
    assert sum(sizes) > 60_000
    assert max(sizes) < 20_000
