# SPDX-License-Identifier: BSD-3-Clause
"""What a bot received last is what is stored, however close together it came: over a real bot's connection."""

from __future__ import annotations

import contextlib
import itertools
import socket
import typing
from collections import abc as collections

import hikari
import hikari.impl
import pytest
import pytest_asyncio
from _support import own_server
from _support import servers

import sake.redis
from sake import testing

Event = tuple[str, dict[str, typing.Any]]

TIMES = 1_000
"""How often everything is done, on the bundled server."""

CORK: int | None = getattr(socket, "TCP_CORK", None) or getattr(socket, "TCP_NOPUSH", None)
LAYOUTS: dict[str, dict[str, int]] = {"one database": {"database": 0}, "a database each": {}}


class Town:
    """A cache that a real bot's connection fills."""

    def __init__(self, discord: testing.LoopbackDiscord, cache: sake.redis.RedisCache, times: int) -> None:
        self.cache = cache
        self.times = times
        self.discord = discord
        self.guild = next(iter(discord.world.guilds.values()))
        self.make = discord.world.payloads
        self.channel = self.guild.text_channel_ids[0]

    def message(self, **overrides: typing.Any) -> dict[str, typing.Any]:
        return self.make.message(guild_id=self.guild.id, channel_id=self.channel, **overrides)

    def role_event(self, name: str, role: dict[str, typing.Any]) -> Event:
        return name, {"guild_id": self.guild.id, "role": role}

    async def received(self) -> None:
        """Wait until the cache has heard of everything that was sent, and the server too."""
        await self.discord.settle()
        await self.cache.flush()

    async def each_by_itself(self, events: collections.Iterable[Event]) -> None:
        for name, payload in events:
            await self.discord.dispatch(name, payload)

    async def without_a_pause(self, events: collections.Iterable[Event]) -> None:
        await self.discord.dispatch_many(events)

    async def in_one_write(self, events: collections.Iterable[Event]) -> None:
        with contextlib.ExitStack() as stack:
            for session in self.discord._gateway.sessions.values():
                assert session.connection is not None
                stack.enter_context(_corked(session.connection._transport.get_extra_info("socket")))
            await self.discord.dispatch_many(events)


@contextlib.contextmanager
def _corked(connection: typing.Any) -> collections.Iterator[None]:
    """Hold back what is written until the block ends, so that it arrives at once."""
    assert CORK is not None
    connection.setsockopt(socket.IPPROTO_TCP, CORK, 1)
    try:
        yield
    finally:
        connection.setsockopt(socket.IPPROTO_TCP, CORK, 0)


WAYS = {
    "each by itself": Town.each_by_itself,
    "without a pause": Town.without_a_pause,
    "in one write": Town.in_one_write,
}


CASES = [*(("one database", way) for way in WAYS), ("a database each", "without a pause")]


@pytest.fixture(params=CASES, ids=", ".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    if request.param[1] == "in one write" and CORK is None:
        pytest.skip("this system cannot hold back what is written")
    return request.param


@pytest.fixture
def send(case: tuple[str, str]) -> typing.Any:
    return WAYS[case[1]]


@pytest.fixture
def layout(request: pytest.FixtureRequest) -> dict[str, int]:
    return LAYOUTS[request.getfixturevalue("case")[0]] if "case" in request.fixturenames else {"database": 0}


@pytest_asyncio.fixture
async def town(server: servers.Server, layout: dict[str, int]) -> collections.AsyncIterator[Town]:
    world = testing.World(seed=9, guilds=1, members=5)
    async with testing.LoopbackDiscord(world) as discord:
        nothing = hikari.impl.CacheSettings(components=hikari.api.CacheComponents.NONE)
        bot = discord.bot(auto_chunk_members=False, cache_settings=nothing)
        cache = sake.redis.RedisCache(
            server.url, bot, bot.event_manager, event_managed=True, **server.options, **layout
        )
        cache.with_message_expire(600)
        async with discord.running(bot):
            await own_server.eventually(lambda: cache.is_alive)
            yield Town(discord, cache, server.share(TIMES))


def _batches(events: collections.Iterable[Event], size: int) -> collections.Iterator[list[Event]]:
    iterator = iter(events)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


async def test_what_is_created_and_deleted_back_to_back_is_gone(town: Town, send: typing.Any) -> None:
    await town.received()
    before = {role.id async for role in town.cache.iter_roles()}
    assert before
    for _ in range(town.times):
        role, message = town.make.role(), town.message()
        events = [
            town.role_event("GUILD_ROLE_CREATE", role),
            ("GUILD_ROLE_DELETE", {"guild_id": town.guild.id, "role_id": role["id"]}),
            ("MESSAGE_CREATE", message),
            ("MESSAGE_DELETE", {"id": message["id"], "channel_id": town.channel, "guild_id": town.guild.id}),
        ]
        await send(town, events)

    await town.received()
    assert {role.id async for role in town.cache.iter_roles()} == before
    assert await town.cache.iter_roles_for_guild(int(town.guild.id)).len() == len(before)
    assert await town.cache.iter_messages().len() == 0


async def test_a_burst_of_updates_ends_on_the_last(town: Town, send: typing.Any) -> None:
    messages = [town.message(content="first") for _ in range(town.times)]
    roles = [town.make.role(name="first") for _ in range(town.times)]
    # Half of them are on the server before they are updated, the other half is created in the same burst.
    await town.without_a_pause(("MESSAGE_CREATE", message) for message in messages[: town.times // 2])
    await town.received()
    for place, (message, role) in enumerate(zip(messages, roles, strict=True)):
        events: list[Event] = [("MESSAGE_CREATE", message)] if place >= town.times // 2 else []
        for number in range(10):
            events.append(("MESSAGE_UPDATE", {**message, "content": f"update {number}"}))
            events.append(town.role_event("GUILD_ROLE_UPDATE", {**role, "name": f"update {number}"}))
        await send(town, events)

    await town.received()
    found = await town.cache.get_messages(int(message["id"]) for message in messages)
    assert len(found) == town.times
    assert {message.content for message in found.values()} == {"update 9"}
    stored = await town.cache.get_roles(int(role["id"]) for role in roles)
    assert len(stored) == town.times
    assert {role.name for role in stored.values()} == {"update 9"}


async def test_a_role_deleted_right_after_its_guild_was_received_is_gone(town: Town, send: typing.Any) -> None:
    sample = {
        name: [] for name in ("channels", "threads", "emojis", "stickers", "members", "presences", "voice_states")
    }
    base = {**town.make.guild(), **sample}
    deleted: list[str] = []
    kept: list[str] = []
    for _ in range(town.times):
        guild_id = town.make.snowflake()
        roles = [town.make.everyone_role(guild_id), town.make.role(), town.make.role()]
        deleted.append(roles[1]["id"])
        kept += (roles[0]["id"], roles[2]["id"])
        events = [
            ("GUILD_CREATE", {**base, "id": guild_id, "roles": roles}),
            ("GUILD_ROLE_DELETE", {"guild_id": guild_id, "role_id": roles[1]["id"]}),
        ]
        await send(town, events)

    await town.received()
    assert await town.cache.get_roles(map(int, deleted)) == {}
    assert set(await town.cache.get_roles(map(int, kept))) == set(map(int, kept))
    assert await town.cache.iter_guilds().len() == town.times + 1
    assert await town.cache.iter_roles().len() == len(kept) + len(town.guild.roles)


async def test_events_of_a_whole_busy_day_end_as_the_world_does(town: Town) -> None:
    await town.received()
    for batch in _batches(town.discord.world.steps(3_000), 200):
        await town.without_a_pause(batch)

    await town.received()
    guilds = town.discord.world.guilds.values()
    for kind, name in (
        ("roles", "roles"),
        ("members", "members"),
        ("guild_channels", "channels"),
        ("emojis", "emojis"),
    ):
        assert await getattr(town.cache, f"iter_{kind}")().len() == sum(len(getattr(guild, name)) for guild in guilds)


async def test_a_member_who_joins_moves_and_leaves_in_a_burst_leaves_nothing(town: Town, send: typing.Any) -> None:
    one, other = town.guild.voice_channel_ids[:2]
    await town.received()
    before = await town.cache.iter_members().len(), await town.cache.iter_voice_states().len()
    for _ in range(town.times // 10):
        member = {**town.make.member(user=town.make.user()), "guild_id": town.guild.id}
        user = member["user"]["id"]
        state = town.make.voice_state(user_id=user, channel_id=one, guild_id=town.guild.id, member=member)
        events = [
            ("GUILD_MEMBER_ADD", member),
            ("PRESENCE_UPDATE", town.make.presence(user_id=user, guild_id=town.guild.id, status="online")),
            ("VOICE_STATE_UPDATE", state),
            ("VOICE_STATE_UPDATE", {**state, "channel_id": other}),
            ("VOICE_STATE_UPDATE", {**state, "channel_id": None}),
            ("VOICE_STATE_UPDATE", state),
            ("GUILD_MEMBER_REMOVE", {"guild_id": town.guild.id, "user": member["user"]}),
        ]
        await send(town, events)

    await town.received()
    assert (await town.cache.iter_members().len(), await town.cache.iter_voice_states().len()) == before
    in_channels = sum(
        [await town.cache.iter_voice_states_for_channel(int(id_)).len() for id_ in town.guild.voice_channel_ids]
    )
    assert in_channels == before[1]
    assert await town.cache.iter_presences().len() == len(town.guild.presences)


async def test_a_resumed_connection_goes_on_where_it_was(town: Town) -> None:
    await town.received()
    role = town.make.role(name="first")
    await town.discord.dispatch(*town.role_event("GUILD_ROLE_CREATE", role))
    await town.discord.drop(0)
    for number in range(10):
        await town.discord.dispatch(*town.role_event("GUILD_ROLE_UPDATE", {**role, "name": f"update {number}"}))

    await town.received()
    assert (await town.cache.get_role(int(role["id"]))).name == "update 9"
    assert isinstance(await town.cache.get_me(), hikari.OwnUser)
