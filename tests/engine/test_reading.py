# SPDX-License-Identifier: BSD-3-Clause
"""Many at once, and one after the other."""

from __future__ import annotations

import asyncio
import collections as counters
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import leaks
from _support import marks
from _support import samples

import sake
import sake.redis
from sake import testing

Payload = dict[str, typing.Any]


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


async def _round_trips(raw: typing.Any) -> counters.Counter[str]:
    calls = counters.Counter[str]()
    for statistics in await _statistics(raw):
        calls.update({name.removeprefix("cmdstat_"): counted["calls"] for name, counted in statistics.items()})
    return calls


async def _statistics(raw: typing.Any) -> list[dict[str, typing.Any]]:
    if not isinstance(raw, redis.asyncio.RedisCluster):
        return [await raw.info("commandstats")]

    found = await raw.info("commandstats", target_nodes=redis.asyncio.RedisCluster.PRIMARIES)
    return [*found.values()]


async def _fill(cache: typing.Any, payloads: testing.Payloads) -> None:
    for number in range(1, 9):
        guild = 70 + number % 2
        await cache.set_role(guild, payloads.role(id=f"1{number}"))
        await cache.set_member(guild, payloads.member(user=payloads.user(id=f"2{number}")))
        await cache.set_message(payloads.message(id=f"3{number}"))
        await cache.set_invite(payloads.invite(code=f"code{number}"))


async def test_many_are_returned_in_the_order_asked_once_each_without_the_missing(
    make_cache: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await _fill(cache, payloads)
    assert list(await cache.get_users([28, 404, 21, 28, 23])) == [28, 21, 23]
    assert list(await cache.get_members(71, [27, 22, 21, 27])) == [27, 21]
    assert list(await cache.get_messages([33, 31, 404])) == [33, 31]
    assert list(await cache.get_roles([18, 11, 404, 15, 12, 18])) == [18, 11, 15, 12]
    assert list(await cache.get_roles([18, 11, 15], guild_id=71)) == [11, 15]
    assert list(await cache.get_invites(["code3", "none", "code1"])) == ["code3", "code1"]
    for empty in (cache.get_users([]), cache.get_roles([]), cache.get_members(71, []), cache.get_invites([])):
        assert await empty == {}
    users = await cache.get_users(hikari.Snowflake(number) for number in (21, 22))
    assert all(isinstance(key, hikari.Snowflake) and user.id == key for key, user in users.items())


@marks.needs_statistics
@pytest.mark.not_on("cluster", "cluster7", reason="there it is one round trip to each node")
async def test_many_are_one_round_trip_where_their_place_is_known_and_two_where_it_is_not(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await _fill(cache, payloads)
    for call, expected in (
        (lambda: cache.get_users([21, 22, 23, 404]), {"mget": 1}),
        (lambda: cache.get_messages([31, 32, 33]), {"mget": 1}),
        (lambda: cache.get_members(71, [21, 23, 404]), {"hmget": 1}),
        (lambda: cache.get_roles([11, 13, 404], guild_id=71), {"hmget": 1}),
        (lambda: cache.get_role(11, guild_id=71), {"hmget": 1}),
        (lambda: cache.get_roles([11, 12, 13, 404]), {"hmget": 3}),
    ):
        await raw.config_resetstat()
        await call()
        found = {name: calls for name, calls in (await _round_trips(raw)).items() if not name.startswith("config")}
        assert found == expected


@marks.needs_statistics
@pytest.mark.not_on("cluster", "cluster7", reason="there it is one round trip to each node")
async def test_what_is_asked_at_once_shares_a_round_trip(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await _fill(cache, payloads)
    await raw.config_resetstat()
    members = await asyncio.gather(*(cache.get_member(71, number) for number in (21, 23, 25, 27)))
    users = await asyncio.gather(*(cache.get_user(number) for number in range(21, 29)))
    assert [member.id for member in members] == [21, 23, 25, 27]
    assert [user.id for user in users] == list(range(21, 29))
    found = await _round_trips(raw)
    assert (found["hmget"], found["mget"]) == (1, 1)


@marks.needs_statistics
async def test_the_guild_of_an_entity_is_asked_for_once_and_a_hint_saves_even_that(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    await _fill(await make_cache(database=0, fed=False), payloads)
    cache = await make_cache(database=0, fed=False)
    for number, expected in ((11, 2), (11, 1), (11, 1)):
        await raw.config_resetstat()
        assert (await cache.get_role(number)).id == number
        assert (await _round_trips(raw))["hmget"] == expected
    with pytest.raises(sake.EntryNotFound):
        await cache.get_role(11, guild_id=70)
    assert (await cache.get_role(11, guild_id=71)).id == 11


async def test_a_remembered_guild_does_not_hide_that_an_entity_is_gone_or_there_again(
    make_cache: typing.Any, payloads: testing.Payloads
) -> None:
    cache, other = await make_cache(database=0), await make_cache(database=0, fed=False)
    await cache.set_role(71, payloads.role(id="11", name="old"))
    assert (await cache.get_role(11)).name == "old"
    await other.delete_role(11)
    with pytest.raises(sake.EntryNotFound):
        await cache.get_role(11)
    await other.set_role(71, payloads.role(id="11", name="new"))
    found = await cache.get_role(11)
    assert (found.name, found.guild_id) == ("new", 71)


async def test_a_hint_of_the_wrong_guild_deletes_nothing(make_cache: typing.Any, payloads: testing.Payloads) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(71, payloads.role(id="11"))
    await cache.delete_role(11, guild_id=72)
    assert (await cache.get_role(11)).id == 11
    await cache.delete_role(11, guild_id=71)
    assert await cache.get_roles([11]) == {}
    await cache.delete_role(11, guild_id=71)
    await cache.delete_role(11)


# Iterating


@pytest.mark.parametrize("window_size", [1, 2, 7, 1_000, 10**9])
async def test_iterators_return_each_entry_once_whatever_the_window(
    make_cache: typing.Any, feed: gateway.Feed, window_size: int
) -> None:
    cache = await make_cache(database=0)
    world = testing.World(seed=5, guilds=3, members=60)
    feed.all(("GUILD_CREATE", world.guild_create(guild_id)) for guild_id in world.guilds)
    guild = next(iter(world.guilds.values()))
    voice_channel = next(iter(guild.voice_states.values()))["channel_id"]
    in_channel = [state for state in guild.voice_states.values() if state["channel_id"] == voice_channel]
    for iterator, expected in (
        (cache.iter_guilds(window_size=window_size), len(world.guilds)),
        (cache.iter_members(window_size=window_size), sum(len(found.members) for found in world.guilds.values())),
        (cache.iter_members_for_guild(guild.id, window_size=window_size), len(guild.members)),
        (cache.iter_roles(window_size=window_size), sum(len(found.roles) for found in world.guilds.values())),
        (cache.iter_roles_for_guild(guild.id, window_size=window_size), len(guild.roles)),
        (
            cache.iter_users(window_size=window_size),
            len(set().union(*(found.members for found in world.guilds.values()))),
        ),
        (cache.iter_voice_states_for_channel(voice_channel, window_size=window_size), len(in_channel)),
        (cache.iter_voice_states_for_guild(guild.id, window_size=window_size), len(guild.voice_states)),
    ):
        assert await iterator.len() == expected
        found = [
            (getattr(model, "guild_id", None), getattr(model, "id", None) or model.user_id) async for model in iterator
        ]
        assert len(found) == len(set(found)) == expected
        assert await iterator.len() == expected
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)


async def test_iterators_over_nothing_are_empty(make_cache: typing.Any) -> None:
    cache = await make_cache()
    for name, arguments in samples.ITERATORS.items():
        iterator = getattr(cache, name)(*arguments)
        assert await iterator.len() == 0, name
        assert await iterator == [], name


@marks.needs_statistics
async def test_making_an_iterator_asks_the_server_for_nothing(make_cache: typing.Any, raw: typing.Any) -> None:
    cache = await make_cache(database=0)
    await raw.config_resetstat()
    for name, arguments in samples.ITERATORS.items():
        getattr(cache, name)(*arguments)
    await asyncio.sleep(0)
    assert set(await _round_trips(raw)) <= {"info", "config", "config|resetstat"}


async def test_iterators_have_the_methods_of_hikaris(make_cache: typing.Any, payloads: testing.Payloads) -> None:
    cache = await make_cache(database=0)
    for number in range(1, 10):
        await cache.set_role(7, payloads.role(id=str(number), hoist=number % 2 == 0))
    assert len(await cache.iter_roles().limit(4)) == 4
    assert sorted(await cache.iter_roles().filter(lambda role: role.is_hoisted).map(lambda role: int(role.id))) == [
        2,
        4,
        6,
        8,
    ]
