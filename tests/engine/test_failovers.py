# SPDX-License-Identifier: BSD-3-Clause
"""A primary dies in mid-stream and its replica, which is behind, takes its place: nothing that was written is lost.

`SAKE_FAILOVERS` says how often in a row; `nox -s failovers` has ten of them.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import statistics
import time
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
from _support import failovers
from _support import gateway
from _support import keys
from _support import leaks
from _support import own_cluster
from _support import own_sentinel
from _support import own_server
from _support import samples

import sake.redis
from sake import testing
from sake.redis._engine import backlog as _backlog

FAILOVERS: typing.Final = int(os.environ.get("SAKE_FAILOVERS", "1"))

LAG: typing.Final = 1.5
"""Seconds within which others see what belongs to nodes that are there."""

BEHIND: typing.Final = failovers.FLOOD_RATE // 20
"""By so many events replicas are behind: what comes in 50 ms."""

SECONDS: typing.Final = 30.0

pytestmark = pytest.mark.timeout(120 + 60 * FAILOVERS)


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


async def _becomes_true(condition: collections.Callable[[], object]) -> None:
    """Wait without keeping the events from flowing."""
    await asyncio.to_thread(own_server.wait_until, condition, within=SECONDS)


class Scene:
    """A bot in a flood of events, and a second client, on servers of which primaries die."""

    def __init__(self, cache: sake.redis.RedisCache, flood: failovers.Flood) -> None:
        self.cache = cache
        self.flood = flood

    async def lose(
        self,
        primary: failovers.Losable,
        replicas: collections.Sequence[failovers.Losable],
        has_moved: collections.Callable[[], bool],
    ) -> float:
        """Let a primary die in mid-stream and go on for a while; return how many seconds another one took."""
        rewinds = self.cache.statistics.rewinds
        flood = self.flood
        async with flood.running():
            await flood.until(flood.number + failovers.FLOOD_RATE)
            with failovers.dying(primary, replicas):
                await flood.until(flood.number + BEHIND)
                await self.cache.flush()
            died = time.monotonic()
            await _becomes_true(has_moved)
            taken = time.monotonic() - died
            await own_server.eventually(lambda: self.cache.statistics.rewinds > rewinds, within=SECONDS)
            await flood.until(flood.number + failovers.FLOOD_RATE)
        return taken

    async def check(self) -> None:
        """Compare what the second client reads with hikari's own cache."""
        found = self.cache.statistics
        await own_server.eventually(lambda: not found.is_away and not found.backlog, within=SECONDS)
        await self.cache.flush()
        assert await self.flood.differences() == []
        assert await self.cache.get_stale_guild_ids() == set()
        assert found.dropped == found.skipped == 0


def _told(what: str, number: int, taken: float, lags: list[float]) -> None:
    median, most = statistics.median(lags), max(lags)
    text = f"{what} {number}: another primary after {taken:.2f} s, lag median {median:.3f} s, at most {most:.3f} s"
    print(f"{text} ({len(lags)} times)")  # noqa: T201


async def _scene(url: str, bot: hikari.GatewayBot, **options: typing.Any) -> collections.AsyncIterator[Scene]:
    async with (
        sake.redis.RedisCache(url, bot, bot.event_manager, **options) as cache,
        sake.redis.RedisCache(url, bot.rest, **options) as other,
    ):
        flood = failovers.Flood(cache, bot, other)
        await flood.fill()
        yield Scene(cache, flood)


@pytest.fixture
def cluster(binary: str) -> collections.Iterator[own_cluster.OwnCluster]:
    with own_cluster.running(binary, "--cluster-require-full-coverage", "no", replicas=1) as found:
        yield found


@pytest.fixture
def watched(binary: str) -> collections.Iterator[own_sentinel.OwnSentinels]:
    with own_sentinel.running(binary) as found:
        yield found


@pytest_asyncio.fixture
async def on_cluster(cluster: own_cluster.OwnCluster, bot: hikari.GatewayBot) -> collections.AsyncIterator[Scene]:
    async for scene in _scene(cluster.url, bot):
        yield scene


@pytest_asyncio.fixture
async def on_sentinel(watched: own_sentinel.OwnSentinels, bot: hikari.GatewayBot) -> collections.AsyncIterator[Scene]:
    async for scene in _scene(watched.url, bot, database=0):
        yield scene


async def test_what_a_node_of_a_cluster_had_and_its_replica_had_not_is_written_again_while_other_guilds_go_on(
    cluster: own_cluster.OwnCluster, on_cluster: Scene
) -> None:
    for number in range(FAILOVERS):
        primaries = [node for node in cluster.nodes if node.is_primary]
        key = _key_of(cluster, primaries[number % 3])
        primary_of = cluster.primaries_by_key()
        primary, *replicas = cluster.shard_of(key)
        others = [guild for guild in failovers.GUILDS if primary_of(keys.in_guild("role", guild)) is not primary]
        assert others
        taken = await on_cluster.lose(primary, replicas, functools.partial(_has_moved, cluster, key, primary))
        await on_cluster.check()
        lags = [lag for guild in others for lag in on_cluster.flood.lags[guild]]
        _told("cluster, guilds of other nodes", number + 1, taken, lags)
        # Single ones may be late since the machine is busy.
        assert statistics.median(lags) < LAG
        await asyncio.to_thread(cluster.heal)


def _has_moved(cluster: own_cluster.OwnCluster, key: str, before: own_cluster.Node) -> bool:
    return cluster.primary_of(key) is not before


def _key_of(cluster: own_cluster.OwnCluster, node: own_cluster.Node) -> str:
    """Return a key that a node has."""
    primary_of = cluster.primaries_by_key()
    return next(key for number in range(1_000) if primary_of(key := keys.single("user", number)) is node)


async def test_what_was_written_is_kept_for_as_long_as_a_node_is_away_that_may_lack_it(
    cluster: own_cluster.OwnCluster, on_cluster: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_backlog, "_KEPT_SECONDS", 1.5)
    key = keys.in_guild("role", failovers.GUILDS[0])
    primary, *replicas = cluster.shard_of(key)
    assert await on_cluster.lose(primary, replicas, functools.partial(_has_moved, cluster, key, primary)) > 0.5
    await on_cluster.check()


@pytest.mark.parametrize("lost", ["invite", "guild"])
async def test_what_went_with_its_guild_does_not_come_back_when_one_of_their_nodes_forgets_that(
    cluster: own_cluster.OwnCluster, bot: hikari.GatewayBot, feed: gateway.Feed, lost: str
) -> None:
    guild = failovers.GUILDS[0]
    primary_of = cluster.primaries_by_key()
    in_guild = keys.in_guild("invite", guild)
    singles = (keys.single("invite", f"code{number}") for number in itertools.count())
    single = next(key for key in singles if primary_of(key) is not primary_of(in_guild))
    code = single.rpartition(":")[2]
    async with sake.redis.RedisCache(cluster.url, bot, bot.event_manager) as cache:
        make = testing.Payloads(seed=3)
        feed("GUILD_CREATE", make.guild(id=guild, members=[], roles=[], channels=[]))
        feed("INVITE_CREATE", make.invite(code=code, guild_id=guild, channel_id="5"))
        await cache.flush()
        await own_server.eventually(cluster.copied)
        primary, *replicas = cluster.shard_of(single if lost == "invite" else in_guild)
        with failovers.dying(primary, replicas):
            feed("GUILD_DELETE", {"id": guild})
            await cache.flush()
        await _becomes_true(lambda: cluster.primary_of(single) is not primary is not cluster.primary_of(in_guild))
        # Whoever writes nothing to a node does not hear that another has taken its place.
        feed.all(samples.small_message(number) for number in range(100))
        await own_server.eventually(lambda: cache.statistics.rewinds, within=SECONDS)
        await own_server.eventually(lambda: not cache.statistics.is_away and not cache.statistics.backlog)
        await cache.flush()
        await asyncio.to_thread(cluster.heal)
        found = cluster.keys()
        assert {key for key in found if code in key or guild in key} == set()


async def test_what_a_primary_had_and_its_replicas_had_not_is_written_again_to_the_next_one(
    watched: own_sentinel.OwnSentinels, on_sentinel: Scene
) -> None:
    for number in range(FAILOVERS):
        primary = watched.primary
        replicas = [server for server in watched.servers if server is not primary]
        taken = await on_sentinel.lose(primary, replicas, functools.partial(watched.has_moved, primary))
        await on_sentinel.check()
        lags = [*itertools.chain.from_iterable(on_sentinel.flood.lags.values())]
        _told("Sentinel, all guilds", number + 1, taken, lags)
        await asyncio.to_thread(watched.restore)
