# SPDX-License-Identifier: BSD-3-Clause
"""Even streams of events, and what became of them while servers come and go."""

from __future__ import annotations

import asyncio
import contextlib
import re
import typing
from collections import abc as collections

import hikari

import sake.redis
from _support import gateway
from _support import oracle
from _support import snapshots
from sake import errors
from sake import testing

GUILDS: typing.Final = tuple(str(4_194_304 + number) for number in range(8))
RATE: typing.Final = 500
"""Events a second."""

FLOOD_RATE: typing.Final = 2_000
"""Events a second of a flood."""

_FIRST_ID: typing.Final = 5_000_000_000
_KEPT: typing.Final = 40
"""So many entities of a kind are changed over and over; others come, and some of them go."""

_TICK: typing.Final = 0.01
_NUMBER: typing.Final = re.compile(r"\d+")


class Stream:
    """Feeds a cache and hikari's own with the same events, and asks the cache for what has just been fed.

    Each event is about one entity, and has a number: what an event did can be told from what became of its entity.
    """

    def __init__(self, cache: sake.redis.RedisCache, bot: hikari.GatewayBot) -> None:
        self.number = 0
        """How many events there were."""
        self.failed_reads = 0
        """How often what has just been fed could not be asked for."""
        self.stale: list[int] = []
        """The events after which the cache did not say what they told."""
        self._cache = cache
        self._feed = gateway.Feed(bot, gateway.Shard())
        self._ids: dict[int, int] = {}
        """Entity → the last event that was about it."""
        self._make = testing.Payloads(seed=3)
        self._oracle = oracle.Oracle()
        self._reads: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Let the guilds arrive, and see them stored; then begin."""
        for guild in GUILDS:
            self._give("GUILD_CREATE", self._make.guild(id=guild, members=[], roles=[], channels=[]))
        await self._cache.flush()
        self._task = asyncio.create_task(self._play(), name="stream of events")

    async def end(self) -> None:
        """Let nothing more happen."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        await asyncio.gather(*self._reads)

    async def until(self, number: int) -> None:
        """Wait until there were so many events."""
        while self.number < number:
            assert self._task is not None
            assert not self._task.done(), self._task
            await asyncio.sleep(_TICK)

    async def differences(self, cache: sake.redis.RedisCache) -> list[str]:
        """Compare what a cache reads with hikari's own."""
        ids = sorted(self._oracle.guild_ids)
        expected = self._oracle.expectation()
        return await snapshots.Comparison(cache, expected, ids, self._oracle.tolerated, exact_lengths=False).run()

    def since(self, number: int, differences: list[str]) -> list[str]:
        """Return the differences that are about entities which were last heard of after so many events."""
        return [text for text in differences if self._last(text) > number]

    def _last(self, text: str) -> int:
        return max((self._ids.get(int(found), 0) for found in _NUMBER.findall(text)), default=0)

    def _give(self, name: str, payload: dict[str, typing.Any]) -> None:
        self._oracle.feed(name, payload, self._feed.shard)
        self._feed(name, payload)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        began, first = loop.time(), self.number
        while True:
            due = first + int((loop.time() - began) * RATE)
            while self.number < due:
                self._next()
            await asyncio.sleep(_TICK)

    def _next(self) -> None:
        self.number = number = self.number + 1
        guild = GUILDS[number % len(GUILDS)]
        turn = number // len(GUILDS)
        entity = _FIRST_ID + (number % _KEPT if turn % 2 else number * 100)
        if turn % 5 == 4:
            # One that came a while ago goes.
            entity = _FIRST_ID + max(number - 4 * len(GUILDS), 1) * 100
            self._ids[entity] = number
            self._give("GUILD_ROLE_DELETE", {"guild_id": guild, "role_id": str(entity)})
            return

        if turn % 3 == 0:
            entity += _KEPT
            self._ids[entity] = number
            user = self._make.user(id=str(entity))
            self._give("GUILD_MEMBER_ADD", self._make.member(user=user, nick=f"{number}", guild_id=guild))
            return

        self._ids[entity] = number
        role = self._make.role(id=str(entity), name=f"{number}")
        self._give("GUILD_ROLE_CREATE", {"guild_id": guild, "role": role})
        if number % 10 == 0:
            read = asyncio.create_task(self._read(guild, entity, number), name="read of what was fed")
            self._reads.add(read)
            read.add_done_callback(self._reads.discard)

    async def _read(self, guild: str, entity: int, number: int) -> None:
        # The listeners of what was fed run first.
        await asyncio.sleep(0)
        name = ""
        try:
            name = (await self._cache.get_role(entity, guild_id=int(guild))).name
        except errors.EntryNotFound:
            pass
        except errors.BackendError:
            self.failed_reads += 1
            return

        if name != f"{number}" and self._ids[entity] == number:
            self.stale.append(number)


class Losable(typing.Protocol):
    """A server that may be taken away, or frozen for a while."""

    def do(self, *command: typing.Any) -> typing.Any: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


@contextlib.contextmanager
def dying(primary: Losable, replicas: collections.Sequence[Losable]) -> collections.Iterator[None]:
    """Let a primary take what its replicas never hear of while a block lasts, and kill it then."""
    for replica in replicas:
        replica.pause()
    primary.do("CLIENT KILL", "TYPE", "replica")
    try:
        yield
    finally:
        primary.kill()
        for replica in replicas:
            replica.resume()


class Flood:
    """Lets a world go on at two thousand events a second, for a cache and hikari's own, and sees what others see of it.

    Besides, roles of guilds in which nothing else happens are renamed, one after the other; `lags` has how many
    seconds each name took to be seen by a second client.
    """

    def __init__(self, cache: sake.redis.RedisCache, bot: hikari.GatewayBot, other: sake.redis.RedisCache) -> None:
        self.lags: dict[str, list[float]] = {}
        """Guild → seconds."""
        self.number = 0
        """How many events there were."""
        self._cache = cache
        self._feed = gateway.Feed(bot, gateway.Shard())
        self._make = testing.Payloads(seed=3)
        self._oracle = oracle.Oracle()
        self._other = other
        self._tasks: list[asyncio.Task[None]] = []
        self._world = testing.World(seed=20, guilds=30, members=600)

    async def fill(self) -> None:
        """Let the shard be ready and all guilds arrive, and see them stored."""
        ready = self._world.ready()
        quiet = [{"id": guild, "unavailable": True} for guild in GUILDS]
        self._give("READY", {**ready, "guilds": [*ready["guilds"], *quiet]})
        for guild in self._world.guilds:
            self._give("GUILD_CREATE", self._world.guild_create(guild))
        for guild in GUILDS:
            self._give("GUILD_CREATE", self._make.guild(id=guild, members=[], roles=[], channels=[]))
        await self._cache.flush()

    @contextlib.asynccontextmanager
    async def running(self) -> collections.AsyncIterator[None]:
        """Let things happen while a block lasts."""
        self.lags = {guild: [] for guild in GUILDS}
        self._tasks = [
            asyncio.create_task(self._play()),
            *(asyncio.create_task(self._watch(guild)) for guild in GUILDS),
        ]
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        for task in self._tasks:
            assert task.cancelled(), task

    async def until(self, number: int) -> None:
        """Wait until there were so many events."""
        while self.number < number:
            ended = [task for task in self._tasks if task.done()]
            assert not ended, ended
            await asyncio.sleep(_TICK)

    async def differences(self) -> list[str]:
        """Compare what the second client reads with hikari's own cache."""
        ids = sorted(self._oracle.guild_ids)
        expected = self._oracle.expectation()
        return await snapshots.Comparison(self._other, expected, ids, self._oracle.tolerated, exact_lengths=False).run()

    def _give(self, name: str, payload: dict[str, typing.Any]) -> None:
        self._oracle.feed(name, payload, self._feed.shard)
        self._feed(name, payload)

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        began, first = loop.time(), self.number
        while True:
            due = first + int((loop.time() - began) * FLOOD_RATE)
            while self.number < due:
                self.number += 1
                self._give(*self._world.step())
            await asyncio.sleep(_TICK)

    async def _watch(self, guild: str) -> None:
        """Rename a role again and again, as soon as the second client sees what it is called."""
        loop = asyncio.get_running_loop()
        role, number = int(guild) + 1, 0
        while True:
            number += 1
            began = loop.time()
            payload = self._make.role(id=str(role), name=f"{number}")
            self._give("GUILD_ROLE_UPDATE", {"guild_id": guild, "role": payload})
            seen = ""
            while seen != f"{number}":
                await asyncio.sleep(_TICK / 2)
                with contextlib.suppress(errors.SakeException):
                    seen = (await self._other.get_role(role, guild_id=int(guild))).name
            self.lags[guild].append(loop.time() - began)
