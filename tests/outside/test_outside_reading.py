# SPDX-License-Identifier: BSD-3-Clause
"""Reads in an outage, beside foreign bytes, cancelled, and of what is not written yet."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import typing
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import keys
from _support import leaks
from _support import own_server
from _support import samples

import sake
import sake.redis
from sake import testing
from sake.redis._engine import connections as _connections
from sake.redis._engine import lanes as _lanes

_GUILD = int(samples.GUILD)
_SOON: typing.Final = 0.3
"""Seconds within which something happens at once, on a machine that does other things too."""


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


@pytest_asyncio.fixture
async def cache(own: own_server.OwnServer, bot: hikari.GatewayBot) -> collections.AsyncIterator[sake.redis.RedisCache]:
    """A cache of everything in one database of the test's own server."""
    async with sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0, read_timeout=0.4) as found:
        yield found


class _Clock:
    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


async def _fails(call: collections.Awaitable[object], *, within: float) -> None:
    clock = _Clock()
    with pytest.raises(sake.BackendError) as caught:
        await call
    assert clock.seconds < within
    assert caught.value.exception is not None
    assert caught.value.__cause__ is not None


async def _all(iterator: collections.AsyncIterable[typing.Any]) -> list[typing.Any]:
    return [model async for model in iterator]


# What cannot be asked for


@pytest.mark.parametrize("code", ["\ud800", "", "x:abc", "a b", "ä", "x" * 100, None, 5])
async def test_a_code_that_no_invite_has_is_told_and_hurts_no_other_look_up(
    make_cache: typing.Any, payloads: testing.Payloads, code: typing.Any
) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(1, payloads.role(id="2"))
    calls = (
        cache.get_invite(code),
        cache.get_role(2),
        cache.get_invites(["abc", code]),
        cache.get_roles([2]),
        cache.delete_invite(code),
    )
    async with asyncio.timeout(5):
        invite, role, invites, roles, deleted = await asyncio.gather(*calls, return_exceptions=True)
    assert role.id == 2
    assert list(roles) == [2]
    for error in (invite, invites, deleted):
        assert isinstance(error, ValueError)
        assert "invite_code" in str(error)
        assert repr(code) in str(error)


@pytest.mark.parametrize("entity", ["abc", "\ud800", -1, 1.5, None, 2**70, "1" * 5_000])
async def test_an_id_that_cannot_be_is_told_by_bulk_reads_and_iterators_too(
    make_cache: typing.Any, entity: typing.Any
) -> None:
    cache = await make_cache(database=0)
    async with asyncio.timeout(5):
        for call in (
            lambda: cache.get_roles([1, entity]),
            lambda: cache.get_members(1, [entity]),
            lambda: cache.get_members(entity, [1]),
            lambda: cache.get_users([entity]),
            lambda: _all(cache.iter_roles_for_guild(entity)),
            lambda: _all(cache.iter_voice_states_for_channel(entity)),
            lambda: cache.get_role(1, guild_id=entity if entity is not None else "x"),
        ):
            with pytest.raises(ValueError, match="must be an id"):
                await call()


async def test_whatever_goes_wrong_every_look_up_of_a_turn_ends(
    make_cache: typing.Any, payloads: testing.Payloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(1, payloads.role(id="2"))
    commands = _lanes.Lanes._commands

    def fail(self: _lanes.Lanes, request: typing.Any) -> typing.Any:
        if "13" in request.entities:
            raise ZeroDivisionError
        return commands(self, request)

    monkeypatch.setattr(_lanes.Lanes, "_commands", fail)
    async with asyncio.timeout(5):
        found = await asyncio.gather(
            cache.get_role(13, guild_id=1), cache.get_role(2, guild_id=1), cache.get_user(13), return_exceptions=True
        )
    assert isinstance(found[0], sake.BackendError)
    assert isinstance(found[0].__cause__, ZeroDivisionError)
    assert found[1].id == 2
    assert isinstance(found[2], sake.BackendError)


# A server that does not answer


async def test_a_read_of_a_frozen_server_ends_in_time_and_after_two_at_once_until_it_answers_again(
    own: own_server.OwnServer, cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    await cache.set_role(1, payloads.role(id="2"))
    own.pause()
    for _ in range(2):
        await _fails(cache.get_role(2), within=1.5)
    for _ in range(20):
        await _fails(cache.get_role(2), within=_SOON)
    await _fails(anext(cache.iter_roles()), within=_SOON)
    await _fails(cache.iter_roles().len(), within=_SOON)
    assert cache.statistics.failed_reads == 24

    feed("GUILD_MEMBER_ADD", samples.member(7, "unwritten"))
    assert (await cache.get_member(_GUILD, 7)).nickname == "unwritten"
    await _fails(cache.get_members(_GUILD, [7, 8]), within=_SOON)

    own.resume()
    clock = _Clock()
    while True:
        with contextlib.suppress(sake.BackendError):
            assert (await cache.get_role(2)).id == 2
            break
        await asyncio.sleep(0.02)
    assert clock.seconds < 3


@pytest.mark.parametrize("connections", [1, 3])
async def test_no_read_waits_longer_for_others_wait_too(
    own: own_server.OwnServer, bot: hikari.GatewayBot, connections: int
) -> None:
    options: dict[str, typing.Any] = {"read_timeout": 0.4, "max_connections_per_db": connections}
    async with sake.redis.RedisCache(own.url, bot, database=0, **options) as cache:
        own.pause()

        async def read(number: int) -> None:
            await asyncio.sleep(number * 0.01)
            await _fails(cache.get_user(number) if number % 3 else _all(cache.iter_users()), within=1.5)

        await asyncio.gather(*map(read, range(80)))
        own.resume()


async def test_a_read_waits_no_longer_where_the_writer_has_the_only_connection(
    own: own_server.OwnServer, bot: hikari.GatewayBot, feed: gateway.Feed
) -> None:
    options: dict[str, typing.Any] = {"read_timeout": 0.3, "max_connections_per_db": 1}
    async with sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0, **options) as cache:
        own.pause()
        feed("GUILD_MEMBER_ADD", samples.member(7, "unwritten"))
        await asyncio.sleep(0.05)
        await _fails(cache.get_user(1), within=1.5)
        await _fails(_all(cache.iter_members()), within=1.5)
        own.resume()


@contextlib.asynccontextmanager
async def _far(own: own_server.OwnServer, seconds: float) -> collections.AsyncIterator[str]:
    """Put a server so far away that each answer takes so many seconds, and yield its address there."""
    serving: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answers := await reader.read(65_536):
            await asyncio.sleep(seconds)
            writer.write(answers)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        from_server, to_server = await asyncio.open_unix_connection(own.socket)
        answering = asyncio.create_task(answer(from_server, writer))
        while commands := await reader.read(65_536):
            to_server.write(commands)
        to_server.close()
        await answering

    socket = own.socket.with_name("far.sock")
    async with await asyncio.start_unix_server(serve, socket):
        yield f"unix://{socket}"
        await asyncio.gather(*filter(None, serving))


@pytest.mark.parametrize("call", ["get_role", "get_roles", "delete_role"])
async def test_two_reads_for_one_look_up_take_no_longer_than_one(
    own: own_server.OwnServer, bot: hikari.GatewayBot, payloads: testing.Payloads, call: str
) -> None:
    async with (
        sake.redis.RedisCache(own.url, bot, database=0) as near,
        _far(own, 0.5) as address,
        sake.redis.RedisCache(address, bot, database=0, read_timeout=0.8) as cache,
    ):
        await near.set_role(1, payloads.role(id="2"))
        with pytest.raises(sake.BackendError, match="in time"):
            await getattr(cache, call)([2] if call == "get_roles" else 2)
        assert cache.statistics.failed_reads == 1


async def test_a_look_up_takes_no_longer_where_the_guild_has_to_be_asked_for(
    own: own_server.OwnServer, bot: hikari.GatewayBot, payloads: testing.Payloads
) -> None:
    async with (
        sake.redis.RedisCache(own.url, bot, database=0) as near,
        _far(own, 0.5) as address,
        sake.redis.RedisCache(address, bot, database=0, read_timeout=0.8) as cache,
    ):
        await near.set_role(1, payloads.role(id="2"))
        assert (await cache.get_role(2, guild_id=1)).id == 2
        with pytest.raises(sake.BackendError, match="in time"):
            await cache.get_role(2)


async def test_closing_ends_reads_that_wait_for_a_frozen_server(
    own: own_server.OwnServer, bot: hikari.GatewayBot
) -> None:
    cache = sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0, read_timeout=20)
    await cache.open()
    own.pause()
    iterator = cache.iter_roles()
    reads = asyncio.gather(
        *(cache.get_user(number) for number in range(20)),
        cache.get_roles([1, 2]),
        cache.get_invite("abc"),
        anext(iterator),
        cache.iter_users().len(),
        cache.is_member_list_complete(1),
        return_exceptions=True,
    )
    await asyncio.sleep(0.1)
    late = asyncio.create_task(cache.get_user(99))
    await asyncio.sleep(0)
    clock = _Clock()
    await cache.close()
    for result in [*await reads, *await asyncio.gather(late, return_exceptions=True)]:
        assert isinstance(result, sake.ClosedClient), result
    assert clock.seconds < 1.5
    with pytest.raises(sake.ClosedClient):
        await anext(iterator)
    own.resume()


async def test_a_read_that_is_cancelled_stays_cancelled_while_the_cache_closes(
    own: own_server.OwnServer, bot: hikari.GatewayBot
) -> None:
    async with sake.redis.RedisCache(own.url, bot, database=0, read_timeout=20) as cache:
        own.pause()
        reads = [
            asyncio.create_task(call)
            for call in (cache.get_user(1), _all(cache.iter_roles()), cache.iter_users().len(), cache.get_roles([1]))
        ]
        await asyncio.sleep(0.1)
        for read in reads:
            read.cancel()
        await asyncio.wait(reads, timeout=1)
        assert all(read.cancelled() for read in reads)
    own.resume()


@pytest.mark.parametrize("turns", range(6))
async def test_a_read_does_not_fail_for_the_event_loop_was_blocked(
    cache: sake.redis.RedisCache, payloads: testing.Payloads, turns: int
) -> None:
    await cache.set_role(1, payloads.role(id="2"))

    async def block() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.6)  # noqa: ASYNC251 - a bot's own code that blocks

    role, _, roles, count, _ = await asyncio.gather(
        cache.get_role(2), block(), cache.get_roles([2]), cache.iter_roles().len(), _all(cache.iter_roles())
    )
    assert (role.id, list(roles), count) == (2, [2], 1)


async def test_the_connections_of_a_server_that_was_cut_off_are_not_tried_one_after_the_other(
    own: own_server.OwnServer, cache: sake.redis.RedisCache
) -> None:
    await asyncio.gather(*(_later(0.001 * number, cache.get_users([number])) for number in range(60)))
    (database,) = cache._engine().connections._databases.values()
    assert database._idle
    own.pause()
    await _fails(cache.get_user(1), within=1.5)
    assert not database._idle
    own.resume()
    with pytest.raises(sake.EntryNotFound):
        await cache.get_user(1)


async def _later(seconds: float, call: collections.Awaitable[object]) -> None:
    await asyncio.sleep(seconds)
    await call


async def test_many_reads_in_an_outage_leave_no_exception_behind(
    own: own_server.OwnServer,
    bot: hikari.GatewayBot,
    cache: sake.redis.RedisCache,
    payloads: testing.Payloads,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with sake.redis.RedisCache(own.url, bot, database=0) as filler:
        for guild in range(1, 6):
            await filler.set_role(guild, payloads.role(id=str(10 + guild)))
    exchange = _connections.Database.exchange

    async def lose(database: typing.Any, commands: typing.Any, replies: int, /, **options: typing.Any) -> typing.Any:
        answers = await exchange(database, commands, replies, **options)
        if b"guild-of" in commands:
            own.kill()
        return answers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_connections.Database, "exchange", lose)
        await _fails(cache.get_roles([11, 12, 13, 14, 15]), within=1)
    await _fails(cache.get_roles([11, 12, 13, 14, 15]), within=1)
    gc.collect()
    await asyncio.sleep(0.05)
    assert not [record for record in caplog.records if "never retrieved" in record.getMessage()]


# A server that refuses to write


@contextlib.contextmanager
def _full(own: own_server.OwnServer) -> collections.Iterator[redis.Redis]:
    with contextlib.closing(own.client()) as client:
        client.config_set("maxmemory", "1")
        yield client
        client.config_set("maxmemory", "0")


@contextlib.contextmanager
def _read_only(own: own_server.OwnServer) -> collections.Iterator[redis.Redis]:
    with contextlib.closing(own.client()) as client:
        client.replicaof("127.0.0.1", "1")
        yield client
        client.replicaof("NO", "ONE")


@pytest.mark.parametrize("refusing", [_full, _read_only])
async def test_while_writes_are_refused_everything_can_be_read(
    own: own_server.OwnServer,
    cache: sake.redis.RedisCache,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    refusing: collections.Callable[[own_server.OwnServer], contextlib.AbstractContextManager[object]],
) -> None:
    message = payloads.message(id="5", content="stored", channel_id="6")
    await cache.set_message(message)
    await cache.set_role(1, payloads.role(id="2"))
    with refusing(own):
        feed("GUILD_ROLE_CREATE", {"guild_id": "1", "role": payloads.role(id="3")})
        await own_server.eventually(lambda: cache.statistics.failures > 0)
        feed("MESSAGE_UPDATE", {"id": "5", "channel_id": "6", "content": "patched"})
        assert (await cache.get_message(5)).content == "patched"
        assert list(await cache.get_messages([5, 7])) == [5]
        with pytest.raises(sake.EntryNotFound):
            await cache.get_message(404)
        feed("MESSAGE_UPDATE", {"id": "404", "channel_id": "6", "content": "of nothing"})
        with pytest.raises(sake.EntryNotFound):
            await cache.get_message(404)
        feed("MESSAGE_UPDATE", {"id": "5", "channel_id": "6", "content": "again"})
        assert (await cache.get_message(5)).content == "again"
        assert [message.content for message in await _all(cache.iter_messages())] == ["stored"]
        assert await cache.iter_roles().len() == 1
        assert [role.id for role in await _all(cache.iter_roles_for_guild(1))] == [2]
    await own_server.eventually(lambda: not cache.statistics.is_away)
    await cache.flush()
    assert (await cache.get_message(5)).content == "again"


async def test_what_a_channel_or_a_shard_takes_with_it_is_known_while_writes_are_refused(
    own: own_server.OwnServer, cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    for number in (1, 2):
        await cache.set_thread(payloads.thread(id=f"1{number}", guild_id="7", parent_id=str(number)))
        await cache.set_invite(payloads.invite(code=f"code{number}", channel_id=str(number), guild_id="7"))
    await cache.set_role(7, payloads.role(id="30"))
    await cache.set_role(8, payloads.role(id="31"))
    await cache.set_invite(payloads.invite(code="left", channel_id="3", guild_id="8"))
    with _full(own):
        feed("GUILD_ROLE_CREATE", {"guild_id": "9", "role": payloads.role(id="3")})
        await own_server.eventually(lambda: cache.statistics.failures > 0)
        feed("CHANNEL_DELETE", {**payloads.channel(id="1"), "guild_id": "7"})
        feed("CHANNEL_UPDATE", {**payloads.channel(id="2"), "guild_id": "7"})
        assert list(await cache.get_threads([11, 12], guild_id=7)) == [12]
        assert list(await cache.get_threads([11, 12])) == [12]
        assert list(await cache.get_invites(["code1", "code2", "left"])) == ["code2", "left"]
        ready = {
            "v": 10,
            "user": payloads.user(id=str(gateway.OWN_ID)),
            "guilds": [{"id": "7", "unavailable": True}],
            "session_id": "x",
            "resume_gateway_url": "wss://x",
            "application": {"id": "1", "flags": 0},
        }
        feed("READY", ready)
        assert list(await cache.get_roles([30, 31])) == [30]
        assert list(await cache.get_roles([31], guild_id=8)) == []
        assert list(await cache.get_invites(["code1", "code2", "left"])) == ["code2"]


async def test_what_is_cleared_while_writes_are_refused_is_gone_written_or_not(
    own: own_server.OwnServer, cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    voice = {"session_id": "x", "channel_id": "5", "guild_id": "1", "member": payloads.member()}
    invite = payloads.invite(code="stored", channel_id="5", guild_id="1")
    await cache.set_role(1, payloads.role(id="2"))
    await cache.set_message(payloads.message(id="20"))
    await cache.set_invite(invite)
    await cache.set_voice_state(1, payloads.voice_state(user_id="30", **voice))
    feed("GUILD_DELETE", {"id": "40", "unavailable": True})
    await cache.flush()
    with _full(own):
        feed("GUILD_ROLE_CREATE", {"guild_id": "9", "role": payloads.role(id="3")})
        await own_server.eventually(lambda: cache.statistics.failures > 0)
        feed("MESSAGE_CREATE", payloads.message(id="21"))
        feed("INVITE_CREATE", {**invite, "code": "new", "guild_id": "9"})
        feed("VOICE_STATE_UPDATE", payloads.voice_state(user_id="31", **voice))
        feed("GUILD_DELETE", {"id": "41", "unavailable": True})
        feed("GUILD_DELETE", {"id": "40"})
        assert await cache.get_unavailable_guild_ids() == {41}
        for clear in (
            cache.clear_roles(),
            cache.clear_messages(),
            cache.clear_invites(),
            cache.clear_voice_states_for_channel(5),
        ):
            with pytest.raises(sake.BackendError, match="kept until it can be"):
                await clear
        assert await cache.get_roles([2, 3]) == {}
        assert await cache.get_messages([20, 21]) == {}
        assert await cache.get_invites(["stored", "new"]) == {}
        with pytest.raises(sake.EntryNotFound):
            await cache.get_voice_state(1, 30)
        with pytest.raises(sake.EntryNotFound):
            await cache.get_voice_state(1, 31)
    await own_server.eventually(lambda: not cache.statistics.is_away)
    await cache.flush()
    for iterator in (cache.iter_roles(), cache.iter_messages(), cache.iter_invites(), cache.iter_voice_states()):
        assert await _all(iterator) == []


async def test_an_older_update_is_never_laid_over_newer_fields(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = await make_cache(database=0)
    await cache.set_message(payloads.message(id="5", content="0", channel_id="6"))
    exchange = _connections.Database.exchange
    delays = iter(range(10**9))

    async def wait(database: typing.Any, commands: typing.Any, replies: int, /, **options: typing.Any) -> typing.Any:
        await asyncio.sleep(next(delays) * 7 % 5 * 0.001)
        answers = await exchange(database, commands, replies, **options)
        await asyncio.sleep(next(delays) * 3 % 5 * 0.001)
        return answers

    monkeypatch.setattr(_connections.Database, "exchange", wait)
    fed = 0

    async def edit() -> None:
        nonlocal fed
        for number in range(1, 400):
            fed = number
            pair = {"content": str(number), "flags": number} if number % 3 else {"content": str(number)}
            feed("MESSAGE_UPDATE", {"id": "5", "channel_id": "6", **pair})
            await asyncio.sleep(number % 4 * 0.001)

    async def look() -> None:
        seen = seen_flags = 0
        while seen < 399:
            before = fed
            async with asyncio.timeout(5):
                message = await cache.get_message(5)
            content, flags = int(message.content), int(message.flags)
            assert content >= max(before, seen), "an older state came back"
            assert flags >= seen_flags
            assert content - flags <= 1, "a mixture of states that never was"
            seen, seen_flags = content, flags

    await asyncio.gather(edit(), *(look() for _ in range(3)))


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_an_invite_that_is_not_written_yet_is_known_in_an_outage(
    own: own_server.OwnServer, cache: sake.redis.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, way: str
) -> None:
    own.kill() if way == "kill" else own.pause()
    feed("INVITE_CREATE", {**payloads.invite(code="abc"), "channel_id": "1", "guild_id": "2"})
    assert (await cache.get_invite("abc")).code == "abc"
    assert list(await cache.get_invites(["abc"])) == ["abc"]
    feed("INVITE_DELETE", {"code": "abc", "channel_id": "1", "guild_id": "2"})
    with pytest.raises(sake.EntryNotFound):
        await cache.get_invite("abc")
    if way == "pause":
        own.resume()


# Foreign bytes

_FOREIGN: typing.Final = (
    b"\xff\xfe",
    b"",
    b"abc",
    b"5" * 5_000,
    b"-1",
    b"[]",
    b"1",
    b"{}",
    b'{"id": 5}',
    b"null",
    b"\x00",
)


async def _read_everything(cache: sake.redis.RedisCache) -> int:
    """Call whatever reads, and return how often that was."""
    calls: list[collections.Callable[[], collections.Awaitable[object]]] = []
    for name, arguments in samples.ITERATORS.items():
        for given in {(arguments), tuple(_GUILD for _ in arguments)}:
            calls.append(lambda name=name, given=given: _all(getattr(cache, name)(*given)))
            calls.append(lambda name=name, given=given: getattr(cache, name)(*given).len())
    for name in ("role", "emoji", "guild_channel", "thread", "sticker"):
        calls.append(lambda name=name: getattr(cache, f"get_{name}")(1))
        calls.append(lambda name=name: getattr(cache, f"get_{name}s")([1, 2, 3]))
        calls.append(lambda name=name: getattr(cache, f"delete_{name}")(1))
    by_id = ("get_user", "get_message", "get_guild", "get_dm_channel", "is_guild_available")
    calls += [lambda name=name: getattr(cache, name)(1) for name in by_id]
    by_guild = ("get_member", "get_presence", "get_voice_state")
    calls += [lambda name=name: getattr(cache, name)(1, 1) for name in by_guild]
    calls += [
        cache.get_me,
        cache.get_unavailable_guild_ids,
        lambda: cache.get_invite("1"),
        lambda: cache.get_invites("123"),
    ]
    calls += [lambda: cache.clear_voice_states_for_channel(1), lambda: cache.clear_threads_for_channel(1)]
    calls += [cache.clear_invites, cache.clear_roles, cache.clear_messages, lambda: cache.delete_invite("1")]
    for call in calls:
        with contextlib.suppress(sake.SakeException):
            await call()

    return len(calls)


_TABLES = ("role", "emoji", "channel", "thread", "sticker", "invite", "voice_state", "member")


@pytest.mark.parametrize("data", _FOREIGN, ids=lambda data: repr(data[:6]))
async def test_foreign_bytes_in_lookup_tables_never_escape_as_other_errors(
    make_cache: typing.Any, raw: redis.asyncio.Redis, data: bytes
) -> None:
    cache = await make_cache(database=0)
    for kind in _TABLES:
        for entity in (b"1", data):
            for field in (data, b"1"):
                await raw.hset(keys.guild_of(1), entity, field)
                await raw.hset(keys.channels(kind, 1), entity, field)
                await raw.hset(keys.in_guild(kind, 1), entity, data)
    await raw.sadd(keys.guilds(), data, b"1")
    for kind in ("guild", "guild-unavailable", "guild-stale", "member-list"):
        await raw.hset(keys.in_guild(kind, 1), mapping={b"1": data, data or b"x": b"1"})
    for kind in ("me", "invite", "user", "message", "dm_channel", "dm_channel-user"):
        await raw.set(keys.single(kind, 1), data)
        await raw.set(keys.single(kind, "").encode() + data[:50], data)
    await raw.set(keys.single("me", "me"), data)
    assert await _read_everything(cache) > 50


async def test_keys_of_another_type_are_told_with_their_cause(make_cache: typing.Any, raw: redis.asyncio.Redis) -> None:
    cache = await make_cache(database=0)
    for key in (keys.guilds(), keys.guild_of(1), *(keys.in_guild(kind, 1) for kind in ("role", "guild"))):
        await raw.set(key, "foreign")
    for call in (
        lambda: cache.get_role(1),
        lambda: cache.get_roles([1, 2]),
        lambda: cache.get_role(1, guild_id=1),
        lambda: _all(cache.iter_roles()),
        lambda: _all(cache.iter_roles_for_guild(1)),
        lambda: _all(cache.iter_voice_states_for_channel(1)),
        lambda: cache.iter_guilds().len(),
        lambda: cache.get_guild(1),
    ):
        with pytest.raises(sake.BackendError) as caught:
            await call()
        assert caught.value.exception is not None
        assert caught.value.__cause__ is caught.value.exception
        assert "WRONGTYPE" in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff", b"[]", b"{", b"null", b'{"guild": 5}', b'{"guild_id": [1]}'])
async def test_an_invite_that_cannot_be_read_can_be_deleted(
    make_cache: typing.Any, raw: redis.asyncio.Redis, data: bytes
) -> None:
    cache = await make_cache(database=0)
    await raw.set(keys.single("invite", "abc"), data)
    with pytest.raises(sake.InvalidDataFound):
        await cache.get_invite("abc")
    await cache.delete_invite("abc")
    assert not await raw.exists(keys.single("invite", "abc"))
    await cache.delete_invite("abc")


# Iterators that are interrupted


async def test_an_iterator_that_raised_raises_the_same_again_and_never_ends_as_if_it_were_complete(
    own: own_server.OwnServer, cache: sake.redis.RedisCache, payloads: testing.Payloads
) -> None:
    for number in range(1, 7):
        await cache.set_role(number, payloads.role(id=str(number)))
    iterator = cache.iter_roles(window_size=2)
    assert await anext(iterator)
    own.kill()
    errors: list[sake.BackendError] = []
    while len(errors) < 4:
        try:
            await anext(iterator)
        except sake.BackendError as exc:
            errors.append(exc)
    assert all(error is errors[0] for error in errors)
    own.start()
    with pytest.raises(sake.BackendError):
        await anext(iterator)
    with pytest.raises(sake.BackendError):
        await _all(iterator)
    assert await _all(cache.iter_roles()) == []


@pytest.mark.parametrize("window_size", [1, 3, 1_000])
async def test_an_iterator_whose_next_was_cancelled_goes_on_with_nothing_lost(
    make_cache: typing.Any, feed: gateway.Feed, window_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = await make_cache(database=0)
    world = testing.World(seed=5, guilds=3, members=30)
    feed.all(("GUILD_CREATE", world.guild_create(guild_id)) for guild_id in world.guilds)
    await cache.flush()
    exchange = _connections.Database.exchange

    async def wait(database: typing.Any, commands: typing.Any, replies: int, /, **options: typing.Any) -> typing.Any:
        await asyncio.sleep(0.001)
        return await exchange(database, commands, replies, **options)

    monkeypatch.setattr(_connections.Database, "exchange", wait)
    for make in (cache.iter_members, cache.iter_users, cache.iter_roles, cache.iter_voice_states):
        expected = sorted(map(_key_of, await _all(make())))
        iterator, found, turns = make(window_size=window_size), [], 0
        while True:
            step = asyncio.ensure_future(anext(iterator))
            for _ in range(turns % 7):
                await asyncio.sleep(0)
            turns += 1
            if turns % 3:
                step.cancel()
            try:
                found.append(await step)
            except asyncio.CancelledError:
                continue
            except StopAsyncIteration:
                break
        assert sorted(map(_key_of, found)) == expected


def _key_of(model: typing.Any) -> tuple[int, int]:
    return int(getattr(model, "guild_id", 0)), int(getattr(model, "id", 0) or model.user_id)


async def test_an_iterator_that_is_given_up_while_it_waits_leaves_nothing_behind(
    own: own_server.OwnServer, cache: sake.redis.RedisCache
) -> None:
    own.pause()
    step = asyncio.ensure_future(anext(cache.iter_roles()))
    await asyncio.sleep(0.05)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    del step
    gc.collect()
    await asyncio.sleep(0.5)
    own.resume()


async def test_an_iterator_is_not_continued_in_another_thread(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    for number in range(1, 7):
        await cache.set_role(number, payloads.role(id=str(number)))
    iterator = cache.iter_roles(window_size=1)
    assert await anext(iterator)
    outcome: list[BaseException] = []

    async def go_on() -> None:
        try:
            await asyncio.gather(anext(iterator), cache.get_role(1), cache.iter_roles().len(), return_exceptions=False)
        except BaseException as exc:  # noqa: BLE001 - whatever it is
            outcome.append(exc)

    thread = threading.Thread(target=lambda: asyncio.run(go_on()))
    thread.start()
    await asyncio.to_thread(thread.join, 10)
    assert isinstance(outcome[0], sake.ClosedClient)
    feed("GUILD_ROLE_CREATE", {"guild_id": "1", "role": payloads.role(id="99")})
    await cache.flush()
    assert (await cache.get_role(99)).id == 99
    assert cache.statistics.skipped == 0
    assert len(await _all(cache.iter_roles())) == 7


async def test_what_is_asked_while_it_is_cancelled_costs_the_others_nothing(
    make_cache: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(1, payloads.role(id="2"))
    for turns in range(30):
        reads = [asyncio.create_task(cache.get_role(2)) for _ in range(5)]
        for _ in range(turns % 9):
            await asyncio.sleep(0)
        for read in reads[::2]:
            read.cancel()
        done = await asyncio.gather(*reads, return_exceptions=True)
        assert all(not isinstance(done[number], BaseException) for number in (1, 3))
