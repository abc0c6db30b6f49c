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
from _support import gateway
from _support import leaks
from _support import samples
from hypothesis import strategies as st

import sake
import sake.redis
from sake import testing
from sake.redis import _people

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
