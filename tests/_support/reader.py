# SPDX-License-Identifier: BSD-3-Clause
"""A process that reads one guild over and over, and tells on standard output what it saw that should not be.

Everything in the guild carries a generation number as the last word of its name. Run it with the server's address, the
guild's id and how many entities of each kind it has; it stops when its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import threading
import typing
from collections import abc as collections

import orjson
import redis.asyncio

import sake.redis
from _support import gateway
from _support import keys
from _support import samples

_DATABASE: typing.Final = 0


class Reader:
    """Reads a guild in every way there is."""

    def __init__(self, cache: sake.redis.RedisCache, raw: redis.asyncio.Redis, guild: int, count: int) -> None:
        self.cache = cache
        self.count = count
        self.faults: list[str] = []
        self.guild = guild
        self.latest: dict[str, int] = {}
        self.raw = raw
        self.reads = 0
        self.seen: set[int] = set()

    async def read(self) -> None:
        """Read everything once."""
        cache, guild, size = self.cache, self.guild, self.count
        roles = await cache.iter_roles_for_guild(guild, window_size=size)
        self.check("roles iterated", [role.name for role in roles])
        channels = await cache.iter_guild_channels_for_guild(guild, window_size=size)
        self.check("channels iterated", [str(channel.name) for channel in channels])
        members = await cache.iter_members_for_guild(guild, window_size=size)
        self.check("members iterated", [str(member.nickname) for member in members])
        self.check("all roles iterated", [role.name for role in await cache.iter_roles(window_size=size)])
        self.check("the guild", [(await cache.get_guild(guild)).name] * self.count)
        pipeline = self.raw.pipeline(transaction=True)
        pipeline.hget(keys.in_guild("guild", guild), str(guild))
        for kind in ("role", "channel", "member"):
            pipeline.hvals(keys.in_guild(kind, guild))
        record, *children = await pipeline.execute()
        names = [[orjson.loads(data).get("name") or orjson.loads(data)["nick"] for data in found] for found in children]
        name = orjson.loads(record)["name"]
        for kind, found in zip(("role", "channel", "member"), names, strict=True):
            if len(found) != self.count:
                self.faults.append(f"{len(found)} {kind} entries at once with {name}")
        if len({text.split()[-1] for text in itertools.chain([name], *names)}) != 1:
            self.faults.append(f"several generations in one transaction with {name}")

    def check(self, what: str, names: list[str]) -> None:
        """Take note of what was read at once."""
        self.reads += 1
        generations = {int(name.split()[-1]) for name in names}
        if len(names) != self.count:
            self.faults.append(f"{what}: {len(names)} of {self.count}")
        if len(generations) != 1:
            self.faults.append(f"{what}: generations {sorted(generations)}")
        for generation in generations:
            if generation < self.latest.get(what, 0):
                self.faults.append(f"{what}: {generation} after {self.latest[what]}")
            self.latest[what] = generation
        self.seen |= generations


async def _client(url: str, guild: str) -> redis.asyncio.Redis:
    """Make a client of the server that has a guild."""
    scheme, _, nodes = url.partition("://")
    if scheme.endswith("+cluster"):
        # Its own transactions run on another event loop.
        cluster = redis.asyncio.RedisCluster.from_url(f"redis://{nodes.partition(',')[0]}")
        async with cluster:
            node = cluster.get_node_from_key(keys.in_guild("guild", guild))
            assert node is not None
            url = f"redis://{node.name}"

    return redis.asyncio.Redis.from_url(url, db=_DATABASE)


@contextlib.asynccontextmanager
async def reading(url: str, count: int) -> collections.AsyncIterator[dict[str, typing.Any]]:
    """Let a second process read the guild while a block lasts; fill in what it saw."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, url, samples.GUILD, str(count)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=samples.environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    seen: dict[str, typing.Any] = {}
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        yield seen
        process.stdin.close()
        async with asyncio.timeout(30):
            seen.update(json.loads(await process.stdout.readline()))
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(url: str, guild: str, count: str) -> None:
    """Read until told to stop."""
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    async with sake.redis.RedisCache(url, gateway.make_bot(), database=_DATABASE) as cache:
        raw = await _client(url, guild)
        reader = Reader(cache, raw, int(guild), int(count))
        await reader.read()
        _say("ready")
        while not stopped.is_set():
            await reader.read()
        await raw.aclose()

    _say(json.dumps({"reads": reader.reads, "faults": reader.faults[:20], "seen": sorted(reader.seen)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
