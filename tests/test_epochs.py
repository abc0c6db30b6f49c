# SPDX-License-Identifier: BSD-3-Clause
"""A server that has forgotten what it said it had is noticed: what is kept is written again, the rest is stale."""

from __future__ import annotations

import typing

import hikari
import pytest
from _support import gateway
from _support import own_server
from _support import samples
from _support import streams

import sake
from sake.redis import _backlog

_WHOLE: typing.Final = samples.whole_guild()
GUILD: typing.Final = int(_WHOLE["id"])
_USER: typing.Final = {"id": "5", "username": "bot", "discriminator": "0", "avatar": None, "bot": True}


def _role(number: int, generation: int) -> dict[str, typing.Any]:
    return {**next(iter(_WHOLE["roles"])), "id": str(number), "name": f"{generation}"}


async def _is_written(cache: sake.RedisCache, feed: gateway.Feed) -> None:
    await feed.settle()
    await own_server.eventually(lambda: not cache.statistics.backlog and not cache.statistics.is_away)


async def _wrong(reader: sake.RedisCache, generations: dict[int, int]) -> int:
    found = {int(role.id): role.name async for role in reader.iter_roles_for_guild(GUILD)}
    return sum(found.get(number) != f"{generation}" for number, generation in generations.items())


@pytest.mark.parametrize("options", [{}, {"database": 0}], ids=["databases", "database"])
async def test_what_was_written_in_the_last_seconds_is_written_again_after_a_restart_from_an_older_snapshot(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, options: dict[str, typing.Any]
) -> None:
    async with (
        sake.RedisCache(own.url, bot, bot.event_manager, **options) as cache,
        sake.RedisCache(own.url, bot.rest, **options) as reader,
    ):
        feed("READY", streams.ready(_USER, [str(GUILD)]))
        feed("GUILD_CREATE", _WHOLE)
        await cache.flush()
        with own.client() as client:
            client.save()
        generations = dict.fromkeys(range(1_000, 1_200), 0)
        for generation in range(1, 4):
            for number in generations:
                generations[number] = generation
                feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(number, generation)})
            await _is_written(cache, feed)

        own.kill()
        own.start()
        feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(1_000, 4)})
        generations[1_000] = 4
        await own_server.eventually(lambda: cache.statistics.rewinds)
        await _is_written(cache, feed)

        assert await _wrong(reader, generations) == 0
        assert await cache.get_stale_guild_ids() == set()
        assert await reader.is_guild_current(GUILD)
        assert cache.statistics.skipped == cache.statistics.dropped == 0


async def test_what_lies_further_back_makes_guilds_stale_until_they_are_received_again(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_backlog, "_KEPT_SECONDS", 0.0)
    async with (
        sake.RedisCache(own.url, bot, bot.event_manager) as cache,
        sake.RedisCache(own.url, bot.rest) as reader,
    ):
        feed("READY", streams.ready(_USER, [str(GUILD)]))
        feed("GUILD_CREATE", _WHOLE)
        await cache.flush()
        assert await reader.is_guild_current(GUILD)
        with own.client() as client:
            client.save()
        for generation in range(2):
            feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(1_000, generation)})
            await cache.flush()

        own.kill()
        own.start()
        feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(1_001, 0)})
        await own_server.eventually(lambda: cache.statistics.rewinds)
        await _is_written(cache, feed)

        assert await reader.get_stale_guild_ids() == {GUILD}
        assert not await reader.is_guild_current(GUILD)
        assert not await reader.is_member_list_complete(GUILD)

        feed("GUILD_CREATE", _WHOLE)
        await _is_written(cache, feed)
        assert await reader.get_stale_guild_ids() == set()
        assert await reader.is_guild_current(GUILD)


async def test_a_server_that_was_started_again_empty_gets_the_last_seconds_and_nothing_else_is_current(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with (
        sake.RedisCache(own.url, bot, bot.event_manager) as cache,
        sake.RedisCache(own.url, bot.rest) as reader,
    ):
        feed("READY", streams.ready(_USER, [str(GUILD)]))
        feed("GUILD_CREATE", _WHOLE)
        await _is_written(cache, feed)

        own.kill()
        own.start()
        feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(1_000, 0)})
        await own_server.eventually(lambda: cache.statistics.rewinds)
        await _is_written(cache, feed)

        assert await reader.iter_members_for_guild(GUILD).len() == len(_WHOLE["members"])
        assert await reader.is_guild_current(GUILD)


async def test_a_server_that_only_lost_its_connections_has_forgotten_nothing(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with sake.RedisCache(own.url, bot, bot.event_manager) as cache:
        for generation in range(3):
            feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(1_000, generation)})
            await _is_written(cache, feed)
            with own.client() as client:
                client.client_kill_filter(skipme=True, _type="normal")

        assert cache.statistics.rewinds == 0
