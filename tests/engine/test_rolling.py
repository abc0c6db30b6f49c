# SPDX-License-Identifier: BSD-3-Clause
"""Two processes with the same shard: whoever heard READY later writes it, and nothing of the other stays."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import typing
from collections import abc as collections

import pytest
import pytest_asyncio
from _support import gateway
from _support import leaks
from _support import links
from _support import own_server
from _support import servers

import sake
import sake.redis
from sake import testing
from sake.redis._client import shards as _shards
from sake.redis._engine import takeovers as _takeovers

GUILD: typing.Final = 7 << 22
OTHER_GUILD: typing.Final = 8 << 22
ROLES: typing.Final = range(1_000, 1_040)
SECONDS: typing.Final = 20.0


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


class Town:
    """What Discord has: roles, whose names tell the last event of each."""

    def __init__(self, guilds: collections.Iterable[int] = (GUILD,)) -> None:
        self.names = {(guild, role): "0" for guild in guilds for role in ROLES}
        self._guilds = tuple(guilds)
        self._make = testing.Payloads(seed=1)
        self._number = 0

    def connect(self, process: Process, session: str, *guilds: int) -> None:
        """Let a process hear READY, and of all there is."""
        for shard in process.shards:
            process.feed(*self._ready(session, shard), shard=shard)
        for guild in guilds or self._guilds:
            process.give("GUILD_CREATE", self._guild(guild))

    def _ready(self, session: str, shard: gateway.Shard) -> tuple[str, dict[str, typing.Any]]:
        guilds = [str(guild) for guild in self._guilds if (guild >> 22) % shard.shard_count == shard.id]
        return "READY", {
            "v": 10,
            "user": self._make.own_user(),
            "guilds": [{"id": guild, "unavailable": True} for guild in guilds],
            "session_id": session,
            "resume_gateway_url": "ws://127.0.0.1",
            "shard": [shard.id, shard.shard_count],
            "application": {"id": "1", "flags": 0},
        }

    def _guild(self, guild: int) -> dict[str, typing.Any]:
        roles = [self._make.role(id=str(role), name=name) for (of, role), name in self.names.items() if of == guild]
        return self._make.guild(id=str(guild), roles=roles, members=[], channels=[])

    def change(self, *processes: Process) -> None:
        """Let something happen, of which processes hear."""
        self._number += 1
        guild, role = self._guilds[self._number % len(self._guilds)], ROLES[(self._number * 7) % len(ROLES)]
        if (guild, role) in self.names and self._number % 5 == 0:
            del self.names[guild, role]
            event = "GUILD_ROLE_DELETE", {"guild_id": str(guild), "role_id": str(role)}
        else:
            self.names[guild, role] = str(self._number)
            payload = self._make.role(id=str(role), name=str(self._number))
            event = "GUILD_ROLE_UPDATE", {"guild_id": str(guild), "role": payload}
        for process in processes:
            process.give(*event)

    async def live(self, *processes: Process, seconds: float = 1.0) -> None:
        """Let something happen all the time, of which processes hear."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            self.change(*processes)
            await asyncio.sleep(0.002)

    async def stored(self, reader: sake.redis.RedisCache) -> dict[tuple[int, int], str]:
        """Return what a reader sees."""
        return {
            (guild, int(role.id)): role.name
            for guild in self._guilds
            async for role in reader.iter_roles_for_guild(guild)
            if int(role.id) != guild
        }

    async def is_right(self, reader: sake.redis.RedisCache) -> None:
        """Wait until a reader sees what there is."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        while (stored := await self.stored(reader)) != self.names:
            assert asyncio.get_running_loop().time() < deadline, stored.items() ^ self.names.items()
            await asyncio.sleep(0.05)


class Process:
    """One of a bot's processes: a bot and its cache."""

    def __init__(
        self, server: str | servers.Server, *, shard_count: int = 1, shards: collections.Iterable[int] = (0,)
    ) -> None:
        url, options = (server, {}) if isinstance(server, str) else (server.url, {**server.options, "database": 0})
        self.bot = gateway.make_bot()
        self.cache = sake.RedisCache(url, self.bot, self.bot.event_manager, **options)
        self.shards = [gateway.Shard(number, shard_count) for number in shards]
        self.feed = gateway.Feed(self.bot, self.shards[0])

    def give(self, name: str, payload: dict[str, typing.Any]) -> None:
        """Tell it of something, through the shard that it belongs to."""
        guild = int(payload.get("guild_id") or payload["id"])
        for shard in self.shards:
            if (guild >> 22) % shard.shard_count == shard.id:
                self.feed(name, payload, shard=shard)


@contextlib.asynccontextmanager
async def running(server: str | servers.Server, **options: typing.Any) -> collections.AsyncIterator[Process]:
    process = Process(server, **options)
    async with process.cache:
        yield process


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05, 0.3])
async def test_nothing_of_the_older_stays_however_late_it_writes(own: own_server.OwnServer, delay: float) -> None:
    async with (
        links.slow(own.socket, delay) as link,
        running(f"unix://{own.socket}?db=0") as newer,
        sake.RedisCache(f"unix://{own.socket}?db=0", newer.bot.rest) as reader,
    ):
        town = Town()
        async with running(f"unix://{link.path}?db=0") as older:
            town.connect(older, "older")
            await older.cache.flush()
            await town.live(older, seconds=0.5)
            town.connect(newer, "newer")
            await town.live(older, newer, seconds=2.0)
        await town.live(newer, seconds=0.1)
        await town.is_right(reader)
        assert await reader.is_guild_current(GUILD)
        assert newer.cache.statistics.rewinds == 0


async def test_nothing_of_the_older_stays_where_there_are_many_shards(
    server: servers.Server, make_cache: typing.Any
) -> None:
    reader = await make_cache(fed=False, database=0)
    town = Town((GUILD, OTHER_GUILD))
    async with running(server, shard_count=2, shards=(0, 1)) as newer:
        async with running(server, shard_count=2, shards=(0, 1)) as older:
            town.connect(older, "older")
            await town.live(older, seconds=0.5)
            town.connect(newer, "newer")
            await town.live(older, newer)
        await town.live(newer, seconds=0.1)
        await town.is_right(reader)
        assert await reader.is_guild_current(GUILD)
        assert await reader.is_guild_current(OTHER_GUILD)


async def test_the_older_says_once_that_it_writes_no_more_and_why(
    server: servers.Server, caplog: pytest.LogCaptureFixture
) -> None:
    town = Town()
    async with running(server) as newer, running(server) as older:
        town.connect(older, "older")
        await town.live(older, seconds=0.2)
        town.connect(newer, "newer")
        await town.live(older, newer, seconds=0.5)
        told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(told) == 1
        assert told[0].startswith("Another process has connected with the shards 0-1")
        events = older.cache.statistics.events
        await town.live(older, newer, seconds=0.2)
        assert older.cache.statistics.events == events
        # What the newer one wrote is what the older one reads.
        await town.is_right(older.cache)


async def test_only_the_shards_that_another_process_took_are_left_to_it(server: servers.Server) -> None:
    town = Town((GUILD, OTHER_GUILD))
    async with running(server, shard_count=2, shards=(0, 1)) as older, running(server, shard_count=2) as newer:
        town.connect(older, "older")
        await town.live(older, seconds=0.2)
        town.connect(newer, "newer", OTHER_GUILD)
        await town.live(older, newer, seconds=0.5)
        events = older.cache.statistics.events
        await town.live(older, newer, seconds=0.2)
        assert older.cache.statistics.events > events
        await town.is_right(newer.cache)
        assert await newer.cache.is_guild_current(GUILD)
        assert await newer.cache.is_guild_current(OTHER_GUILD)


async def test_clients_of_one_bot_do_not_take_its_shards_from_each_other(server: servers.Server) -> None:
    town = Town()
    async with running(server) as one, running(server) as other:
        for process in (one, other):
            town.connect(process, "the same")
        await town.live(one, other, seconds=0.5)
        events = one.cache.statistics.events, other.cache.statistics.events
        await town.live(one, other, seconds=0.2)
        assert one.cache.statistics.events > events[0]
        assert other.cache.statistics.events > events[1]
        await town.is_right(one.cache)
        assert await other.cache.is_guild_current(GUILD)


async def test_an_older_process_that_connects_anew_takes_its_shard_back(server: servers.Server) -> None:
    town = Town()
    async with running(server) as newer, running(server) as older:
        town.connect(older, "older")
        await town.live(older, seconds=0.2)
        town.connect(newer, "newer")
        await town.live(older, newer, seconds=0.3)
        town.connect(older, "older, again")
        await town.live(older, newer, seconds=0.3)
        events = newer.cache.statistics.events
        await town.live(older, newer, seconds=0.2)
        assert newer.cache.statistics.events == events
        await town.is_right(newer.cache)
        assert await newer.cache.is_guild_current(GUILD)


@pytest.mark.parametrize("end", ["closes", "dies"])
async def test_if_the_newer_process_ends_the_older_goes_on_and_says_what_it_missed(
    server: servers.Server, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(_shards, "_REGAIN_SECONDS", 0.1)
    town = Town()
    async with running(server) as older:
        town.connect(older, "older")
        await town.live(older, seconds=0.2)
        async with running(server) as newer:
            town.connect(newer, "newer")
            await town.live(older, newer, seconds=0.3)
            if end == "dies":
                with contextlib.closing(server.blocking_client()) as client:
                    await newer.cache.flush()
                    # As ninety seconds after it was heard of last.
                    client.delete("sake:session:0-1")
                await _is_stale(older)
        await _is_stale(older)
        events = older.cache.statistics.events
        town.change(older)
        await asyncio.sleep(0)
        assert older.cache.statistics.events > events
        assert not await older.cache.is_guild_current(GUILD)
        town.connect(older, "older, again")
        await town.is_right(older.cache)
        assert await older.cache.is_guild_current(GUILD)


async def _is_stale(process: Process) -> None:
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not await process.cache.is_guild_stale(GUILD):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_an_older_process_that_was_given_up_waiting_for_says_that_it_wrote(
    own: own_server.OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_takeovers, "_MOST_SECONDS", 0.2)
    town = Town()
    async with (
        links.slow(own.socket, 0.0) as link,
        running(f"unix://{own.socket}?db=0") as newer,
        running(f"unix://{link.path}?db=0") as older,
    ):
        town.connect(older, "older")
        await older.cache.flush()
        await town.live(older, seconds=0.2)
        await older.cache.flush()
        # What it sends now arrives when nobody thinks of it any more.
        link.is_open.clear()
        town.change(older)
        await own_server.eventually(lambda: older.cache.statistics.backlog)
        await asyncio.sleep(0.1)
        town.connect(newer, "newer")
        await town.live(newer, seconds=1.0)
        link.is_open.set()
        while not await newer.cache.is_guild_stale(GUILD):
            town.change(newer)
            await asyncio.sleep(0.02)


async def test_a_process_that_could_not_write_for_a_while_asks_before_it_does(own: own_server.OwnServer) -> None:
    town = Town()
    async with (
        links.slow(own.socket, 0.0) as link,
        running(f"unix://{own.socket}?db=0") as newer,
        running(f"unix://{link.path}?db=0&socket_timeout=0.2") as older,
    ):
        town.connect(older, "older")
        await older.cache.flush()
        link.is_open.clear()
        town.change(older)
        await own_server.eventually(lambda: older.cache.statistics.is_away)
        town.connect(newer, "newer")
        await town.live(older, newer, seconds=0.5)
        await newer.cache.flush()
        link.is_open.set()
        await own_server.eventually(lambda: older.cache.statistics.backlog == 0)
        await town.is_right(newer.cache)
