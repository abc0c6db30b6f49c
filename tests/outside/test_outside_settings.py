# SPDX-License-Identifier: BSD-3-Clause
"""What is said of settings and arguments that cannot be, in sentences that help."""

from __future__ import annotations

import asyncio
import inspect
import typing
import warnings

import hikari
import pytest
import redis.asyncio
from _support import gateway
from _support import own_server
from _support import samples
from _support import servers

import sake
import sake.redis
from sake import testing

# The application


@pytest.mark.parametrize("app", [None, 1, "token", object(), hikari.GatewayBot, hikari.RESTBot])
def test_what_is_no_application_is_refused_by_name_when_the_cache_is_made(app: typing.Any) -> None:
    with pytest.raises(TypeError, match="app must be a bot or a REST client") as caught:
        sake.RedisCache(samples.ADDRESS, app)
    named = app.__name__ if isinstance(app, type) else type(app).__name__
    assert named in str(caught.value)


async def test_an_app_of_rest_clients_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match=r"RESTApp.*acquire\(\)"):
        sake.RedisCache(samples.ADDRESS, typing.cast("typing.Any", hikari.RESTApp()))


@pytest.mark.parametrize("address", [None, 6379, b"redis://localhost"])
def test_an_address_that_is_no_text_is_refused_by_name(address: typing.Any) -> None:
    with pytest.raises((TypeError, ValueError), match="address must"):
        samples.make_cache(address=address)


@pytest.mark.parametrize("options", [{"address": "redis://u:\ud800@localhost"}, {"password": "\ud800"}])
def test_a_text_that_cannot_be_sent_is_refused_by_name_and_not_shown(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be") as caught:
        samples.make_cache(**options)
    assert "ud800" not in ascii(caught.value)


@pytest.mark.parametrize("options", [{"nonsense": 1}, {"socket_timeout": "1"}])
def test_an_option_that_redis_py_cannot_use_is_refused_by_name(options: dict[str, typing.Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        samples.make_cache(connection_options=options)


@pytest.mark.parametrize("name", ["db", "host", "path", "port"])
def test_an_option_that_the_address_tells_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}.*address"):
        samples.make_cache(connection_options={name: "3"})


@pytest.mark.parametrize("address", ["embedded:///3", "embedded://host", "embedded://?maxmemory=3"])
def test_an_address_of_a_bundled_server_that_says_more_is_refused_with_a_hint(address: str) -> None:
    with pytest.raises(ValueError, match=r"address.*database="):
        samples.make_cache(address=address)


@pytest.mark.parametrize("name", ["config", "connection_options", "dumps", "loads", "password"])
def test_a_setting_of_another_kind_is_refused_by_name_and_not_shown(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be .*, not int$"):
        samples.make_cache(**{name: 5})


@pytest.mark.parametrize("options", [{"read_timeout": 10**400}, {"connection_options": {"socket_timeout": 10**400}}])
def test_a_time_that_no_clock_can_tell_is_refused_by_name(options: dict[str, typing.Any]) -> None:
    with pytest.raises(ValueError, match=r"timeout must be a positive number of seconds"):
        samples.make_cache(**options)


@pytest.mark.parametrize("window_size", [None, "5", 1.5, float("inf")])
def test_a_window_that_is_no_whole_number_is_refused_by_name(window_size: typing.Any) -> None:
    with pytest.raises(ValueError, match="window_size"):
        samples.make_cache().iter_roles(window_size=window_size)


# Namespaces


_LIKE_KEYS: typing.Final = ("user", "invite", "guilds", "guild-of", "meta", "sake", "1", "guild.7", "x" * 64)


@pytest.mark.parametrize("namespace", _LIKE_KEYS)
def test_a_namespace_may_be_called_like_anything_that_is_stored(namespace: str) -> None:
    assert samples.make_cache(namespace=namespace)


async def test_every_key_begins_with_the_namespace_and_without_one_with_that_of_sake(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    caches = [await make_cache(database=0, **options) for options in ({}, {"namespace": "user"})]
    feed("GUILD_CREATE", samples.whole_guild())
    for cache in caches:
        await cache.flush()
    # Each writer numbers its batches under a name of its own.
    stored = [key.decode() async for key in raw.scan_iter() if b":epoch:" not in key]
    ours = {key for key in stored if key.startswith("sake:")}
    theirs = {key for key in stored if key.startswith("user:")}
    assert ours | theirs == set(stored)
    assert {key.removeprefix("sake:") for key in ours} == {key.removeprefix("user:") for key in theirs}


def test_no_namespace_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="namespace"):
        samples.make_cache(namespace=None)


@pytest.mark.parametrize("length", [65, 100_000])
def test_a_long_namespace_is_refused_in_a_short_sentence(length: int) -> None:
    with pytest.raises(ValueError, match=r"namespace.*64") as caught:
        samples.make_cache(namespace="x" * length)
    assert len(str(caught.value)) < 300


# Use


def test_a_plain_with_says_that_it_has_to_be_async() -> None:
    with pytest.raises(TypeError, match=r"RedisCache.*async with"), typing.cast("typing.Any", samples.make_cache()):
        pass


SETTERS = sorted(name for name in dir(sake.RedisCache) if name.startswith(("set_", "update_")))


@pytest.mark.parametrize("name", SETTERS)
async def test_what_takes_payloads_says_so_when_it_is_given_a_model(
    server: servers.Server, raw: typing.Any, name: str
) -> None:
    app = gateway.make_bot().rest
    make = testing.Payloads(seed=1)
    models = [
        app.entity_factory.deserialize_user(make.user()),
        app.entity_factory.deserialize_member(make.member(), guild_id=hikari.Snowflake(7)),
        app.entity_factory.deserialize_role(make.role(), guild_id=hikari.Snowflake(7)),
    ]
    async with sake.RedisCache(server.url, app, database=0, **server.options) as cache:
        method = getattr(cache, name)
        first = (7,) if "guild_id" in inspect.signature(method).parameters else ()
        for given in (*models, None, "x", 1, [("id", "1")]):
            with pytest.raises(TypeError, match=f"{type(given).__name__}.*payload|payload.*{type(given).__name__}"):
                await method(*first, given)
    assert await raw.dbsize() == 0


@pytest.mark.parametrize("name", SETTERS)
def test_what_takes_payloads_documents_that_nothing_else_is_taken(name: str) -> None:
    documented = (inspect.getdoc(getattr(sake.RedisCache, name)) or "").partition("Raises")[2]
    assert "TypeError\n    If what is given is no mapping" in documented


async def test_what_there_is_one_of_is_not_called_by_its_key_when_it_is_missing(server: servers.Server) -> None:
    async with samples.make_cache(address=server.url, database=0, **server.options) as cache:
        with pytest.raises(sake.EntryNotFound) as caught:
            await cache.get_me()
        assert str(caught.value) == "The bot's own user is not stored"
        with pytest.raises(sake.EntryNotFound) as caught:
            await cache.get_application()
        assert str(caught.value) == "The bot's application is not stored"
        with pytest.raises(sake.EntryNotFound) as caught:
            await cache.get_role(5, guild_id=6)
        assert str(caught.value) == "Role 5 of guild 6 is not stored"


# Intents and event managers


def test_missing_intents_are_one_warning_that_names_each_class_at_the_line_that_made_the_cache() -> None:
    bot = gateway.make_bot(intents=hikari.Intents.NONE)
    with pytest.warns() as caught:
        made = sake.RedisCache(samples.ADDRESS, bot, bot.event_manager)
    assert made
    (warning,) = caught
    assert warning.category is hikari.MissingIntentWarning
    assert warning.filename == __file__
    text = str(warning.message)
    for base in (sake.redis.MemberCache, sake.redis.RoleCache, sake.redis.MessageCache, sake.redis.InviteCache):
        assert base.__name__ in text
    for intent in sake.RedisCache.all_intents():
        assert str(intent.name) in text


def test_missing_intents_are_told_at_the_line_of_a_class_of_ones_own() -> None:
    class Own(sake.redis.RoleCache):
        def __init__(self, bot: hikari.GatewayBot) -> None:
            super().__init__(samples.ADDRESS, bot, bot.event_manager)

    with pytest.warns(hikari.MissingIntentWarning, match="RoleCache") as caught:
        Own(gateway.make_bot(intents=hikari.Intents.NONE))
    assert caught[0].filename == __file__


_UNFED = "sake.redis._client.feed._UNFED_SECONDS"


def _warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "event_manager" in record.getMessage()]


async def test_a_cache_beside_a_running_bot_that_nothing_fills_is_told_of_once(
    own: own_server.OwnServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_UNFED, 0.01)
    async with testing.LoopbackDiscord(testing.World(seed=6, guilds=1, members=5)) as discord:
        bot = discord.bot()
        async with discord.running(bot), sake.RedisCache(own.url, bot, database=0) as cache:
            await own_server.eventually(lambda: _warned(caplog))
            assert await cache.iter_roles().len() == 0
    (text,) = _warned(caplog)
    assert "RedisCache" in text
    assert "event_manager=bot.event_manager" in text


@pytest.mark.parametrize("way", ["set by hand", "given the event manager", "given the REST client", "not started"])
async def test_a_cache_that_is_meant_to_be_as_it_is_gets_no_such_advice(
    own: own_server.OwnServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    monkeypatch.setattr(_UNFED, 0.01)
    async with testing.LoopbackDiscord(testing.World(seed=6, guilds=1, members=5)) as discord:
        bot = discord.bot()
        manager = bot.event_manager if way == "given the event manager" else None
        app = bot.rest if way == "given the REST client" else bot
        cache = sake.RedisCache(own.url, app, manager, database=0)
        if way == "not started":
            async with cache:
                await asyncio.sleep(0.1)
        else:
            async with discord.running(bot), cache:
                if way == "set by hand":
                    await cache.set_user(testing.Payloads(seed=1).user())
                await asyncio.sleep(0.1)
    assert _warned(caplog) == []


# How a cache shows itself


async def test_a_cache_shows_its_class_address_databases_and_whether_it_is_open(server: servers.Server) -> None:
    class Roles(sake.redis.RoleCache):
        pass

    cache = samples.make_cache(Roles, address=server.url, namespace="bot-a", **server.options)
    for index in (sake.redis.ResourceIndex.ROLE, sake.redis.ResourceIndex.REFERENCE):
        cache.with_index_override(index, override=3)
    closed = repr(cache)
    async with cache:
        opened = repr(cache)
    assert repr(cache) == closed != opened
    for text in (closed, opened):
        assert "Roles" in text
        assert server.url.rpartition("?")[0] or server.url in text
        assert "database 3" in text
        assert "bot-a" in text
    assert "closed" in closed
    assert "open" in opened
    assert str(cache) == closed


@pytest.mark.parametrize(
    "address",
    [
        "redis://user:hunter2@localhost:6379/0",
        "redis://:hunter2@localhost",
        "rediss://localhost?password=hunter2",
        "unix://user:hunter2@/run/x.sock",
    ],
)
def test_a_cache_does_not_show_its_password(address: str) -> None:
    assert "hunter2" not in repr(samples.make_cache(address=address, password="hunter2"))


def test_a_cache_with_a_server_of_its_own_shows_no_host() -> None:
    assert "embedded://," in repr(samples.make_cache(address="embedded://"))


def test_a_cache_of_many_databases_shows_them_all() -> None:
    text = repr(samples.make_cache())
    assert "databases 0, 1, 2, 3" in text
    assert "database 0," in repr(samples.make_cache(database=0))


def test_a_warning_is_not_an_error_for_what_has_all_intents() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bot = gateway.make_bot()
        assert sake.RedisCache(samples.ADDRESS, bot, bot.event_manager)
