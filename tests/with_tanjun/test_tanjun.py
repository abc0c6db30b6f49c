# SPDX-License-Identifier: BSD-3-Clause
"""Tanjun: every place that asks an async cache is answered, and told what the cache does not know."""

from __future__ import annotations

import inspect
import logging
import pathlib
import re
import subprocess
import sys
import types
import typing
from collections import abc as collections

import alluka
import hikari
import pytest
import pytest_asyncio
import tanjun
from _support import gateway
from _support import keys
from _support import own_server
from _support import servers
from tanjun import dependencies

import sake
import sake.abc
import sake.redis
from sake import _names
from sake import testing
from sake._tanjun import _asker
from sake._tanjun import _table

Payload = dict[str, typing.Any]
AsyncCache, GuildBound, Single = dependencies.AsyncCache, dependencies.GuildBoundCache, dependencies.SingleStoreCache
Sf, SfGuild = dependencies.SfCache, dependencies.SfGuildBound

UNKNOWN = 5
"""An id that nothing has."""


class Stock:
    """What is in the cache, and where to find one of each."""

    def __init__(self, world: testing.World, cache: sake.RedisCache, client: tanjun.Client, feed: gateway.Feed) -> None:
        self.cache, self.client, self.feed, self.world = cache, client, feed, world
        self.guild = next(iter(world.guilds.values()))
        self.application = world.payloads.application(id=world.me["id"])
        self.direct = world.payloads.dm_channel()
        self.invite = world.payloads.invite(guild_id=self.guild.id, channel_id=self.guild.text_channel_ids[0])
        self.message = world.payloads.message(guild_id=self.guild.id, channel_id=self.guild.text_channel_ids[0])
        self.thread = world.draw_thread(self.guild, self.guild.thread_parent_ids[0])
        self.guild.threads[self.thread["id"]] = self.thread

    async def fill(self) -> None:
        self.feed("READY", self.world.ready())
        for guild_id in self.world.guilds:
            self.feed("GUILD_CREATE", self.world.guild_create(guild_id))
        self.feed("INVITE_CREATE", self.invite)
        self.feed("MESSAGE_CREATE", self.message)
        await self.feed.settle()
        await self.cache.set_dm_channel(self.direct)
        await self.cache.set_application(self.application)
        await self.cache.flush()

    def asked(self, alias: typing.Any) -> typing.Any:
        """Return the adapter for an alias."""
        return self.client.get_type_dependency(alias)


def first(table: collections.Mapping[str, Payload]) -> int:
    return int(next(iter(table)))


class Case(typing.NamedTuple):
    """One alias: the key of an entry (without its guild), and what else of the entry is known to be so."""

    alias: typing.Any
    key: collections.Callable[[Stock], typing.Any] = lambda _: None
    unknown: typing.Any = UNKNOWN
    default: type[Exception] = dependencies.EntryNotFound
    """What a stranger is answered unless the registration says otherwise."""

    interface: type[sake.abc.Resource] = sake.abc.Resource
    """The interface that is trusted or not."""


MISS, NONE = dependencies.CacheMissError, dependencies.EntryNotFound

ASKED = (
    Case(Sf[hikari.PermissibleGuildChannel], lambda s: first(s.guild.channels), interface=sake.abc.GuildChannelCache),
    Case(Sf[hikari.GuildThreadChannel], lambda s: int(s.thread["id"]), default=MISS, interface=sake.abc.ThreadCache),
    Case(Sf[hikari.DMChannel], lambda s: int(s.direct["id"]), default=MISS, interface=sake.abc.DMChannelCache),
    Case(Sf[hikari.KnownCustomEmoji], lambda s: first(s.guild.emojis), interface=sake.abc.EmojiCache),
    Case(Sf[hikari.Guild], lambda s: int(s.guild.id), interface=sake.abc.GuildCache),
    Case(
        AsyncCache[str, hikari.InviteWithMetadata],
        lambda s: s.invite["code"],
        unknown="no-invite",
        default=MISS,
        interface=sake.abc.InviteCache,
    ),
    Case(SfGuild[hikari.Member], lambda s: first(s.guild.members), interface=sake.abc.MemberCache),
    Case(SfGuild[hikari.MemberPresence], lambda s: first(s.guild.presences), interface=sake.abc.PresenceCache),
    Case(Sf[hikari.Role], lambda s: first(s.guild.roles), interface=sake.abc.RoleCache),
    Case(SfGuild[hikari.Role], lambda s: first(s.guild.roles), interface=sake.abc.RoleCache),
    Case(Sf[hikari.User], lambda s: first(s.guild.members), default=MISS, interface=sake.abc.UserCache),
    Case(Sf[hikari.Message], lambda s: int(s.message["id"]), default=MISS, interface=sake.abc.MessageCache),
    Case(SfGuild[hikari.VoiceState], lambda s: first(s.guild.voice_states), interface=sake.abc.VoiceStateCache),
    Case(Single[hikari.OwnUser], default=MISS, interface=sake.abc.MeCache),
    Case(Single[hikari.Application], default=MISS, interface=sake.abc.ApplicationCache),
    Case(Single[hikari.AuthorizationApplication], default=MISS, interface=sake.abc.ApplicationCache),
)
"""Every alias that Tanjun asks for."""

FURTHER = (
    Case(Sf[hikari.GatewayGuild], lambda s: int(s.guild.id), interface=sake.abc.GuildCache),
    Case(SfGuild[hikari.KnownCustomEmoji], lambda s: first(s.guild.emojis), interface=sake.abc.EmojiCache),
    Case(
        SfGuild[hikari.PermissibleGuildChannel],
        lambda s: first(s.guild.channels),
        interface=sake.abc.GuildChannelCache,
    ),
    Case(Sf[hikari.Invite], lambda s: s.invite["code"], "no-invite", MISS, sake.abc.InviteCache),
    Case(Sf[hikari.InviteWithMetadata], lambda s: s.invite["code"], "no-invite", MISS, sake.abc.InviteCache),
    Case(AsyncCache[str, hikari.Invite], lambda s: s.invite["code"], "no-invite", MISS, sake.abc.InviteCache),
    Case(Sf[hikari.GuildSticker], lambda s: first(s.guild.stickers), interface=sake.abc.StickerCache),
    Case(SfGuild[hikari.GuildSticker], lambda s: first(s.guild.stickers), interface=sake.abc.StickerCache),
    Case(SfGuild[hikari.GuildThreadChannel], lambda s: int(s.thread["id"]), UNKNOWN, MISS, sake.abc.ThreadCache),
)
"""What the predecessor registered besides, and what belongs with it."""

CASES = {repr(case.alias).replace("tanjun.dependencies.async_cache.", ""): case for case in (*ASKED, *FURTHER)}
by_case = pytest.mark.parametrize("name", CASES)


async def get(adapter: typing.Any, stock: Stock, key: typing.Any, **options: typing.Any) -> typing.Any:
    """Ask an adapter of any shape."""
    if isinstance(adapter, Single):
        return await adapter.get(**options)
    if isinstance(adapter, GuildBound):
        return await adapter.get_from_guild(hikari.Snowflake(stock.guild.id), key, **options)
    return await adapter.get(key, **options)


def make_client(bot: hikari.GatewayBot, **options: typing.Any) -> tanjun.Client:
    return tanjun.Client.from_gateway_bot(bot, event_managed=False, **options)


def id_of(model: typing.Any) -> typing.Any:
    for name in ("code", "id", "user_id"):
        if hasattr(model, name):
            return getattr(model, name)
    raise AssertionError(model)


@pytest_asyncio.fixture
async def stock(cache: sake.RedisCache, bot: hikari.GatewayBot, feed: gateway.Feed) -> Stock:
    """A filled cache that is registered with a client in the default way."""
    client = make_client(bot)
    cache.add_to_tanjun(client)
    stock = Stock(testing.World(seed=7, guilds=2, members=40), cache, client, feed)
    await stock.fill()
    return stock


# The table


@by_case
async def test_every_alias_gives_a_working_adapter(stock: Stock, name: str) -> None:
    case = CASES[name]
    key = case.key(stock)
    adapter = stock.asked(case.alias)
    found = await get(adapter, stock, key)
    *_, model = typing.get_args(case.alias)
    assert isinstance(found, model)
    if key is not None:
        assert id_of(found) == key
        listed = {id_of(entry) async for entry in adapter.iter_all()}
        assert key in listed
        assert await adapter.iter_all().len() >= len(listed)


@by_case
async def test_the_entries_of_one_guild_are_iterated(stock: Stock, name: str) -> None:
    case = CASES[name]
    adapter = stock.asked(case.alias)
    if not isinstance(adapter, GuildBound):
        assert not hasattr(case.alias, "iter_for_guild")
        return

    entries = adapter.iter_for_guild(hikari.Snowflake(stock.guild.id))
    count = await entries.len()
    found = [id_of(entry) for entry in await entries]
    assert case.key(stock) in found
    assert len(found) == len(set(found)) == count
    assert [entry async for entry in adapter.iter_for_guild(UNKNOWN)] == []
    assert await adapter.iter_for_guild(UNKNOWN).len() == 0


@pytest.mark.parametrize("interfaces", [(sake.redis.RoleCache,), (sake.redis.MemberCache, sake.redis.InviteCache)])
async def test_only_what_the_client_has_is_registered(bot: hikari.GatewayBot, interfaces: tuple[type, ...]) -> None:
    mixed = type("Mixed", interfaces, {"__slots__": ()})
    client = make_client(bot)
    mixed("redis://localhost", bot).add_to_tanjun(client)
    for case in (*ASKED, *FURTHER):
        has = issubclass(mixed, case.interface)
        assert (client.get_type_dependency(case.alias, default=None) is not None) is has, case


def implemented(cls: type) -> list[type]:
    return [
        interface
        for module in (sake.abc, sake.redis)
        for interface in vars(module).values()
        if inspect.isclass(interface) and issubclass(cls, interface) and interface is not object
    ]


class Mixed(sake.redis.RoleCache, sake.redis.VoiceStateCache):
    """Two resources."""


@pytest.mark.parametrize("cls", [sake.RedisCache, Mixed])
def test_f36_every_interface_and_class_of_the_client_is_registered_and_no_other(
    bot: hikari.GatewayBot, cls: type[sake.redis.ResourceClient]
) -> None:
    cache = cls("redis://localhost", bot)
    client = make_client(bot)
    cache.add_to_tanjun(client)
    expected = set(implemented(cls))
    assert {sake.abc.RefRoleCache, sake.abc.RefVoiceStateCache, sake.abc.RoleCache, sake.abc.Resource} <= expected
    everything = [interface for module in (sake.abc, sake.redis) for interface in vars(module).values()]
    for interface in filter(inspect.isclass, everything):
        found = client.get_type_dependency(interface, default=None)
        assert (found is cache) is (interface in expected), interface
    assert client.get_type_dependency(cls) is cache


async def test_f36_injected_ref_interfaces_answer(stock: Stock) -> None:
    async def count(
        roles: alluka.Injected[sake.abc.RefRoleCache], states: alluka.Injected[sake.abc.RefVoiceStateCache]
    ) -> tuple[int, int]:
        guild = hikari.Snowflake(stock.guild.id)
        return await roles.iter_roles_for_guild(guild).len(), await states.iter_voice_states_for_guild(guild).len()

    found = await stock.client.injector.call_with_async_di(count)
    assert found == (len(stock.guild.roles), len(stock.guild.voice_states))


@pytest.mark.parametrize("cls", [sake.RedisCache, Mixed])
def test_alluka_without_tanjun_gets_the_plain_interfaces(
    bot: hikari.GatewayBot, cls: type[sake.redis.ResourceClient]
) -> None:
    cache = cls("redis://localhost", bot)
    client = alluka.Client()
    cache.add_to_alluka(client)
    assert {interface for interface in implemented(cls) if client.get_type_dependency(interface) is cache} == set(
        implemented(cls)
    )
    assert client.get_type_dependency(cls) is cache
    assert client.get_type_dependency(Sf[hikari.Role], default=None) is None


async def test_f35_invites_are_found_by_their_code_under_both_aliases(stock: Stock) -> None:
    for alias in (Sf[hikari.Invite], AsyncCache[str, hikari.InviteWithMetadata]):
        assert (await stock.asked(alias).get(stock.invite["code"])).code == stock.invite["code"]


# Trust


def answer_to(case: Case, trusted: typing.Any) -> type[Exception]:
    if trusted is None or case.interface is sake.abc.ApplicationCache:
        return case.default
    return NONE if case.interface in trusted else MISS


async def assert_answered(stock: Stock, case: Case, expected: type[Exception]) -> None:
    adapter = stock.asked(case.alias)
    if isinstance(adapter, Single):
        # The bot is not started, so it cannot ask Discord for the application either.
        await stock.cache.delete_me()
        await stock.cache.delete_application()
    with pytest.raises(dependencies.CacheMissError) as caught:
        await get(adapter, stock, case.unknown)
    assert type(caught.value) is expected
    assert isinstance(caught.value.__cause__, Exception)
    assert await get(adapter, stock, case.unknown, default=None) is None
    assert await get(adapter, stock, case.unknown, default="x") == "x"


INTERFACES = sorted({case.interface for case in CASES.values()}, key=lambda interface: interface.__name__)


@pytest.mark.parametrize("trusted", [None, (), *((interface,) for interface in INTERFACES)])
async def test_f16_what_is_not_trusted_is_a_miss_and_what_is_does_not_exist(
    stock: Stock, bot: hikari.GatewayBot, trusted: typing.Any
) -> None:
    stock.client = make_client(bot)
    stock.cache.add_to_tanjun(stock.client, trust_get_for=trusted)
    for case in CASES.values():
        await assert_answered(stock, case, answer_to(case, trusted))


async def test_f16_a_class_stands_for_all_of_its_interfaces(stock: Stock, bot: hikari.GatewayBot) -> None:
    client = stock.client = make_client(bot)
    stock.cache.add_to_tanjun(client, trust_get_for={sake.redis.RoleCache, sake.redis.UserCache})
    for case in CASES.values():
        trusted = case.interface in (sake.abc.RoleCache, sake.abc.UserCache, sake.abc.MeCache)
        await assert_answered(stock, case, NONE if trusted else MISS)


@pytest.mark.parametrize("wrong", [hikari.Role, dict, sake.abc.Resource])
def test_trusting_what_is_no_resource_is_refused_and_nothing_is_registered(
    bot: hikari.GatewayBot, wrong: typing.Any
) -> None:
    client = make_client(bot)
    with pytest.raises(TypeError, match="trust_get_for"):
        sake.RedisCache("redis://localhost", bot).add_to_tanjun(client, trust_get_for={sake.abc.RoleCache, wrong})
    assert client.get_type_dependency(Sf[hikari.Role], default=None) is None


async def test_a_member_of_a_guild_whose_list_is_not_complete_may_exist(
    stock: Stock, feed: gateway.Feed, bot: hikari.GatewayBot
) -> None:
    members = stock.asked(SfGuild[hikari.Member])
    guild = hikari.Snowflake(stock.guild.id)
    with pytest.raises(dependencies.EntryNotFound):
        await members.get_from_guild(guild, UNKNOWN)
    some = stock.world.guild_create(stock.guild.id)
    some["members"] = some["members"][:2]
    feed("GUILD_CREATE", some)
    await feed.settle()
    assert not await stock.cache.is_member_list_complete(guild)
    with pytest.raises(dependencies.CacheMissError) as caught:
        await members.get_from_guild(guild, UNKNOWN)
    assert type(caught.value) is dependencies.CacheMissError
    assert (await members.get_from_guild(guild, int(some["members"][0]["user"]["id"]))).guild_id == guild


BOUND = [name for name, case in CASES.items() if case.default is NONE and case.interface is not sake.abc.GuildCache]


@pytest.mark.parametrize("name", BOUND)
async def test_while_its_guild_is_unavailable_nothing_is_known_not_to_exist(
    stock: Stock, feed: gateway.Feed, name: str
) -> None:
    case = CASES[name]
    feed("GUILD_DELETE", {"id": stock.guild.id, "unavailable": True})
    await feed.settle()
    await assert_answered(stock, case, MISS)
    assert id_of(await get(stock.asked(case.alias), stock, case.key(stock))) == case.key(stock)
    feed("GUILD_CREATE", stock.world.guild_create(stock.guild.id))
    await feed.settle()
    await assert_answered(stock, case, NONE)


async def test_a_guild_that_is_unavailable_and_not_stored_may_exist(stock: Stock, feed: gateway.Feed) -> None:
    guilds = stock.asked(Sf[hikari.Guild])
    feed("GUILD_CREATE", {"id": str(UNKNOWN), "unavailable": True})
    await feed.settle()
    with pytest.raises(dependencies.CacheMissError) as caught:
        await guilds.get(UNKNOWN)
    assert type(caught.value) is dependencies.CacheMissError
    with pytest.raises(dependencies.EntryNotFound):
        await guilds.get(UNKNOWN + 1)


@pytest.mark.parametrize("name", [name for name in BOUND if "GuildBoundCache" in name])
async def test_of_a_guild_that_has_not_arrived_nothing_is_known(stock: Stock, name: str) -> None:
    with pytest.raises(dependencies.CacheMissError) as caught:
        await stock.asked(CASES[name].alias).get_from_guild(UNKNOWN, UNKNOWN)
    assert type(caught.value) is dependencies.CacheMissError


async def test_a_client_without_guilds_knows_what_is_in_those_that_it_received(
    make_cache: typing.Any, bot: typing.Any, feed: gateway.Feed
) -> None:
    cache = await make_cache(Mixed)
    client = make_client(bot)
    cache.add_to_tanjun(client)
    roles, states = (client.get_type_dependency(alias) for alias in (Sf[hikari.Role], SfGuild[hikari.VoiceState]))
    world = testing.World(seed=7, guilds=1, members=2)
    guild = next(iter(world.guilds))

    async def answers() -> list[type[Exception]]:
        found: list[type[Exception]] = []
        for answer in (roles.get(UNKNOWN), states.get_from_guild(int(guild), UNKNOWN)):
            with pytest.raises(dependencies.CacheMissError) as caught:
                await answer
            found.append(type(caught.value))
        return found

    assert await answers() == [MISS, MISS]
    feed("READY", world.ready())
    assert await answers() == [MISS, MISS]
    feed("GUILD_CREATE", world.guild_create(guild))
    assert await answers() == [NONE, NONE]


async def test_a_member_whose_user_expired_is_still_found_as_a_user(stock: Stock) -> None:
    users = stock.asked(Sf[hikari.User])
    await stock.cache.clear_users()
    for user_id in stock.guild.members:
        found = await users.get(int(user_id))
        assert (found.id, found.username) == (int(user_id), stock.world.users[user_id]["username"])


async def test_a_trusted_user_may_exist_while_any_member_list_is_not_complete(
    stock: Stock, feed: gateway.Feed, bot: hikari.GatewayBot
) -> None:
    stock.client = make_client(bot)
    stock.cache.add_to_tanjun(stock.client, trust_get_for=[sake.abc.UserCache])
    users = stock.asked(Sf[hikari.User])
    with pytest.raises(dependencies.EntryNotFound):
        await users.get(UNKNOWN)
    some = stock.world.guild_create(stock.guild.id)
    some["members"] = some["members"][:2]
    feed("GUILD_CREATE", some)
    await feed.settle()
    await stock.cache.clear_users()
    assert (await users.get(int(some["members"][0]["user"]["id"]))).username
    with pytest.raises(dependencies.CacheMissError) as caught:
        await users.get(UNKNOWN)
    assert type(caught.value) is dependencies.CacheMissError


class Users(sake.redis.UserCache):
    """Users alone."""


async def test_users_are_not_trusted_where_members_are_not_cached(make_cache: typing.Any, bot: typing.Any) -> None:
    cache = await make_cache(Users)
    for trusted, expected in ((None, MISS), ({sake.abc.UserCache}, NONE), ((), MISS)):
        client = make_client(bot)
        cache.add_to_tanjun(client, trust_get_for=trusted)
        with pytest.raises(dependencies.CacheMissError) as caught:
            await client.get_type_dependency(Sf[hikari.User]).get(UNKNOWN)
        assert type(caught.value) is expected


@pytest.mark.parametrize("trusted", [None, [sake.abc.UserCache]])
async def test_of_very_many_guilds_the_members_are_not_searched(
    stock: Stock, feed: gateway.Feed, bot: hikari.GatewayBot, trusted: typing.Any
) -> None:
    stock.client = make_client(bot)
    stock.cache.add_to_tanjun(stock.client, trust_get_for=trusted)
    empty = {**stock.world.guild_create(stock.guild.id), **dict.fromkeys(_names.LISTS, ())}
    for guild_id in range(1, 101):
        feed("GUILD_CREATE", {**empty, "id": str(guild_id)})
    await feed.settle()
    await stock.cache.clear_users()
    with pytest.raises(dependencies.CacheMissError) as caught:
        await stock.asked(Sf[hikari.User]).get(first(stock.guild.members))
    assert type(caught.value) is dependencies.CacheMissError


# A cache that cannot be asked


async def assert_knows_nothing(stock: Stock) -> None:
    for case in CASES.values():
        adapter, key = stock.asked(case.alias), case.key(stock)
        assert await get(adapter, stock, key, default=None) is None
        with pytest.raises(dependencies.CacheMissError) as caught:
            await get(adapter, stock, key)
        assert type(caught.value) is dependencies.CacheMissError
        iterators = [adapter.iter_all] if hasattr(case.alias, "iter_all") else []
        if isinstance(adapter, GuildBound):
            iterators.append(lambda bound=adapter: bound.iter_for_guild(hikari.Snowflake(stock.guild.id)))
        for iterate in iterators:
            assert [entry async for entry in iterate()] == []
            assert list(await iterate()) == []
            assert await iterate().len() == 0


async def test_a_closed_cache_answers_misses_and_empty_iterators_and_logs_nothing(
    stock: Stock, caplog: pytest.LogCaptureFixture
) -> None:
    await stock.cache.close()
    with caplog.at_level(logging.INFO):
        await assert_knows_nothing(stock)
    assert caplog.records == []


async def test_a_cache_whose_server_is_away_answers_misses_and_logs_it_once_a_minute(
    own: own_server.OwnServer,
    bot: hikari.GatewayBot,
    feed: gateway.Feed,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(_asker, "time", types.SimpleNamespace(monotonic=lambda: now))
    async with sake.RedisCache(own.url, bot, bot.event_manager) as cache:
        client = make_client(bot)
        cache.add_to_tanjun(client)
        stock = Stock(testing.World(seed=7, guilds=1, members=4), cache, client, feed)
        await stock.fill()
        roles = stock.asked(Sf[hikari.Role])
        assert await roles.get(int(stock.guild.id))
        own.kill()

        def logged() -> list[str]:
            return [record.getMessage() for record in caplog.records if record.name == "sake.tanjun"]

        await assert_knows_nothing(stock)
        assert len(logged()) == 1
        now += 59.9
        await roles.get(1, default=None)
        assert len(logged()) == 1
        now += 0.2
        await roles.get(1, default=None)
        assert len(logged()) == 2
        assert int(re.search(r"(\d+) more times", logged()[1]).group(1)) > len(CASES)

        own.start()
        await stock.fill()
        assert await roles.get(int(stock.guild.id))
        assert len(logged()) == 2


async def test_unreadable_bytes_are_a_miss(stock: Stock, raw_database: typing.Any) -> None:
    await raw_database(int(sake.redis.ResourceIndex.ROLE)).hset(
        keys.in_guild("role", stock.guild.id), stock.guild.id, b"?"
    )
    for alias in (Sf[hikari.Role], SfGuild[hikari.Role]):
        with pytest.raises(dependencies.CacheMissError) as caught:
            await get(stock.asked(alias), stock, int(stock.guild.id))
        assert type(caught.value) is dependencies.CacheMissError
        assert isinstance(caught.value.__cause__, sake.InvalidDataFound)


async def test_roles_without_everyone_are_no_roles_so_that_tanjun_asks_rest(stock: Stock) -> None:
    roles = stock.asked(SfGuild[hikari.Role])
    guild = hikari.Snowflake(stock.guild.id)
    assert len(await roles.iter_for_guild(guild)) == len(stock.guild.roles)
    await stock.cache.delete_role(guild, guild_id=guild)
    assert list(await roles.iter_for_guild(guild)) == []


async def test_an_iterator_that_loses_the_cache_half_way_does_not_look_finished(stock: Stock) -> None:
    entries = stock.asked(SfGuild[hikari.Member]).iter_for_guild(hikari.Snowflake(stock.guild.id))
    assert await anext(entries)
    await stock.cache.close()
    with pytest.raises(dependencies.CacheMissError):
        async for _ in entries:
            pass


# Opening and closing


def managed(url: str, bot: hikari.GatewayBot, **options: typing.Any) -> tuple[sake.RedisCache, tanjun.Client]:
    cache, client = sake.RedisCache(url, bot, **options), make_client(bot)
    cache.add_to_tanjun(client, tanjun_managed=True)
    return cache, client


async def test_a_managed_cache_opens_and_closes_with_the_client_again_and_again(
    server: servers.Server, bot: hikari.GatewayBot
) -> None:
    cache, client = managed(server.url, bot, **server.options)
    seen: list[bool] = []
    client.add_client_callback(tanjun.ClientCallbackNames.CLOSING, lambda: seen.append(cache.is_alive))
    client.add_component(tanjun.Component().add_on_open(lambda: seen.append(cache.is_alive)))
    for _ in range(2):
        assert not cache.is_alive
        async with client:
            assert cache.is_alive
        assert not cache.is_alive
        assert seen == [True, True], "it is there for components that open, and until the client has closed"
        seen.clear()


async def test_a_cache_that_is_not_managed_is_left_alone(server: servers.Server, bot: hikari.GatewayBot) -> None:
    cache, client = sake.RedisCache(server.url, bot, **server.options), make_client(bot)
    cache.add_to_tanjun(client)
    async with client:
        assert not cache.is_alive
        await cache.open()
    assert cache.is_alive
    await cache.close()


async def test_a_managed_cache_is_opened_at_once_when_the_client_is_alive_already(
    server: servers.Server, bot: hikari.GatewayBot
) -> None:
    cache, client = sake.RedisCache(server.url, bot, **server.options), make_client(bot)
    async with client:
        cache.add_to_tanjun(client, tanjun_managed=True)
        await own_server.eventually(lambda: cache.is_alive)
    assert not cache.is_alive
    async with client:
        assert cache.is_alive
    assert not cache.is_alive


async def test_two_managed_caches_share_a_client(server: servers.Server, bot: hikari.GatewayBot) -> None:
    client = make_client(bot)
    caches = [sake.RedisCache(server.url, bot, namespace=name, **server.options) for name in ("one", "two")]
    for cache in caches:
        cache.add_to_tanjun(client, tanjun_managed=True)
    async with client:
        assert [cache.is_alive for cache in caches] == [True, True]
    assert [cache.is_alive for cache in caches] == [False, False]


async def test_a_managed_cache_that_cannot_be_opened_stops_the_start(
    own: own_server.OwnServer, bot: hikari.GatewayBot
) -> None:
    own.kill()
    cache, client = managed(own.url, bot)
    with pytest.raises(sake.BackendError, match=re.escape(str(own.socket))):
        await client.open()
    assert not cache.is_alive
    await client.close()

    own.start()
    async with client:
        assert cache.is_alive


async def test_a_managed_cache_that_cannot_be_opened_late_is_logged_and_tanjun_works_without_it(
    own: own_server.OwnServer, bot: hikari.GatewayBot, caplog: pytest.LogCaptureFixture
) -> None:
    own.kill()
    client, cache = make_client(bot), sake.RedisCache(own.url, bot)
    async with client:
        cache.add_to_tanjun(client, tanjun_managed=True)
        await own_server.eventually(lambda: "cannot be opened" in caplog.text)
        assert client.is_alive
        assert not cache.is_alive
        assert await client.get_type_dependency(Sf[hikari.Role]).get(UNKNOWN, default=None) is None


# Without Tanjun


def test_importing_sake_does_not_import_tanjun() -> None:
    code = "import sys, sake; sys.exit(any(name in sys.modules for name in ('tanjun', 'alluka', 'sake._tanjun')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_tanjun_its_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['tanjun'] = None\n"
        "import hikari, sake\n"
        "rest = hikari.GatewayBot('MTAwMDAwMDAwMDAwMDAwMDAw.none.none', banner=None, logs=None)\n"
        "try:\n"
        "    sake.RedisCache('redis://localhost', rest).add_to_tanjun(None)\n"
        "except ImportError as exc:\n"
        "    print(exc)\n"
    )
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    assert 'pip install "sake-cache[tanjun]"' in found.stdout


def test_the_guide_tells_of_every_resource_whether_it_is_trusted() -> None:
    guide = (pathlib.Path(__file__).parents[2] / "docs" / "guides" / "tanjun.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z, ]+) \| (yes|no) \|", guide, re.MULTILINE)
    told = {name: trusted == "yes" for names, trusted in rows for name in names.split(", ")}
    several = [row for row in _table.ROWS if row.shape is not _table.Shape.SINGLE]
    methods = {row.name.iter_all.removeprefix("iter_").replace("dm_", "direct_message_"): row for row in several}
    single = {"the own user": False, "the application": False}
    assert told == {name.replace("_", " "): row.is_trusted for name, row in methods.items()} | single
