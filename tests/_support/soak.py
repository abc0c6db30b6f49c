# SPDX-License-Identifier: BSD-3-Clause
"""Two processes that go on and on: a bot that fills its cache, and one that reads. Each tells how much it holds.

Run it with `bot` or `reader`, the server's address, and for the bot how many events there are in a round. For each line
on standard input the bot lives through one round; both answer with a line of what they hold then.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import pathlib
import random
import sys
import threading
import typing
from collections import abc as collections

import sake.redis
from _support import gateway
from _support import own_server
from sake import testing
from sake.redis._engine import backlog

Payload = dict[str, typing.Any]
Event = tuple[str, Payload]

MESSAGE_LIFETIME: typing.Final = 0.5
"""Seconds: short, so that what expires is level within a round."""

KEPT: typing.Final = 0.2
"""Seconds for which what was written is kept, likewise."""

_DATABASE: typing.Final = 0
_AT_ONCE: typing.Final = 200
_OUTSIDE_OF_PYTHON: typing.Final = pathlib.Path("/proc/self/statm")
_SHIFT: typing.Final = 1 << 40
_OF_MESSAGES: typing.Final = ("MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE")


@dataclasses.dataclass(frozen=True)
class Holding:
    """What a process holds at a moment when it has nothing to do."""

    blocks: int
    """Pieces of memory that Python has handed out."""

    descriptors: int
    memory: int
    """Bytes that are resident."""

    tasks: int
    done: int
    """Events or reads since it began."""


def _look(done: int) -> Holding:
    gc.collect()
    return Holding(
        blocks=sys.getallocatedblocks(),
        descriptors=len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        memory=int(_OUTSIDE_OF_PYTHON.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        tasks=len(asyncio.all_tasks()),
        done=done,
    )


class Round:
    """A bot's day: it connects, its guilds arrive, then things happen in them. Each has new messages."""

    def __init__(self, events: int) -> None:
        world = testing.World(seed=20, guilds=10, members=1_000)
        self._start = [("READY", world.ready())] + [
            ("GUILD_CREATE", world.guild_create(guild_id)) for guild_id in world.guilds
        ]
        self._events = list(world.steps(events - len(self._start)))
        self.guilds = [int(guild_id) for guild_id in world.guilds]

    def events(self, number: int) -> collections.Iterator[Event]:
        """Yield the events of one of the rounds."""
        yield from self._start
        for name, payload in self._events:
            if name in _OF_MESSAGES:
                yield name, {**payload, "id": str(int(payload["id"]) + number * _SHIFT)}
            else:
                yield name, payload


class Bot:
    """Gives rounds of events to a bot as its shards do."""

    def __init__(self, cache: sake.redis.RedisCache, bot: typing.Any, events: int) -> None:
        self._cache = cache
        self._feed = gateway.Feed(bot, gateway.Shard())
        self._round = Round(events)
        self._rounds = 0
        self._done = 0

    async def live(self) -> None:
        """Live through a round, until everything is written and what expires has."""
        for name, payload in self._round.events(self._rounds):
            self._feed(name, payload)
            self._done += 1
            if self._done % _AT_ONCE == 0:
                await self._feed.settle()
                # A bot waits for the network now and then; a flood that never ends is another test's.
                await asyncio.sleep(0)
        self._rounds += 1
        await self._feed.settle()
        await own_server.eventually(lambda: self._cache.statistics.backlog == 0)
        await asyncio.sleep(MESSAGE_LIFETIME)

    def look(self) -> Holding:
        """Return what the process holds."""
        return _look(self._done)


class Reader:
    """Reads whatever a bot's listeners would, without an end."""

    def __init__(self, cache: sake.redis.RedisCache) -> None:
        self._cache = cache
        self._guilds: list[int] = []
        self._random = random.Random(5)
        self._done = 0

    async def live(self) -> None:
        """Read everything of a guild once, at least."""
        cache = self._cache
        self._guilds = [guild.id for guild in await cache.iter_guilds()]
        for guild in self._random.sample(self._guilds, min(3, len(self._guilds))):
            members = await cache.iter_members_for_guild(guild)
            await cache.get_members(guild, [member.id for member in members[:50]])
            await asyncio.gather(*(cache.get_roles([role.id]) for role in await cache.iter_roles_for_guild(guild)))
            await cache.iter_guild_channels_for_guild(guild).len()
            await cache.get_guilds([guild, 1])
            self._done += len(members)

    def look(self) -> Holding:
        """Return what the process holds."""
        return _look(self._done)


async def _serve(process: Bot | Reader, *, busy: bool) -> None:
    asked, loop = asyncio.Queue[bool](), asyncio.get_running_loop()

    def listen() -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(asked.put_nowait, True)
        loop.call_soon_threadsafe(asked.put_nowait, False)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        while busy and asked.empty():
            await process.live()
        if not await asked.get():
            return
        if not busy:
            await process.live()
        sys.stdout.write(json.dumps(dataclasses.asdict(process.look())) + "\n")
        sys.stdout.flush()


async def main(role: str, url: str, events: str = "0") -> None:
    """Do as told until standard input ends."""
    bot = gateway.make_bot()
    cache = sake.redis.RedisCache(url, bot, bot.event_manager if role == "bot" else None, database=_DATABASE)
    backlog._KEPT_SECONDS = KEPT
    cache.with_message_expire(MESSAGE_LIFETIME).with_user_expire(MESSAGE_LIFETIME)
    async with cache:
        if role == "bot":
            await _serve(Bot(cache, bot, int(events)), busy=False)
        else:
            await _serve(Reader(cache), busy=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
