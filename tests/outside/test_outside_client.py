# SPDX-License-Identifier: BSD-3-Clause
"""Opening and closing: in one event loop and the next, cancelled, interrupted, and while others use the cache."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import typing
import warnings
from collections import abc as collections

import hikari
import pytest
from _support import gateway
from _support import keys
from _support import own_server
from _support import samples
from _support import servers

import sake
import sake.redis
from sake import testing

_SECONDS: typing.Final = 20.0


def _lost(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "are lost" in record.getMessage()]


def _is_there(folder: pathlib.Path) -> bool:
    """Return whether an embedded server has its folder in this one."""
    return bool(list(folder.iterdir()))


def _in_thread(work: collections.Callable[[], collections.Coroutine[typing.Any, typing.Any, object]]) -> object:
    """Run something in an event loop of its own, in a thread of its own, and return what it gave or raised."""
    found: list[object] = []

    async def catch() -> object:
        return (await asyncio.gather(work(), return_exceptions=True))[0]

    def run() -> None:
        found.append(asyncio.run(catch()))

    thread = threading.Thread(target=run, name="another")
    thread.start()
    thread.join(_SECONDS)
    assert found, "it waits for ever"
    return found[0]


@contextlib.asynccontextmanager
async def _away(
    own: own_server.OwnServer, way: str, cache: sake.redis.RedisCache, feed: gateway.Feed
) -> collections.AsyncIterator[None]:
    """Let a hundred changes wait for a server that is away."""
    own.kill() if way == "kill" else own.pause()
    try:
        for number in range(100):
            feed("GUILD_MEMBER_ADD", samples.member(number + 1, "lost"))
        await feed.settle()
        if way == "kill":
            await own_server.eventually(lambda: cache.statistics.is_away)
        yield
    finally:
        if way == "pause":
            own.resume()


# Closing


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_a_close_that_is_cancelled_ends_at_once_and_counts_and_logs_what_is_lost(
    own: own_server.OwnServer,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    tasks = asyncio.all_tasks()
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    async with _away(own, way, cache, feed):
        async with asyncio.timeout(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(cache.close(), 0.2)
        assert not cache.is_alive
        # Members and their users.
        assert cache.statistics.dropped == 200
        assert (cache.statistics.backlog, cache.statistics.is_away) == (0, False)
        assert len(_lost(caplog)) == 1
        assert asyncio.all_tasks() <= tasks


async def test_a_close_that_is_cancelled_frees_the_embedded_server(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = sake.redis.RedisCache("embedded://", bot, bot.event_manager, database=0)
    await cache.open()
    assert _is_there(tmp_path)
    feed("GUILD_CREATE", samples.whole_guild())
    closing = asyncio.create_task(cache.close())
    for _ in range(3):
        await asyncio.sleep(0)
        closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not cache.is_alive
    assert not _is_there(tmp_path)


@pytest.mark.parametrize("moment", range(8))
async def test_a_close_that_is_cancelled_at_any_moment_leaves_nothing_uncounted(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, moment: int
) -> None:
    tasks = asyncio.all_tasks()
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    for number in range(100):
        feed("GUILD_MEMBER_ADD", samples.member(number + 1, "lost"))
    await feed.settle()
    closing = asyncio.create_task(cache.close())
    for _ in range(moment):
        await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    if moment:
        assert not cache.is_alive
    await cache.close()
    with contextlib.closing(own.client()) as client:
        stored = client.hlen(keys.in_guild("member", samples.GUILD))
    assert stored * 2 + cache.statistics.dropped >= 200
    await feed.settle()
    assert asyncio.all_tasks() <= tasks


async def test_a_second_close_waits_for_the_first(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    async with _away(own, "kill", cache, feed):
        first = asyncio.create_task(cache.close())
        await asyncio.sleep(0.05)
        second = asyncio.create_task(cache.close())
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not second.done()
        first.cancel()
        async with asyncio.timeout(3):
            await second
        assert first.done()


async def test_a_close_that_is_cancelled_lets_the_other_go_on_writing(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    await cache.open()
    async with _away(own, "kill", cache, feed):
        first, second = asyncio.create_task(cache.close()), asyncio.create_task(cache.close())
        await asyncio.sleep(0.05)
        second.cancel()
        own.start()
        async with asyncio.timeout(_SECONDS):
            await first
    assert cache.statistics.dropped == 0
    with contextlib.closing(own.client()) as client:
        assert client.hlen(keys.in_guild("member", samples.GUILD)) == 100


CALLS: dict[str, collections.Callable[[typing.Any], collections.Awaitable[object]]] = {
    "get_role": lambda cache: cache.get_role(1),
    "get_users": lambda cache: cache.get_users([1, 2]),
    "get_me": lambda cache: cache.get_me(),
    "iterate": lambda cache: anext(cache.iter_roles()),
    "count": lambda cache: cache.iter_users().len(),
    "set_user": lambda cache: cache.set_user(testing.Payloads(seed=1).user()),
    "delete_role": lambda cache: cache.delete_role(1),
    "delete_member": lambda cache: cache.delete_member(1, 2),
    "update_message": lambda cache: cache.update_message(testing.Payloads(seed=1).message()),
    "clear_roles": lambda cache: cache.clear_roles(),
    "clear_users": lambda cache: cache.clear_users(),
    "clear_voice_states_for_channel": lambda cache: cache.clear_voice_states_for_channel(1),
    "delete_invite": lambda cache: cache.delete_invite("abc"),
    "fetch_application": lambda cache: cache.fetch_application(),
    "flush": lambda cache: cache.flush(),
}


@pytest.mark.parametrize("way", ["well", "kill", "pause"])
@pytest.mark.parametrize("name", CALLS)
async def test_what_is_called_while_the_cache_closes_ends_with_it(
    own: own_server.OwnServer,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    way: str,
) -> None:
    monkeypatch.setattr("sake.redis._client.client._DRAIN_SECONDS", 0.3)
    for turns in range(6):
        cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
        await cache.open()
        if way == "kill":
            own.kill()
        elif way == "pause":
            own.pause()
        feed("GUILD_MEMBER_ADD", samples.member(1, "lost"))
        early = [asyncio.ensure_future(CALLS[name](cache))]
        closing = asyncio.create_task(cache.close())
        for _ in range(turns):
            await asyncio.sleep(0)
            early.append(asyncio.ensure_future(CALLS[name](cache)))
        async with asyncio.timeout(5):
            await closing
            results = await asyncio.gather(*early, return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        assert all(isinstance(exc, sake.SakeException | StopAsyncIteration) for exc in errors), errors
        with pytest.raises(sake.ClosedClient):
            await CALLS[name](cache)
        if way == "kill":
            own.start()
        elif way == "pause":
            own.resume()


@pytest.mark.parametrize("way", ["well", "kill"])
async def test_a_listener_of_the_bots_stopping_may_delete_without_keeping_the_bot(
    own: own_server.OwnServer, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr("sake.redis._client.client._DRAIN_SECONDS", 0.3)
    ended: list[BaseException | None] = []
    world = testing.World(seed=6, guilds=1, members=20)
    (guild,) = world.guilds.values()
    roles = [int(role["id"]) for role in guild.roles.values()]
    assert roles
    async with testing.LoopbackDiscord(world) as discord:
        bot = discord.bot()
        cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, event_managed=True, database=0)

        @bot.listen()
        async def on_stopping(_: hikari.StoppingEvent) -> None:
            for role in roles * 20:
                try:
                    await cache.delete_role(role)
                    await cache.update_message({"id": "1"})
                except sake.SakeException as exc:
                    ended.append(exc)
                else:
                    ended.append(None)

        async with discord.running(bot):
            await discord.settle()
            await cache.flush()
            if way == "kill":
                own.kill()
            async with asyncio.timeout(_SECONDS):
                await bot.close()

    assert len(ended) == len(roles) * 20
    assert isinstance(ended[-1], sake.ClosedClient)


_INTERRUPTED: typing.Final = """
import asyncio, logging, pathlib, signal, sys, tempfile
signal.signal(signal.SIGINT, signal.default_int_handler)
import sake
from _support import gateway, samples

logging.basicConfig(format="%(message)s", level="ERROR")

async def main():
    bot = gateway.make_bot()
    cache = sake.RedisCache(sys.argv[1], bot, bot.event_manager, database=0)
    feed = gateway.Feed(bot, gateway.Shard())
    try:
        async with cache:
            print("open", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            for number in range(100):
                feed("GUILD_MEMBER_ADD", samples.member(number + 1, "kept"))
            await feed.settle()
            print("fed", flush=True)
            await asyncio.sleep(1000)
    finally:
        print("dropped", cache.statistics.dropped, cache.is_alive, flush=True)

asyncio.run(main())
"""


@contextlib.contextmanager
def _interrupted(address: str, **environment: str) -> collections.Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=samples.environment() | environment,
    ) as process:
        try:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def _feed(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "fed\n"


def test_a_program_that_is_interrupted_writes_what_is_left(own: own_server.OwnServer) -> None:
    with _interrupted(own.url) as process:
        _feed(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_SECONDS)
    assert out == "dropped 0 False\n", err
    assert "KeyboardInterrupt" in err
    assert "never" not in err
    with contextlib.closing(own.client()) as client:
        assert client.hlen(keys.in_guild("member", samples.GUILD)) == 100


def test_a_program_that_is_interrupted_twice_ends_at_once_and_tells_what_is_lost(own: own_server.OwnServer) -> None:
    with _interrupted(own.url) as process:
        own.kill()
        _feed(process)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=3)
    assert out == "dropped 200 False\n", err
    assert "200 changes are lost" in err
    assert "never" not in err


def test_a_program_that_is_interrupted_leaves_no_embedded_server(
    own: own_server.OwnServer, tmp_path: pathlib.Path
) -> None:
    with _interrupted("embedded://", TMPDIR=str(tmp_path)) as process:
        assert _is_there(tmp_path)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=_SECONDS)
    assert not _is_there(tmp_path)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
def test_a_program_that_ends_and_cancels_all_its_tasks_writes_what_is_left(
    own: own_server.OwnServer, caplog: pytest.LogCaptureFixture, turns: int
) -> None:
    bot = gateway.make_bot()
    feed = gateway.Feed(bot, gateway.Shard())
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    ended: list[str] = []

    async def serve(is_fed: asyncio.Event) -> None:
        try:
            async with cache:
                for number in range(100):
                    feed("GUILD_MEMBER_ADD", samples.member(number + 1, "kept"))
                await feed.settle()
                is_fed.set()
                await asyncio.sleep(1000)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main() -> asyncio.Task[None]:
        is_fed = asyncio.Event()
        serving = asyncio.create_task(serve(is_fed))
        await is_fed.wait()
        flushing = asyncio.create_task(cache.flush())
        for _ in range(turns):
            await asyncio.sleep(0)
        assert turns > 5 or not flushing.done()
        return serving

    serving = asyncio.run(main())
    assert serving.cancelled()
    assert ended == ["cancelled"]
    assert not cache.is_alive
    assert cache.statistics.dropped == 0
    assert caplog.records == []
    with contextlib.closing(own.client()) as client:
        assert client.hlen(keys.in_guild("member", samples.GUILD)) == 100


# Opening and closing against each other


async def test_openings_and_closings_in_any_order_and_cancelled_end_as_the_last_one_says(
    server: servers.Server, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    tasks = asyncio.all_tasks()
    for seed in range(server.share(400)):
        chance = random.Random(seed)
        cache = sake.redis.RoleCache(server.url, bot, bot.event_manager, database=0, **server.options)
        running: list[asyncio.Task[None]] = []
        for _ in range(chance.randrange(1, 8)):
            running.append(asyncio.create_task(cache.open() if chance.random() < 0.5 else cache.close()))
            for _ in range(chance.choice((0, 0, 1, 3, 20))):
                await asyncio.sleep(0)
            if chance.random() < 0.3:
                chance.choice(running).cancel()
            if chance.random() < 0.2:
                feed("GUILD_ROLE_CREATE", {"guild_id": "7", "role": testing.Payloads(seed=1).role()})
        async with asyncio.timeout(_SECONDS):
            results = await asyncio.gather(*running, return_exceptions=True)
            assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results), seed
            if chance.random() < 0.5:
                await cache.open()
                await cache.set_role(7, testing.Payloads(seed=1).role(id="9"))
                assert await cache.get_role(9)
            await cache.close()
        assert not cache.is_alive
        with pytest.raises(sake.ClosedClient):
            await cache.get_role(9)
    await feed.settle()
    await own_server.eventually(lambda: asyncio.all_tasks() <= tasks)


# Event loops


async def test_a_cache_that_is_open_in_another_loop_says_so_and_is_none_the_worse(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    async with cache:
        await cache.set_role(7, testing.Payloads(seed=1).role(id="1"))
        iterators = [cache.iter_roles() for _ in range(3)]
        calls = [*CALLS.values(), lambda cache: cache.open(), lambda cache: cache.close()]
        calls.append(lambda _: anext(iterators.pop()))
        for call in calls:
            for _ in range(3):
                raised = await asyncio.to_thread(_in_thread, lambda call=call: _wrap(call(cache)))
                assert isinstance(raised, sake.ClosedClient)
                assert "event loop" in str(raised)
                assert "MainThread" in str(raised)
        for number in range(20):
            feed("GUILD_ROLE_CREATE", {"guild_id": "7", "role": testing.Payloads(seed=1).role(id=str(number + 2))})
        await cache.flush()
        assert await cache.iter_roles().len() == 21
        assert cache.statistics.skipped == 0


async def _wrap(awaitable: collections.Awaitable[object]) -> object:
    async with asyncio.timeout(_SECONDS):
        return await awaitable


async def test_a_closed_cache_may_be_closed_and_opened_from_another_thread(own: own_server.OwnServer) -> None:
    cache = samples.make_cache(address=own.url, database=0)
    async with cache:
        await cache.set_role(7, testing.Payloads(seed=1).role(id="1"))

    async def elsewhere() -> object:
        await cache.close()
        async with cache:
            return await cache.get_role(1)

    assert isinstance(await asyncio.to_thread(_in_thread, elsewhere), hikari.Role)
    async with cache:
        assert await cache.get_role(1)


def test_a_cache_is_used_in_one_loop_after_the_other_whatever_waited_in_the_first(own: own_server.OwnServer) -> None:
    cache = samples.make_cache(address=own.url, database=0)

    async def main() -> None:
        # Locks belong to a loop as soon as somebody waits for them.
        await asyncio.gather(cache.open(), cache.open(), cache.open())
        await asyncio.gather(*(cache.get_authorization_application() for _ in range(3)), return_exceptions=True)
        results = await asyncio.gather(*(cache.fetch_application() for _ in range(3)), return_exceptions=True)
        assert all(isinstance(result, sake.SakeException) for result in results), results
        await cache.set_role(7, testing.Payloads(seed=1).role(id="1"))
        assert await cache.get_role(1)
        await asyncio.gather(cache.close(), cache.close(), cache.close())

    for _ in range(3):
        asyncio.run(main())


@pytest.fixture
def _left_open() -> collections.Iterator[None]:
    """Let Python complain of what a loop that ended has left, and do so before the next test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.mark.parametrize("again", ["open", "close"])
@pytest.mark.usefixtures("_left_open")
def test_a_loop_that_ended_with_an_open_cache_is_forgotten_and_what_it_lost_is_counted_and_logged(
    own: own_server.OwnServer, caplog: pytest.LogCaptureFixture, again: str
) -> None:
    bot = gateway.make_bot()
    feed = gateway.Feed(bot, gateway.Shard())
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)

    async def first() -> None:
        await cache.open()
        own.kill()
        feed("GUILD_MEMBER_ADD", samples.member(1, "lost"))
        await own_server.eventually(lambda: cache.statistics.is_away)

    async def second() -> None:
        with pytest.raises(sake.ClosedClient, match="event loop that has ended"):
            await cache.get_role(1)
        if again == "close":
            await cache.close()
            assert len(_lost(caplog)) == 1
        await cache.open()
        feed("GUILD_MEMBER_ADD", samples.member(2, "kept"))
        await cache.flush()
        assert [member.id async for member in cache.iter_members()] == [2]
        await cache.close()

    asyncio.run(first())
    assert not cache.is_alive
    own.start()
    asyncio.run(second())
    assert cache.statistics.dropped == 2
    assert len(_lost(caplog)) == 1


@pytest.mark.usefixtures("_left_open")
def test_an_embedded_server_of_a_loop_that_ended_goes_when_the_cache_is_used_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    cache = samples.make_cache(address="embedded://", database=0)
    asyncio.run(cache.open())
    assert _is_there(tmp_path)
    asyncio.run(cache.close())
    assert not _is_there(tmp_path)


async def test_events_of_a_bot_in_another_loop_are_refused_counted_and_logged_once(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0)
    async with cache:

        async def elsewhere() -> None:
            for number in range(3):
                feed("GUILD_MEMBER_ADD", samples.member(number + 1, "of another loop"))
            await feed.settle()

        assert await asyncio.to_thread(_in_thread, elsewhere) is None
        assert cache.statistics.skipped == 3
        assert len([record for record in caplog.records if "event loop" in record.getMessage()]) == 1
        await cache.set_role(7, testing.Payloads(seed=1).role(id="1"))
        assert await cache.iter_members().len() == 0
