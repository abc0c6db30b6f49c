# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: each job feeds or reads one contender and returns figures by name."""

from __future__ import annotations

__all__ = ["JOBS"]

import asyncio
import gc
import random
import statistics
import time
import typing
from collections import abc as collections

import contenders
import gauges
import hikari
import orjson
import worker

_SLICE: typing.Final = 500
_OUTSTANDING: typing.Final = 5_000
_READS_AT_ONCE: typing.Final = 100
_TICK: typing.Final = 0.01

Figures: typing.TypeAlias = dict[str, float]
Job: typing.TypeAlias = "collections.Callable[[contenders.Contender, worker.Order], collections.Awaitable[Figures]]"


async def load(contender: contenders.Contender, events: list[tuple[str, bytes]], /) -> None:
    """Feed events outside of any measurement, one after the other."""
    feed = contenders.consume(contender.bot)
    for name, payload in events:
        feed(name, orjson.loads(payload))
        await contender.settle()


def freeze() -> None:
    """Take what the harness has built out of the collector's sight, for no contender is to pay for it."""
    gc.collect()
    gc.freeze()


class _Feeder:
    """Feeds parsed slices, with a clock which stands still while a slice is parsed."""

    def __init__(self, contender: contenders.Contender, /) -> None:
        self._bot = contender.bot
        self._feed = contenders.consume(contender.bot)
        self.parse_cpu = 0.0
        self.parse_seconds = 0.0

    def feed_slice(self, events: list[tuple[str, bytes]], /) -> None:
        """Parse, then feed without a pause, as a gateway connection hands over what it has received."""
        seconds, cpu = time.perf_counter(), time.thread_time()
        parsed = [(name, orjson.loads(payload)) for name, payload in events]
        self.parse_seconds += time.perf_counter() - seconds
        self.parse_cpu += time.thread_time() - cpu
        feed = self._feed
        for name, payload in parsed:
            feed(name, payload)

    async def feed_all(self, events: list[tuple[str, bytes]], /) -> None:
        """Feed as fast as the listeners keep up."""
        start = 0
        while start < len(events):
            if contenders.outstanding(self._bot) <= _OUTSTANDING:
                self.feed_slice(events[start : start + _SLICE])
                start += _SLICE
            await asyncio.sleep(0)

    async def feed_at_rate(self, events: list[tuple[str, bytes]], rate: float, /) -> None:
        """Feed some events every hundredth of a second."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        size = max(1, int(rate * _TICK))
        for number, start in enumerate(range(0, len(events), size), 1):
            self.feed_slice(events[start : start + size])
            await asyncio.sleep(max(0.0, started + number * _TICK - loop.time()))


async def steady(contender: contenders.Contender, order: worker.Order, /) -> Figures:
    """Measure a stream of events: as fast as possible, or at `rate` events a second."""
    await load(contender, order.read_setup())
    warm_up = order.parameters["warm_up"]
    events = order.read_events(warm_up + order.parameters["events"])
    await _Feeder(contender).feed_all(events[:warm_up])
    await contender.settle()
    del events[:warm_up]
    freeze()

    server = gauges.server_cpu(order.url)
    feeder = _Feeder(contender)
    seconds, cpu = time.perf_counter(), time.thread_time()
    if rate := order.parameters.get("rate"):
        await feeder.feed_at_rate(events, rate)
    else:
        await feeder.feed_all(events)
    await contender.settle()
    seconds, cpu = time.perf_counter() - seconds, time.thread_time() - cpu
    seconds -= feeder.parse_seconds
    cpu -= feeder.parse_cpu
    count = len(events)
    return {
        "events_per_second": count / seconds,
        "microseconds": seconds / count * 1e6,
        "cpu_microseconds": cpu / count * 1e6,
        "parse_microseconds": feeder.parse_seconds / count * 1e6,
        "server_microseconds": (gauges.server_cpu(order.url) - server) / count * 1e6,
    }


async def guild_create(contender: contenders.Contender, order: worker.Order, /) -> Figures:
    """Measure single large guilds: CPU time of the loop's thread, then the longest callback."""
    await load(contender, order.read_setup())
    events = order.read_events()
    half = len(events) // 2
    freeze()
    cpu = [await _create(contender, *event) for event in events[:half]]
    longest: list[float] = []
    with gauges.longest_callback() as gauge:
        for event in events[half:]:
            gauge.reset()
            await _create(contender, *event)
            longest.append(gauge.longest)

    return {"milliseconds": statistics.median(cpu) * 1e3, "longest_milliseconds": statistics.median(longest) * 1e3}


async def _create(contender: contenders.Contender, name: str, payload: bytes, /) -> float:
    feed = contenders.consume(contender.bot)
    # On its own turn of the loop, so that the longest callback is not also what came before or after.
    await asyncio.sleep(0)
    cpu = time.thread_time()
    feed(name, orjson.loads(payload))
    await asyncio.sleep(0)
    await contender.settle()
    return time.thread_time() - cpu


async def reads(contender: contenders.Contender, order: worker.Order, /) -> Figures:
    """Measure `get_member` alone and many at once, and the iteration of a guild."""
    events = order.read_setup()
    await load(contender, events)
    guild = orjson.loads(events[-1][1])
    guild_id = int(guild["id"])
    user_ids = [int(member["user"]["id"]) for member in guild["members"]]
    del events, guild
    cache = contender.cache

    async def get(user_id: int, /) -> object:
        return await cache.get_member(guild_id, user_id)

    async def get_many(ids: list[int], /) -> object:
        return await asyncio.gather(*(cache.get_member(guild_id, user_id) for user_id in ids))

    async def iterate() -> int:
        count = 0
        async for _ in cache.iter_members_for_guild(guild_id):
            count += 1

        return count

    return {**await time_gets(user_ids, order, get, get_many), **await time_iteration(len(user_ids), order, iterate)}


async def time_gets(
    user_ids: list[int],
    order: worker.Order,
    get: collections.Callable[[int], collections.Awaitable[object]],
    get_many: collections.Callable[[list[int]], collections.Awaitable[object]],
    /,
) -> Figures:
    """Time two ways of reading members that are picked at random, the same ones for every contender."""
    count = order.parameters["reads"]
    picked = random.Random(1).choices(user_ids, k=count)
    groups = [picked[start : start + _READS_AT_ONCE] for start in range(0, count, _READS_AT_ONCE)]
    for user_id in picked[:_READS_AT_ONCE]:
        await get(user_id)
    await get_many(groups[0])
    freeze()

    started = time.perf_counter()
    for user_id in picked:
        await get(user_id)
    one = time.perf_counter() - started

    started = time.perf_counter()
    for group in groups:
        await get_many(group)
    many = time.perf_counter() - started
    return {"one_microseconds": one / count * 1e6, "many_microseconds": many / count * 1e6}


async def time_iteration(
    expected: int, order: worker.Order, iterate: collections.Callable[[], collections.Awaitable[int]], /
) -> Figures:
    """Time the iteration of one guild's members."""
    times: list[float] = []
    for _ in range(1 + order.parameters["iterations"]):
        started = time.perf_counter()
        count = await iterate()
        times.append(time.perf_counter() - started)
        if count != expected:
            error_message = f"{count} members instead of {expected}"
            raise RuntimeError(error_message)

    return {"iterate_microseconds": statistics.median(times[1:]) / expected * 1e6}


async def memory(contender: contenders.Contender, order: worker.Order, /) -> Figures:
    """Measure what the server needs for a member and its user.

    The events before are the same guilds with one member each.
    """
    await load(contender, order.read_setup())
    before = gauges.server_memory(order.url)
    events = order.read_events()
    await load(contender, events)
    members = sum(len(orjson.loads(payload)["members"]) - 1 for _, payload in events)
    return {"bytes": (gauges.server_memory(order.url) - before) / members}


async def burst(contender: contenders.Contender, order: worker.Order, /) -> Figures:
    """Measure very many guilds within one turn of the loop, and how many of them are whole afterwards."""
    await load(contender, order.read_setup())
    feed = contenders.consume(contender.bot)
    parsed = [(name, orjson.loads(payload)) for name, payload in order.read_events()]
    expected = {int(payload["id"]): _count_children(payload) for _, payload in parsed}
    freeze()
    gauges.reset_peak_memory()
    memory_before = gauges.peak_memory()
    started = time.perf_counter()
    for name, payload in parsed:
        feed(name, payload)
    await contender.settle()
    seconds = time.perf_counter() - started
    peak = gauges.peak_memory()
    del parsed

    whole = 0
    guild_ids = list(expected)
    for start in range(0, len(guild_ids), 4):
        some = guild_ids[start : start + 4]
        found = await asyncio.gather(*(_count_stored(contender.cache, guild_id) for guild_id in some))
        whole += sum(expected[guild_id] == counts for guild_id, counts in zip(some, found, strict=True))

    return {
        "whole": whole,
        "seconds": seconds,
        "peak_megabytes": peak / 1e6,
        "growth_megabytes": (peak - memory_before) / 1e6,
    }


def _count_children(guild: dict[str, typing.Any], /) -> tuple[int, ...]:
    return tuple(len(guild[key]) for key in ("channels", "roles", "emojis", "members"))


async def _count_stored(cache: contenders.Readable, guild_id: int, /) -> tuple[int, ...] | None:
    try:
        await cache.get_guild(guild_id)
    except LookupError:
        return None

    return (
        await _count(cache.iter_guild_channels_for_guild(guild_id)),
        await _count(cache.iter_roles_for_guild(guild_id)),
        await _count(cache.iter_emojis_for_guild(guild_id)),
        await _count(cache.iter_members_for_guild(guild_id)),
    )


async def _count(entities: collections.AsyncIterable[hikari.Unique], /) -> int:
    return len({entity.id async for entity in entities})


JOBS: typing.Final[collections.Mapping[str, Job]] = {
    "burst": burst,
    "guild_create": guild_create,
    "memory": memory,
    "reads": reads,
    "steady": steady,
}
"""Every job by name."""


async def do(contender: contenders.Contender, order: worker.Order, /) -> Figures:
    """Do one job with a contender; `errors` among the figures is how many it logged meanwhile."""
    await contender.open()
    try:
        figures = await JOBS[order.job](contender, order)
    finally:
        await contender.close()

    return {**figures, "errors": contender.errors.count}
