# SPDX-License-Identifier: BSD-3-Clause
"""Faults that hikari-sake 1.1.2 has, each held off by a test on a real server whose name begins with its number.

Those of F16, F35 and F36 lie with the tests of Tanjun.

F1: Clearing the messages emptied the database of the invites, and left the messages.
F2: Somebody who moved to another voice channel was still found in the one they had left.
F3: Clearing the voice states of a channel removed none of them, nor did deleting the channel.
F4: Iterating over a voice channel that nobody is in raised `LookupError`, and its length was -1.
F5: Clearing the emojis or the guild channels removed what finds them, but not them.
F6: Events were applied in any order: what was deleted right after it was created stayed, and an older update could win.
F7: Updates of messages and pins read first and wrote later, so that they undid a deletion in between.
F8: Of thousands of guilds received at once many found no connection, and were not stored whole.
F9: A guild received as unavailable lost what was stored of it, and could not be read or iterated over any more.
F10: An update of a guild lost what only its creation carries: when the bot joined, its size, whether it is large.
F11: A guild received without one of its lists raised `TypeError`.
F12: A voice state whose member was not sent with it raised `KeyError`.
F13: Presences were not replaced when their guild was received again, and not removed when the member left.
F14: Guilds that the bot left while it was away stayed for ever.
F15: Invites outlived their channel and their guild.
F16: Whatever `trust_get_for` named, Tanjun was told "does not exist" and never asked Discord.
F17: The bot's own user lay among the users: it was iterated over twice, counted, and cleared with them.
F18: With an index of their own, users that came inside of other payloads were not stored.
F19: A lifetime of infinity or NaN, which stands for none, raised `TypeError` when the first event came.
F20: A `config` that was empty was not kept, so that it could not be shared.
F21: A member set by hand from what REST answers could not be read back, for want of its guild's id.
F22: Closing the client left its connections open.
F23: The status of the connection was never true.
F24: Iterators recursed over what hikari cannot build until the stack was full, took ever longer, and repeated entries.
F25: To tell how many members there are, every key of the database was listed.
F26: Lifetimes were mistaken in their unit, by a factor of a thousand, and `default_expire` was not used.
F27: Clearing a resource flushed its database, with what others kept there.
F28: Payloads were changed that hikari and other listeners still used.
F29: One listener that failed hid the failures of the others, or nobody heard of it at all.
F30: Nothing told whether a guild is available.
F31: What hikari cannot build was never deleted, since deletions waited for an event that was not dispatched.
F32: An entity that hikari does not know raised hikari's error.
F33: A process that had seen no READY asked Discord who it is before it could read a guild.
F34: Errors of redis-py and `KeyError` came out, and half of the documented errors never did.
F35: Tanjun asked for invites under an alias that they were not registered under.
F36: Some interfaces for references were declared and not implemented, others implemented and not declared.
F37: The iterator over the messages of a channel was misspelt: bots call it as it is, so both names stay.
F38: A guild that was received again cost several commands for each of its entities.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import datetime
import logging
import math
import pathlib
import re
import time
import types
import typing
from collections import abc as collections

import hikari
import orjson
import pytest
import redis
import redis.asyncio
from _support import gateway
from _support import keys
from _support import marks
from _support import own_server
from _support import servers
from _support import streams

import sake.redis
from sake import abc
from sake import errors
from sake import testing
from sake._names import LISTS

Payload = dict[str, typing.Any]

OWN_USER: typing.Final = testing.Payloads(seed=2).own_user(id=str(gateway.OWN_ID))


def _in(guild: Payload, payload: Payload, **changes: typing.Any) -> Payload:
    return {**payload, "guild_id": guild["id"], **changes}


def _voice_state(payloads: testing.Payloads, guild: Payload, channel: Payload, member: Payload) -> Payload:
    state = payloads.voice_state(user_id=member["user"]["id"], channel_id=channel["id"])
    return _in(guild, state, member=member)


def _voice_channel(payloads: testing.Payloads) -> Payload:
    return payloads.channel(type=hikari.ChannelType.GUILD_VOICE)


async def _names(raw: redis.asyncio.Redis, pattern: str = "*") -> set[str]:
    return {key.decode() async for key in raw.scan_iter(pattern, count=1_000)}


async def _eventually(check: collections.Callable[[], collections.Awaitable[bool]], /) -> None:
    for _ in range(1_000):
        if await check():
            return

        await asyncio.sleep(0.01)

    pytest.fail("what was waited for has not happened")


async def test_f01_clear_messages_leaves_invites(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guild = payloads.guild()
    message, invite = payloads.message(guild_id=guild["id"]), payloads.invite(guild_id=guild["id"])
    feed.all([("GUILD_CREATE", guild), ("MESSAGE_CREATE", message), ("INVITE_CREATE", invite)])
    await cache.clear_messages()

    assert await cache.iter_messages() == []
    assert await cache.iter_messages().len() == 0
    with pytest.raises(errors.EntryNotFound):
        await cache.get_message(int(message["id"]))
    assert (await cache.get_invite(invite["code"])).code == invite["code"]
    assert [found.id for found in await cache.iter_guilds()] == [int(guild["id"])]
    assert await cache.iter_members().len() == 1


async def test_f02_voice_move_leaves_one_channel(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    member = payloads.member()
    first, second = _voice_channel(payloads), _voice_channel(payloads)
    guild = payloads.guild(members=[member], channels=[first, second])
    feed("GUILD_CREATE", guild)
    for channel in (first, second, first, second):
        feed("VOICE_STATE_UPDATE", _voice_state(payloads, guild, channel, member))
        await cache.flush()

    assert await cache.iter_voice_states_for_channel(int(first["id"])) == []
    (state,) = await cache.iter_voice_states_for_channel(int(second["id"]))
    assert state.user_id == int(member["user"]["id"])
    assert await cache.iter_voice_states_for_channel(int(first["id"])).len() == 0
    assert await cache.iter_voice_states_for_channel(int(second["id"])).len() == 1
    assert not await _names(raw, f"*{first['id']}*")


@pytest.mark.parametrize("how", ["by hand", "by event"])
async def test_f03_states_of_a_cleared_channel_go(
    how: str, cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    members = [payloads.member() for _ in range(3)]
    doomed, other = _voice_channel(payloads), _voice_channel(payloads)
    guild = payloads.guild(members=members, channels=[doomed, other])
    feed("GUILD_CREATE", guild)
    for member, channel in zip(members, (doomed, doomed, other), strict=True):
        feed("VOICE_STATE_UPDATE", _voice_state(payloads, guild, channel, member))
    if how == "by hand":
        await cache.clear_voice_states_for_channel(int(doomed["id"]))
    else:
        feed("CHANNEL_DELETE", _in(guild, doomed))
    await cache.flush()

    assert await cache.iter_voice_states_for_channel(int(doomed["id"])) == []
    (left,) = await cache.iter_voice_states_for_guild(int(guild["id"]))
    assert left.channel_id == int(other["id"])
    for member in members[:2]:
        with pytest.raises(errors.EntryNotFound):
            await cache.get_voice_state(int(guild["id"]), int(member["user"]["id"]))


async def test_f04_empty_voice_channel_is_empty(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    channel, member = _voice_channel(payloads), payloads.member()
    guild = payloads.guild(members=[member], channels=[channel])
    assert await cache.iter_voice_states_for_channel(int(channel["id"])) == []
    feed("GUILD_CREATE", guild)
    feed("VOICE_STATE_UPDATE", _voice_state(payloads, guild, channel, member))
    feed("VOICE_STATE_UPDATE", _in(guild, payloads.left_voice_state(user_id=member["user"]["id"])))
    for _ in range(2):
        assert await cache.iter_voice_states_for_channel(int(channel["id"])) == []
        assert await cache.iter_voice_states_for_channel(int(channel["id"])).len() == 0
        await cache.flush()


@pytest.mark.parametrize("resource", ["emoji", "guild_channel"])
async def test_f05_cleared_entities_go(
    resource: str, make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    guild = payloads.guild(threads=[payloads.thread()])
    feed("GUILD_CREATE", guild)
    await getattr(cache, f"clear_{resource}s")()

    name = resource.removeprefix("guild_")
    assert await getattr(cache, f"iter_{resource}s")() == []
    assert await getattr(cache, f"iter_{resource}s_for_guild")(int(guild["id"])) == []
    for entity in guild[f"{name}s"]:
        for options in ({}, {"guild_id": int(guild["id"])}):
            with pytest.raises(errors.EntryNotFound):
                await getattr(cache, f"get_{resource}")(int(entity["id"]), **options)
    assert name not in {keys.use_of(key) for key in await _names(raw)}
    assert await cache.iter_roles().len() == 3
    assert await cache.iter_threads().len() == 1


async def test_f06_create_then_delete_leaves_nothing(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, server: servers.Server
) -> None:
    for number in range(server.share(1_000)):
        message = payloads.message()
        feed("MESSAGE_CREATE", message)
        feed("MESSAGE_DELETE", {"id": message["id"], "channel_id": message["channel_id"]})
        if not number % 50:
            await asyncio.sleep(0)

    await cache.flush()
    assert await cache.iter_messages().len() == 0


async def test_f06_guild_then_role_delete_has_no_role(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, server: servers.Server
) -> None:
    template, doomed = payloads.guild(channels=[], emojis=[], stickers=[]), payloads.role()
    guilds = [str((number + 1) << 22) for number in range(server.share(1_000))]
    for number, guild in enumerate(guilds):
        role = {**doomed, "id": str(((number + 1) << 22) + 1)}
        feed("GUILD_CREATE", {**template, "id": guild, "roles": [{**doomed, "id": guild}, role]})
        feed("GUILD_ROLE_DELETE", {"guild_id": guild, "role_id": role["id"]})
        if not number % 100:
            await asyncio.sleep(0)

    await cache.flush()
    assert {str(role.id) async for role in cache.iter_roles()} == set(guilds)
    assert await cache.iter_roles().len() == len(guilds)


async def test_f06_ten_updates_end_on_the_last(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, server: servers.Server
) -> None:
    messages = [payloads.message() for _ in range(server.share(1_000))]
    for number, message in enumerate(messages):
        feed("MESSAGE_CREATE", message)
        for update in range(10):
            feed("MESSAGE_UPDATE", payloads.message_update(message, content=f"edit {update}"))
        if not number % 20:
            await asyncio.sleep(0)

    await cache.flush()
    assert [found.content async for found in cache.iter_messages()] == ["edit 9"] * len(messages)


@pytest.mark.parametrize("name", ["message", "channel", "thread"])
@pytest.mark.parametrize("between", ["nothing", "turn", "flush"])
async def test_f07_update_then_delete_never_resurrects(
    name: str, between: str, cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    for _ in range(50):
        entity, create, update, delete = _life_of(payloads, name)
        feed(*create)
        await cache.flush()
        for event in (update, delete, update):
            feed(*event)
            if between == "turn":
                await asyncio.sleep(0)
            elif between == "flush":
                await cache.flush()

        await cache.flush()
        with pytest.raises(errors.EntryNotFound):
            await _getter(cache, name)(int(entity["id"]))

    assert await _getter(cache, name, many=True)().len() == 0


@pytest.mark.parametrize("name", ["message", "channel", "thread"])
async def test_f07_update_never_undoes_what_another_process_deletes(
    name: str, server: servers.Server, make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    """The other process deletes it between the read and the write of the update: while what was read is decoded."""
    entity, create, update, _ = _life_of(payloads, name)
    intruder = server.blocking_client()
    deleted: list[int] = []

    def decode(data: bytes) -> dict[str, typing.Any]:
        gone = intruder.delete(keys.single("message", entity["id"])) + intruder.hdel(
            keys.in_guild(name, entity["guild_id"]), entity["id"]
        )
        deleted.append(gone)
        return orjson.loads(data)

    with contextlib.closing(intruder):
        cache = await make_cache(database=0, loads=decode)
        feed(*create)
        await cache.flush()
        feed(*update)
        await cache.flush()

    assert sum(deleted) == 1
    assert await _getter(cache, name, many=True)() == []
    with pytest.raises(errors.EntryNotFound):
        await _getter(cache, name)(int(entity["id"]))


def _life_of(payloads: testing.Payloads, name: str) -> tuple[Payload, streams.Event, streams.Event, streams.Event]:
    guild = payloads.unavailable_guild()
    if name == "message":
        message = payloads.message(guild_id=guild["id"])
        update = ("MESSAGE_UPDATE", payloads.message_update(message))
        return message, ("MESSAGE_CREATE", message), update, ("MESSAGE_DELETE", payloads.message_update(message))

    entity = _in(guild, payloads.channel() if name == "channel" else payloads.thread())
    pins = {"guild_id": guild["id"], "channel_id": entity["id"], "last_pin_timestamp": payloads.timestamp()}
    kind = name.upper()
    return entity, (f"{kind}_CREATE", entity), ("CHANNEL_PINS_UPDATE", pins), (f"{kind}_DELETE", entity)


def _getter(cache: sake.redis.RedisCache, name: str, *, many: bool = False) -> typing.Any:
    full = {"message": "message", "channel": "guild_channel", "thread": "thread"}[name]
    return getattr(cache, f"iter_{full}s" if many else f"get_{full}")


@marks.needs_statistics
@pytest.mark.timeout(120)
async def test_f08_six_thousand_guilds_at_once_are_whole(
    server: servers.Server,
    make_cache: typing.Any,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw: redis.asyncio.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache: sake.redis.RedisCache = await make_cache(max_connections_per_db=5)
    before = (await raw.info("stats"))["total_connections_received"]
    count, template = server.share(6_000), payloads.guild()
    role, channel, member = template["roles"][1], template["channels"][1], template["members"][0]
    for number in range(1, count + 1):
        guild = str(number << 22)
        lists = {
            "channels": [{**channel, "id": str((number << 22) + 2)}],
            "emojis": [],
            "members": [member],
            "roles": [{**role, "id": guild}, {**role, "id": str((number << 22) + 1)}],
            "stickers": [],
        }
        feed("GUILD_CREATE", {**template, "id": guild, "name": guild, **lists})

    await cache.flush()
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == []
    assert cache.statistics.dropped == cache.statistics.skipped == cache.statistics.failures == 0
    lengths = [
        await iterator.len()
        for iterator in (cache.iter_guilds(), cache.iter_roles(), cache.iter_guild_channels(), cache.iter_members())
    ]
    assert lengths == [count, 2 * count, count, count]
    assert {found.name async for found in cache.iter_guilds()} == {str(number << 22) for number in range(1, count + 1)}
    made = (await raw.info("stats"))["total_connections_received"] - before
    assert made <= 5 * len(cache.all_indexes())


async def test_f09_unavailable_guild_keeps_its_data(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guild = payloads.guild()
    here = int(guild["id"])
    feed("GUILD_CREATE", guild)
    feed("GUILD_CREATE", {"id": guild["id"], "unavailable": True})
    feed("GUILD_CREATE", payloads.unavailable_guild())

    for _ in range(2):
        assert (await cache.get_guild(here)).name == guild["name"]
        assert [found.id for found in await cache.iter_guilds()] == [here]
        assert await cache.iter_roles_for_guild(here).len() == len(guild["roles"])
        assert await cache.iter_members_for_guild(here).len() == len(guild["members"])
        assert await cache.is_guild_available(here) is False
        assert here in await cache.get_unavailable_guild_ids()
        await cache.flush()

    feed("GUILD_CREATE", guild)
    assert await cache.is_guild_available(here) is True


async def test_f10_guild_update_keeps_what_it_does_not_carry(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guild = payloads.guild(large=True, member_count=4_321)
    feed("GUILD_CREATE", guild)
    feed("GUILD_UPDATE", streams.guild_update(guild, name="renamed"))
    await cache.flush()

    found = await cache.get_guild(int(guild["id"]))
    assert (found.name, found.is_large, found.member_count) == ("renamed", True, 4_321)
    assert found.joined_at == datetime.datetime.fromisoformat(guild["joined_at"])


@pytest.mark.parametrize("absent", LISTS)
async def test_f11_guild_without_a_list_is_stored(
    absent: str, cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guild = payloads.guild()
    del guild[absent]
    feed("GUILD_CREATE", guild)

    here = int(guild["id"])
    assert (await cache.get_guild(here)).name == guild["name"]
    for name, iterator in {
        "channels": cache.iter_guild_channels_for_guild(here),
        "emojis": cache.iter_emojis_for_guild(here),
        "members": cache.iter_members_for_guild(here),
        "roles": cache.iter_roles_for_guild(here),
        "stickers": cache.iter_stickers_for_guild(here),
    }.items():
        assert len(await iterator) == len(guild.get(name, ()))
    assert cache.statistics.skipped == 0


async def test_f12_voice_state_without_member_is_stored(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    channel = _voice_channel(payloads)
    listed = payloads.voice_state(channel_id=channel["id"])
    guild = payloads.guild(channels=[channel], voice_states=[listed])
    updated = _in(guild, payloads.voice_state(channel_id=channel["id"]))
    feed("GUILD_CREATE", guild)
    feed("VOICE_STATE_UPDATE", updated)

    for state in (listed, updated):
        found = await cache.get_voice_state(int(guild["id"]), int(state["user_id"]))
        assert (found.session_id, found.member) == (state["session_id"], None)
    assert await cache.iter_voice_states_for_channel(int(channel["id"])).len() == 2
    assert await cache.iter_roles_for_guild(int(guild["id"])).len() == len(guild["roles"])
    assert cache.statistics.skipped == 0


async def test_f13_presences_are_replaced_and_removed(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    members = [payloads.member() for _ in range(3)]
    presences = [payloads.presence(user_id=member["user"]["id"]) for member in members]
    guild = payloads.guild(members=members, presences=presences)
    here = int(guild["id"])
    feed("GUILD_CREATE", guild)
    assert await cache.iter_presences_for_guild(here).len() == 3

    feed("GUILD_CREATE", {**guild, "presences": presences[:2]})
    assert {str(p.user_id) async for p in cache.iter_presences_for_guild(here)} == {
        member["user"]["id"] for member in members[:2]
    }
    feed("GUILD_MEMBER_REMOVE", {"guild_id": guild["id"], "user": members[0]["user"]})
    assert [str(p.user_id) async for p in cache.iter_presences_for_guild(here)] == [members[1]["user"]["id"]]
    feed("GUILD_CREATE", {**guild, "presences": []})
    await cache.flush()
    assert await cache.iter_presences() == []


def _guild_of_shard(payloads: testing.Payloads, number: int, shard_id: int, shard_count: int) -> Payload:
    guild = ((1_000_000 + number) * shard_count + shard_id) << 22
    channel, member = payloads.channel(), payloads.member()
    return payloads.guild(
        id=str(guild),
        members=[member],
        channels=[channel],
        threads=[payloads.thread(parent_id=channel["id"])],
        presences=[payloads.presence(user_id=member["user"]["id"])],
        voice_states=[payloads.voice_state(user_id=member["user"]["id"], channel_id=channel["id"])],
    )


async def _guilds_with_keys(raw: redis.asyncio.Redis, guilds: collections.Iterable[Payload]) -> set[str]:
    """Return the ids of the guilds that anything is stored of."""
    found: set[str] = set()
    for name in await _names(raw):
        content = await raw.type(name)
        inside: list[bytes] = []
        if content == b"hash":
            entries = typing.cast("dict[bytes, bytes]", await raw.hgetall(name))
            inside = [*entries, *entries.values()]
        elif content == b"set":
            inside = list(await raw.smembers(name))
        found |= {g["id"] for g in guilds if g["id"] in name or any(g["id"].encode() in part for part in inside)}

    return found


@pytest.mark.parametrize("before", [1, 2, 4])
async def test_f14_guilds_left_while_away_are_removed(
    before: int, make_cache: typing.Any, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    """Stored with `before` shards; the bot comes back with two, of which one has become ready."""
    guilds = [_guild_of_shard(payloads, number, shard, 2) for shard in range(2) for number in range(4)]
    first = gateway.make_bot()
    cache = await make_cache(bot=first, database=0)
    for guild in guilds:
        shard = gateway.Shard((int(guild["id"]) >> 22) % before, before)
        gateway.Feed(first, shard)("GUILD_CREATE", guild)
        gateway.Feed(first, shard)("INVITE_CREATE", payloads.invite(guild_id=guild["id"]))
    gateway.Feed(first, gateway.Shard(0, before))("GUILD_DELETE", {"id": guilds[2]["id"], "unavailable": True})
    await cache.close()

    second = gateway.make_bot()
    cache = await make_cache(bot=second, database=0)
    kept = [guilds[0], *guilds[4:]]
    feed = gateway.Feed(second, gateway.Shard(0, 2))
    feed("READY", streams.ready(OWN_USER, [guilds[0]["id"], "5"], shard=(0, 2)))
    assert {str(guild.id) async for guild in cache.iter_guilds()} == {guild["id"] for guild in kept}
    await cache.flush()

    assert await _guilds_with_keys(raw, guilds) == {guild["id"] for guild in kept}
    for iterator in (cache.iter_roles(), cache.iter_members(), cache.iter_voice_states(), cache.iter_threads()):
        assert {str(model.guild_id) async for model in iterator} == {guild["id"] for guild in kept}
    assert {str(invite.guild_id) async for invite in cache.iter_invites()} == {guild["id"] for guild in kept}
    assert await cache.get_unavailable_guild_ids() == set()
    with pytest.raises(errors.EntryNotFound):
        await cache.get_role(int(guilds[1]["roles"][1]["id"]))


async def test_f14_resumed_removes_nothing(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    feed("GUILD_CREATE", payloads.guild())
    feed("RESUMED", {"_trace": []})
    await cache.flush()
    assert await cache.iter_guilds().len() == 1


async def test_f15_invites_go_with_guild_and_channel(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, raw_database: typing.Any
) -> None:
    guild, other = payloads.guild(), payloads.guild()
    channel, second = guild["channels"][1], guild["channels"][2]
    for place, where in ((guild, channel), (guild, second), (other, other["channels"][1])):
        feed("INVITE_CREATE", payloads.invite(guild_id=place["id"], channel_id=where["id"]))
    message = payloads.message(guild_id=guild["id"], channel_id=channel["id"])
    feed("MESSAGE_CREATE", message)
    feed("CHANNEL_DELETE", _in(guild, channel))
    assert [i.channel_id for i in await cache.iter_invites() if i.guild_id == int(guild["id"])] == [int(second["id"])]

    feed("GUILD_DELETE", {"id": guild["id"]})
    await cache.flush()
    assert [str(invite.guild_id) for invite in await cache.iter_invites()] == [other["id"]]
    assert await cache.iter_invites().len() == 1
    left = await raw_database(sake.redis.ResourceIndex.MESSAGE).pttl(keys.single("message", message["id"]))
    assert left == -2 or 0 < left <= 300_000


async def test_f17_own_user_is_separate(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    member = payloads.member()
    feed("READY", streams.ready(OWN_USER, []))
    feed("GUILD_MEMBER_ADD", {**member, "guild_id": "7"})
    users = [str(user.id) async for user in cache.iter_users()]
    assert sorted(users) == sorted(set(users))
    assert await cache.iter_users().len() == len(users)
    assert member["user"]["id"] in users

    await cache.clear_users()
    assert await cache.iter_users() == []
    assert (await cache.get_me()).id == gateway.OWN_ID
    await cache.set_user(OWN_USER)
    await cache.delete_me()
    assert (await cache.get_user(gateway.OWN_ID)).id == gateway.OWN_ID
    with pytest.raises(errors.EntryNotFound):
        await cache.get_me()


async def test_f18_embedded_users_follow_the_override(
    server: servers.Server,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw_database: typing.Any,
) -> None:
    guild, message = payloads.guild(), payloads.message()
    cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, **server.options)
    async with cache.with_index_override(sake.redis.ResourceIndex.USER, override=14):
        feed("GUILD_CREATE", guild)
        feed("MESSAGE_CREATE", message)
        await cache.flush()
        for user in (guild["members"][0]["user"], message["author"]):
            assert (await cache.get_user(int(user["id"]))).username == user["username"]
            assert await raw_database(14).exists(keys.single("user", user["id"]))
        assert not await _names(raw_database(sake.redis.ResourceIndex.USER))


@pytest.mark.parametrize("forever", [None, math.inf, math.nan, float("inf")], ids=["None", "inf", "nan", "Infinity"])
@pytest.mark.parametrize("how", ["default", "each"])
async def test_f19_no_expiry_is_none(
    how: str,
    forever: float | None,
    server: servers.Server,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw: redis.asyncio.Redis,
) -> None:
    options = {"default_expire": forever} if how == "default" else {}
    cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, database=0, **server.options, **options)
    if how == "each":
        # Here None means the default, which by itself means for ever below.
        expire = math.inf if forever is None else forever
        cache.with_user_expire(expire).with_message_expire(expire).with_invite_expire(expire)
    async with cache:
        message, invite = payloads.message(), payloads.invite(max_age=0)
        feed("MESSAGE_CREATE", message)
        feed("INVITE_CREATE", invite)
        feed("MESSAGE_UPDATE", payloads.message_update(message))
        await cache.flush()
        for key in (
            keys.single("message", message["id"]),
            keys.single("user", message["author"]["id"]),
            keys.single("invite", invite["code"]),
        ):
            assert await raw.pttl(key) == -1, key
    assert cache.statistics.skipped == 0


async def test_f20_an_empty_config_is_shared(server: servers.Server, bot: hikari.GatewayBot) -> None:
    config: dict[str, typing.Any] = {}
    first, second = (sake.redis.RedisCache(server.url, bot, config=config, **server.options) for _ in range(2))
    assert first.config is config
    assert second.config is config
    first.with_message_expire(7)
    assert config
    assert second.config == first.config


async def test_f21_member_from_rest_is_completed(cache: sake.redis.RedisCache, payloads: testing.Payloads) -> None:
    member = payloads.member(roles=["9"])
    assert "guild_id" not in member
    await cache.set_member(7, member)
    found = await cache.get_member(7, int(member["user"]["id"]))
    assert (found.guild_id, found.role_ids) == (7, [9, 7])
    assert [m.guild_id async for m in cache.iter_members()] == [7]
    assert "guild_id" not in member


@pytest.mark.parametrize(
    ("setter", "kind", "guild_bound"),
    [
        ("set_role", "role", True),
        ("set_emoji", "emoji", True),
        ("set_sticker", "sticker", True),
        ("set_voice_state", "voice_state", True),
    ],
)
async def test_f21_others_from_rest_are_completed(
    setter: str, kind: str, guild_bound: bool, cache: sake.redis.RedisCache, payloads: testing.Payloads
) -> None:
    payload = getattr(payloads, kind)()
    payload.pop("guild_id", None)
    before = copy.deepcopy(payload)
    await getattr(cache, setter)(7, payload)
    (found,) = await getattr(cache, f"iter_{kind}s")()
    assert found.guild_id == 7
    assert payload == before


@marks.needs_closed_connections
async def test_f22_close_leaves_no_connection(
    server: servers.Server,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw: redis.asyncio.Redis,
) -> None:
    before = len(await raw.client_list())
    cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, **server.options)
    for _ in range(3):
        await cache.open()
        guild = payloads.guild()
        feed("GUILD_CREATE", guild)
        await asyncio.gather(*(cache.get_role(int(role["id"])) for role in guild["roles"]), cache.flush())
        await asyncio.gather(*(cache.iter_members().len() for _ in range(20)))
        assert len(await raw.client_list()) > before
        await cache.close()

        async def is_as_before() -> bool:
            return len(await raw.client_list()) == before

        await _eventually(is_as_before)


async def test_f23_status_is_right(server: servers.Server, bot: hikari.GatewayBot) -> None:
    cache = sake.redis.RedisCache(server.url, bot, **server.options)
    assert cache.is_alive is False
    async with cache:
        assert cache.is_alive is True
        await cache.open()
        assert cache.is_alive is True
    assert cache.is_alive is False


async def test_f23_status_tells_that_the_server_is_away(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    async with sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0) as cache:
        assert cache.statistics.is_away is False
        own.kill()
        feed("GUILD_CREATE", payloads.guild())
        with pytest.raises(errors.BackendError):
            await cache.flush()
        assert cache.statistics.is_away is True
        assert cache.statistics.backlog > 0
        own.start()
        await own_server.eventually(lambda: not cache.statistics.is_away)
        assert await cache.iter_guilds().len() == 1


async def test_f24_unknown_entities_are_skipped_in_a_loop(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    template = payloads.channel(type=streams.UNKNOWN_TYPE)
    unknown = [{**template, "id": str(number)} for number in range(1, 5_001)]
    known = payloads.channel()
    guild = payloads.guild(channels=[*unknown[:2_500], known, *unknown[2_500:]])
    feed("GUILD_CREATE", guild)
    await cache.flush()

    for iterator in (
        cache.iter_guild_channels(),
        cache.iter_guild_channels(window_size=10_000),
        cache.iter_guild_channels_for_guild(int(guild["id"]), window_size=7),
        cache.iter_guild_channels_for_guild(int(guild["id"]), window_size=10_000),
    ):
        assert [str(channel.id) async for channel in iterator] == [known["id"]]


async def test_f24_each_entry_comes_once(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    """While the hash tables grow, a server's own scan returns entries more than once."""
    template = payloads.message()
    members = [payloads.member() for _ in range(1_500)]
    guild = payloads.guild(members=members)
    feed("GUILD_CREATE", guild)
    for number in range(1, 501):
        feed("MESSAGE_CREATE", {**template, "id": str(number)})
    await cache.flush()

    seen: list[int] = []
    async for message in cache.iter_messages(window_size=10):
        seen.append(message.id)
        if len(seen) == 50:
            for number in range(501, 3_001):
                feed("MESSAGE_CREATE", {**template, "id": str(number)})
            await cache.flush()
    assert len(seen) == len(set(seen))
    assert set(seen) >= set(range(1, 501))
    people = [str(member.id) async for member in cache.iter_members_for_guild(int(guild["id"]), window_size=10)]
    assert sorted(people) == sorted(member["user"]["id"] for member in members)


async def test_f24_iterating_takes_time_in_proportion(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    member = payloads.member()
    lists = {}
    for guild, count in ((1 << 22, 2_000), (2 << 22, 16_000)):
        members = [{**member, "user": {**member["user"], "id": str(number)}} for number in range(1, count + 1)]
        lists[guild] = len(members)
        feed("GUILD_CREATE", payloads.guild(id=str(guild), members=members))
    await cache.flush()

    each: dict[int, float] = {}
    for guild, count in lists.items():
        rounds = []
        for _ in range(3):
            began = time.process_time()
            assert sum([1 async for _ in cache.iter_members_for_guild(guild, window_size=100_000)]) == count
            rounds.append((time.process_time() - began) / count)
        each[guild] = min(rounds)
    assert each[2 << 22] < 4 * each[1 << 22]


async def _calls(raw: redis.asyncio.Redis) -> dict[str, int]:
    stats = await raw.info("commandstats")
    return {name.removeprefix("cmdstat_"): found["calls"] for name, found in stats.items()}


@marks.needs_statistics
async def test_f25_len_does_not_look_at_every_key(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    template = payloads.guild(channels=[], emojis=[], stickers=[])
    for number in range(1, 301):
        feed("GUILD_CREATE", {**template, "id": str(number << 22)})
    await cache.flush()
    await raw.mset({f"foreign:{number}": "" for number in range(5_000)})

    before = await _calls(raw)
    assert await cache.iter_members().len() == 300
    after = await _calls(raw)
    spent = {name: calls - before.get(name, 0) for name, calls in after.items() if calls != before.get(name, 0)}
    spent.pop("info", None)
    assert not spent.keys() & {"keys", "scan", "dbsize", "randomkey"}
    assert sum(spent.values()) <= 300 + 10


@pytest.mark.parametrize(
    ("options", "user", "message", "invite"),
    [
        ({}, 3_600_000, 300_000, 2_592_000_000),
        ({"default_expire": 120}, 120_000, 120_000, 120_000),
        ({"default_expire": datetime.timedelta(days=2)}, 172_800_000, 172_800_000, 172_800_000),
        ({"default_expire": 1.5}, 1_500, 1_500, 1_500),
    ],
    ids=["defaults", "seconds", "timedelta", "fraction"],
)
async def test_f26_lifetimes_are_in_real_units(
    options: dict[str, typing.Any],
    user: int,
    message: int,
    invite: int,
    make_cache: typing.Any,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw: redis.asyncio.Redis,
) -> None:
    cache = await make_cache(database=0, **options)
    await _check_lifetimes(cache, feed, payloads, raw, user, message, invite)


async def test_f26_own_lifetimes_are_in_real_units(
    server: servers.Server,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw: redis.asyncio.Redis,
) -> None:
    cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, database=0, default_expire=9, **server.options)
    cache.with_user_expire(60).with_message_expire(datetime.timedelta(minutes=2)).with_invite_expire(2.5)
    async with cache:
        await _check_lifetimes(cache, feed, payloads, raw, 60_000, 120_000, 2_500)
        by_hand = payloads.user()
        await cache.set_user(by_hand, expire_time=30)
        assert 29_000 < await raw.pttl(keys.single("user", by_hand["id"])) <= 30_000


async def _check_lifetimes(
    cache: sake.redis.RedisCache,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw: redis.asyncio.Redis,
    user: int,
    message: int,
    invite: int,
) -> None:
    sent, endless, limited = payloads.message(), payloads.invite(max_age=0), payloads.invite(max_age=86_400)
    limited["created_at"] = datetime.datetime.now(datetime.UTC).isoformat()
    for name, payload in (("MESSAGE_CREATE", sent), ("INVITE_CREATE", endless), ("INVITE_CREATE", limited)):
        feed(name, payload)
    await cache.flush()

    for key, lifetime in {
        keys.single("message", sent["id"]): message,
        keys.single("user", sent["author"]["id"]): user,
        keys.single("invite", endless["code"]): invite,
        keys.single("invite", limited["code"]): 86_400_000,
    }.items():
        assert lifetime - 1_000 < await raw.pttl(key) <= lifetime, key


async def test_f26_an_update_keeps_the_time_that_is_left(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    message = payloads.message()
    key = keys.single("message", message["id"])
    feed("MESSAGE_CREATE", message)
    await cache.flush()
    await raw.pexpire(key, 20_000)
    feed("MESSAGE_UPDATE", payloads.message_update(message, content="edited"))
    await cache.flush()

    assert (await cache.get_message(int(message["id"]))).content == "edited"
    assert 10_000 < await raw.pttl(key) <= 20_000


def test_f26_constants_are_milliseconds() -> None:
    assert datetime.timedelta(hours=1) / datetime.timedelta(milliseconds=1) == sake.redis.DEFAULT_EXPIRE
    assert datetime.timedelta(minutes=5) / datetime.timedelta(milliseconds=1) == sake.redis.DEFAULT_FAST_EXPIRE
    assert datetime.timedelta(weeks=1) / datetime.timedelta(milliseconds=1) == sake.redis.DEFAULT_SLOW_EXPIRE
    assert datetime.timedelta(days=30) / datetime.timedelta(milliseconds=1) == sake.redis.DEFAULT_INVITE_EXPIRE


async def _plant(raw: redis.asyncio.Redis) -> dict[bytes, bytes | None]:
    """Store keys of every type that look as much like sake's as other programs' can; return what they hold."""
    await raw.set("session", "1")
    await raw.set("user:1", "a string")
    await raw.set("sake:user:name", "a string")
    await raw.set("sake:message:", "a string")
    await raw.set("other:user:1", "a string", px=3_600_000)
    await raw.rpush("queue:members", "1")
    await raw.sadd("members", "1")
    await raw.zadd("sake:message:scores", {"1": 1.0})
    await raw.hset("sake:{7}:roles", "1", "a field")
    await raw.hset("guilds", "1", "a field")
    await raw.xadd("sake:invite:log", {"1": "2"})
    return await _dump(raw)


async def _dump(raw: redis.asyncio.Redis) -> dict[bytes, bytes | None]:
    return {key: await raw.dump(key) async for key in raw.scan_iter("*")}


@pytest.mark.parametrize(
    "options", [{}, {"database": 0}, {"database": 0, "namespace": "bot"}], ids=["many", "one", "own"]
)
async def test_f27_only_own_keys_go(
    options: dict[str, typing.Any],
    make_cache: typing.Any,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw_database: typing.Any,
) -> None:
    cache: sake.redis.RedisCache = await make_cache(**options)
    planted = {int(index): await _plant(raw_database(int(index))) for index in cache.all_indexes()}
    for name, payload in streams.HandWritten(payloads).events:
        feed(name, payload)
    await cache.flush()
    clearers = [name for name in dir(abc.Cache) if name.startswith("clear_") and "_for_" not in name]
    assert len(clearers) >= 12
    for name in clearers:
        await getattr(cache, name)()
    await cache.delete_me()
    feed("READY", streams.ready(OWN_USER, []))
    await cache.clear_users()
    await cache.delete_me()
    await cache.flush()

    for index, before in planted.items():
        left = await _dump(raw_database(index))
        assert {key: data for key, data in left.items() if not keys.outlasts(key)} == before, f"database {index}"


async def test_f28_payloads_are_not_changed(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    events = streams.HandWritten(payloads).events
    before = copy.deepcopy(events)
    feed.all(events)
    await feed.settle()
    await cache.flush()
    assert events == before


@pytest.mark.parametrize(
    ("setter", "build"),
    [
        ("set_guild", lambda p: (p.guild(),)),
        ("set_guild_channel", lambda p: (p.channel(guild_id="7"),)),
        ("set_thread", lambda p: (p.thread(guild_id="7", joined=True),)),
        ("set_role", lambda p: (7, p.role())),
        ("set_emoji", lambda p: (7, p.emoji())),
        ("set_sticker", lambda p: (7, p.sticker())),
        ("set_member", lambda p: (7, p.member())),
        ("set_presence", lambda p: (p.presence(guild_id="7"),)),
        ("set_voice_state", lambda p: (7, p.voice_state(member=p.member()))),
        ("set_invite", lambda p: (p.invite(inviter=p.user()),)),
        ("set_message", lambda p: (p.rich_message(guild_id="7"),)),
        ("update_message", lambda p: (p.rich_message(guild_id="7"),)),
        ("set_user", lambda p: (p.user(),)),
        ("set_me", lambda p: (p.own_user(),)),
    ],
)
async def test_f28_arguments_are_not_changed(
    setter: str,
    build: collections.Callable[[testing.Payloads], tuple[typing.Any, ...]],
    cache: sake.redis.RedisCache,
    payloads: testing.Payloads,
) -> None:
    arguments = build(payloads)
    before = copy.deepcopy(arguments)
    frozen = [types.MappingProxyType(part) if isinstance(part, dict) else part for part in arguments]
    await getattr(cache, setter)(*frozen)
    assert arguments == before


async def test_f29_each_unusable_payload_is_logged_and_its_neighbours_are_stored(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, caplog: pytest.LogCaptureFixture
) -> None:
    guild, role, message = payloads.guild(), payloads.role(), payloads.message()
    here = guild["id"]
    broken: list[streams.Event] = [
        ("GUILD_ROLE_CREATE", {"guild_id": here, "role": {"name": "no id"}}),
        ("PRESENCE_UPDATE", {"guild_id": here, "user": {}}),
        ("CHANNEL_UPDATE", {"guild_id": here, "name": "no id"}),
        ("MESSAGE_DELETE_BULK", {"guild_id": here, "channel_id": "1"}),
        ("GUILD_EMOJIS_UPDATE", {"guild_id": here, "emojis": [None]}),
        ("THREAD_LIST_SYNC", {"guild_id": here}),
    ]
    for event in (("GUILD_CREATE", guild), *broken, ("GUILD_ROLE_CREATE", {"guild_id": here, "role": role})):
        feed(*event)
    feed("MESSAGE_CREATE", message)
    await cache.flush()

    records = [record for record in caplog.records if record.name == "sake.redis" and record.levelno >= logging.ERROR]
    for name, _ in broken:
        about = [record.getMessage() for record in records if name in record.getMessage()]
        assert about, name
        assert all(here in text for text in about)
    assert cache.statistics.skipped == len(records)
    assert (await cache.get_role(int(role["id"]))).name == role["name"]
    assert await cache.iter_roles_for_guild(int(here)).len() == len(guild["roles"]) + 1
    assert (await cache.get_message(int(message["id"]))).content == message["content"]
    assert await cache.iter_emojis_for_guild(int(here)).len() == len(guild["emojis"])


async def test_f29_one_broken_list_leaves_the_others(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, caplog: pytest.LogCaptureFixture
) -> None:
    guild = payloads.guild(members=[])
    guild["emojis"] = [{"name": "no id"}]
    guild["presences"] = [{"status": "online"}]
    feed("GUILD_CREATE", guild)
    await cache.flush()

    text = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len([line for line in text if "GUILD_CREATE" in line and guild["id"] in line]) >= 1
    assert (await cache.get_guild(int(guild["id"]))).name == guild["name"]
    assert await cache.iter_roles_for_guild(int(guild["id"])).len() == len(guild["roles"])
    assert await cache.iter_guild_channels_for_guild(int(guild["id"])).len() == len(guild["channels"])
    assert await cache.iter_emojis() == []


async def test_f30_an_outage_can_be_asked_for(
    cache: sake.redis.RedisCache, make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    guild, well = payloads.guild(), payloads.guild()
    here = int(guild["id"])
    feed.all(
        [("GUILD_CREATE", guild), ("GUILD_CREATE", well), ("GUILD_DELETE", {"id": guild["id"], "unavailable": True})]
    )
    reader = await make_cache(fed=False)
    await cache.flush()
    for client in (cache, reader):
        assert await client.is_guild_available(here) is False
        assert await client.is_guild_available(int(well["id"])) is True
        assert await client.get_unavailable_guild_ids() == {here}
        assert (await client.get_guild(here)).name == guild["name"]

    feed("GUILD_UPDATE", streams.guild_update(guild))
    assert await cache.get_unavailable_guild_ids() == set()
    feed("GUILD_DELETE", {"id": guild["id"]})
    with pytest.raises(errors.EntryNotFound):
        await cache.is_guild_available(here)


async def test_f31_what_hikari_cannot_build_is_deleted(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    channel = payloads.channel(type=streams.UNKNOWN_TYPE, guild_id="7")
    thread = payloads.thread(type=streams.UNKNOWN_TYPE, parent_id=channel["id"], guild_id="7")
    feed("CHANNEL_CREATE", channel)
    feed("THREAD_CREATE", thread)
    messages = [payloads.message(guild_id="7", channel_id=channel["id"]) for _ in range(2)]
    for message in messages:
        feed("MESSAGE_CREATE", message)
    await cache.flush()
    assert await raw.hexists(keys.in_guild("channel", 7), channel["id"])
    assert await raw.hexists(keys.in_guild("thread", 7), thread["id"])

    feed("MESSAGE_DELETE_BULK", {"guild_id": "7", "channel_id": channel["id"], "ids": [m["id"] for m in messages]})
    feed("CHANNEL_DELETE", channel)
    await cache.clear_users()
    left = [name for name in await _names(raw) if not keys.is_of_sake_itself(name)]
    assert {keys.use_of(name) for name in left} == {"guilds", "guild-of"}


async def test_f32_what_hikari_cannot_build_is_invalid_data(
    cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    channel = payloads.channel(type=streams.UNKNOWN_TYPE, guild_id="7")
    thread = payloads.thread(type=streams.UNKNOWN_TYPE, guild_id="7")
    feed("CHANNEL_CREATE", channel)
    feed("THREAD_CREATE", thread)
    for _ in range(2):
        for get, entity in ((cache.get_guild_channel, channel), (cache.get_thread, thread)):
            with pytest.raises(errors.InvalidDataFound, match=entity["id"]) as caught:
                await get(int(entity["id"]))
            assert isinstance(caught.value.exception, hikari.UnrecognisedEntityError)
            assert caught.value.__cause__ is caught.value.exception
        await cache.flush()
    assert await cache.get_guild_channels([int(channel["id"])]) == {}
    assert await cache.iter_threads() == []


class _Factory(hikari.RESTAware):
    """All that a process which only reads has: any use of something else fails."""

    def __init__(self, bot: hikari.GatewayBot) -> None:
        self._factory = bot.entity_factory

    @property
    def entity_factory(self) -> hikari.api.EntityFactory:
        return self._factory

    @property
    def rest(self) -> typing.NoReturn:
        raise AssertionError("Discord was asked")

    executor = http_settings = proxy_settings = rest


async def test_f33_reading_a_guild_needs_no_rest(
    cache: sake.redis.RedisCache,
    server: servers.Server,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    payloads: testing.Payloads,
) -> None:
    guild = payloads.guild(threads=[payloads.thread(joined=True)])
    feed("GUILD_CREATE", guild)
    await cache.flush()
    app = _Factory(bot)
    async with sake.redis.RedisCache(server.url, app, **server.options) as reader:
        assert (await reader.get_guild(int(guild["id"]))).name == guild["name"]
        assert [found.name for found in await reader.iter_guilds()] == [guild["name"]]
        (thread,) = await reader.iter_threads()
        assert thread.member is not None
        assert thread.member.user_id == gateway.OWN_ID
        with pytest.raises(errors.EntryNotFound):
            await reader.get_me()


@pytest.mark.parametrize(
    "address",
    ["redis://127.0.0.1:1", "unix:///nonexistent/sake.sock", "redis://user:secret@127.0.0.1:1/3"],
)
async def test_f34_an_unreachable_server_is_a_backend_error(address: str, bot: hikari.GatewayBot) -> None:
    cache = sake.redis.RedisCache(address, bot)
    with pytest.raises(errors.BackendError) as caught:
        await cache.open()
    assert caught.value.exception is not None
    assert caught.value.__cause__ is caught.value.exception
    assert "secret" not in str(caught.value)
    assert cache.is_alive is False


CALLS: typing.Final[dict[str, collections.Callable[[sake.redis.RedisCache], collections.Awaitable[object]]]] = {
    "get": lambda cache: cache.get_role(1),
    "get in guild": lambda cache: cache.get_member(1, 2),
    "get many": lambda cache: cache.get_members(1, [2, 3]),
    "get by string": lambda cache: cache.get_user(1),
    "iterate": lambda cache: cache.iter_members(),
    "iterate a guild": lambda cache: cache.iter_roles_for_guild(1),
    "iterate a channel": lambda cache: cache.iter_voice_states_for_channel(1),
    "iterate strings": lambda cache: cache.iter_messages(),
    "count": lambda cache: cache.iter_members().len(),
    "set": lambda cache: cache.set_role(1, {"id": "2"}),
    "delete": lambda cache: cache.delete_role(1),
    "clear": lambda cache: cache.clear_messages(),
    "flush": lambda cache: cache.flush(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_f34_a_closed_client_is_a_closed_client(
    call: str, server: servers.Server, bot: hikari.GatewayBot
) -> None:
    cache = sake.redis.RedisCache(server.url, bot, **server.options)
    with pytest.raises(errors.ClosedClient):
        await CALLS[call](cache)
    await cache.open()
    await cache.close()
    with pytest.raises(errors.ClosedClient):
        await CALLS[call](cache)


async def test_f34_a_lost_server_is_a_backend_error(own: own_server.OwnServer, bot: hikari.GatewayBot) -> None:
    async with sake.redis.RedisCache(own.url, bot, database=0) as cache:
        own.kill()
        await cache_is_away(cache)
        for name, call in CALLS.items():
            with pytest.raises(errors.BackendError):
                await call(cache)
                pytest.fail(f"{name} did not fail")
        own.start()
        await own_server.eventually(lambda: not cache.statistics.is_away)


async def cache_is_away(cache: sake.redis.RedisCache) -> None:
    with pytest.raises(errors.BackendError):
        await cache.set_role(1, {"id": "2"})


async def test_f34_a_key_of_another_type_is_a_backend_error(
    make_cache: typing.Any, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache: sake.redis.RedisCache = await make_cache(database=0)
    await raw.set(keys.in_guild("role", 7), "not a hash")
    await raw.set(keys.guild_of(1), "not a hash")
    for call in (
        lambda: cache.get_role(1),
        lambda: cache.get_role(1, guild_id=7),
        lambda: cache.get_roles([1, 2], guild_id=7),
        lambda: cache.iter_roles_for_guild(7),
        lambda: cache.iter_roles_for_guild(7).len(),
    ):
        with pytest.raises(errors.BackendError, match="WRONGTYPE") as caught:
            await call()
        assert caught.value.exception is not None


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"{}", b"null", b'{"id": "1"', b'{"id": "1"}'])
async def test_f34_bytes_that_cannot_be_read_are_invalid_data(
    data: bytes, make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache: sake.redis.RedisCache = await make_cache(database=0)
    guild = payloads.guild()
    here, role = int(guild["id"]), guild["roles"][1]["id"]
    feed("GUILD_CREATE", guild)
    await cache.flush()
    await raw.hset(keys.in_guild("role", here), role, data)
    await raw.set(keys.single("message", 1), data)

    for call in (lambda: cache.get_role(int(role)), lambda: cache.get_role(int(role), guild_id=here)):
        with pytest.raises(errors.InvalidDataFound, match=role) as caught:
            await call()
        assert caught.value.exception is not None
    with pytest.raises(errors.InvalidDataFound, match="message 1"):
        await cache.get_message(1)
    assert await cache.iter_messages() == []
    assert await cache.get_messages([1]) == {}
    assert {str(found.id) async for found in cache.iter_roles()} == {r["id"] for r in guild["roles"]} - {role}


async def test_f34_what_is_missing_never_raises_but_in_get(cache: sake.redis.RedisCache) -> None:
    for delete in (
        cache.delete_guild(1),
        cache.delete_role(1),
        cache.delete_role(1, guild_id=2),
        cache.delete_member(1, 2),
        cache.delete_message(1),
        cache.delete_invite("code"),
        cache.delete_me(),
        cache.clear_roles_for_guild(1),
        cache.clear_voice_states_for_channel(1),
        cache.clear_messages(),
    ):
        await delete
    for get in (
        cache.get_guild(1),
        cache.get_role(1),
        cache.get_member(1, 2),
        cache.get_invite("code"),
        cache.get_me(),
    ):
        with pytest.raises(errors.EntryNotFound):
            await get


def test_f37_the_misspelt_iterator_is_kept() -> None:
    calls: list[tuple[int, int]] = []

    class Messages:
        iter_message_for_channel = abc.RefMessageCache.iter_message_for_channel

        def iter_messages_for_channel(self, channel_id: int, /, *, window_size: int = 1000) -> str:
            calls.append((channel_id, window_size))
            return "iterator"

    messages = typing.cast("typing.Any", Messages())
    assert messages.iter_message_for_channel(7) == messages.iter_message_for_channel(8, window_size=5) == "iterator"
    assert calls == [(7, 1000), (8, 5)]
    assert "iter_messages_for_channel" in abc.RefMessageCache.__abstractmethods__


@pytest.mark.not_on("fakeredis", reason="it has no MONITOR")
@pytest.mark.parametrize("options", [{}, {"database": 0}], ids=["many databases", "one database"])
async def test_f38_a_repeated_guild_costs_few_commands(
    options: dict[str, typing.Any],
    make_cache: typing.Any,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    raw: redis.asyncio.Redis,
    raw_database: typing.Any,
) -> None:
    """Counts the commands that the cache sends, as MONITOR shows them: without those that a script runs."""
    cache: sake.redis.RedisCache = await make_cache(**options)
    guild = payloads.guild(
        channels=[payloads.channel() for _ in range(40)],
        members=[payloads.member() for _ in range(100)],
        threads=[payloads.thread() for _ in range(5)],
        presences=[payloads.presence() for _ in range(50)],
        voice_states=[payloads.voice_state() for _ in range(10)],
    )
    feed("GUILD_CREATE", guild)
    await cache.flush()

    sent: list[str] = []
    onlooker = raw_database(15)
    await onlooker.ping()
    async with raw.monitor() as monitor:
        feed("GUILD_CREATE", guild)
        await cache.flush()
        await onlooker.echo("the end")
        async for command in monitor.listen():
            if command["command"] == "ECHO the end":
                break
            if command["client_type"] != "lua":
                sent.append(command["command"].split()[0])
    assert sent
    assert len(sent) <= 40, sent


def test_every_fault_has_a_test_and_every_test_its_fault() -> None:
    told = [int(number) for number in re.findall(r"^F(\d+): \w", __doc__ or "", re.MULTILINE)]
    files = [path.read_text(encoding="utf-8") for path in pathlib.Path(__file__).parents[1].rglob("test_*.py")]
    tested = {int(number) for text in files for number in re.findall(r"def test_f(\d\d)_", text)}
    assert told == sorted(tested)
