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
from _support import gateway
from _support import leaks
from _support import samples
from _support import stories

import sake
import sake.redis
from sake import testing
from sake.redis._engine import connections as _connections

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
        ("GUILD_DELETE", {"id": samples.GUILD, "unavailable": True}, [False, {int(samples.GUILD)}, False]),
        ("GUILD_CREATE", {"id": samples.GUILD, "unavailable": True}, [False, {int(samples.GUILD)}, False]),
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


async def test_an_entry_that_the_server_returns_again_is_seen_once(
    make_cache: typing.Any, feed: gateway.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", samples.guild(0, 300))
    await cache.flush()
    exchange = _connections.Database.exchange
    pages: dict[bytes, list[list[bytes]]] = {b"SCAN": [], b"HSCAN": []}

    async def repeat(
        database: typing.Any, commands: bytes | list[bytes], replies: int, /, **options: typing.Any
    ) -> typing.Any:
        answers = await exchange(database, commands, replies, **options)
        sent = commands if isinstance(commands, bytes) else b"".join(commands)
        name = b"".join(sent.split(b"\r\n")[2:3])
        if name in pages:
            # As a server may while it moves entries to a larger or smaller table.
            ((cursor, found),) = answers
            pages[name].append(found)
            return [[cursor, [*found, *pages[name][0], *found]]]
        return answers

    monkeypatch.setattr(_connections.Database, "exchange", repeat)
    for iterator in (
        cache.iter_members_for_guild(int(samples.GUILD), window_size=20),
        cache.iter_members(window_size=20),
        cache.iter_users(window_size=20),
    ):
        found = [model.id async for model in iterator]
        assert len(found) == len(set(found)) == 300
    assert await cache.iter_users().len() == 300
    assert all(len(found) > 1 for found in pages.values())


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
