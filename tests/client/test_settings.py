# SPDX-License-Identifier: BSD-3-Clause
"""What a cache is made of, and what is said about settings that cannot be."""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
import re
import typing
import warnings

import hikari
import pytest
import typing_extensions
from _support import gateway
from _support import keys
from _support import samples
from _support import servers

import sake
import sake.redis
from sake import testing

Payload = dict[str, typing.Any]


# Bad input


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost",
        "localhost:6379",
        "localhost",
        "",
        "redis:localhost",
        "rediss//x",
        "unix:/run/redis.sock",
        "://x",
    ],
)
def test_an_address_with_another_scheme_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=r"address.*redis://"):
        samples.make_cache(address=address)


@pytest.mark.parametrize(
    "address",
    ["redis://localhost/x", "redis://localhost/-1", "redis://localhost:port", "redis://localhost:99999999", "unix://"],
)
def test_an_address_that_leads_nowhere_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        samples.make_cache(address=address)


def test_a_password_in_a_refused_address_is_not_shown() -> None:
    for address in ("http://user:hunter2@localhost", "redis://user:hunter2@localhost/x"):
        with pytest.raises(ValueError, match="address") as caught:
            samples.make_cache(address=address)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("expire", samples.NOT_POSITIVE)
@pytest.mark.parametrize("name", ["with_user_expire", "with_message_expire", "with_invite_expire"])
def test_a_lifetime_that_is_not_positive_is_refused_and_the_old_one_stays(name: str, expire: typing.Any) -> None:
    cache = samples.make_cache()
    getattr(cache, name)(60)
    before = dict(cache.config)
    with pytest.raises(ValueError, match="expire"):
        getattr(cache, name)(expire)
    assert cache.config == before


@pytest.mark.parametrize("expire", samples.NO_TIME)
@pytest.mark.parametrize("name", ["with_user_expire", "with_message_expire", "with_invite_expire"])
def test_a_lifetime_that_is_no_time_is_refused(name: str, expire: typing.Any) -> None:
    cache = samples.make_cache()
    with pytest.raises(TypeError, match="expire"):
        getattr(cache, name)(expire)
    assert cache.config == {}


@pytest.mark.parametrize("expire", samples.NOT_POSITIVE)
def test_a_default_lifetime_that_is_not_positive_is_refused_by_name(expire: typing.Any) -> None:
    with pytest.raises(ValueError, match="default_expire"):
        samples.make_cache(default_expire=expire)


@pytest.mark.parametrize("expire", samples.NO_TIME)
def test_a_default_lifetime_that_is_no_time_is_refused_by_name(expire: typing.Any) -> None:
    with pytest.raises(TypeError, match="default_expire"):
        samples.make_cache(default_expire=expire)


@pytest.mark.parametrize("number", [-1, -16])
def test_a_negative_override_is_refused_by_name_and_nothing_changes(number: int) -> None:
    cache = samples.make_cache().with_index_override(sake.redis.ResourceIndex.ROLE, override=5)
    with pytest.raises(ValueError, match="override"):
        cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=number)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 5


@pytest.mark.parametrize(
    "options", [{"database": -1}, {"max_connections_per_db": 0}, {"backlog_limit": 0}, {"backlog_limit": -1}]
)
def test_a_number_out_of_its_range_is_refused_by_name(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        samples.make_cache(**options)


@pytest.mark.parametrize(
    "options", [{"database": "3"}, {"database": 1.5}, {"max_connections_per_db": None}, {"backlog_limit": "1"}]
)
def test_what_is_no_whole_number_is_refused_by_name(options: dict[str, typing.Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        samples.make_cache(**options)


@pytest.mark.parametrize("namespace", ["", "a b", "a:b", "*", "{x}", "ä", "a\n"])
def test_a_namespace_that_would_break_keys_is_refused_by_name(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        samples.make_cache(namespace=namespace)


def test_being_managed_by_events_without_an_event_manager_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"event_managed.*event_manager"):
        samples.make_cache(event_managed=True)


@pytest.mark.parametrize("address", [f"{samples.ADDRESS}/3", f"{samples.ADDRESS}?db=3", "unix:///run/x.sock?db=3"])
def test_two_databases_are_a_contradiction_that_names_both(address: str) -> None:
    with pytest.raises(ValueError, match=r"database=4.*3"):
        samples.make_cache(address=address, database=4)
    assert samples.make_cache(address=address, database=3).all_indexes() == {3}


def test_asking_for_members_needs_an_event_manager_and_the_intent() -> None:
    with pytest.raises(ValueError, match="event_manager"):
        samples.make_cache().chunk_on_guild_create(gateway.make_bot())

    bot = gateway.make_bot(intents=hikari.Intents.ALL_UNPRIVILEGED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hikari.MissingIntentWarning)
        cache = sake.redis.MemberCache(samples.ADDRESS, bot, bot.event_manager)
    with pytest.raises(ValueError, match="GUILD_MEMBERS"):
        cache.chunk_on_guild_create(bot)
    assert cache.config == {}


@pytest.mark.parametrize("window_size", [0, -1])
@pytest.mark.parametrize("name", samples.ITERATORS)
def test_a_window_without_room_is_refused_by_name_when_the_iterator_is_made(name: str, window_size: int) -> None:
    with pytest.raises(ValueError, match="window_size"):
        getattr(samples.make_cache(), name)(*samples.ITERATORS[name], window_size=window_size)


SETTERS: dict[str, tuple[int, ...]] = {
    name: (1,) if "guild_id" in inspect.signature(getattr(sake.redis.RedisCache, name)).parameters else ()
    for name in dir(sake.redis.RedisCache)
    if name.startswith(("set_", "update_"))
}
KEY_NAMES = {"set_invite": "code", "set_voice_state": "user_id"}


@pytest.mark.parametrize("payload", [{}, {"name": "x"}, {"id": None, "code": None, "user_id": None}])
@pytest.mark.parametrize("name", SETTERS)
async def test_a_payload_without_an_id_is_refused_by_name_and_nothing_changes(
    make_cache: typing.Any, raw: typing.Any, name: str, payload: Payload
) -> None:
    cache = await make_cache(database=0)
    given = dict(payload)
    with pytest.raises(ValueError, match="payload") as caught:
        await getattr(cache, name)(*SETTERS[name], payload)
    assert KEY_NAMES.get(name, "id") in str(caught.value)
    await cache.flush()
    assert payload == given
    assert await raw.dbsize() == 0


@pytest.mark.parametrize("name", ["set_guild_channel", "set_thread", "set_presence"])
async def test_a_payload_without_its_guild_is_refused_by_name(
    make_cache: typing.Any, raw: typing.Any, name: str, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    payload = {"set_guild_channel": payloads.channel, "set_thread": payloads.thread, "set_presence": payloads.presence}[
        name
    ]()
    payload.pop("guild_id", None)
    with pytest.raises(ValueError, match=r"payload.*guild_id"):
        await getattr(cache, name)(payload)
    assert await raw.dbsize() == 0


@pytest.mark.parametrize("expire", [*samples.NOT_POSITIVE, *samples.NO_TIME])
async def test_a_lifetime_of_one_entry_that_cannot_be_is_refused_by_name_and_nothing_changes(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads, expire: typing.Any
) -> None:
    cache = await make_cache(database=0)
    for call in (
        cache.set_user(payloads.user(), expire_time=expire),
        cache.set_message(payloads.message(), expire_time=expire),
        cache.set_invite(payloads.invite(), expire_time=expire),
        cache.update_message(payloads.message(), expire_time=expire),
    ):
        with pytest.raises((TypeError, ValueError), match="expire_time"):
            await call
    assert await raw.dbsize() == 0


# What a cache stores


def test_a_cache_is_what_it_is_mixed_of() -> None:
    assert samples.make_cache(samples.People).all_indexes() == {
        sake.redis.ResourceIndex.MEMBER,
        sake.redis.ResourceIndex.USER,
        sake.redis.ResourceIndex.REFERENCE,
    }
    assert hasattr(samples.People, "get_me")
    assert not hasattr(samples.People, "get_role")
    assert samples.People.all_intents() == hikari.Intents.GUILDS | hikari.Intents.GUILD_MEMBERS
    assert samples.make_cache(samples.Roles).all_indexes() == {
        sake.redis.ResourceIndex.ROLE,
        sake.redis.ResourceIndex.REFERENCE,
    }
    assert samples.make_cache(sake.redis.UserCache).all_indexes() == {sake.redis.ResourceIndex.USER}
    assert samples.make_cache(sake.redis.InviteCache).all_indexes() == {
        sake.redis.ResourceIndex.INVITE,
        sake.redis.ResourceIndex.REFERENCE,
    }


@pytest.mark.parametrize("cls", [samples.Roles, samples.People, sake.redis.RedisCache, sake.redis.ResourceClient])
def test_a_class_names_the_indexes_and_intents_of_all_its_resources(cls: type[sake.redis.ResourceClient]) -> None:
    resources = [base for base in cls.mro() if issubclass(base, sake.redis.ResourceClient)]
    intents = functools.reduce(operator.or_, (base.intents() for base in resources))
    assert len(cls.index()) == len(set(cls.index()))
    assert set(cls.index()) == set(itertools.chain.from_iterable(base.index() for base in resources))
    assert cls.intents() == cls.all_intents() == intents


def test_the_class_of_everything_names_every_index_that_holds_entities() -> None:
    assert set(sake.RedisCache.index()) == set(sake.redis.ResourceIndex) - {sake.redis.ResourceIndex.REFERENCE}
    assert set(samples.People.index()) == {sake.redis.ResourceIndex.MEMBER, sake.redis.ResourceIndex.USER}
    assert sake.redis.MemberCache.intents() == hikari.Intents.GUILDS | hikari.Intents.GUILD_MEMBERS


async def test_a_mixed_cache_stores_its_kinds_and_no_others(
    make_cache: typing.Any, feed: gateway.Feed, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(samples.People, database=0)
    guild = payloads.guild()
    feed("GUILD_CREATE", guild)
    feed("GUILD_ROLE_CREATE", {"guild_id": guild["id"], "role": payloads.role()})
    feed("MESSAGE_CREATE", payloads.message(guild_id=guild["id"]))
    await cache.flush()
    assert await cache.iter_members().len() == len(guild["members"])
    stored = {keys.use_of(key) for key in await raw.keys() if not keys.is_of_sake_itself(key)}
    assert stored == {"member", "member-list", "user", "guilds"}


async def test_a_cache_without_users_stores_members_with_theirs(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(sake.redis.MemberCache, database=0)
    member = payloads.member()
    await cache.set_member(7, member)
    assert (await cache.get_member(7, int(member["user"]["id"]))).user.username == member["user"]["username"]
    assert not await raw.exists(keys.single("user", member["user"]["id"]))


def test_a_missing_intent_is_a_warning_that_names_the_resource_and_the_intent() -> None:
    bot = gateway.make_bot(intents=hikari.Intents.ALL_UNPRIVILEGED)
    with pytest.warns(hikari.MissingIntentWarning) as caught:
        sake.redis.RedisCache(samples.ADDRESS, bot, bot.event_manager)

    (warning,) = caught
    assert "MemberCache needs GUILD_MEMBERS, PresenceCache needs GUILD_PRESENCES" in str(warning.message)
    assert warning.filename == __file__


def _warned(cls: type[sake.redis.ResourceClient], intents: hikari.Intents) -> str:
    bot = gateway.make_bot(intents=intents)
    with pytest.warns(hikari.MissingIntentWarning) as caught:
        cls(samples.ADDRESS, bot, bot.event_manager)

    (warning,) = caught
    return str(warning.message)


class _Outspoken(samples.People):
    @classmethod
    @typing_extensions.override
    def intents(cls) -> hikari.Intents:
        return super().intents() | hikari.Intents.GUILD_MODERATION


@pytest.mark.parametrize("cls", [samples.People, _Outspoken, sake.redis.RedisCache])
def test_one_missing_intent_is_told_of_once(cls: type[sake.redis.ResourceClient]) -> None:
    missing = cls.all_intents()
    told = re.findall(r"[A-Z]+(?:_[A-Z]+)*\b", _warned(cls, hikari.Intents.NONE).partition("intents:")[2])
    assert sorted(told) == sorted(str(intent.name) for intent in missing)


def test_a_missing_intent_names_all_that_need_it_or_the_class_that_adds_it() -> None:
    both = type("Both", (sake.redis.RoleCache, sake.redis.MemberCache, sake.redis.InviteCache), {})
    assert "intents: RoleCache and MemberCache need GUILDS, InviteCache needs GUILD_INVITES, Mem" in _warned(
        both, hikari.Intents.NONE
    )
    assert "_Outspoken needs GUILD_MODERATION" in _warned(_Outspoken, hikari.Intents.NONE)


def test_no_missing_intent_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bot = gateway.make_bot(intents=sake.redis.RedisCache.all_intents())
        sake.redis.RedisCache(samples.ADDRESS, bot, bot.event_manager)
        few = gateway.make_bot(intents=hikari.Intents.GUILDS)
        sake.redis.RoleCache(samples.ADDRESS, few, few.event_manager)
        sake.redis.RedisCache(samples.ADDRESS, few)


def test_the_intents_of_everything_are_those_that_hikari_has_events_for() -> None:
    intents = sake.redis.RedisCache.all_intents()
    for needed in (
        hikari.Intents.GUILDS,
        hikari.Intents.GUILD_MEMBERS,
        hikari.Intents.GUILD_PRESENCES,
        hikari.Intents.GUILD_VOICE_STATES,
        hikari.Intents.GUILD_INVITES,
        hikari.Intents.GUILD_EMOJIS,
        hikari.Intents.GUILD_MESSAGES,
        hikari.Intents.DM_MESSAGES,
    ):
        assert intents & needed == needed


async def test_a_rest_client_is_enough_of_an_application(server: servers.Server, payloads: testing.Payloads) -> None:
    rest = gateway.make_bot().rest
    async with sake.redis.RedisCache(server.url, rest, database=0, **server.options) as cache:
        await cache.set_user(payloads.user(id="5"))
        assert (await cache.get_user(5)).app.rest is rest


# Databases


def test_every_resource_has_a_database_of_its_own_unless_told_otherwise() -> None:
    everything = set(sake.redis.ResourceIndex)
    assert samples.make_cache().all_indexes() == everything
    cache = samples.make_cache().with_index_override(sake.redis.ResourceIndex.ROLE, override=5)
    assert cache.all_indexes() == everything - {sake.redis.ResourceIndex.ROLE}
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 5
    assert cache.get_index_override(sake.redis.ResourceIndex.EMOJI) is None


def test_an_override_is_unset_by_none_and_calls_are_chained() -> None:
    cache = samples.make_cache(samples.Roles)
    assert cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=0) is cache
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 0
    assert cache.all_indexes() == {0, sake.redis.ResourceIndex.REFERENCE}
    assert cache.with_index_override(sake.redis.ResourceIndex.ROLE) is cache
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) is None
    assert cache.all_indexes() == {sake.redis.ResourceIndex.ROLE, sake.redis.ResourceIndex.REFERENCE}


def test_one_database_for_everything_may_have_exceptions() -> None:
    cache = samples.make_cache(database=3).with_index_override(sake.redis.ResourceIndex.USER, override=4)
    assert cache.all_indexes() == {3, 4}


async def test_an_override_set_while_open_is_refused_by_name_and_nothing_changes(make_cache: typing.Any) -> None:
    cache = await make_cache()
    for override in (5, None):
        with pytest.raises(ValueError, match="ROLE"):
            cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=override)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) is None
    await cache.close()
    cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=5)
    assert cache.get_index_override(sake.redis.ResourceIndex.ROLE) == 5


DATABASES = {
    0: {"emoji", "emoji-list"},
    1: {"guild", "guild-list"},
    2: {"channel", "channel-list"},
    4: {"member", "member-list"},
    5: {"presence", "presence-list"},
    6: {"role", "role-list"},
    7: {"user"},
    8: {"voice_state", "voice_state-channel", "voice_state-list"},
    9: {"guilds", "guild-of"},
    11: {"thread", "thread-channel", "thread-list"},
    12: {"sticker", "sticker-list"},
}


async def _names(client: typing.Any) -> set[str]:
    """Return what the keys in a database are for, but for those of sake itself."""
    stored = await client.keys()
    assert not stored or keys.meta().encode() in stored
    return {keys.use_of(key) for key in stored if not keys.is_of_sake_itself(key)}


async def test_by_default_every_resource_is_in_its_own_database_and_guilds_are_looked_up_in_one(
    make_cache: typing.Any, feed: gateway.Feed, raw_database: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache()
    guild = samples.whole_guild()
    assert all(guild[name] for name in ("channels", "emojis", "members", "presences", "roles", "stickers", "threads"))
    feed("GUILD_CREATE", guild)
    await cache.flush()
    for database, names in DATABASES.items():
        assert await _names(raw_database(database)) == names, database
    assert await cache.iter_threads().len() == len(guild["threads"])
    assert await cache.iter_users().len() >= len(guild["members"])


async def test_resources_are_where_their_overrides_say_and_may_share(
    make_cache: typing.Any,
    feed: gateway.Feed,
    raw_database: typing.Any,
    payloads: testing.Payloads,
    server: servers.Server,
    bot: hikari.GatewayBot,
) -> None:
    cache = sake.redis.RedisCache(server.url, bot, bot.event_manager, **server.options)
    for index in (sake.redis.ResourceIndex.USER, sake.redis.ResourceIndex.ROLE, sake.redis.ResourceIndex.MEMBER):
        cache.with_index_override(index, override=14)
    async with cache:
        guild = samples.whole_guild()
        feed("GUILD_CREATE", guild)
        await cache.flush()
        assert await _names(raw_database(14)) == DATABASES[4] | DATABASES[6] | DATABASES[7]
        for database in (4, 6, 7):
            assert await _names(raw_database(database)) == set()
        for member in guild["members"]:
            assert (await cache.get_user(int(member["user"]["id"]))).username == member["user"]["username"]
        role = guild["roles"][0]
        assert (await cache.get_role(int(role["id"]))).name == role["name"]


async def test_all_resources_share_one_database(
    make_cache: typing.Any, feed: gateway.Feed, raw_database: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=9)
    guild = samples.whole_guild()
    feed("GUILD_CREATE", guild)
    await cache.flush()
    assert await _names(raw_database(9)) == set().union(*DATABASES.values())
    for database in range(9):
        assert await raw_database(database).dbsize() == 0
    for kind, name in (
        ("roles", "roles"),
        ("guild_channels", "channels"),
        ("members", "members"),
        ("emojis", "emojis"),
    ):
        assert await getattr(cache, f"iter_{kind}")().len() == len(guild[name])
