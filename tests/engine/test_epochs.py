# SPDX-License-Identifier: BSD-3-Clause
"""A server that has forgotten what it said it had is noticed: what is kept is written again, the rest is stale."""

from __future__ import annotations

import asyncio
import typing

import hikari
import pytest
from _support import gateway
from _support import own_server
from _support import samples
from _support import servers
from _support import streams

import sake
from sake.redis._engine import backlog as _backlog
from sake.redis._engine import connections as _connections
from sake.redis._model import epochs as _epochs
from sake.redis._model import keys as _keys
from sake.redis._model import wire as _wire

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


async def test_a_server_that_was_emptied_under_its_connections_is_noticed_though_nothing_else_happens(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    async with (
        sake.RedisCache(own.url, bot, bot.event_manager, database=0) as cache,
        sake.RedisCache(own.url, bot.rest, database=0) as reader,
    ):
        feed("GUILD_CREATE", _WHOLE)
        await cache.flush()
        with own.client() as client:
            client.flushall()
        await own_server.eventually(lambda: cache.statistics.rewinds)
        await own_server.eventually(lambda: not cache.statistics.backlog)
        assert (await reader.get_guild(GUILD)).id == GUILD


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


class _Slow:
    """A server that keeps the answer to the first question for a number until it is let go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4_096):
            writer.write(b"+OK\r\n" * (data.count(b"CLIENT") + data.count(b"SET\r\n")))
            writer.write(b"+PONG\r\n" * data.count(b"PING"))
            if b"GET\r\n" in data:
                if not self.asked.is_set():
                    self.asked.set()
                    await self.let_go.wait()
                writer.write(b"$-1\r\n")
        writer.close()


async def test_what_is_written_while_a_connection_is_made_is_not_taken_for_forgotten() -> None:
    server = _Slow()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    epochs = _epochs.Epochs(_keys.Keys("sake"))
    connections = _connections.Connections(url, password=None, limit=2, options={}, epochs=epochs)
    try:
        database = connections.database(0)
        reading = asyncio.create_task(database.send([_wire.Parcel(0, _wire.pack("PING"))]))
        await server.asked.wait()
        await database.write([_wire.Parcel(0, _wire.pack("PING"))], 1)
        server.let_go.set()
        await reading
        assert epochs.heard() is None
    finally:
        await connections.close()
        listener.close()


async def test_a_server_that_still_loads_an_older_snapshot_is_asked_what_it_has_when_it_is_done(
    binary: str, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    slowly = ("--key-load-delay", "3000")
    if binary != servers.REDIS_6_SERVER:
        # That one answers nothing at all meanwhile.
        slowly += ("--loading-process-events-interval-bytes", "1024")
    with own_server.running(binary, *slowly) as own:
        async with (
            sake.RedisCache(own.url, bot, bot.event_manager, database=0) as cache,
            sake.RedisCache(own.url, bot.rest, database=0) as reader,
        ):
            feed("GUILD_CREATE", _WHOLE)
            await cache.flush()
            with own.client() as client:
                client.mset({f"foreign:{number}": "" for number in range(500)})
                client.save()
            generations = dict.fromkeys(range(1_000, 1_100), 1)
            for number in generations:
                feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(number, 1)})
            await cache.flush()

            own.kill()
            starting = asyncio.create_task(asyncio.to_thread(own.start))
            feed("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": _role(1_000, 2)})
            generations[1_000] = 2
            await starting
            await own_server.eventually(lambda: cache.statistics.rewinds)
            await _is_written(cache, feed)
            assert await _wrong(reader, generations) == 0
