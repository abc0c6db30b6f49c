# SPDX-License-Identifier: BSD-3-Clause
"""What an event did is read at once, in its own listeners and while more events come."""

from __future__ import annotations

import asyncio
import copy
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import leaks
from _support import samples
from _support import stories

import sake
import sake.redis
from sake import testing

Payload = dict[str, typing.Any]


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


class Witness:
    """Looks at an entity from inside a listener."""

    def __init__(self, story: stories.Story) -> None:
        self.cache: sake.redis.RedisCache | None = None
        self.found: list[object] = []
        self.story = story

    async def look(self, _: hikari.Event) -> None:
        assert self.cache is not None
        self.found.append(await self.story.get(self.cache))
        self.found.append(await self.story.among(self.cache))

    async def look_among_all(self, _: hikari.Event) -> None:
        assert self.cache is not None
        among = await self.story.among(self.cache)
        self.found += [await self.story.get(self.cache), among]

    def check(self, step: stories.Step) -> None:
        found, self.found = self.found, []
        assert found == [step.expected, [] if step.expected is stories.GONE else [step.expected]], step.name


@pytest.mark.parametrize("first", ["get", "iter"])
@pytest.mark.parametrize("name", stories.STORIES)
@pytest.mark.parametrize("layout", [{"database": 0}, {}], ids=["one database", "a database each"])
async def test_raw_listeners_read_the_effect_of_their_event_whenever_they_subscribed(
    make_cache: typing.Any, bot: hikari.GatewayBot, feed: gateway.Feed, name: str, first: str, layout: dict[str, int]
) -> None:
    before, after = Witness(stories.STORIES[name]), Witness(stories.STORIES[name])
    bot.subscribe(hikari.ShardPayloadEvent, before.look if first == "get" else before.look_among_all)
    before.cache = after.cache = await make_cache(**layout)
    bot.subscribe(hikari.ShardPayloadEvent, after.look if first == "get" else after.look_among_all)
    for step in stories.STORIES[name].steps:
        feed(step.name, copy.deepcopy(step.payload))
        await feed.settle()
        before.check(step)
        after.check(step)


@pytest.mark.parametrize("name", stories.STORIES)
async def test_typed_listeners_read_the_effect_of_their_event(
    make_cache: typing.Any, bot: hikari.GatewayBot, feed: gateway.Feed, name: str
) -> None:
    async def ignore(_: hikari.Event) -> None:
        return

    # hikari never makes bulk deletion events for those who listen to nothing else.
    bot.subscribe(hikari.GuildMessageDeleteEvent, ignore)
    for kind in {step.typed for step in stories.STORIES[name].steps}:
        witness = Witness(stories.STORIES[name])
        bot.subscribe(kind, witness.look)
        witness.cache = await make_cache(database=0)
        for step in stories.STORIES[name].steps:
            feed(step.name, copy.deepcopy(step.payload))
            await feed.settle()
            if step.typed is kind:
                witness.check(step)
        await witness.cache.close()
        bot.unsubscribe(kind, witness.look)


@pytest.mark.parametrize("name", stories.STORIES)
async def test_after_a_flush_every_other_cache_reads_the_same(
    make_cache: typing.Any, feed: gateway.Feed, name: str
) -> None:
    cache, other = await make_cache(database=0), await make_cache(database=0, fed=False)
    for step in stories.STORIES[name].steps:
        feed(step.name, copy.deepcopy(step.payload))
        await cache.flush()
        assert await stories.STORIES[name].get(other) == step.expected
        assert await stories.STORIES[name].among(other) == ([] if step.expected is stories.GONE else [step.expected])


@pytest.mark.parametrize("name", stories.STORIES)
async def test_in_a_burst_the_last_event_counts(make_cache: typing.Any, feed: gateway.Feed, name: str) -> None:
    cache = await make_cache(database=0)
    steps = stories.STORIES[name].steps
    for step in steps * 3:
        feed(step.name, copy.deepcopy(step.payload))
    assert await stories.STORIES[name].get(cache) == steps[-1].expected
    for step in steps:
        for before in steps:
            feed(before.name, copy.deepcopy(before.payload))
        feed(step.name, copy.deepcopy(step.payload))
        if step.name != "MESSAGE_UPDATE" and step.name != "GUILD_UPDATE":
            assert await stories.STORIES[name].get(cache) == step.expected, step.name


async def test_availability_and_completeness_are_read_in_listeners_too(
    make_cache: typing.Any, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    found: list[object] = []
    caches: list[sake.redis.RedisCache] = []

    async def look(_: hikari.ShardPayloadEvent) -> None:
        (cache,) = caches
        found.append(await cache.is_guild_available(int(samples.GUILD)))
        found.append(await cache.get_unavailable_guild_ids())
        found.append(await cache.is_member_list_complete(int(samples.GUILD)))

    bot.subscribe(hikari.ShardPayloadEvent, look)
    caches.append(await make_cache())
    for name, payload, expected in (
        ("GUILD_CREATE", samples.guild(0, 4), [True, set(), True]),
        ("GUILD_DELETE", {"id": samples.GUILD, "unavailable": True}, [False, {int(samples.GUILD)}, True]),
        ("GUILD_CREATE", {"id": samples.GUILD, "unavailable": True}, [False, {int(samples.GUILD)}, True]),
        ("GUILD_CREATE", {**samples.guild(1, 4), "member_count": 9}, [True, set(), False]),
    ):
        feed(name, payload)
        await feed.settle()
        assert found == expected, name
        found.clear()


# Reading while writing


async def test_what_stays_is_seen_once_by_every_iterator_while_everything_else_changes(
    make_cache: typing.Any, feed: gateway.Feed
) -> None:
    cache = await make_cache(database=0)
    make = testing.Payloads(seed=4)
    staying = {int(id_) for id_ in range(1, 301)}
    members = [make.member(user=make.user(id=str(id_))) for id_ in staying]
    feed("GUILD_CREATE", {**samples.guild(0, 4), "members": members, "member_count": len(members)})
    await cache.flush()
    done = asyncio.Event()

    async def change() -> None:
        number = 1_000
        while not done.is_set():
            number += 1
            user = make.user(id=str(number))
            feed("GUILD_MEMBER_ADD", make.member(user=user, guild_id=samples.GUILD))
            feed("GUILD_MEMBER_UPDATE", {**members[number % 300], "nick": str(number), "guild_id": samples.GUILD})
            if number % 3:
                feed("GUILD_MEMBER_REMOVE", {"guild_id": samples.GUILD, "user": user})
            await asyncio.sleep(0)

    changing = asyncio.create_task(change())
    try:
        for window_size in (10, 100, 1_000):
            for make_iterator in (
                lambda size: cache.iter_members(window_size=size),
                lambda size: cache.iter_members_for_guild(int(samples.GUILD), window_size=size),
                lambda size: cache.iter_users(window_size=size),
            ):
                found = [int(model.id) async for model in make_iterator(window_size)]
                assert len(found) == len(set(found))
                assert staying <= set(found)
    finally:
        done.set()
        await changing


@pytest.mark.parametrize("kind", ["members", "users"])
async def test_an_entry_is_seen_once_although_its_table_shrinks_meanwhile(
    make_cache: typing.Any, raw: redis.asyncio.Redis, kind: str
) -> None:
    cache = await make_cache(database=0)
    make = testing.Payloads(seed=4)
    member = make.member(user=make.user(id="1"))
    for guild in (1, 2):
        await asyncio.gather(
            *(cache.set_member(guild, {**member, "user": {**member["user"], "id": str(id_)}}) for id_ in range(1, 4_001))
        )
    iterator = cache.iter_members_for_guild(1, window_size=5) if kind == "members" else cache.iter_users(window_size=100)
    found = [int((await anext(iterator)).id) for _ in range(2_000)]
    # A server may return an entry again when it moves what is left to a smaller table.
    if kind == "members":
        await raw.hdel("{1}:member", *(str(id_) for id_ in range(1, 4_001) if id_ % 40))
    else:
        await raw.unlink(*(f"user:{id_}" for id_ in range(1, 4_001) if id_ % 40))
        await raw.unlink("{2}:member")
    found += [int(model.id) async for model in iterator]
    assert len(found) == len(set(found))
    assert set(range(40, 4_001, 40)) <= set(found)


async def test_entries_may_be_changed_by_hand_from_within_an_iterator(make_cache: typing.Any) -> None:
    cache = await make_cache(database=0)
    make = testing.Payloads(seed=4)
    for number in range(1, 31):
        await cache.set_role(int(samples.GUILD), make.role(id=str(number)))
    async for role in cache.iter_roles(window_size=4):
        if role.id % 2:
            await cache.delete_role(role.id)
        else:
            await cache.set_role(int(samples.GUILD), make.role(id=str(role.id), name="seen"))
    assert {role.name async for role in cache.iter_roles()} == {"seen"}
    assert await cache.iter_roles().len() == 15
