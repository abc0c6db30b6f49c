# SPDX-License-Identifier: BSD-3-Clause
"""Caches live beside foreign keys and beside each other."""

from __future__ import annotations

import asyncio
import itertools
import typing
from collections import abc as collections

import pytest
from _support import gateway
from _support import keys
from _support import marks

import sake
import sake.redis
from sake import _names
from sake import testing

Payload = dict[str, typing.Any]

FORBIDDEN = {"keys", "flushdb", "flushall", "dbsize", "config", "swapdb", "monitor", "debug", "save", "bgsave"}

# What a town has none of.
OTHERS = ("iter_dm_channels",)

# What every clearing method takes.
CLEARS: dict[str, tuple[str, ...]] = {
    name: ("guild",)
    if name.endswith("_for_guild")
    else ("thread_channel" if "thread" in name else "voice_channel",)
    if name.endswith("_for_channel")
    else ()
    for name in dir(sake.redis.RedisCache)
    if name.startswith("clear_")
}

# Each pair: names that could be mistaken for each other, or for what sake calls its keys.
NAMESPACES = [
    ("a", "b"),
    ("bot", "bot1"),
    ("bot", "bot.bot"),
    ("sake", "sake.sake"),
    ("user", "sake"),
    ("Invite", "invite"),
    ("message.", "message"),
    ("guilds", "guild"),
    ("guild-of", "guild"),
    ("1", "sake"),
    ("voice_state-channel", "voice_state"),
]


class Town:
    """A guild with one of everything, and the events that fill a cache with it."""

    def __init__(self, seed: int = 3) -> None:
        weights = {"CHANNEL_DELETE": 0.0, "GUILD_DELETE": 0.0, "THREAD_DELETE": 0.0}
        self.world = testing.World(seed=seed, guilds=2, members=40, weights=weights)
        self.guild = max(self.world.guilds.values(), key=lambda guild: len(guild.threads))
        make = self.world.payloads
        channel = self.guild.text_channel_ids[0]
        author = self.world.users[next(iter(self.guild.members))]
        self.message = make.message(guild_id=self.guild.id, channel_id=channel, author=author)
        self.invite = make.invite(guild_id=self.guild.id, channel_id=channel)
        self.ids = {
            "guild": int(self.guild.id),
            "thread_channel": int(next(iter(self.guild.threads.values()))["parent_id"]),
            "voice_channel": int(next(iter(self.guild.voice_states.values()))["channel_id"]),
        }

    def events(self) -> collections.Iterator[tuple[str, Payload]]:
        yield "READY", self.world.ready()
        for guild_id in self.world.guilds:
            yield "GUILD_CREATE", self.world.guild_create(guild_id)
        yield "MESSAGE_CREATE", self.message
        yield "INVITE_CREATE", self.invite

    def later_events(self) -> collections.Iterator[tuple[str, Payload]]:
        yield "MESSAGE_UPDATE", {**self.message, "content": "changed"}
        yield "CHANNEL_PINS_UPDATE", {"guild_id": self.guild.id, "channel_id": self.message["channel_id"]}
        yield from itertools.islice(self.world.steps(400), 400)
        yield "CHANNEL_DELETE", {**self.guild.channels[str(self.ids["voice_channel"])], "guild_id": self.guild.id}
        yield "GUILD_DELETE", {"id": self.guild.id, "unavailable": True}
        yield "GUILD_DELETE", {"id": self.guild.id}


async def _dump(raw: typing.Any) -> dict[bytes, bytes]:
    return {key: await raw.dump(key) for key in await raw.keys()}


async def _dump_without_lasting(raw: typing.Any, namespace: str = keys.NAMESPACE) -> dict[bytes, bytes]:
    """Return all that is stored but for what stays of a namespace when everything in it was cleared."""
    dumped = await _dump(raw)
    lasting = {key for key in dumped if key.startswith(f"{namespace}:".encode()) and keys.outlasts(key)}
    return {key: data for key, data in dumped.items() if key not in lasting}


async def _sow(raw: typing.Any, *names: str) -> dict[bytes, bytes]:
    """Store a foreign key of every type under each name that is not taken."""
    types: dict[str, typing.Callable[[str], typing.Awaitable[object]]] = {
        "string": lambda key: raw.set(key, "x"),
        "expiring": lambda key: raw.set(key, "x", ex=1_000_000),
        "list": lambda key: raw.rpush(key, "x"),
        "set": lambda key: raw.sadd(key, "1"),
        "hash": lambda key: raw.hset(key, "1", "x"),
        "zset": lambda key: raw.zadd(key, {"x": 1}),
        "stream": lambda key: raw.xadd(key, {"x": "1"}),
        "bitmap": lambda key: raw.setbit(key, 7, 1),
        "log": lambda key: raw.pfadd(key, "x"),
    }
    for (suffix, store), name in itertools.product(types.items(), names):
        await store(f"{name}{suffix}")

    return await _dump(raw)


async def _use_everything(cache: sake.redis.RedisCache, town: Town, feed: gateway.Feed) -> None:
    """Call every public method of a cache that holds a town."""
    one: dict[str, Payload] = {
        "emoji": next(iter(town.guild.emojis.values())),
        "role": next(iter(town.guild.roles.values())),
        "sticker": next(iter(town.guild.stickers.values())),
        "guild_channel": {**next(iter(town.guild.channels.values())), "guild_id": town.guild.id},
        "thread": {**next(iter(town.guild.threads.values())), "guild_id": town.guild.id},
    }
    guild, user = town.ids["guild"], int(next(iter(town.guild.presences)))
    member = town.guild.members[str(user)]
    await asyncio.gather(cache.get_me(), cache.get_guild(guild), cache.get_guilds([guild, 5]), cache.get_user(user))
    await cache.is_guild_available(guild)
    await cache.get_unavailable_guild_ids()
    await cache.is_member_list_complete(guild)
    await asyncio.gather(cache.get_users([user, 404]), cache.get_member(guild, user), cache.get_members(guild, [user]))
    await asyncio.gather(cache.get_presence(guild, user), cache.get_presences(guild, [user, 404]))
    await asyncio.gather(cache.get_message(int(town.message["id"])), cache.get_messages([int(town.message["id"])]))
    await asyncio.gather(cache.get_invite(town.invite["code"]), cache.get_invites([town.invite["code"], "none"]))
    speaking = int(next(iter(town.guild.voice_states)))
    await asyncio.gather(cache.get_voice_state(guild, speaking), cache.get_voice_states(guild, [speaking, 404]))
    await _iterate_everything(cache, town)
    for name, payload in one.items():
        ids = int(payload["id"])
        for hint in ({}, {"guild_id": guild}):
            await getattr(cache, f"get_{name}")(ids, **hint)
            await getattr(cache, f"get_{name}s")([ids, 404], **hint)
        arguments = () if name in {"guild_channel", "thread"} else (guild,)
        await getattr(cache, f"set_{name}")(*arguments, payload)
        await getattr(cache, f"delete_{name}")(ids)
        await getattr(cache, f"set_{name}")(*arguments, payload)
        await getattr(cache, f"delete_{name}")(ids, guild_id=guild)

    await cache.set_guild(town.guild.record)
    await cache.set_member(guild, member)
    await cache.set_presence({**town.guild.presences[str(user)], "guild_id": town.guild.id})
    await cache.set_voice_state(guild, town.guild.voice_states[str(speaking)])
    await cache.set_me(town.world.me)
    await cache.set_user(member["user"], expire_time=50)
    await cache.set_message(town.message)
    await cache.update_message({"id": town.message["id"], "content": "by hand"}, expire_time=60)
    await cache.update_message({"id": town.message["id"], "content": "again"})
    await cache.set_invite(town.invite)
    feed.all(town.later_events())
    await cache.flush()
    for call in (
        cache.delete_member(guild, user),
        cache.delete_presence(guild, user),
        cache.delete_voice_state(guild, speaking),
        cache.delete_message(int(town.message["id"])),
        cache.delete_invite(town.invite["code"]),
        cache.delete_user(user),
        cache.delete_guild(guild),
        cache.delete_me(),
    ):
        await call


async def _iterate_everything(cache: sake.redis.RedisCache, town: Town) -> None:
    for name in (name for name in dir(cache) if name.startswith("iter_")):
        arguments: tuple[int, ...] = ()
        if name.endswith("_for_guild"):
            arguments = (town.ids["guild"],)
        elif name.endswith("_for_channel"):
            arguments = (town.ids["thread_channel" if "thread" in name else "voice_channel"],)
        for window_size in (3, 1_000):
            iterator = getattr(cache, name)(*arguments, window_size=window_size)
            assert len(await iterator) == await iterator.len(), name
            assert await iterator.len() or name.startswith(OTHERS), name


async def _clear_everything(cache: sake.redis.RedisCache, town: Town) -> None:
    for name, arguments in CLEARS.items():
        await getattr(cache, name)(*(town.ids[argument] for argument in arguments))


async def test_foreign_keys_survive_everything_that_a_cache_can_do(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any
) -> None:
    foreign = await _sow(
        raw,
        "app:",
        "user:",
        "{1}:",
        "guilds",
        "sake",
        "sakes:user:",
        "bot:user:",
        "sake:user:x",
        "sake:user:",
        "sake:message:1:",
        "sake:invite:a:",
        "sake:guilds:",
        "sake:guild-of:",
        "sake:meta-",
        "sake:{1}:",
        "sake:{1}:roles-",
    )
    town = Town()
    cache = await make_cache(database=0)
    feed.all(town.events())
    await cache.flush()
    assert await raw.dbsize() > len(foreign)
    await _use_everything(cache, town, feed)
    feed.all(town.events())
    await cache.flush()
    await _clear_everything(cache, town)
    await cache.delete_me()
    await cache.close()
    assert await _dump_without_lasting(raw) == foreign


async def test_foreign_keys_are_neither_listed_nor_counted(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any
) -> None:
    await _sow(raw, "user:", "sake:user:", "sake:user:1:", "sake:message:x", "sake:invite:a:", "sake:invite:b c")
    await _sow(raw, "sake:guilds-", "sake:{1}:role-", "sakes:user:", "asake:user:")
    cache = await make_cache(database=0)
    for name in (name for name in dir(cache) if name.startswith("iter_") and "_for_" not in name):
        iterator = getattr(cache, name)()
        assert await iterator.len() == 0, name
        assert await iterator == [], name


@pytest.mark.parametrize(("one", "other"), NAMESPACES)
async def test_two_namespaces_do_not_see_each_other(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any, one: str, other: str
) -> None:
    town, elsewhere = Town(3), Town(4)
    mine = await make_cache(database=0, namespace=one)
    feed.all(town.events())
    await mine.flush()
    kept = await _dump(raw)
    assert all(key.startswith(f"{one}:".encode()) for key in kept)

    other_bot = gateway.make_bot()
    theirs = await make_cache(database=0, namespace=other, bot=other_bot)
    for name in (name for name in dir(theirs) if name.startswith("iter_") and "_for_" not in name):
        assert await getattr(theirs, name)().len() == 0, name
        assert await getattr(theirs, name)() == [], name
    for name, arguments in (("get_user", (int(town.message["author"]["id"]),)), ("get_guild", (town.ids["guild"],))):
        with pytest.raises(sake.EntryNotFound):
            await getattr(theirs, name)(*arguments)

    other_feed = gateway.Feed(other_bot, gateway.Shard())
    other_feed.all(elsewhere.events())
    await _use_everything(theirs, elsewhere, other_feed)
    other_feed.all(elsewhere.events())
    await theirs.flush()
    await _clear_everything(theirs, town)
    await _clear_everything(theirs, elsewhere)
    await theirs.delete_me()
    assert await _dump_without_lasting(raw, other) == kept
    assert await mine.iter_users().len() > 0


async def test_a_shard_that_says_what_was_left_says_nothing_about_other_namespaces(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any
) -> None:
    town = Town()
    mine = await make_cache(database=0, namespace="mine")
    feed.all(town.events())
    await mine.flush()
    kept = await _dump(raw)
    other_bot = gateway.make_bot()
    theirs = await make_cache(database=0, namespace="theirs", bot=other_bot)
    gateway.Feed(other_bot, gateway.Shard())("READY", {**town.world.ready(), "guilds": []})
    await theirs.flush()
    await theirs.delete_user(int(town.world.me["id"]))
    await theirs.delete_me()
    assert await _dump_without_lasting(raw, "theirs") == kept


@marks.needs_statistics
@pytest.mark.parametrize("options", [{"database": 0}, {}], ids=["one database", "a database each"])
async def test_no_command_is_used_that_a_shared_server_would_mind(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any, options: dict[str, int]
) -> None:
    town = Town()
    await raw.config_resetstat()
    cache = await make_cache(**options)
    feed.all(town.events())
    await cache.flush()
    await _use_everything(cache, town, feed)
    await _clear_everything(cache, town)
    connections = (await raw.info("stats"))["total_connections_received"]
    statistics = await raw.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): found["calls"] for name, found in statistics.items()}
    # Redis 6.2 does not count subcommands on their own. This one is the test's.
    assert (calls.pop("config|resetstat", 0) or calls.pop("config")) == 1
    assert not {name.partition("|")[0] for name in calls} & FORBIDDEN
    # A database is chosen when a connection is made (redis-py does so twice on a unix socket), and never again.
    assert calls.get("select", 0) <= 2 * connections
    assert connections <= 5 * len(cache.all_indexes())


async def test_all_resources_in_one_database_work_and_leave_no_entity_when_cleared(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any
) -> None:
    town = Town()
    cache = await make_cache(database=0)
    feed.all(town.events())
    for name, expected in (
        ("guilds", len(town.world.guilds)),
        ("roles", sum(len(guild.roles) for guild in town.world.guilds.values())),
        ("guild_channels", sum(len(guild.channels) for guild in town.world.guilds.values())),
        ("threads", sum(len(guild.threads) for guild in town.world.guilds.values())),
        ("emojis", sum(len(guild.emojis) for guild in town.world.guilds.values())),
        ("stickers", sum(len(guild.stickers) for guild in town.world.guilds.values())),
        ("members", sum(len(guild.members) for guild in town.world.guilds.values())),
        ("voice_states", sum(len(guild.voice_states) for guild in town.world.guilds.values())),
        ("messages", 1),
        ("invites", 1),
    ):
        assert await getattr(cache, f"iter_{name}")().len() == expected, name
        assert len(await getattr(cache, f"iter_{name}")()) == expected, name

    await _clear_everything(cache, town)
    await cache.delete_me()
    assert await _dump_without_lasting(raw) == {}


async def test_clearing_one_kind_takes_nothing_of_another(make_cache: typing.Any, feed: gateway.Feed) -> None:
    town = Town()
    cache = await make_cache(database=0)
    names = sorted(name.removeprefix("clear_") for name, arguments in CLEARS.items() if not arguments)
    for cleared in names:
        feed.all(town.events())
        before = {name: await getattr(cache, f"iter_{name}")().len() for name in names}
        assert [name for name, count in before.items() if not count and not f"iter_{name}".startswith(OTHERS)] == []
        await getattr(cache, f"clear_{cleared}")()
        after = {name: await getattr(cache, f"iter_{name}")().len() for name in names}
        assert after == {**before, cleared: 0}


async def test_clearing_what_belongs_to_a_guild_or_channel_takes_nothing_of_others(
    make_cache: typing.Any, feed: gateway.Feed
) -> None:
    town = Town()
    cache = await make_cache(database=0)
    feed.all(town.events())
    other = next(guild for guild in town.world.guilds.values() if guild is not town.guild)
    for name in _names.IN_GUILDS:
        iterate, iterate_guild = getattr(cache, name.iter_all), getattr(cache, name.iter_for_guild)
        total, theirs = await iterate().len(), await iterate_guild(int(other.id)).len()
        assert total > theirs > 0 or name is _names.THREAD, name
        await getattr(cache, name.clear_for_guild)(town.ids["guild"])
        assert await iterate().len() == theirs, name
        assert await iterate_guild(town.ids["guild"]).len() == 0, name

    feed.all(town.events())
    states = await cache.iter_voice_states().len()
    inside = await cache.iter_voice_states_for_channel(town.ids["voice_channel"]).len()
    assert inside > 0
    await cache.clear_voice_states_for_channel(town.ids["voice_channel"])
    assert await cache.iter_voice_states().len() == states - inside
    assert await cache.iter_voice_states_for_channel(town.ids["voice_channel"]).len() == 0
