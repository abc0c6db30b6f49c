# SPDX-License-Identifier: BSD-3-Clause
"""The bot's own application and its direct message channels: what is stored of them, from what, and for how long."""

from __future__ import annotations

import asyncio
import copy
import datetime
import typing
from collections import abc as collections

import attr
import hikari
import hypothesis
import pytest
import redis.asyncio
from _support import gateway
from _support import keys
from _support import models
from _support import own_server
from _support import servers
from hypothesis import strategies

import sake
import sake.redis
from sake import testing
from sake.redis._model import models as _models

Payload = dict[str, typing.Any]
RawDatabase = collections.Callable[[int], redis.asyncio.Redis]

APPLICATION = int(sake.redis.ResourceIndex.APPLICATION)
DM_CHANNEL = int(sake.redis.ResourceIndex.DM_CHANNEL)
WEEK = 604_800_000


def full(payloads: testing.Payloads) -> Payload:
    """Build an application that has everything."""
    team = {
        "id": payloads.snowflake(),
        "name": "a team",
        "icon": payloads.digest(),
        "owner_user_id": "11",
        "members": [
            {"membership_state": 2, "permissions": ["*"], "team_id": "77", "user": payloads.user(id="11")},
            {"membership_state": 1, "permissions": ["*"], "team_id": "77", "user": payloads.user(id="12")},
        ],
    }
    return payloads.application(
        icon=payloads.digest(),
        owner=payloads.user(
            accent_color=0xFF00FF,
            banner=payloads.digest(),
            bot=True,
            system=True,
            public_flags=131_136,
            avatar_decoration_data={"asset": "a_b", "sku_id": "5", "expires_at": 1_893_456_000},
            primary_guild={"identity_guild_id": "9", "identity_enabled": True, "tag": "TAG", "badge": "b"},
        ),
        team=team,
        bot_public=True,
        bot_require_code_grant=True,
        rpc_origins=["https://example.com"],
        cover_image=payloads.digest(),
        terms_of_service_url="https://example.com/terms",
        privacy_policy_url="https://example.com/privacy",
        role_connections_verification_url="https://example.com/verify",
        custom_install_url="https://example.com/install",
        tags=["one", "two"],
        install_params={"scopes": ["bot", "applications.commands"], "permissions": "8"},
        integration_types_config={
            "0": {"oauth2_install_params": {"scopes": ["bot"], "permissions": "2048"}},
            "1": {"oauth2_install_params": {"scopes": ["applications.commands"], "permissions": "0"}},
        },
        approximate_guild_count=3,
        approximate_user_install_count=4,
        event_webhooks_url="https://example.com/events",
        event_webhooks_status=2,
        event_webhooks_types=["APPLICATION_AUTHORIZED"],
    )


def deep(model: typing.Any) -> typing.Any:
    """Return all fields of a model and of the models in it."""
    if attr.has(type(model)):
        names = [field.name for field in attr.fields(type(model)) if field.name not in {"app", "_app"}]
        return {name: deep(getattr(model, name)) for name in names}
    if isinstance(model, collections.Mapping):
        return {key: deep(value) for key, value in model.items()}
    if isinstance(model, (list, tuple)):
        return [deep(value) for value in model]
    return model


FACTORY = gateway.make_bot().entity_factory


# Models back to payloads


def test_an_application_made_of_its_model_is_the_same_field_by_field() -> None:
    model = FACTORY.deserialize_application(full(testing.Payloads(seed=3)))
    assert all(value or value is None for value in deep(model).values()), "a field is not tried"
    assert deep(FACTORY.deserialize_application(_models.application_payload(model))) == deep(model)


@hypothesis.given(left_out=strategies.sets(strategies.sampled_from(sorted(full(testing.Payloads(seed=3))))))
def test_an_application_without_some_of_it_is_the_same_field_by_field(left_out: set[str]) -> None:
    needed = set(testing.Payloads(seed=3).application()) - {
        "icon",
        "team",
        "rpc_origins",
        "tags",
        "integration_types_config",
    }
    payload = {
        key: value for key, value in full(testing.Payloads(seed=3)).items() if key in needed or key not in left_out
    }
    model = FACTORY.deserialize_application(payload)
    assert deep(FACTORY.deserialize_application(_models.application_payload(model))) == deep(model)


def test_a_direct_message_channel_made_of_its_model_is_the_same_field_by_field() -> None:
    payloads = testing.Payloads(seed=4)
    for recipient in (payloads.user(), full(payloads)["owner"]):
        model = FACTORY.deserialize_dm(payloads.dm_channel(recipient=recipient, last_message_id="55", name="x"))
        assert deep(FACTORY.deserialize_dm(_models.dm_channel_payload(model))) == deep(model)


# The application


async def test_a_stored_application_is_got_whole_and_expires(
    cache: sake.RedisCache, payloads: testing.Payloads, raw_database: RawDatabase
) -> None:
    payload = full(payloads)
    before = copy.deepcopy(payload)
    await cache.set_application(payload)
    assert deep(await cache.get_application()) == deep(FACTORY.deserialize_application(payload))
    assert payload == before
    left = await raw_database(APPLICATION).pttl(keys.single("application", "own"))
    assert WEEK - 60_000 < left <= WEEK


async def test_an_application_may_be_given_as_a_model(cache: sake.RedisCache, payloads: testing.Payloads) -> None:
    model = FACTORY.deserialize_application(full(payloads))
    await cache.set_application(model)
    assert deep(await cache.get_application()) == deep(model)


async def test_the_lifetime_of_the_application_can_be_set(
    make_cache: typing.Any, payloads: testing.Payloads, raw_database: RawDatabase
) -> None:
    cache = await make_cache()
    cache.with_application_expire(datetime.timedelta(minutes=1))
    await cache.set_application(payloads.application())
    assert 0 < await raw_database(APPLICATION).pttl(keys.single("application", "own")) <= 60_000
    await cache.set_application(payloads.application(), expire_time=5)
    assert 0 < await raw_database(APPLICATION).pttl(keys.single("application", "own")) <= 5_000
    cache.with_application_expire(float("inf"))
    await cache.set_application(payloads.application())
    assert await raw_database(APPLICATION).pttl(keys.single("application", "own")) == -1


async def test_what_is_not_stored_is_not_found(cache: sake.RedisCache) -> None:
    for get in (cache.get_application, cache.get_authorization_application):
        with pytest.raises(sake.EntryNotFound):
            await get()
    await cache.delete_application()


async def test_a_deleted_application_is_gone_in_both_forms(cache: sake.RedisCache, payloads: testing.Payloads) -> None:
    await cache.set_application(payloads.application())
    await cache.set_authorization_application(payloads.application())
    await cache.delete_application()
    for get in (cache.get_application, cache.get_authorization_application):
        with pytest.raises(sake.EntryNotFound):
            await get()


async def test_an_application_answers_for_its_authorization(cache: sake.RedisCache, payloads: testing.Payloads) -> None:
    payload = full(payloads)
    await cache.set_application(payload)
    found = await cache.get_authorization_application()
    assert isinstance(found, hikari.AuthorizationApplication)
    assert (found.id, found.name, found.public_key.hex()) == (int(payload["id"]), "loopback", payload["verify_key"])


async def test_an_authorization_is_no_application(cache: sake.RedisCache, payloads: testing.Payloads) -> None:
    await cache.set_authorization_application(payloads.application())
    assert await cache.get_authorization_application()
    with pytest.raises(sake.EntryNotFound):
        await cache.get_application()


@pytest.mark.parametrize("payload", [{}, {"id": "5"}, {"id": "5", "flags": 8}, {"owner": {}}])
async def test_a_partial_application_is_refused_and_changes_nothing(
    cache: sake.RedisCache, payloads: testing.Payloads, payload: Payload
) -> None:
    await cache.set_application(payloads.application(name="whole"))
    with pytest.raises(ValueError, match=r"id|owner"):
        await cache.set_application(payload)
    assert (await cache.get_application()).name == "whole"


async def test_the_partial_application_of_ready_never_replaces_the_whole_one(
    cache: sake.RedisCache, feed: gateway.Feed
) -> None:
    world = testing.World(seed=1, guilds=1, members=3)
    await cache.set_application(world.payloads.application(id=world.me["id"], name="whole"))
    for _ in range(3):
        feed("READY", world.ready())
        await feed.settle()
        await cache.flush()
        assert (await cache.get_application()).name == "whole"


async def test_the_application_of_another_bot_is_removed_by_ready(cache: sake.RedisCache, feed: gateway.Feed) -> None:
    world = testing.World(seed=1, guilds=1, members=3)
    await cache.set_application(world.payloads.application(id="5"))
    feed("READY", world.ready())
    async with asyncio.timeout(10):
        while True:
            try:
                await cache.get_application()
            except sake.EntryNotFound:
                break
    assert cache.statistics.skipped == 0


async def test_many_who_need_the_application_at_once_ask_discord_once_and_other_processes_never(
    server: servers.Server,
) -> None:
    async with (
        testing.LoopbackDiscord() as discord,
        discord.running() as bot,
        sake.RedisCache(server.url, bot, **server.options) as cache,
        sake.RedisCache(server.url, bot, **server.options) as other,
    ):
        found = await asyncio.gather(*(cache.fetch_application() for _ in range(20)))
        asked = [request for request in discord.requests if "applications" in request.path]
        assert len(asked) == 1
        discord.refuse_rest()
        again = [await cache.fetch_application(), await other.fetch_application(), await other.get_application()]
        assert {application.id for application in (*found, *again)} == {int(discord.world.me["id"])}
        assert (await other.fetch_authorization_application()).id == int(discord.world.me["id"])
        assert [request for request in discord.requests if "applications" in request.path] == asked


async def test_a_refusing_discord_is_told_with_its_cause(server: servers.Server) -> None:
    async with (
        testing.LoopbackDiscord() as discord,
        discord.running() as bot,
        sake.RedisCache(server.url, bot, **server.options) as cache,
    ):
        with pytest.raises(sake.EntryNotFound, match="Discord makes none"):
            await cache.fetch_dm_channel(5)
        discord.refuse_rest()
        for fetch in (cache.fetch_application, cache.fetch_authorization_application):
            with pytest.raises(sake.DiscordError, match="Discord") as caught:
                await fetch()
            assert isinstance(caught.value.exception, hikari.ForbiddenError)
        with pytest.raises(sake.EntryNotFound, match="Discord makes none"):
            await cache.fetch_dm_channel(5)


class _BearerRest:
    """A REST client with a token that is no bot's, which counts what it is asked."""

    token_type = hikari.TokenType.BEARER

    def __init__(self, payload: Payload, *, then: collections.Callable[[], None] = lambda: None) -> None:
        self.asked = 0
        self._payload = payload
        self._then = then

    async def fetch_authorization(self) -> hikari.AuthorizationInformation:
        self.asked += 1
        self._then()
        information = {"application": self._payload, "scopes": ["identify"], "expires": "2030-01-01T00:00:00+00:00"}
        return FACTORY.deserialize_authorization_information(information)


class _BearerApp:
    """What an application has that a cache without a bot is made with."""

    entity_factory = FACTORY
    executor = http_settings = proxy_settings = None

    def __init__(self, rest: _BearerRest) -> None:
        self.rest = rest


async def test_a_process_without_the_bots_token_asks_for_its_authorization_once(
    server: servers.Server, payloads: testing.Payloads
) -> None:
    rest = _BearerRest(payloads.application(name="seen from outside"))
    app = typing.cast("hikari.RESTAware", _BearerApp(rest))
    async with sake.RedisCache(server.url, app, **server.options) as cache:
        with pytest.raises(sake.EntryNotFound, match="bot"):
            await cache.fetch_application()
        assert {(await cache.fetch_authorization_application()).name for _ in range(3)} == {"seen from outside"}
        assert rest.asked == 1


# Direct message channels


async def test_a_stored_direct_message_channel_is_found_by_its_id_and_its_user_until_it_expires(
    cache: sake.RedisCache, payloads: testing.Payloads, raw_database: RawDatabase
) -> None:
    user = payloads.user()
    payload = payloads.dm_channel(recipient=user)
    before = copy.deepcopy(payload)
    await cache.set_dm_channel(payload)
    assert payload == before
    expected = deep(FACTORY.deserialize_dm(payload))
    assert deep(await cache.get_dm_channel(payload["id"])) == expected
    assert deep(await cache.get_dm_channel_for_user(user["id"])) == expected
    assert [deep(channel) async for channel in cache.iter_dm_channels()] == [expected]
    assert await cache.iter_dm_channels().len() == 1
    for name in (keys.single("dm_channel", payload["id"]), keys.single("dm_channel-user", user["id"])):
        assert WEEK - 60_000 < await raw_database(DM_CHANNEL).pttl(name) <= WEEK


async def test_direct_message_channels_are_got_in_bulk_in_the_order_asked(
    cache: sake.RedisCache, payloads: testing.Payloads
) -> None:
    stored = [payloads.dm_channel() for _ in range(3)]
    for channel in stored:
        await cache.set_dm_channel(FACTORY.deserialize_dm(channel), expire_time=60)
    ids = [int(channel["id"]) for channel in reversed(stored)]
    assert list(await cache.get_dm_channels([*ids, 5])) == ids


async def test_deleted_direct_message_channels_are_gone_by_id_and_user(
    cache: sake.RedisCache, payloads: testing.Payloads, raw_database: RawDatabase
) -> None:
    stored = [payloads.dm_channel() for _ in range(4)]
    for channel in stored:
        await cache.set_dm_channel(channel)
    await cache.delete_dm_channel(stored[0]["id"])
    await cache.delete_dm_channel(stored[0]["id"])
    for get, key in (
        (cache.get_dm_channel, stored[0]["id"]),
        (cache.get_dm_channel_for_user, stored[0]["recipients"][0]["id"]),
    ):
        with pytest.raises(sake.EntryNotFound):
            await get(key)
    assert await cache.iter_dm_channels().len() == 3
    await cache.clear_dm_channels()
    assert await raw_database(DM_CHANNEL).keys("*dm_channel*") == []


async def test_an_interaction_in_a_direct_message_stores_its_channel(
    cache: sake.RedisCache, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    interaction = payloads.command_interaction(name="ping")
    before = copy.deepcopy(interaction)
    feed("INTERACTION_CREATE", interaction)
    channel = await cache.get_dm_channel_for_user(interaction["user"]["id"])
    assert channel.id == int(interaction["channel_id"])
    assert models.plain(channel.recipient) == models.plain(FACTORY.deserialize_user(interaction["user"]))
    assert interaction == before


@pytest.mark.parametrize("context", [0, 2])
async def test_an_interaction_elsewhere_stores_no_channel(
    cache: sake.RedisCache, feed: gateway.Feed, payloads: testing.Payloads, context: int
) -> None:
    in_guild = payloads.command_interaction(name="ping", guild_id=payloads.snowflake())
    feed("INTERACTION_CREATE", in_guild)
    between_others = payloads.command_interaction(name="ping", context=context)
    feed("INTERACTION_CREATE", between_others)
    await cache.flush()
    assert await cache.iter_dm_channels().len() == 0
    assert cache.statistics.skipped == 0


async def test_a_direct_message_channel_is_made_on_discord_once(server: servers.Server) -> None:
    async with (
        testing.LoopbackDiscord() as discord,
        discord.running() as bot,
        sake.RedisCache(server.url, bot, **server.options) as cache,
    ):
        user = next(user for user in discord.world.users if user != discord.world.me["id"])
        made = await cache.fetch_dm_channel(user)
        assert made.recipient.id == int(user)
        discord.refuse_rest()
        assert (await cache.fetch_dm_channel(user)).id == made.id
        assert (await cache.get_dm_channel(made.id)).recipient.id == int(user)


@pytest.mark.parametrize("payload", [{}, {"id": "5"}, {"id": "5", "recipients": []}, {"id": "5", "recipients": [{}]}])
async def test_a_direct_message_channel_without_an_id_or_a_recipient_is_refused(
    cache: sake.RedisCache, payload: Payload
) -> None:
    with pytest.raises(ValueError, match=r"id|recipients"):
        await cache.set_dm_channel(payload)
    assert await cache.iter_dm_channels().len() == 0


async def test_what_was_fetched_is_returned_though_the_server_went_away(
    own: own_server.OwnServer, payloads: testing.Payloads
) -> None:
    rest = _BearerRest(payloads.application(name="seen from outside"), then=own.kill)
    cache = sake.RedisCache(own.url, typing.cast("hikari.RESTAware", _BearerApp(rest)))
    await cache.open()
    try:
        assert (await cache.fetch_authorization_application()).name == "seen from outside"
        assert rest.asked == 1
    finally:
        own.start()
        await cache.close()


def test_the_new_resources_have_databases_of_their_own() -> None:
    cache = sake.RedisCache("redis://localhost", gateway.make_bot())
    assert (APPLICATION, DM_CHANNEL) == (13, 14)
    assert {APPLICATION, DM_CHANNEL} <= set(cache.all_indexes())


@pytest.mark.parametrize("name", ["with_application_expire", "with_dm_channel_expire"])
def test_a_lifetime_that_is_not_positive_is_refused(name: str) -> None:
    cache = sake.RedisCache("redis://localhost", gateway.make_bot())
    with pytest.raises(ValueError, match="expire"):
        getattr(cache, name)(0)
    assert cache.config == {}
