# SPDX-License-Identifier: BSD-3-Clause
"""Tanjun, and what is fetched from Discord, as bots meet them: racing events, odd keys, slow servers, many callers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import typing
import warnings
from collections import abc as collections

import hikari
import pytest
import pytest_asyncio
import tanjun
from _support import gateway
from _support import keys
from _support import marks
from _support import own_server
from _support import servers
from _support import tanjun_stage
from hikari.internal import routes
from tanjun import conversion
from tanjun import dependencies

import sake
import sake.abc
import sake.redis
from sake import testing
from sake.redis._model import kinds as _kinds

Payload = dict[str, typing.Any]
Sf, SfGuild = dependencies.SfCache, dependencies.SfGuildBound
FACTORY = gateway.make_bot().entity_factory
UNKNOWN = 5
"""An id that nothing has."""

GLOBAL = {
    "role": Sf[hikari.Role],
    "channel": Sf[hikari.PermissibleGuildChannel],
    "emoji": Sf[hikari.KnownCustomEmoji],
    "sticker": Sf[hikari.GuildSticker],
    "guild": Sf[hikari.Guild],
    "thread": Sf[hikari.GuildThreadChannel],
    "direct": Sf[hikari.DMChannel],
    "message": Sf[hikari.Message],
    "user": Sf[hikari.User],
    "invite": dependencies.AsyncCache[str, hikari.InviteWithMetadata],
}
BOUND = {
    "member": SfGuild[hikari.Member],
    "presence": SfGuild[hikari.MemberPresence],
    "role": SfGuild[hikari.Role],
    "voice state": SfGuild[hikari.VoiceState],
    "emoji": SfGuild[hikari.KnownCustomEmoji],
}


def register(cache: typing.Any, **options: typing.Any) -> tanjun.Client:
    client = tanjun.Client.from_gateway_bot(cache.app, event_managed=False)
    cache.add_to_tanjun(client, **options)
    return client


async def verdict(answer: collections.Awaitable[typing.Any]) -> typing.Any:
    """Return what was found, or which of the two kinds of "not found" it was."""
    try:
        return await answer
    except dependencies.CacheMissError as exc:
        return type(exc)


FINAL, MISS = dependencies.EntryNotFound, dependencies.CacheMissError


async def turns(count: int, /) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def arriving(guild_id: int, /) -> Payload:
    """Build a guild with one role besides everyone's, of an id that is its own."""
    world = testing.World(seed=3, guilds=1, members=2)
    guild = world.guild_create(next(iter(world.guilds)))
    lists = ("channels", "emojis", "members", "presences", "stickers", "threads", "voice_states")
    roles = [{**guild["roles"][0], "id": str(guild_id)}, {**guild["roles"][0], "id": str(guild_id + 1)}]
    return {**guild, **dict.fromkeys(lists, ()), "id": str(guild_id), "roles": roles}


def connect(feed: gateway.Feed, world: testing.World, /) -> None:
    """Let a shard connect, and all of its guilds arrive."""
    feed("READY", world.ready())
    for guild_id in world.guilds:
        feed("GUILD_CREATE", world.guild_create(guild_id))


# A verdict is about one moment


@pytest.mark.parametrize("in_guild", [False, True])
async def test_what_arrives_while_it_is_looked_for_is_never_said_not_to_exist(
    cache: sake.RedisCache, feed: gateway.Feed, in_guild: bool
) -> None:
    client = register(cache)
    anywhere, bound = client.get_type_dependency(Sf[hikari.Role]), client.get_type_dependency(SfGuild[hikari.Role])
    for moment in range(60):
        guild = 1_000 * (moment + 1)
        feed("GUILD_CREATE", {"id": str(guild), "unavailable": True})
        await cache.flush()
        look = bound.get_from_guild(guild, guild + 1) if in_guild else anywhere.get(guild + 1)
        answer = asyncio.create_task(verdict(look))
        await turns(moment)
        feed("GUILD_CREATE", arriving(guild))
        assert await answer is not FINAL, f"{moment} turns after it was asked for"


async def test_what_arrives_while_another_process_looks_for_it_is_never_said_not_to_exist(
    make_cache: typing.Any, feed: gateway.Feed
) -> None:
    await make_cache(database=0)
    reader = await make_cache(fed=False, database=0)
    client = register(reader)
    roles, guilds = client.get_type_dependency(SfGuild[hikari.Role]), client.get_type_dependency(Sf[hikari.Role])
    for guild in range(1_000, 101_000, 1_000):
        feed("GUILD_CREATE", {"id": str(guild), "unavailable": True})
        await feed.settle()
        while guild not in await reader.get_unavailable_guild_ids():
            pass
        feed("GUILD_CREATE", arriving(guild))
        while True:
            answers = await asyncio.gather(
                verdict(roles.get_from_guild(guild, guild + 1)), verdict(guilds.get(guild + 1))
            )
            assert FINAL not in answers
            if MISS not in answers:
                break


# Guilds of which changes were lost


@pytest.mark.parametrize("name", BOUND)
async def test_what_is_not_stored_of_a_guild_of_which_changes_were_lost_may_exist(
    cache: sake.RedisCache, feed: gateway.Feed, raw_database: typing.Any, name: str
) -> None:
    world = testing.World(seed=7, guilds=2, members=20)
    connect(feed, world)
    stale, whole = map(int, world.guilds)
    adapter = register(cache).get_type_dependency(BOUND[name])
    assert [await verdict(adapter.get_from_guild(guild, UNKNOWN)) for guild in (stale, whole)] == [FINAL, FINAL]
    await lose_changes_of(stale, cache, raw_database)
    assert [await verdict(adapter.get_from_guild(guild, UNKNOWN)) for guild in (stale, whole)] == [MISS, FINAL]
    feed("GUILD_CREATE", world.guild_create(str(stale)))
    assert [await verdict(adapter.get_from_guild(guild, UNKNOWN)) for guild in (stale, whole)] == [FINAL, FINAL]


@pytest.mark.parametrize("name", GLOBAL)
async def test_what_is_stored_nowhere_may_be_in_a_guild_of_which_changes_were_lost(
    cache: sake.RedisCache, feed: gateway.Feed, raw_database: typing.Any, name: str
) -> None:
    world = testing.World(seed=7, guilds=2, members=20)
    connect(feed, world)
    stale = int(next(iter(world.guilds)))
    adapter = register(cache, trust_get_for=[sake.abc.Cache]).get_type_dependency(GLOBAL[name])
    is_of_guilds = name in ("role", "channel", "emoji", "sticker", "thread", "user")
    assert await verdict(adapter.get("5")) is FINAL
    await lose_changes_of(stale, cache, raw_database)
    assert await verdict(adapter.get("5")) is (MISS if is_of_guilds else FINAL)
    if name == "guild":
        await cache.delete_guild(stale)
        assert await verdict(adapter.get(stale)) is MISS


async def test_the_roles_of_a_guild_of_which_changes_were_lost_are_left_to_rest(
    cache: sake.RedisCache, feed: gateway.Feed, raw_database: typing.Any
) -> None:
    feed("GUILD_CREATE", arriving(1_000))
    roles = register(cache).get_type_dependency(SfGuild[hikari.Role])
    assert len(await roles.iter_for_guild(1_000)) == 2
    await lose_changes_of(1_000, cache, raw_database)
    # Tanjun takes what there is for everything there is, and asks REST only if there is nothing.
    assert list(await roles.iter_for_guild(1_000)) == []
    assert await roles.get_from_guild(1_000, 1_001)


async def lose_changes_of(guild_id: int, cache: sake.RedisCache, raw_database: typing.Any) -> None:
    # What giving up leaves behind is made by hand, so it must not come before what says that the guild has arrived.
    await cache.flush()
    mark = keys.in_guild("guild-stale", guild_id)
    await raw_database(int(sake.redis.ResourceIndex.GUILD)).hset(mark, str(guild_id), "")
    for kind in _kinds.LISTS.values():
        await raw_database(int(kind.index)).delete(keys.in_guild(kind.name, guild_id))
    assert await cache.is_guild_stale(guild_id)


# Users


async def test_a_user_who_is_in_no_guild_of_the_bot_may_exist(cache: sake.RedisCache, feed: gateway.Feed) -> None:
    world = testing.World(seed=7, guilds=2, members=20)
    connect(feed, world)
    assert await verdict(register(cache).get_type_dependency(Sf[hikari.User]).get(UNKNOWN)) is MISS
    trusted = register(cache, trust_get_for=[sake.abc.UserCache])
    assert await verdict(trusted.get_type_dependency(Sf[hikari.User]).get(UNKNOWN)) is FINAL


async def test_the_user_converter_finds_somebody_whom_the_bot_shares_no_guild_with(server: servers.Server) -> None:
    world = testing.World(seed=11, guilds=1, members=5)
    stranger = world.payloads.user(username="banned-long-ago")
    world.users[stranger["id"]] = stranger
    async with testing.LoopbackDiscord(world) as discord, tanjun_stage.running(discord, server) as stage:
        ctx = await stage.context()
        found = await ctx.call_with_async_di(conversion.ToUser(), stranger["id"])
        assert found.username == "banned-long-ago"


@marks.needs_statistics
@pytest.mark.parametrize("trusted", [None, [sake.abc.UserCache]])
async def test_looking_for_an_unknown_user_does_not_ask_hundreds_of_guilds(
    cache: sake.RedisCache, feed: gateway.Feed, raw: typing.Any, trusted: typing.Any
) -> None:
    member = testing.World(seed=3, guilds=1, members=2)
    members = list(next(iter(member.guilds.values())).members.values())
    for guild in range(1_000, 301_000, 1_000):
        feed("GUILD_CREATE", {**arriving(guild), "members": members})
    await cache.flush()
    users = register(cache, trust_get_for=trusted).get_type_dependency(Sf[hikari.User])

    async def asked() -> int:
        counted = await raw.info("commandstats")
        return sum(counted.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("hget", "hmget", "hexists"))

    before = await asked()
    for user in range(10, 20):
        assert await verdict(users.get(user)) is MISS
    assert await asked() - before <= 10 * 2


# A server that does not answer


@pytest.mark.parametrize("count", [1, 12])
async def test_all_that_is_asked_while_a_managed_cache_cannot_be_opened_fails_together(
    own: own_server.OwnServer, bot: hikari.GatewayBot, count: int
) -> None:
    cache = sake.RedisCache(f"{own.url}?socket_timeout=0.5", bot, database=0)
    client = register(cache, tanjun_managed=True)
    roles = client.get_type_dependency(Sf[hikari.Role])
    took: list[float] = []
    loop = asyncio.get_running_loop()

    async def look() -> None:
        began = loop.time()
        assert await verdict(roles.get(UNKNOWN)) is MISS
        took.append(loop.time() - began)

    async def look_often() -> None:
        await asyncio.gather(*(look() for _ in range(count)))

    client.add_client_callback(tanjun.ClientCallbackNames.STARTING, look_often)
    own.pause()
    try:
        began = loop.time()
        with pytest.raises(sake.BackendError):
            await client.open()
        assert loop.time() - began < 1.5
        assert len(took) == count
        assert max(took) < 1.5
    finally:
        own.resume()
        await client.close()


async def test_a_cancelled_look_up_does_not_keep_a_managed_cache_from_opening(
    server: servers.Server, bot: hikari.GatewayBot
) -> None:
    cache = sake.RedisCache(server.url, bot, **server.options)
    client = register(cache, tanjun_managed=True)
    roles = client.get_type_dependency(Sf[hikari.Role])

    async def look_and_go() -> None:
        task = asyncio.create_task(verdict(roles.get(UNKNOWN)))
        await turns(1)
        task.cancel()

    client.add_client_callback(tanjun.ClientCallbackNames.STARTING, look_and_go)
    async with client:
        assert cache.is_alive
    assert not cache.is_alive


async def test_a_client_that_closes_while_its_cache_opens_opens_it_at_the_next_start(
    own: own_server.OwnServer, bot: hikari.GatewayBot
) -> None:
    for moment in range(30):
        client = tanjun.Client.from_gateway_bot(bot, event_managed=False)
        cache = sake.RedisCache(own.url, bot, database=0)
        looks: list[asyncio.Task[typing.Any]] = []
        async with client:
            cache.add_to_tanjun(client, tanjun_managed=True)
            roles = client.get_type_dependency(Sf[hikari.Role])
            for _ in range(moment):
                looks.append(asyncio.create_task(verdict(roles.get(UNKNOWN))))
                await asyncio.sleep(0)
        assert not cache.is_alive, f"closed {moment} turns after it was added"
        assert set(await asyncio.gather(*looks)) <= {MISS, FINAL}
        async with client:
            assert cache.is_alive, f"closed {moment} turns after it was added"


# Keys that are none


NONSENSE: tuple[typing.Any, ...] = ("abc", 1.5, "", None, 10**30, -1, "\ud800", "1" * 5_000, b"5", object(), "٣")


@pytest_asyncio.fixture
async def trusting(cache: sake.RedisCache, feed: gateway.Feed) -> tanjun.Client:
    """A client whose cache of one guild is trusted in everything."""
    world = testing.World(seed=7, guilds=1, members=10)
    feed("READY", {**world.ready(), "guilds": [{"id": "1000", "unavailable": True}]})
    feed("GUILD_CREATE", {**world.guild_create(next(iter(world.guilds))), "id": "1000"})
    await feed.settle()
    return register(cache, trust_get_for=[sake.abc.Cache])


@pytest.mark.parametrize("name", GLOBAL)
async def test_a_key_that_nothing_can_have_is_a_miss(trusting: tanjun.Client, name: str) -> None:
    adapter = trusting.get_type_dependency(GLOBAL[name])
    for key in NONSENSE:
        if (name, key) != ("invite", "abc"):
            assert await verdict(adapter.get(key)) is MISS, key
        assert await adapter.get(key, default=None) is None
    assert await verdict(adapter.get("5" if name == "invite" else UNKNOWN)) is FINAL


@pytest.mark.parametrize("name", BOUND)
async def test_a_key_that_nothing_in_a_guild_can_have_is_a_miss(trusting: tanjun.Client, name: str) -> None:
    adapter = trusting.get_type_dependency(BOUND[name])
    for key in NONSENSE:
        for guild, entity in ((1000, key), (key, UNKNOWN), (key, key)):
            assert await verdict(adapter.get_from_guild(guild, entity)) is MISS, key
            assert await adapter.get_from_guild(guild, entity, default="x") == "x"
        entries = adapter.iter_for_guild(key)
        assert await entries.len() == 0
        assert list(await entries) == []
    assert await verdict(adapter.get_from_guild(1000, UNKNOWN)) is FINAL


@pytest.mark.parametrize("key", [1000, hikari.Snowflake(1000), "1000"])
async def test_an_id_is_an_id_in_all_forms(
    trusting: tanjun.Client, cache: sake.RedisCache, feed: gateway.Feed, key: typing.Any
) -> None:
    roles, guilds = trusting.get_type_dependency(SfGuild[hikari.Role]), trusting.get_type_dependency(Sf[hikari.Guild])
    assert (await guilds.get(key)).id == 1000
    assert await roles.iter_for_guild(key).len() > 0
    feed("GUILD_DELETE", {"id": "1000", "unavailable": True})
    assert await verdict(roles.get_from_guild(key, UNKNOWN)) is MISS
    await cache.delete_guild(1000)
    feed("GUILD_DELETE", {"id": "1000", "unavailable": True})
    assert await verdict(guilds.get(key)) is MISS


# Registering


def registered(client: tanjun.Client) -> typing.Any:
    adapters = [client.get_type_dependency(alias) for alias in (*GLOBAL.values(), *BOUND.values())]
    callbacks = [list(client.get_client_callbacks(name)) for name in tanjun.ClientCallbackNames]
    return adapters, list(client.components), callbacks


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
async def test_adding_a_cache_twice_is_refused_and_changes_nothing(
    server: servers.Server, bot: hikari.GatewayBot, first: bool, second: bool
) -> None:
    cache = sake.RedisCache(server.url, bot, **server.options)
    client = register(cache, tanjun_managed=first)

    before = registered(client)
    with pytest.raises(ValueError, match="already"):
        cache.add_to_tanjun(client, trust_get_for=(), tanjun_managed=second)
    assert registered(client) == before
    async with client:
        assert cache.is_alive is first


@pytest.mark.parametrize("wrong", [["RoleCache"], [sake.abc.RoleCache, 5], sake.abc.RoleCache, [None]])
def test_what_is_trusted_must_be_a_collection_of_interfaces(bot: hikari.GatewayBot, wrong: typing.Any) -> None:
    cache = sake.RedisCache("redis://localhost", bot)
    client = tanjun.Client.from_gateway_bot(bot, event_managed=False)
    with pytest.raises(TypeError, match="trust_get_for"):
        cache.add_to_tanjun(client, trust_get_for=wrong)
    assert client.get_type_dependency(Sf[hikari.Role], default=None) is None


async def test_a_cancelled_conversion_leaves_nothing_that_was_never_awaited(
    own: own_server.OwnServer, bot: hikari.GatewayBot
) -> None:
    cache = sake.RedisCache(own.url, bot)
    client = register(cache, tanjun_managed=True)
    roles, members = client.get_type_dependency(Sf[hikari.Role]), client.get_type_dependency(SfGuild[hikari.Member])

    async def look_and_go() -> None:
        looks = (roles.get(1), members.get_from_guild(1, 2), roles.iter_all().len(), anext(roles.iter_all()))
        tasks = [asyncio.ensure_future(look) for look in looks]
        await turns(2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    client.add_client_callback(tanjun.ClientCallbackNames.STARTING, look_and_go)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        async with client:
            pass
        gc.collect()
    assert [str(warning.message) for warning in seen if "never awaited" in str(warning.message)] == []


async def test_of_two_caches_on_a_client_neither_is_added_twice(server: servers.Server, bot: hikari.GatewayBot) -> None:
    client = tanjun.Client.from_gateway_bot(bot, event_managed=False)
    caches = [sake.RedisCache(server.url, bot, namespace=name, **server.options) for name in ("one", "two")]
    for cache in caches:
        cache.add_to_tanjun(client, tanjun_managed=True)
    before = registered(client)
    for cache in caches:
        with pytest.raises(ValueError, match="already"):
            cache.add_to_tanjun(client, tanjun_managed=True)
        assert registered(client) == before
    async with client:
        assert all(cache.is_alive for cache in caches)
    assert not any(cache.is_alive for cache in caches)


# Many who fetch the same


class Discord:
    """A REST client of a bot that answers when it is told to, and counts what it is asked."""

    def __init__(self, *, token_type: hikari.TokenType = hikari.TokenType.BOT) -> None:
        self.token_type = token_type
        self.asked = 0
        self.ended = 0
        self.failure: Exception | None = None
        self.may_answer = asyncio.Event()
        self._payloads = testing.Payloads(seed=1)

    async def _answer(self) -> None:
        self.asked += 1
        try:
            await self.may_answer.wait()
        finally:
            self.ended += 1
        if self.failure is not None:
            raise self.failure

    async def fetch_application(self) -> hikari.Application:
        await self._answer()
        return FACTORY.deserialize_application(self._payloads.application(id="77"))

    async def fetch_authorization(self) -> hikari.AuthorizationInformation:
        await self._answer()
        application = self._payloads.application(id="77")
        information = {"application": application, "scopes": ["identify"], "expires": "2030-01-01T00:00:00+00:00"}
        return FACTORY.deserialize_authorization_information(information)

    async def create_dm_channel(self, user: hikari.Snowflakeish) -> hikari.DMChannel:
        await self._answer()
        return FACTORY.deserialize_dm(self._payloads.dm_channel(id="88", recipient=self._payloads.user(id=str(user))))


class App:
    """What an application has that a cache without a bot is made with."""

    entity_factory = FACTORY
    executor = http_settings = proxy_settings = None

    def __init__(self, rest: Discord) -> None:
        self.rest = rest


@contextlib.asynccontextmanager
async def asking(server: servers.Server, rest: Discord) -> collections.AsyncIterator[sake.RedisCache]:
    app = typing.cast("hikari.RESTAware", App(rest))
    async with sake.RedisCache(server.url, app, **server.options) as cache:
        yield cache


Fetch = collections.Callable[[sake.RedisCache], collections.Awaitable[typing.Any]]
FETCHES: dict[str, tuple[hikari.TokenType, Fetch]] = {
    "application": (hikari.TokenType.BOT, lambda cache: cache.fetch_application()),
    "authorization by a bot": (hikari.TokenType.BOT, lambda cache: cache.fetch_authorization_application()),
    "authorization": (hikari.TokenType.BEARER, lambda cache: cache.fetch_authorization_application()),
    "direct message channel": (hikari.TokenType.BOT, lambda cache: cache.fetch_dm_channel(99)),
}
by_fetch = pytest.mark.parametrize(("token_type", "fetch"), FETCHES.values(), ids=FETCHES)


@by_fetch
async def test_fifty_who_fetch_the_same_share_one_request(
    server: servers.Server, token_type: hikari.TokenType, fetch: Fetch
) -> None:
    rest = Discord(token_type=token_type)
    async with asking(server, rest) as cache:
        answers = [asyncio.ensure_future(fetch(cache)) for _ in range(50)]
        await own_server.eventually(lambda: rest.asked)
        rest.may_answer.set()
        assert len({answer.id for answer in await asyncio.gather(*answers)}) == 1
        assert (await fetch(cache)).id == (await answers[0]).id
        assert rest.asked == 1


@by_fetch
async def test_who_goes_away_leaves_what_is_fetched_to_the_others(
    server: servers.Server, token_type: hikari.TokenType, fetch: Fetch
) -> None:
    rest = Discord(token_type=token_type)
    async with asking(server, rest) as cache:
        answers = [asyncio.ensure_future(fetch(cache)) for _ in range(5)]
        await own_server.eventually(lambda: rest.asked)
        for answer in answers[:4]:
            answer.cancel()
        await asyncio.wait(answers[:4])
        assert rest.ended == 0
        rest.may_answer.set()
        assert await answers[4]
        assert rest.asked == 1


@by_fetch
async def test_what_nobody_waits_for_any_more_is_not_fetched(
    server: servers.Server, token_type: hikari.TokenType, fetch: Fetch
) -> None:
    rest = Discord(token_type=token_type)
    async with asking(server, rest) as cache:
        before = asyncio.all_tasks()
        answers = [asyncio.ensure_future(fetch(cache)) for _ in range(5)]
        await own_server.eventually(lambda: rest.asked)
        for answer in answers:
            answer.cancel()
        # Who comes now is not handed what is just being cancelled.
        late = asyncio.ensure_future(fetch(cache))
        await own_server.eventually(lambda: rest.ended == 1 and rest.asked == 2)
        rest.may_answer.set()
        assert await late
        await own_server.eventually(lambda: asyncio.all_tasks() <= before)


@by_fetch
@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_everybody_is_told_what_discord_said(
    server: servers.Server,
    caplog: pytest.LogCaptureFixture,
    token_type: hikari.TokenType,
    fetch: Fetch,
    status: int,
) -> None:
    rest = Discord(token_type=token_type)
    rest.failure = refusal(status)
    async with asking(server, rest) as cache:
        answers = [asyncio.ensure_future(fetch(cache)) for _ in range(5)]
        await own_server.eventually(lambda: rest.asked)
        answers[0].cancel()
        rest.may_answer.set()
        failures = (await asyncio.gather(*answers, return_exceptions=True))[1:]
        is_refusal = fetch is FETCHES["direct message channel"][1] and status == 403
        assert {type(failure) for failure in failures} == {sake.EntryNotFound if is_refusal else sake.DiscordError}
        assert len({id(failure) for failure in failures}) == 4
        for failure in failures:
            assert isinstance(failure, sake.SakeException)
            assert str(rest.failure) in str(failure)
            assert failure.exception is failure.__cause__ is rest.failure
        assert rest.asked == 1
        del answers, failures, failure
        gc.collect()

        rest.failure = None
        assert await fetch(cache)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def refusal(status: int, /) -> hikari.HikariError:
    if status == 429:
        route = routes.GET_MY_APPLICATION.compile()
        return hikari.RateLimitTooLongError(
            route=route, is_global=False, retry_after=900.0, max_retry_after=300.0, reset_at=1e10, limit=1, period=None
        )
    kinds = {401: hikari.UnauthorizedError, 403: hikari.ForbiddenError, 500: hikari.InternalServerError}
    said: dict[str, typing.Any] = {"url": "https://discord", "headers": {}, "raw_body": b"", "message": "so it is"}
    return kinds[status](**said, **({"status": 500} if status == 500 else {}))


@by_fetch
async def test_closing_ends_what_is_being_fetched(
    server: servers.Server, token_type: hikari.TokenType, fetch: Fetch
) -> None:
    rest = Discord(token_type=token_type)
    async with asking(server, rest) as cache:
        before = asyncio.all_tasks()
        answers = [asyncio.ensure_future(fetch(cache)) for _ in range(5)]
        await own_server.eventually(lambda: rest.asked)
        await cache.close()
        assert rest.ended == 1
        failures = await asyncio.gather(*answers, return_exceptions=True)
        assert {type(failure) for failure in failures} == {sake.ClosedClient}
        assert asyncio.all_tasks() <= before


@by_fetch
async def test_an_answer_that_hikari_cannot_read_is_told_like_any_other_failure(
    server: servers.Server, token_type: hikari.TokenType, fetch: Fetch
) -> None:
    rest = Discord(token_type=token_type)
    rest.failure = KeyError("owner")
    rest.may_answer.set()
    async with asking(server, rest) as cache:
        with pytest.raises(sake.DiscordError, match="KeyError") as caught:
            await fetch(cache)
        assert caught.value.exception is rest.failure


async def test_direct_message_channels_of_different_users_do_not_wait_for_each_other(server: servers.Server) -> None:
    rest = Discord()
    async with asking(server, rest) as cache:
        answers = [asyncio.ensure_future(cache.fetch_dm_channel(user)) for user in (1, 2, "1", hikari.Snowflake(2))]
        await own_server.eventually(lambda: rest.asked == 2)
        rest.may_answer.set()
        assert [channel.recipient.id for channel in await asyncio.gather(*answers)] == [1, 2, 1, 2]
        assert rest.asked == 2


@pytest.mark.parametrize("status", [401, 500])
async def test_a_discord_that_cannot_answer_is_not_taken_for_one_without_the_application(
    server: servers.Server, status: int
) -> None:
    async with (
        testing.LoopbackDiscord() as discord,
        discord.running(discord.bot(max_retries=0)) as bot,
        sake.RedisCache(server.url, bot, **server.options) as cache,
    ):
        discord.refuse_rest(status)
        client = register(cache, trust_get_for=[sake.abc.ApplicationCache])
        for fetch in (cache.fetch_application, lambda: cache.fetch_dm_channel(UNKNOWN)):
            with pytest.raises(sake.DiscordError, match=r"Discord.*"):
                await fetch()
        owned = client.get_type_dependency(dependencies.SingleStoreCache[hikari.Application])
        assert await verdict(owned.get()) is MISS


def test_a_cache_fetches_in_one_event_loop_after_another(redis_url: str) -> None:
    rest = Discord()
    cache = sake.RedisCache(redis_url, typing.cast("hikari.RESTAware", App(rest)))

    async def run() -> None:
        rest.may_answer = asyncio.Event()
        async with cache:
            await cache.delete_application()
            answers = [asyncio.ensure_future(cache.fetch_application()) for _ in range(3)]
            await turns(50)
            rest.may_answer.set()
            await asyncio.gather(*answers)

    for _ in range(3):
        asyncio.run(run())
    assert rest.asked == 3
