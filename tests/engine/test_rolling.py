# SPDX-License-Identifier: BSD-3-Clause
"""Two processes with the same shard: whoever heard READY later writes it, and nothing of the other stays."""

from __future__ import annotations

import asyncio
import contextlib
import typing
from collections import abc as collections

import pytest
import pytest_asyncio
from _support import gateway
from _support import leaks
from _support import links
from _support import own_server

import sake
import sake.redis
from sake import testing

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
        stored: dict[tuple[int, int], str] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while (stored := await self.stored(reader)) != self.names:
                    await asyncio.sleep(0.05)
        assert stored == self.names


class Process:
    """One of a bot's processes: a bot and its cache."""

    def __init__(self, url: str, *, shard_count: int = 1, shards: collections.Iterable[int] = (0,)) -> None:
        self.bot = gateway.make_bot()
        self.cache = sake.RedisCache(url, self.bot, self.bot.event_manager)
        self.shards = [gateway.Shard(number, shard_count) for number in shards]
        self.feed = gateway.Feed(self.bot, self.shards[0])

    def give(self, name: str, payload: dict[str, typing.Any]) -> None:
        """Tell it of something, through the shard that it belongs to."""
        guild = int(payload.get("guild_id") or payload["id"])
        for shard in self.shards:
            if (guild >> 22) % shard.shard_count == shard.id:
                self.feed(name, payload, shard=shard)


@contextlib.asynccontextmanager
async def running(url: str, **options: typing.Any) -> collections.AsyncIterator[Process]:
    process = Process(url, **options)
    async with process.cache:
        yield process


@pytest_asyncio.fixture
async def reader(server_url: str) -> collections.AsyncIterator[sake.redis.RedisCache]:
    async with sake.RedisCache(server_url, gateway.make_bot().rest) as reader:
        yield reader


@pytest.fixture(params=["alone", "cluster"])
def server_url(request: pytest.FixtureRequest) -> str:
    """The address of a server, or of a cluster."""
    if request.param == "alone":
        return f"{request.getfixturevalue('valkey').url}?db=0"
    return typing.cast("str", request.getfixturevalue("cluster").url)


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
