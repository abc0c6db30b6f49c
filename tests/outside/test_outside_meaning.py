# SPDX-License-Identifier: BSD-3-Clause
"""What events mean, as bots meet them: odd payloads, answers that mix, changes by hand that race with events."""

from __future__ import annotations

import asyncio
import typing
from collections import abc as collections

import hikari
import hypothesis
import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import keys
from _support import leaks
from _support import own_server
from _support import samples
from hypothesis import strategies as st

import sake
import sake.redis
from sake import testing
from sake.redis._caches import member_requests as _member_requests
from sake.redis._model import member_lists as _member_lists
from sake.redis._model import people as _people

Payload = dict[str, typing.Any]

GUILD = int(samples.GUILD)
WITHOUT_MEMBERS = gateway.Shard(intents=hikari.Intents.ALL & ~hikari.Intents.GUILD_MEMBERS)


class Asked(gateway.Shard):
    """A shard that takes note of the requests for members that are made through it."""

    def __init__(self, *, shard_id: int = 0, shard_count: int = 1, fails: int = 0) -> None:
        super().__init__(id=shard_id, shard_count=shard_count)
        self.__dict__.update(requests=[], times=[], fails=fails)

    async def request_guild_members(self, guild: hikari.Snowflake, **options: typing.Any) -> None:
        self.times.append(asyncio.get_running_loop().time())
        if self.__dict__["fails"]:
            self.__dict__["fails"] -= 1
            raise hikari.ComponentStateConflictError("not connected")
        self.requests.append((int(guild), options))

    @property
    def requests(self) -> list[tuple[int, dict[str, typing.Any]]]:
        return typing.cast("list[tuple[int, dict[str, typing.Any]]]", self.__dict__["requests"])

    @property
    def times(self) -> list[float]:
        return typing.cast("list[float]", self.__dict__["times"])


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


async def found(answer: collections.Awaitable[typing.Any], /) -> typing.Any:
    """Return what is stored, or nothing."""
    try:
        return await answer
    except sake.EntryNotFound:
        return None


async def until(look: collections.Callable[[], collections.Awaitable[object]], /, *, within: float = 10) -> None:
    """Wait until what a look finds is true."""
    deadline = asyncio.get_running_loop().time() + within
    while not await look():
        assert asyncio.get_running_loop().time() < deadline, "it did not come true"
        await asyncio.sleep(0.005)


def guild_of(*members: Payload, count: int | None = None, **lists: typing.Any) -> Payload:
    """A guild that arrives with these members."""
    made = samples.guild(0, 0)
    return {**made, "members": list(members), "member_count": len(members) if count is None else count, **lists}


def plain_member(user: int, **fields: typing.Any) -> Payload:
    """A member of a list, which does not name its guild."""
    make = testing.Payloads(seed=user)
    return make.member(user=make.user(id=str(user)), **fields)


def chunk(members: collections.Sequence[Payload], index: int, count: int, **fields: typing.Any) -> Payload:
    """A part of the answer to a request for members."""
    return {
        "guild_id": samples.GUILD,
        "members": list(members),
        "chunk_index": index,
        "chunk_count": count,
        "not_found": [],
        **fields,
    }


def test_no_class_hides_the_handlers_of_another() -> None:
    marked = [
        name
        for cls in sake.redis.RedisCache.mro()
        for name, function in vars(cls).items()
        if getattr(function, "__sake_events__", ())
    ]
    assert len(marked) == len(set(marked)) > 40


# Users


HOOK = {"username": "proxied name", "discriminator": "0000", "avatar": None, "bot": True}


@pytest.mark.parametrize("way", ["an event", "the message that is replied to", "by hand"])
async def test_who_speaks_through_a_webhook_is_no_user_whoever_owns_the_webhook(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, way: str
) -> None:
    cache = await make_cache(database=0)
    message = payloads.message(webhook_id="77", application_id="88", author={**HOOK, "id": "77"})
    if way == "an event":
        feed("MESSAGE_CREATE", message)
    elif way == "by hand":
        await cache.set_message(message)
    else:
        feed("MESSAGE_CREATE", payloads.reply(message, mentions=[]))
    await feed.settle()
    assert await found(cache.get_user(77)) is None


@pytest.mark.parametrize("way", ["an event", "the message that is replied to", "by hand"])
@pytest.mark.parametrize(("author", "webhook"), [("88", "88"), ("99", "88"), ("99", 77), ("99", None)])
async def test_a_bot_that_answers_an_interaction_is_a_user(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, way: str, author: str, webhook: object
) -> None:
    cache = await make_cache(database=0)
    message = payloads.message(
        webhook_id=webhook, application_id="88", author=payloads.user(id=author, username="somebody")
    )
    if way == "an event":
        feed("MESSAGE_CREATE", message)
    elif way == "by hand":
        await cache.set_message(message)
    else:
        feed("MESSAGE_CREATE", payloads.reply(message, mentions=[]))
    await feed.settle()
    assert (await cache.get_user(int(author))).username == "somebody"


@pytest.mark.parametrize("event", ["GUILD_CREATE", "GUILD_EMOJIS_UPDATE", "GUILD_STICKERS_UPDATE", "GUILD_UPDATE"])
async def test_the_thin_user_of_an_emoji_or_sticker_takes_nothing_from_a_whole_one(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, event: str
) -> None:
    cache = await make_cache(database=0)
    whole = payloads.user(id="5", username="before", global_name="Five", bot=True, public_flags=64)
    thin = {name: whole[name] for name in ("id", "discriminator", "avatar")} | {"username": "after"}
    emojis, stickers = [payloads.emoji(user=thin)], [payloads.sticker(user=thin, guild_id=samples.GUILD)]
    member = payloads.member(user={**whole, "username": "after" if event == "GUILD_CREATE" else "before"})
    lists = {"emojis": emojis, "stickers": stickers}
    feed("GUILD_CREATE", guild_of(member, **(lists if event == "GUILD_CREATE" else {})))
    if event != "GUILD_CREATE":
        feed(event, {**samples.guild(0, 0), "guild_id": samples.GUILD, **lists})
    await feed.settle()
    user = await cache.get_user(5)
    assert (user.username, user.global_name, user.is_bot, int(user.flags)) == ("after", "Five", True, 64)


async def test_the_thin_user_of_an_emoji_is_stored_where_nothing_better_is_known(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_EMOJIS_UPDATE", {"guild_id": samples.GUILD, "emojis": [payloads.emoji(user=payloads.user(id="5"))]})
    await feed.settle()
    assert int((await cache.get_user(5)).id) == 5


def _in_interaction(payloads: testing.Payloads, **data: typing.Any) -> Payload:
    interaction = payloads.command_interaction(guild_id=samples.GUILD)
    return {**interaction, "data": {**interaction["data"], **data}}


def _in_message(payloads: testing.Payloads, **fields: typing.Any) -> Payload:
    return {**payloads.message(guild_id=samples.GUILD), **fields}


def _asked(user: Payload | None = None, **more: typing.Any) -> Payload:
    return {"id": "1", "type": 2, "user": user, "authorizing_integration_owners": {}, **more}


# Where Discord's documentation has whole users, as (event, payload that holds the user).
PLACES: dict[str, collections.Callable[[testing.Payloads, Payload], tuple[str, Payload]]] = {
    "who wrote a message that a command is about": lambda make, user: (
        "INTERACTION_CREATE",
        _in_interaction(make, resolved={"messages": {"7": make.message(id="7", author=user)}}),
    ),
    "whom a command was used on": lambda make, user: (
        "MESSAGE_CREATE",
        _in_message(make, interaction_metadata=_asked(make.user(), target_user=user)),
    ),
    "who used the command that a modal came from": lambda make, user: (
        "MESSAGE_CREATE",
        _in_message(make, interaction_metadata=_asked(make.user(), triggering_interaction_metadata=_asked(user))),
    ),
    "who is named in a select menu": lambda make, user: (
        "MESSAGE_CREATE",
        _in_message(make, resolved={"users": {user["id"]: user}}),
    ),
    "who used a command, the older way": lambda make, user: (
        "MESSAGE_CREATE",
        _in_message(make, interaction={"id": "1", "type": 2, "name": "ping", "user": user}),
    ),
    "who is mentioned in a message that is forwarded": lambda make, user: (
        "MESSAGE_CREATE",
        _in_message(make, message_snapshots=[{"message": {"content": "hi", "mentions": [user]}}]),
    ),
    "who made an event that a guild came with": lambda make, user: (
        "GUILD_CREATE",
        guild_of(guild_scheduled_events=[make.scheduled_event(guild_id=samples.GUILD, creator=user)]),
    ),
    "who made an event that somebody is invited to": lambda make, user: (
        "INVITE_CREATE",
        make.invite(guild_scheduled_event=make.scheduled_event(guild_id=samples.GUILD, creator=user)),
    ),
    "the bot of an application that is added": lambda make, user: (
        "INTEGRATION_CREATE",
        {**make.integration(guild_id=samples.GUILD), "application": {"id": "9", "name": "other", "bot": user}},
    ),
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_whole_user_is_stored_from_wherever_the_documentation_has_one(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, place: str
) -> None:
    cache = await make_cache(database=0)
    feed(*PLACES[place](payloads, payloads.user(id="5", username="somebody")))
    await feed.settle()
    assert (await cache.get_user(5)).username == "somebody"


async def test_what_a_bot_is_told_of_itself_takes_nothing_from_what_others_see_of_it(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    own = int(gateway.OWN_ID)
    seen = payloads.user(id=str(own), username="before", bot=True, public_flags=64, banner="a" * 32)
    feed("GUILD_CREATE", guild_of(payloads.member(user=seen)))
    told = payloads.own_user(id=str(own), username="after")
    told = {name: value for name, value in told.items() if name not in {"public_flags", "banner"}}
    feed("READY", {"v": 10, "user": told, "guilds": [{"id": samples.GUILD}], "application": {"id": "1", "flags": 0}})
    await feed.settle()
    user = await cache.get_user(own)
    assert (user.username, int(user.flags), user.banner_hash) == ("after", 64, "a" * 32)
    assert (await cache.get_me()).username == "after"


_IDS = st.sampled_from(["1", "2", "3", 1, 2, None, ""])
_USERS = st.fixed_dictionaries(
    {"id": _IDS, "username": st.just("x"), "discriminator": st.just("0"), "avatar": st.none()}
)
_MESSAGES = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "author": st.none() | _USERS,
            "webhook_id": _IDS,
            "application_id": _IDS,
            "mentions": st.lists(_USERS),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"author": _USERS, "referenced_message": st.none() | inner},
        optional={"interaction_metadata": st.just(_asked()), "webhook_id": _IDS},
    ),
    max_leaves=4,
)


@hypothesis.given(_MESSAGES)
def test_an_author_is_a_user_unless_they_are_the_webhook_of_somebody(message: Payload) -> None:
    author, webhook = message.get("author"), message.get("webhook_id")
    is_webhook = bool(
        author and webhook and str(webhook) == str(author["id"]) and str(webhook) != str(message.get("application_id"))
    )
    assert _people.author_of(message) == (None if is_webhook else author)
    named = [user for user in _people.in_message(message) if user]
    assert (author in named or not author) or is_webhook
    assert all(mention in named for mention in message.get("mentions") or ())
    if replied_to := message.get("referenced_message"):
        assert all(user in named for user in _people.in_message(replied_to) if user)


# Member lists


async def is_complete(cache: typing.Any, guild: int = GUILD) -> bool:
    return typing.cast("bool", await cache.is_member_list_complete(guild))


MANY = [plain_member(user) for user in range(1, 2_501)]
WHOLE = [chunk(MANY[start : start + 1_000], start // 1_000, 3) for start in range(0, 2_500, 1_000)]
QUERY = chunk(MANY[:5], 0, 1)


@pytest.mark.parametrize("place", range(4))
async def test_answers_to_two_requests_that_nothing_tells_apart_are_not_mixed(
    make_cache: typing.Any, feed: gateway.Feed, place: int
) -> None:
    cache = await make_cache(sake.redis.MemberCache)
    feed("GUILD_CREATE", guild_of(MANY[0], count=2_500))
    answers = [*WHOLE[:place], QUERY, *WHOLE[place:]]
    for number, part in enumerate(answers):
        feed("GUILD_MEMBERS_CHUNK", part)
        await feed.settle()
        assert await is_complete(cache) == (sum(given is not QUERY for given in answers[: number + 1]) == 3)
    assert await cache.iter_members_for_guild(GUILD).len() == 2_500


async def test_a_part_that_fits_nowhere_is_stored_and_counts_for_nothing(
    make_cache: typing.Any, feed: gateway.Feed
) -> None:
    cache = await make_cache(sake.redis.MemberCache)
    feed("GUILD_CREATE", guild_of(MANY[0], count=2_500))
    for index, count in ((1, 1), (-1, 1), (0, 0), (5, 3), ("0", "1"), (None, None), (0.0, 1.0)):
        feed("GUILD_MEMBERS_CHUNK", chunk(MANY[:200], typing.cast("int", index), typing.cast("int", count)))
    await feed.settle()
    assert not await is_complete(cache)
    assert (await cache.get_member(GUILD, 200)).id == 200
    assert cache.statistics.skipped == 0


async def test_our_own_request_is_known_by_its_answer_whoever_else_asks(
    make_cache: typing.Any, feed: gateway.Feed, bot: hikari.GatewayBot
) -> None:
    shard = Asked()
    cache = (await make_cache(sake.redis.MemberCache)).chunk_on_guild_create(bot)
    feed("GUILD_CREATE", guild_of(MANY[0], count=60), shard=shard)
    await until(lambda: asyncio.sleep(0, shard.requests))
    ((guild, options),) = shard.requests
    assert (guild, 0 < len(options["nonce"].encode()) <= 32) == (GUILD, True)
    for nonce in ("somebody else's", None, "", options["nonce"]):
        assert not await is_complete(cache)
        feed("GUILD_MEMBERS_CHUNK", chunk(MANY[:50], 0, 1, nonce=nonce), shard=shard)
        await feed.settle()
    assert await is_complete(cache)


@pytest.mark.parametrize("how", ["at once", "by chunks"])
async def test_a_list_is_never_complete_where_nobody_tells_of_the_next_join(
    make_cache: typing.Any, feed: gateway.Feed, how: str
) -> None:
    cache = await make_cache(sake.redis.MemberCache)
    feed("GUILD_CREATE", guild_of(*MANY[:3]))
    await feed.settle()
    assert await is_complete(cache)
    feed("GUILD_CREATE", guild_of(*MANY[:3], count=3 if how == "at once" else 500), shard=WITHOUT_MEMBERS)
    feed("GUILD_MEMBERS_CHUNK", chunk(MANY[:500], 0, 1), shard=WITHOUT_MEMBERS)
    await feed.settle()
    assert not await is_complete(cache)
    assert (await cache.get_member(GUILD, 500)).id == 500


MOMENTS = range(24)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_guild_that_arrives_while_members_are_cleared_is_whole_or_gone(
    make_cache: typing.Any, feed: gateway.Feed, moment: int
) -> None:
    cache, reader = await make_cache(sake.redis.MemberCache), await make_cache(sake.redis.MemberCache, fed=False)
    feed("GUILD_CREATE", guild_of(*MANY[:3]))
    await until(lambda: is_complete(reader))
    clearing = asyncio.create_task(cache.clear_members())
    for _ in range(moment):
        await asyncio.sleep(0 if moment % 2 else 0.0001)
    feed("GUILD_CREATE", guild_of(*MANY[:4]))
    await clearing
    await feed.settle()
    await cache.flush()
    expected = 4 if await is_complete(reader) else 0
    assert await reader.iter_members_for_guild(GUILD).len() == expected


async def test_members_that_are_cleared_while_they_come_are_not_called_complete(
    make_cache: typing.Any, feed: gateway.Feed
) -> None:
    cache = await make_cache(sake.redis.MemberCache)
    for clear in (cache.clear_members, lambda: cache.clear_members_for_guild(GUILD)):
        feed("GUILD_CREATE", guild_of(MANY[0], count=2_500))
        feed.all([("GUILD_MEMBERS_CHUNK", part) for part in WHOLE[:2]])
        await feed.settle()
        await clear()
        feed("GUILD_MEMBERS_CHUNK", WHOLE[2])
        await feed.settle()
        assert not await is_complete(cache)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_an_outage_that_is_told_while_guilds_are_cleared_is_not_lost(
    make_cache: typing.Any, feed: gateway.Feed, moment: int
) -> None:
    cache, reader = await make_cache(sake.redis.GuildCache), await make_cache(sake.redis.GuildCache, fed=False)
    feed("GUILD_CREATE", guild_of())
    await until(lambda: found(reader.get_guild(GUILD)))
    clearing = asyncio.create_task(cache.clear_guilds())
    await asyncio.sleep(0)
    for _ in range(moment):
        await asyncio.sleep(0 if moment % 2 else 0.0001)
    feed("GUILD_DELETE", {"id": samples.GUILD, "unavailable": True})
    await clearing
    await until(lambda: asyncio.sleep(0, cache.statistics.backlog == 0))
    await until(reader.get_unavailable_guild_ids)
    assert await reader.is_guild_available(GUILD) is False


_Answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30)


@hypothesis.given(
    members=st.integers(1, 2_500),
    asked=st.lists(st.sampled_from(["ours", "theirs", "", "a query", "a query with a nonce"]), min_size=1, max_size=4),
    order=_Answers,
)
def test_only_a_whole_answer_to_a_request_for_all_makes_a_list_complete(
    members: int, asked: list[str], order: list[tuple[int, int]]
) -> None:
    lists = _member_lists.MemberLists()
    lists.expect("1", members)
    nonces = {"ours": lists.request("1"), "theirs": "theirs", "": "", "a query": "", "a query with a nonce": "theirs"}
    came: set[int] = set()
    for number, place in order:
        name = asked[number % len(asked)]
        of = min(100, members - 1) if name.startswith("a query") else members
        count = max(-(-of // 1_000), 1)
        index = place % count
        part = range(index * 1_000, min((index + 1) * 1_000, of))
        came.update(part)
        given = _member_lists.Chunk("1", nonces[name], index, count, len(part))
        if lists.completes(given):
            assert len(came) == members
            return
        lists.add(given)


@hypothesis.given(st.permutations(range(5)), st.lists(st.integers(0, 4)))
def test_the_whole_answer_to_our_own_request_makes_a_list_complete_in_any_order(
    order: list[int], again: list[int]
) -> None:
    lists = _member_lists.MemberLists()
    lists.expect("1", None)
    nonce = lists.request("1")
    for index in (*order[:-1], *(index for index in again if index != order[-1])):
        given = _member_lists.Chunk("1", nonce, index, 5, 1)
        assert not lists.completes(given)
        lists.add(given)
    assert lists.completes(_member_lists.Chunk("1", nonce, order[-1], 5, 1))


def test_answers_that_never_come_whole_are_not_remembered_for_ever() -> None:
    lists = _member_lists.MemberLists()
    for number in range(5_000):
        lists.add(_member_lists.Chunk(str(number % 7), f"{number}", 0, 2, 1_000))
    assert len(lists._answers) <= 1_000
    assert not lists.completes(_member_lists.Chunk("0", "0", 1, 2, 1_000))
    assert lists.completes(_member_lists.Chunk(str(4_999 % 7), "4999", 1, 2, 1_000))


@pytest.mark.parametrize("channel", [None, "7"])
async def test_who_leaves_a_voice_channel_may_have_left_the_guild_and_is_not_stored_again(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, channel: str | None
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", guild_of(*MANY[:2]))
    feed("GUILD_MEMBER_REMOVE", {"guild_id": samples.GUILD, "user": MANY[0]["user"]})
    state = payloads.voice_state(user_id="1", channel_id=channel or "7", member=MANY[0], guild_id=samples.GUILD)
    feed("VOICE_STATE_UPDATE", {**state, "channel_id": channel})
    await feed.settle()
    assert (await found(cache.get_member(GUILD, 1)) is None) == (channel is None)


@pytest.mark.parametrize("ready", [False, True], ids=["opened late", "opened before"])
@pytest.mark.parametrize(
    ("guild", "owners", "is_stored"),
    [
        (samples.GUILD, {"0": samples.GUILD}, True),
        (samples.OTHER_GUILD, {"1": "5"}, False),
        (samples.OTHER_GUILD, {"0": "0", "1": "5"}, False),
        (samples.OTHER_GUILD, {}, False),
    ],
)
async def test_an_interaction_stores_no_member_of_a_guild_that_the_bot_is_not_in(
    make_cache: typing.Any,
    feed: gateway.Feed,
    payloads: testing.Payloads,
    ready: bool,
    guild: str,
    owners: Payload,
    is_stored: bool,
) -> None:
    cache = await make_cache(database=0)
    if ready:
        feed("READY", testing.World(guilds=1).ready() | {"guilds": [{"id": samples.GUILD}]}, shard=WITHOUT_MEMBERS)
    member = payloads.member(user=payloads.user(id="5"))
    interaction = payloads.command_interaction(guild_id=guild, member=member, authorizing_integration_owners=owners)
    feed("INTERACTION_CREATE", interaction, shard=WITHOUT_MEMBERS)
    await feed.settle()
    assert (await found(cache.get_member(int(guild), 5)) is not None) == is_stored
    assert (await cache.get_user(5)).id == 5


async def test_an_application_that_is_in_a_guild_without_its_bot_stores_no_member_of_it(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    feed("READY", testing.World(guilds=1).ready() | {"guilds": [{"id": samples.GUILD}]}, shard=WITHOUT_MEMBERS)
    member = payloads.member(user=payloads.user(id="5"))
    use = payloads.command_interaction(guild_id=samples.OTHER_GUILD, member=member)
    feed("INTERACTION_CREATE", use, shard=WITHOUT_MEMBERS)
    await feed.settle()
    assert await found(cache.get_member(int(samples.OTHER_GUILD), 5)) is None
    feed("GUILD_CREATE", {**guild_of(), "id": samples.OTHER_GUILD}, shard=WITHOUT_MEMBERS)
    feed("INTERACTION_CREATE", use, shard=WITHOUT_MEMBERS)
    await feed.settle()
    assert await found(cache.get_member(int(samples.OTHER_GUILD), 5)) is not None
    feed("GUILD_DELETE", {"id": samples.OTHER_GUILD}, shard=WITHOUT_MEMBERS)
    feed("INTERACTION_CREATE", use, shard=WITHOUT_MEMBERS)
    await feed.settle()
    assert await found(cache.get_member(int(samples.OTHER_GUILD), 5)) is None


# Guilds of which changes were given up


async def test_a_stale_guild_is_stale_until_it_is_received_again(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(sake.redis.GuildCache, database=0)
    feed("GUILD_CREATE", guild_of())
    await feed.settle()
    assert await cache.get_stale_guild_ids() == set()
    assert not await cache.is_guild_stale(GUILD)
    await cache.flush()
    await raw.hset(keys.in_guild("guild-stale", samples.GUILD), samples.GUILD, "")
    assert await cache.get_stale_guild_ids() == {GUILD}
    assert await cache.is_guild_stale(GUILD)
    assert not await cache.is_guild_stale(404)
    feed("GUILD_UPDATE", {**samples.guild(1, 0), "name": "still not all"})
    await cache.delete_guild(GUILD)
    await cache.clear_guilds()
    assert await cache.is_guild_stale(GUILD)
    feed("GUILD_CREATE", guild_of())
    await feed.settle()
    assert not await cache.is_guild_stale(GUILD)
    assert await cache.get_stale_guild_ids() == set()


async def test_a_guild_that_is_left_is_not_stale_any_more(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(sake.redis.GuildCache, database=0)
    for guild in (samples.GUILD, samples.OTHER_GUILD):
        await raw.sadd(keys.guilds(), guild)
        await raw.hset(keys.in_guild("guild-stale", guild), guild, "")
    feed("GUILD_DELETE", {"id": samples.GUILD})
    await feed.settle()
    assert await cache.get_stale_guild_ids() == {int(samples.OTHER_GUILD)}
    feed("READY", testing.World(guilds=1).ready() | {"guilds": []})
    await feed.settle()
    assert await cache.get_stale_guild_ids() == set()


async def test_members_of_guilds_that_were_given_up_are_asked_for_again_one_after_the_other(
    make_cache: typing.Any, feed: gateway.Feed, bot: hikari.GatewayBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_member_requests, "_PACE", 0.05)
    cache = await make_cache(sake.redis.MemberCache)
    shards = [Asked(shard_id=number, shard_count=2, fails=2) for number in range(2)]
    guilds = [str(number << 22) for number in range(2, 8)]
    for guild in guilds:
        feed("GUILD_CREATE", {**guild_of(MANY[0]), "id": guild}, shard=shards[int(guild) >> 22 & 1])
    await feed.settle()
    cache.chunk_on_guild_create(bot)
    cache._given_up(set(guilds[:4]))
    cache._given_up({*guilds, "404"})
    await until(lambda: asyncio.sleep(0, sum(len(shard.requests) for shard in shards) == 6))
    assert sorted(str(guild) for shard in shards for guild, _ in shard.requests) == sorted(guilds)
    for shard in shards:
        assert all(later - earlier > 0.04 for earlier, later in zip(shard.times, shard.times[1:], strict=False))
        assert all(guild >> 22 & 1 == shard.id for guild, _ in shard.requests)
    cache.chunk_on_guild_create(None)
    cache._given_up(set(guilds))
    await asyncio.sleep(0.2)
    assert sum(len(shard.requests) for shard in shards) == 6


async def test_a_request_that_fails_or_that_discord_refuses_is_made_again(
    make_cache: typing.Any, feed: gateway.Feed, bot: hikari.GatewayBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_member_requests, "_PACE", 0.02)
    shard = Asked(fails=3)
    cache = (await make_cache(sake.redis.MemberCache)).chunk_on_guild_create(bot)
    feed("GUILD_CREATE", guild_of(MANY[0], count=500), shard=shard)
    await until(lambda: asyncio.sleep(0, shard.requests))
    ((_, options),) = shard.requests
    meta = {"guild_id": samples.GUILD, "nonce": options["nonce"]}
    for other in ({}, None, {**meta, "nonce": None}, {**meta, "nonce": "x"}, {**meta, "guild_id": "5"}):
        feed("RATE_LIMITED", {"opcode": 8, "retry_after": 0.1, "meta": other}, shard=shard)
    feed("RATE_LIMITED", {"opcode": 8, "retry_after": 0.3, "meta": meta}, shard=shard)
    before = asyncio.get_running_loop().time()
    await until(lambda: asyncio.sleep(0, len(shard.requests) > 1))
    assert asyncio.get_running_loop().time() - before > 0.29
    assert len(shard.requests) == 2
    feed("GUILD_MEMBERS_CHUNK", chunk(MANY[:50], 0, 1, nonce=shard.requests[1][1]["nonce"]), shard=shard)
    await feed.settle()
    assert await is_complete(cache)


async def test_an_answer_of_which_a_part_was_given_up_completes_nothing(
    make_cache: typing.Any, feed: gateway.Feed
) -> None:
    cache = await make_cache(sake.redis.MemberCache)
    feed("GUILD_CREATE", guild_of(MANY[0], count=2_500))
    feed.all([("GUILD_MEMBERS_CHUNK", part) for part in WHOLE[:2]])
    await feed.settle()
    cache._given_up({samples.GUILD})
    feed("GUILD_MEMBERS_CHUNK", WHOLE[2])
    await feed.settle()
    assert not await is_complete(cache)


async def test_members_are_not_asked_for_while_the_server_is_away(
    own: own_server.OwnServer, bot: hikari.GatewayBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_member_requests, "_PACE", 0.05)
    shard = Asked()
    feed = gateway.Feed(bot, shard)
    async with sake.redis.MemberCache(own.url, bot, bot.event_manager) as cache:
        feed("GUILD_CREATE", guild_of(MANY[0]))
        await feed.settle()
        await cache.flush()
        own.kill()
        feed("GUILD_MEMBER_ADD", samples.member(5, "meanwhile"))
        await feed.settle()
        cache.chunk_on_guild_create(bot)
        cache._given_up({samples.GUILD})
        await until(lambda: asyncio.sleep(0, cache.statistics.failures > 2))
        assert shard.requests == []
        own.start()
        await until(lambda: asyncio.sleep(0, shard.requests))
        assert (await cache.get_member(GUILD, 5)).nickname == "meanwhile"


# Invites


NO_CODES = ("x:abc", "", "\ud800", "a b", "x" * 65, "é", "abc\n", None)


@pytest.mark.parametrize("code", NO_CODES)
async def test_what_cannot_be_the_code_of_an_invite_names_no_key(
    make_cache: typing.Any, raw: redis.asyncio.Redis, payloads: testing.Payloads, code: typing.Any
) -> None:
    cache = await make_cache(sake.redis.InviteCache, database=0)
    await raw.set(keys.single("invite", "x:abc"), "of another bot")
    for work in (
        cache.get_invite(code),
        cache.get_invites([code]),
        cache.delete_invite(code),
        cache.set_invite(payloads.invite(code=code)),
    ):
        with pytest.raises(ValueError, match="code"):
            await work
    assert await raw.keys("*") == [keys.single("invite", "x:abc").encode()]
    assert await raw.get(keys.single("invite", "x:abc")) == b"of another bot"


@pytest.mark.parametrize("stored", [b"\x00not json", b"[]", b"5", b'{"guild_id": "x"}', b'{"guild": [1]}'])
async def test_an_invite_that_cannot_be_read_can_be_deleted(
    make_cache: typing.Any, raw: redis.asyncio.Redis, stored: bytes
) -> None:
    cache = await make_cache(sake.redis.InviteCache, database=0)
    await raw.set(keys.single("invite", "abc"), stored)
    await cache.delete_invite("abc")
    assert await raw.exists(keys.single("invite", "abc")) == 0


# Threads


@pytest.mark.parametrize("parent", [{}, {"parent_id": None}])
async def test_a_thread_by_hand_needs_its_channel(
    make_cache: typing.Any, payloads: testing.Payloads, raw: redis.asyncio.Redis, parent: Payload
) -> None:
    cache = await make_cache(sake.redis.ThreadCache, database=0)
    thread = payloads.thread(guild_id=samples.GUILD)
    del thread["parent_id"]
    with pytest.raises(ValueError, match="parent_id"):
        await cache.set_thread({**thread, **parent})
    assert await raw.keys("*") == []


# Lists with something in them that cannot be used


BAD_ENTRIES: dict[str, typing.Any] = {
    "nothing": None,
    "a number": 5,
    "a text": "x",
    "a list": [],
    "an empty object": {},
    "no user": {"user": None, "user_id": None, "id": None},
    "a user that is a number": {"user": 5, "creator": 5, "user_id": [], "id": []},
    "no id": {"user": {"username": "x", "discriminator": "0", "avatar": None}, "id": "abc", "user_id": "-1"},
    "what cannot be encoded": {"user": {"id": "9009", "x": object()}, "id": "9009", "user_id": "9009", "x": object()},
}

LISTS = ("members", "roles", "channels", "threads", "emojis", "stickers", "presences", "voice_states")


def good_entries(make: testing.Payloads) -> Payload:
    """Lists of a guild with two of everything."""
    ids = ("11", "12")
    return {
        "members": [plain_member(int(id_)) for id_ in ids],
        "roles": [make.role(id=id_) for id_ in ids],
        "channels": [make.channel(id=id_) for id_ in ids],
        "threads": [make.thread(id=id_, parent_id="11") for id_ in ids],
        "emojis": [make.emoji(id=id_) for id_ in ids],
        "stickers": [make.sticker(id=id_, guild_id=samples.GUILD) for id_ in ids],
        "presences": [make.presence(user_id=id_, status="idle") for id_ in ids],
        "voice_states": [make.voice_state(user_id=id_, channel_id="11") for id_ in ids],
        "guild_scheduled_events": [make.scheduled_event(creator=make.user(id=id_)) for id_ in ids],
    }


async def counts(cache: typing.Any) -> dict[str, int]:
    iterators = {
        "members": cache.iter_members_for_guild,
        "roles": cache.iter_roles_for_guild,
        "channels": cache.iter_guild_channels_for_guild,
        "threads": cache.iter_threads_for_guild,
        "emojis": cache.iter_emojis_for_guild,
        "stickers": cache.iter_stickers_for_guild,
        "presences": cache.iter_presences_for_guild,
        "voice_states": cache.iter_voice_states_for_guild,
    }
    return {name: await iterate(GUILD).len() for name, iterate in iterators.items()}


@pytest.mark.parametrize("bad", BAD_ENTRIES)
@pytest.mark.parametrize("name", [*LISTS, "guild_scheduled_events"])
async def test_what_cannot_be_used_of_a_list_costs_a_guild_nothing_else(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, name: str, bad: str
) -> None:
    cache = await make_cache(database=0)
    lists = good_entries(payloads)
    lists[name].insert(1, BAD_ENTRIES[bad])
    feed("GUILD_CREATE", {**samples.guild(0, 0), **lists, "member_count": 2})
    await feed.settle()
    assert await counts(cache) == dict.fromkeys(LISTS, 2)
    assert {int(user) for user in await cache.get_users([11, 12])} == {11, 12}
    assert (await cache.get_voice_state(GUILD, 11)).member.id == 11
    assert await is_complete(cache) == (name != "members")
    assert name == "guild_scheduled_events" or cache.statistics.skipped >= 1


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_of_which_nothing_can_be_used_takes_the_place_of_none(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, name: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", {**samples.guild(0, 0), **good_entries(payloads), "member_count": 2})
    for bad in (None, {}, BAD_ENTRIES["what cannot be encoded"]):
        feed("GUILD_CREATE", {**samples.guild(0, 0), **good_entries(payloads), "member_count": 1, name: [bad]})
    await feed.settle()
    assert await counts(cache) == dict.fromkeys(LISTS, 2)
    assert await is_complete(cache) == (name != "members")
    assert cache.statistics.skipped >= 3


@pytest.mark.parametrize("bad", BAD_ENTRIES)
async def test_what_cannot_be_used_of_a_chunk_costs_its_neighbours_nothing_and_the_list_is_not_called_complete(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, bad: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", guild_of(plain_member(10), count=1_000))
    lists = good_entries(payloads)
    for members, presences in ((MANY[:1_000], lists["presences"]), (MANY[:1_001], [])):
        feed(
            "GUILD_MEMBERS_CHUNK",
            chunk([*members, BAD_ENTRIES[bad]], 0, 1, presences=[*presences[:1], BAD_ENTRIES[bad], *presences[1:]]),
        )
    await feed.settle()
    found = await counts(cache)
    assert (found["members"], found["presences"]) == (1_001, 2)
    assert len(await cache.get_users([1, 1_001])) == 2
    assert not await is_complete(cache)


@pytest.mark.parametrize("channels", [{}, {"channel_ids": ["11"]}])
@pytest.mark.parametrize("bad", BAD_ENTRIES)
async def test_a_thread_that_cannot_be_used_costs_its_neighbours_nothing(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, bad: str, channels: Payload
) -> None:
    cache = await make_cache(sake.redis.ThreadCache, database=0)
    threads = good_entries(payloads)["threads"]
    no_parent = {name: value for name, value in threads[0].items() if name != "parent_id"}
    mine = [payloads.thread_member(thread_id="12", user_id=str(gateway.OWN_ID))]
    feed(
        "THREAD_LIST_SYNC",
        {
            "guild_id": samples.GUILD,
            "threads": [threads[0], BAD_ENTRIES[bad], {**no_parent, "id": "13"}, threads[1]],
            "members": [BAD_ENTRIES[bad], *mine],
            **channels,
        },
    )
    await feed.settle()
    assert [int(thread.id) async for thread in cache.iter_threads_for_channel(11)] == [11, 12]
    assert (await cache.get_thread(12)).member is not None
    assert await cache.get_threads([13], guild_id=GUILD) == {}


async def test_a_thread_without_its_channel_is_not_stored_by_half(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(sake.redis.ThreadCache, database=0)
    thread = payloads.thread(id="11", guild_id=samples.GUILD)
    del thread["parent_id"]
    for event in ("THREAD_CREATE", "THREAD_UPDATE"):
        feed(event, thread)
    await feed.settle()
    await cache.flush()
    assert all(map(keys.is_of_sake_itself, await raw.keys("*")))
    assert cache.statistics.skipped == 2


@pytest.mark.parametrize("bad", BAD_ENTRIES)
@pytest.mark.parametrize("place", ["mentions", "message_snapshots", "resolved", "referenced_message", "interaction"])
async def test_an_odd_user_costs_a_message_nothing(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, place: str, bad: str
) -> None:
    cache = await make_cache(database=0)
    odd = BAD_ENTRIES[bad] if bad != "what cannot be encoded" else {"id": "abc"}
    held = {
        "mentions": [odd],
        "message_snapshots": [odd, {"message": odd}],
        "resolved": {"users": {"9": odd}},
        "referenced_message": {"author": odd, "mentions": [odd]},
        "interaction": odd,
    }
    author = payloads.user(id="5")
    feed("MESSAGE_CREATE", {"id": "8", "author": author, place: held[place]})
    feed("INTERACTION_CREATE", {"id": "9", "user": payloads.user(id="6"), "data": {"resolved": {"users": {"1": odd}}}})
    feed("INTERACTION_CREATE", {"id": "9", "user": payloads.user(id="7"), "data": odd, "member": odd, "channel": odd})
    await feed.settle()
    assert {int(user) for user in await cache.get_users([5, 6, 7])} == {5, 6, 7}
    await cache.flush()
    assert await cache.iter_messages().len() == 1


# Ids that are none


NO_IDS: tuple[typing.Any, ...] = ("", "abc", "-1", "1" * 21, "\ud800", "\uff11", [], {}, False)
WITH_GUILD: dict[str, collections.Callable[[testing.Payloads], Payload]] = {
    "GUILD_MEMBER_ADD": lambda make: make.member(),
    "GUILD_MEMBER_REMOVE": lambda make: {"user": make.user()},
    "GUILD_MEMBERS_CHUNK": lambda make: chunk([make.member()], 0, 1, presences=[make.presence()]),
    "GUILD_ROLE_CREATE": lambda make: {"role": make.role()},
    "GUILD_ROLE_DELETE": lambda make: {"role_id": "5"},
    "GUILD_EMOJIS_UPDATE": lambda make: {"emojis": [make.emoji()]},
    "GUILD_STICKERS_UPDATE": lambda make: {"stickers": [make.sticker()]},
    "CHANNEL_CREATE": lambda make: make.channel(),
    "CHANNEL_DELETE": lambda make: make.channel(),
    "CHANNEL_PINS_UPDATE": lambda make: {"channel_id": "5"},
    "THREAD_CREATE": lambda make: make.thread(),
    "THREAD_LIST_SYNC": lambda make: {"threads": [make.thread()]},
    "INVITE_CREATE": lambda make: make.invite(),
    "INVITE_DELETE": lambda make: {"code": "abc"},
    "PRESENCE_UPDATE": lambda make: make.presence(status="idle"),
    "VOICE_STATE_UPDATE": lambda make: make.voice_state(member=make.member()),
    "TYPING_START": lambda make: {"user_id": "5", "member": make.member()},
    "INTERACTION_CREATE": lambda make: make.command_interaction(guild_id="1"),
    "GUILD_CREATE": lambda make: make.guild(),
    "GUILD_DELETE": lambda make: {},
    "GUILD_UPDATE": lambda make: make.guild_fields(),
}


@pytest.mark.parametrize("event", WITH_GUILD)
async def test_an_event_of_what_cannot_be_a_guild_writes_no_key_of_it(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis, event: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_ROLE_CREATE", {"guild_id": samples.GUILD, "role": payloads.role(id="5")})
    for guild in NO_IDS:
        payload = WITH_GUILD[event](payloads) | {"id" if event in WITH_ID else "guild_id": guild}
        feed(event, payload, shard=WITHOUT_MEMBERS)
    feed("GUILD_ROLE_CREATE", {"guild_id": samples.GUILD, "role": payloads.role(id="6")})
    await feed.settle()
    await cache.flush()
    assert len(await cache.get_roles([5, 6])) == 2
    stored = [key.decode() for key in await raw.keys("*")]
    unlike = [key for key in stored if keys.use_of(key) not in {"user", "invite"} and not keys.is_of_sake_itself(key)]
    assert set(unlike) == {keys.in_guild("role", samples.GUILD), keys.guild_of(5), keys.guilds()}
    assert await raw.smembers(keys.guilds()) == {samples.GUILD.encode()}
    assert await raw.hgetall(keys.guild_of(5)) == {id_: samples.GUILD.encode() for id_ in (b"5", b"6")}


WITH_ID = {"GUILD_CREATE", "GUILD_DELETE", "GUILD_UPDATE"}


# Messages by hand


async def test_an_update_with_a_lifetime_brings_nothing_back_that_was_deleted_meanwhile(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache, reader = await make_cache(database=0), await make_cache(database=0, fed=False)
    for moment in range(24):
        message = payloads.message(id=str(100 + moment), content="before")
        feed("MESSAGE_CREATE", message)
        if moment % 3:
            await feed.settle()
            await cache.flush()
        update = asyncio.create_task(cache.update_message({"id": message["id"], "content": "after"}, expire_time=60))
        for _ in range(moment):
            await asyncio.sleep(0 if moment % 2 else 0.0001)
        feed("MESSAGE_DELETE", {"id": message["id"], "channel_id": message["channel_id"]})
        await update
        await feed.settle()
        await cache.flush()
        assert await found(reader.get_message(100 + moment)) is None, moment


async def test_an_update_with_a_lifetime_undoes_no_edit_that_came_meanwhile(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = await make_cache(database=0)
    for moment in range(24):
        key = str(100 + moment)
        feed("MESSAGE_CREATE", payloads.message(id=key, content="before", pinned=False))
        await feed.settle()
        await cache.flush()
        update = asyncio.create_task(cache.update_message({"id": key, "pinned": True}, expire_time=1_000))
        for _ in range(moment):
            await asyncio.sleep(0 if moment % 2 else 0.0001)
        feed("MESSAGE_UPDATE", {"id": key, "content": "after"})
        assert await update
        await feed.settle()
        await cache.flush()
        stored = await cache.get_message(100 + moment)
        assert (stored.content, stored.is_pinned) == ("after", True), moment
        assert 990_000 < await raw.pttl(keys.single("message", key)) <= 1_000_000


@pytest.mark.parametrize("expire", [None, 60])
async def test_an_update_by_hand_of_what_cannot_be_read_says_so(
    make_cache: typing.Any, raw: redis.asyncio.Redis, expire: float | None
) -> None:
    cache = await make_cache(sake.redis.MessageCache, database=0)
    for stored in (b"\x00not json", b"[]"):
        await raw.set(keys.single("message", 8), stored)
        with pytest.raises(sake.InvalidDataFound):
            await cache.update_message({"id": "8", "content": "x"}, expire_time=expire)
        assert await raw.get(keys.single("message", 8)) == stored


async def test_a_user_who_is_seen_again_is_kept_anew_wherever_they_are_seen(
    make_cache: typing.Any, feed: gateway.Feed, payloads: testing.Payloads, raw: redis.asyncio.Redis
) -> None:
    cache = (await make_cache(database=0)).with_user_expire(1_000)
    user = payloads.user(id="5")
    for event, payload in (
        ("GUILD_EMOJIS_UPDATE", {"guild_id": samples.GUILD, "emojis": [payloads.emoji(user=user)]}),
        ("MESSAGE_CREATE", payloads.message(author=user)),
        ("USER_UPDATE", {**payloads.own_user(), **user}),
    ):
        await cache.set_user(user, expire_time=10)
        feed(event, payload)
        await feed.settle()
        await cache.flush()
        assert 990_000 < await raw.pttl(keys.single("user", 5)) <= 1_000_000, event


async def test_guilds_that_an_outage_cost_changes_are_told_and_their_members_asked_for_again(
    own: own_server.OwnServer, bot: hikari.GatewayBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_member_requests, "_PACE", 0.02)
    shard = Asked()
    feed = gateway.Feed(bot, shard)
    async with (
        sake.redis.RedisCache(own.url, bot, bot.event_manager, database=0, backlog_limit=600_000) as cache,
        sake.redis.RedisCache(own.url, bot, database=0) as reader,
    ):
        cache.chunk_on_guild_create(bot)
        guilds = [str(number) for number in range(101, 121)]
        for guild in guilds:
            feed("GUILD_CREATE", {**guild_of(*MANY[:50]), "id": guild})
            await until(lambda guild=guild: is_complete(reader, int(guild)))
        own.pause()
        for guild in guilds:
            for part in (MANY[:60], MANY[60:120]):
                feed("GUILD_MEMBERS_CHUNK", chunk(part, 0, 1) | {"guild_id": guild})
        await until(lambda: asyncio.sleep(0, cache.statistics.dropped))
        own.resume()
        await until(reader.get_stale_guild_ids, within=30)
        stale = {str(int(guild)) for guild in await reader.get_stale_guild_ids()}
        await until(lambda: asyncio.sleep(0, {str(guild) for guild, _ in shard.requests} >= stale))
        assert stale < set(guilds)
        for guild in guilds:
            assert await reader.is_guild_stale(int(guild)) == (guild in stale)
            assert await is_complete(reader, int(guild)) == (guild not in stale)
            assert await reader.iter_members_for_guild(int(guild)).len() == (50 if guild in stale else 120)
        for asked, options in shard.requests:
            feed("GUILD_MEMBERS_CHUNK", chunk(MANY[:120], 0, 1, nonce=options["nonce"]) | {"guild_id": str(asked)})
            await until(lambda guild=asked: is_complete(reader, guild))
            assert await reader.is_guild_stale(asked) == (str(asked) in stale)
