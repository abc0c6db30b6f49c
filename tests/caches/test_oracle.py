# SPDX-License-Identifier: BSD-3-Clause
"""What sake stores, compared with what hikari's own cache makes of the same events.

Both are given the same streams; every resource is compared field by field. Where sake differs on purpose, a row of
`_support.oracle.DIFFERENCES` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import typing
from collections import abc as collections

import hikari
import hypothesis
import pytest
from _support import adversary
from _support import gateway
from _support import oracle
from _support import servers
from _support import snapshots
from _support import streams
from hypothesis import strategies

import sake.redis
from sake import testing

STREAMS: typing.Final = 102
"""How many streams are drawn for each of the two ways to feed them, on the bundled server."""

EVENTS: typing.Final = 100
"""How many events each of them has at least."""

NUMBERS: typing.Final = strategies.lists(
    strategies.integers(0, 2**32 - 1), min_size=EVENTS, max_size=EVENTS + EVENTS // 4
)
"""A number stands for an event: see `_support.adversary`."""

drawn_streams = hypothesis.given(numbers=NUMBERS, seed=strategies.integers(0, 2**16))


def _as_many_as_are_due(server: servers.Server) -> hypothesis.settings:
    return hypothesis.settings(
        deadline=None,
        max_examples=server.share(STREAMS),
        suppress_health_check=[
            hypothesis.HealthCheck.data_too_large,
            hypothesis.HealthCheck.large_base_example,
            hypothesis.HealthCheck.too_slow,
        ],
    )


@pytest.fixture
def hand_written() -> streams.HandWritten:
    return streams.HandWritten(testing.Payloads(seed=11))


@contextlib.asynccontextmanager
async def _no_errors() -> collections.AsyncIterator[None]:
    """Fail where hikari could not use an event: it would not be compared."""
    errors: list[dict[str, typing.Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    try:
        yield
    finally:
        loop.set_exception_handler(None)

    assert errors == []


class Pair:
    """The oracle and a cache, which are fed together."""

    def __init__(
        self, cache: sake.redis.RedisCache, bot: hikari.GatewayBot, *, without: collections.Collection[str] = ()
    ) -> None:
        self.cache = cache
        self.oracle = oracle.Oracle(without=without)
        self.feed = gateway.Feed(bot, gateway.Shard())

    def give(self, name: str, payload: streams.Payload, shard: gateway.Shard | None = None) -> None:
        self.oracle.feed(name, payload, shard or self.feed.shard)
        self.feed(name, payload, shard=shard)

    def compare(self, *, window_size: int = 1000, exact_lengths: bool = True) -> snapshots.Comparison:
        return snapshots.Comparison(
            self.cache,
            self.oracle.expectation(),
            sorted(self.oracle.guild_ids),
            self.oracle.tolerated,
            window_size,
            exact_lengths,
        )

    async def compare_all(self, absent: collections.Mapping[str, collections.Iterable[typing.Any]]) -> list[str]:
        """Compare in every way there is, with what is stored and nothing else."""
        await self.cache.flush()
        comparison = self.compare(window_size=3, exact_lengths=False)
        await comparison.run()
        return await comparison.run_getters(absent)


async def test_each_event_of_a_stream_by_hand_has_the_same_effect(
    hand_written: streams.HandWritten, cache: sake.redis.RedisCache, bot: hikari.GatewayBot, server: servers.Server
) -> None:
    """Compared after each event, on other servers than the bundled one after some."""
    pair = Pair(cache, bot)
    seen: dict[str, set[typing.Any]] = {}
    apart = len(hand_written.events) // server.share(len(hand_written.events))
    async with _no_errors():
        for number, (name, payload) in enumerate(hand_written.events):
            pair.give(name, payload)
            await pair.feed.settle()
            if number % apart:
                continue
            comparison = pair.compare(exact_lengths=False)
            assert await comparison.run() == [], f"after event {number}, {name}"
            for kind, entities in comparison.expected.items():
                seen.setdefault(kind, set()).update(entities)

        assert await pair.compare_all(seen) == []

    assert cache.statistics.skipped == 0


@pytest.mark.parametrize("options", [{}, {"database": 0, "namespace": "oracle"}], ids=["databases", "database"])
@pytest.mark.parametrize("size", [7, 1000])
async def test_bursts_of_a_stream_by_hand_have_the_same_effect(
    hand_written: streams.HandWritten,
    make_cache: typing.Any,
    bot: hikari.GatewayBot,
    options: dict[str, typing.Any],
    size: int,
) -> None:
    pair = Pair(await make_cache(**options), bot)
    async with _no_errors():
        for number, (name, payload) in enumerate(hand_written.events):
            pair.give(name, payload)
            if number % size == size - 1:
                await asyncio.sleep(0)

        assert await pair.compare(exact_lengths=False).run() == []
        assert await pair.compare_all({}) == []

    assert pair.cache.statistics.skipped == 0


@pytest.mark.parametrize("difference", oracle.DIFFERENCES, ids=lambda difference: difference.name)
async def test_each_listed_difference_is_one(
    hand_written: streams.HandWritten,
    cache: sake.redis.RedisCache,
    bot: hikari.GatewayBot,
    difference: oracle.Difference,
) -> None:
    pair = Pair(cache, bot, without={difference.name})
    loop = asyncio.get_running_loop()
    # Without its difference hikari's cache may fail, which is reason enough.
    failures: list[object] = []
    messages = ("MESSAGE_CREATE", "MESSAGE_DELETE", "MESSAGE_UPDATE")
    loop.set_exception_handler(lambda _, context: failures.append(context))
    for name, payload in hand_written.events:
        pair.give(name, payload)
        if name in (difference.events or messages):
            await pair.feed.settle()
            if failures or await pair.compare(exact_lengths=False).run():
                break
    else:
        pytest.fail("nothing is different")


async def test_the_stream_by_hand_has_every_event(
    hand_written: streams.HandWritten, cache: sake.redis.RedisCache
) -> None:
    names = {name for name, _ in hand_written.events}
    assert names >= set(streams.EVENT_NAMES)
    handled = set(cache._feed.handlers)
    assert any(payload.get("unavailable") for name, payload in hand_written.events if name == "GUILD_CREATE")
    assert any(payload.get("unavailable") for name, payload in hand_written.events if name == "GUILD_DELETE")
    assert handled - {"GUILD_UNAVAILABLE"} <= names


THREAD: typing.Final = testing.Payloads(seed=4).thread(guild_id="4194304", parent_id="5", id="6")
GUILD: typing.Final = testing.Payloads(seed=5).guild(id="4194304")
SYNC: typing.Final = {"guild_id": "4194304", "channel_ids": ["5"], "threads": [], "members": []}
PINS: typing.Final = {"guild_id": "4194304", "channel_id": "6", "last_pin_timestamp": "2026-01-01T00:00:00+00:00"}
CHANNEL: typing.Final = testing.Payloads(seed=6).channel(guild_id="4194304", id="5")
OWN_USER: typing.Final = testing.Payloads(seed=7).own_user(id=str(gateway.OWN_ID))

SHORT: typing.Final[dict[str, tuple[list[streams.Event], list[streams.Event]]]] = {
    "thread updated after its channel was emptied": (
        [("THREAD_CREATE", THREAD)],
        [("THREAD_LIST_SYNC", SYNC), ("THREAD_UPDATE", {**THREAD, "name": "back"})],
    ),
    "thread updated before its channel is emptied": (
        [("THREAD_CREATE", THREAD)],
        [("THREAD_UPDATE", {**THREAD, "name": "renamed"}), ("THREAD_LIST_SYNC", SYNC)],
    ),
    "pins of a thread before its channel is deleted": (
        [("CHANNEL_CREATE", CHANNEL), ("THREAD_CREATE", THREAD)],
        [("CHANNEL_PINS_UPDATE", PINS), ("CHANNEL_DELETE", CHANNEL)],
    ),
    "guild updated after it was left": (
        [("GUILD_CREATE", GUILD)],
        [("READY", streams.ready(OWN_USER, [])), ("GUILD_UPDATE", streams.guild_update(GUILD, name="back"))],
    ),
    "guild created after it was left": (
        [("GUILD_CREATE", GUILD)],
        [("READY", streams.ready(OWN_USER, [])), ("GUILD_CREATE", {**GUILD, "channels": [], "name": "back"})],
    ),
}
"""What is stored → what then comes at once."""


@pytest.mark.parametrize("name", SHORT)
async def test_a_short_burst_over_what_is_stored_has_the_same_effect(
    name: str, cache: sake.redis.RedisCache, bot: hikari.GatewayBot
) -> None:
    pair = Pair(cache, bot)
    stored, burst = SHORT[name]
    async with _no_errors():
        for event in stored:
            pair.give(*event)
        await cache.flush()
        for event in burst:
            pair.give(*event)
        assert await pair.compare().run() == []
        assert await pair.compare_all({}) == []

    assert cache.statistics.skipped == 0


def test_each_event_of_a_drawn_stream_has_the_same_effect(server: servers.Server) -> None:
    """Event by event, compared on the way and at the end; some changes are written then, some are not."""

    async def compare(numbers: list[int], seed: int) -> None:
        chance = random.Random(seed)
        points = {len(numbers) * part // 3 for part in (1, 2)}
        async with _fresh_pair(server, database=0) as pair:
            draw = adversary.Adversary()
            for number, event in enumerate(map(draw.event, numbers)):
                pair.give(*event)
                await pair.feed.settle()
                if chance.random() < 0.2:
                    await pair.cache.flush()
                if number in points:
                    assert await pair.compare().run() == [], f"after event {number}"

            assert await pair.compare_all(adversary.every_id()) == []

    @_as_many_as_are_due(server)
    @drawn_streams
    def check_each(numbers: list[int], seed: int) -> None:
        asyncio.run(compare(numbers, seed))

    check_each()


def test_bursts_of_a_drawn_stream_have_the_same_effect(server: servers.Server) -> None:
    """All at once, or in a few bursts with nothing awaited in between but one turn of the event loop."""

    async def compare(numbers: list[int], seed: int) -> None:
        chance = random.Random(seed)
        breaks = chance.sample(range(len(numbers)), chance.choice((0, 1, 10)))
        async with _fresh_pair(server) as pair:
            draw = adversary.Adversary()
            for number, event in enumerate(map(draw.event, numbers)):
                pair.give(*event)
                if number in breaks:
                    await asyncio.sleep(chance.choice((0, 0, 0.002)))

            # Before and after everything is written.
            assert await pair.compare().run() == []
            assert await pair.compare_all(adversary.every_id()) == []

    @_as_many_as_are_due(server)
    @drawn_streams
    def check_bursts(numbers: list[int], seed: int) -> None:
        asyncio.run(compare(numbers, seed))

    check_bursts()


@contextlib.asynccontextmanager
async def _fresh_pair(server: servers.Server, **options: typing.Any) -> collections.AsyncIterator[Pair]:
    server.clean()
    bot = gateway.make_bot()
    async with (
        _no_errors(),
        sake.redis.RedisCache(server.url, bot, bot.event_manager, **server.options, **options) as cache,
    ):
        yield Pair(cache, bot)

    assert cache.statistics.skipped == 0
