# SPDX-License-Identifier: BSD-3-Clause
"""What cannot be used is logged, counted and skipped, and its neighbours are written."""

from __future__ import annotations

import asyncio
import typing
from collections import abc as collections

import pytest
import pytest_asyncio
import redis.asyncio
from _support import gateway
from _support import keys
from _support import leaks
from _support import samples

import sake
import sake.redis
from sake import testing

Payload = dict[str, typing.Any]


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "sake.redis"]


async def _neighbours_live(cache: sake.redis.RedisCache) -> None:
    await cache.flush()
    assert (await cache.get_member(int(samples.GUILD), 1)).nickname == "before"
    assert (await cache.get_member(int(samples.GUILD), 2)).nickname == "after"


# Events that cannot do without what these payloads lack.
BAD_APPLES: dict[str, Payload] = {
    "CHANNEL_CREATE": {"guild_id": samples.GUILD, "name": "no id"},
    "CHANNEL_DELETE": {"guild_id": samples.GUILD},
    "CHANNEL_PINS_UPDATE": {"guild_id": samples.GUILD},
    "GUILD_CREATE": {"name": "no id", "roles": [], "members": []},
    "GUILD_DELETE": {},
    "GUILD_EMOJIS_UPDATE": {"guild_id": samples.GUILD, "emojis": [{"name": "no id"}]},
    "GUILD_MEMBERS_CHUNK": {"guild_id": samples.GUILD},
    "GUILD_MEMBER_ADD": {"guild_id": samples.GUILD, "nick": "no user"},
    "GUILD_MEMBER_REMOVE": {"guild_id": samples.GUILD},
    "GUILD_MEMBER_UPDATE": {"guild_id": samples.GUILD, "user": {"username": "no id"}},
    "GUILD_ROLE_CREATE": {"guild_id": samples.GUILD, "role": {"name": "no id"}},
    "GUILD_ROLE_DELETE": {"guild_id": samples.GUILD},
    "GUILD_ROLE_UPDATE": {"guild_id": samples.GUILD},
    "GUILD_STICKERS_UPDATE": {"guild_id": samples.GUILD, "stickers": [{"name": "no id"}]},
    "GUILD_UPDATE": {"name": "no id"},
    "INVITE_CREATE": {"guild_id": samples.GUILD, "channel_id": "1"},
    "INVITE_DELETE": {"guild_id": samples.GUILD},
    "MESSAGE_CREATE": {"guild_id": samples.GUILD, "content": "no id"},
    "MESSAGE_DELETE": {"guild_id": samples.GUILD},
    "MESSAGE_DELETE_BULK": {"guild_id": samples.GUILD},
    "MESSAGE_UPDATE": {"guild_id": samples.GUILD, "content": "no id"},
    "PRESENCE_UPDATE": {"guild_id": samples.GUILD, "user": {}, "status": "idle"},
    "READY": {"v": 10},
    "THREAD_CREATE": {"guild_id": samples.GUILD, "id": "1"},
    "THREAD_DELETE": {"guild_id": samples.GUILD},
    "THREAD_LIST_SYNC": {"guild_id": samples.GUILD},
    "THREAD_UPDATE": {"guild_id": samples.GUILD},
    "VOICE_STATE_UPDATE": {"guild_id": samples.GUILD, "channel_id": "1"},
}


@pytest.mark.parametrize("name", BAD_APPLES)
async def test_a_payload_that_cannot_be_used_is_logged_and_counted_and_its_neighbours_are_written(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
    feed(name, BAD_APPLES[name])
    feed("GUILD_MEMBER_ADD", samples.member(2, "after"))
    await _neighbours_live(cache)
    logged = [text for text in _errors(caplog) if name in text]
    assert logged
    assert "guild_id" not in BAD_APPLES[name] or all(samples.GUILD in text for text in logged)
    assert cache.statistics.skipped >= 1


async def test_an_entity_that_cannot_be_used_does_not_keep_its_guilds_others_from_being_written(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", samples.guild(0, 6))
    broken = samples.guild(1, 6)
    broken["roles"] = [*broken["roles"], {"name": "no id"}]
    feed("GUILD_CREATE", broken)
    await cache.flush()
    assert {str(channel.name).split()[-1] for channel in await cache.iter_guild_channels()} == {"1"}
    assert {role.name.split()[-1] for role in await cache.iter_roles()} == {"1"}
    assert any("GUILD_CREATE" in text and samples.GUILD in text for text in _errors(caplog))
    assert cache.statistics.skipped == 1


async def test_a_payload_that_cannot_be_encoded_is_logged_and_counted_and_its_neighbours_are_written(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
    feed("GUILD_ROLE_CREATE", {"guild_id": samples.GUILD, "role": {"id": "5", "name": object()}})
    feed("GUILD_MEMBER_ADD", samples.member(2, "after"))
    await _neighbours_live(cache)
    assert await cache.get_roles([5]) == {}
    assert any("GUILD_ROLE_CREATE" in text and samples.GUILD in text for text in _errors(caplog))
    assert cache.statistics.skipped == 1


@pytest.mark.parametrize("state", ["in the same burst", "on the server"])
async def test_a_partial_update_that_cannot_be_encoded_leaves_the_message_as_it_was(
    make_cache: typing.Any, feed: gateway.Feed, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    cache = await make_cache(database=0)
    message = testing.Payloads().message(id="8", content="whole", guild_id=samples.GUILD)
    feed("MESSAGE_CREATE", message)
    if state == "on the server":
        await cache.flush()
    feed("MESSAGE_UPDATE", {"id": "8", "guild_id": samples.GUILD, "content": object()})
    feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
    feed("GUILD_MEMBER_ADD", samples.member(2, "after"))
    async with asyncio.timeout(5):
        reads = await asyncio.gather(
            cache.get_message(8), cache.get_member(int(samples.GUILD), 1), return_exceptions=True
        )
        assert reads[0].content == "whole"
        assert reads[1].nickname == "before"
    await _neighbours_live(cache)
    assert (await cache.get_message(8)).content == "whole"
    assert any("message 8" in text or "MESSAGE_UPDATE" in text for text in _errors(caplog))
    assert cache.statistics.skipped == 1


@pytest.mark.parametrize("key", [keys.in_guild("role", samples.GUILD), keys.guilds(), keys.guild_of(5)])
async def test_a_foreign_key_under_one_of_our_names_stays_and_its_neighbours_are_written(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    await raw.set(key, "foreign")
    cache = await make_cache(database=0)
    feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
    feed("GUILD_CREATE", {**samples.guild(0, 4), "id": samples.OTHER_GUILD})
    feed("GUILD_ROLE_CREATE", {"guild_id": samples.GUILD, "role": testing.Payloads().role(id="5")})
    feed("GUILD_ROLE_DELETE", {"guild_id": samples.GUILD, "role_id": "6"})
    feed("MESSAGE_CREATE", testing.Payloads().message(id="8", content="whole"))
    feed("GUILD_MEMBER_ADD", samples.member(2, "after"))
    await _neighbours_live(cache)
    assert (await cache.get_message(8)).content == "whole"
    assert await cache.iter_guild_channels_for_guild(int(samples.OTHER_GUILD)).len() == 4
    assert await raw.get(key) == b"foreign"
    assert any("WRONGTYPE" in text for text in _errors(caplog))
    assert cache.statistics.skipped >= 1
    assert not cache.statistics.is_away


@pytest.mark.parametrize("name", ["ünï", "☃", "a b", "a\r\n$5", "x" * 5_000, "😀" * 20])
async def test_an_id_of_any_characters_harms_no_neighbours(
    make_cache: typing.Any, feed: gateway.Feed, name: str
) -> None:
    cache = await make_cache(database=0)
    make = testing.Payloads()
    feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
    feed("INVITE_CREATE", make.invite(code=name, guild_id=samples.GUILD))
    feed("GUILD_ROLE_CREATE", {"guild_id": samples.GUILD, "role": make.role(id=name)})
    feed("MESSAGE_CREATE", make.message(id=name))
    feed("VOICE_STATE_UPDATE", make.voice_state(user_id=name, channel_id=name, guild_id=samples.GUILD))
    feed("GUILD_MEMBER_ADD", samples.member(2, "after"))
    async with asyncio.timeout(5):
        await _neighbours_live(cache)
    assert cache.statistics.skipped == 4
    assert await cache.iter_invites().len() == 0


async def test_bytes_of_somebody_else_do_not_keep_an_update_from_its_neighbours(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    cache = await make_cache(database=0)
    await raw.set(keys.single("message", 8), b"\x00not json")
    await raw.set(keys.single("message", 9), b"[]")
    feed("GUILD_MEMBER_ADD", samples.member(1, "before"))
    for id_ in ("8", "9"):
        feed("MESSAGE_UPDATE", {"id": id_, "content": "x"})
    feed("GUILD_MEMBER_ADD", samples.member(2, "after"))
    await _neighbours_live(cache)
    assert await raw.get(keys.single("message", 8)) == b"\x00not json"
    with pytest.raises(sake.InvalidDataFound, match="message 8"):
        await cache.get_message(8)
    with pytest.raises(sake.InvalidDataFound):
        await cache.update_message({"id": "8", "content": "x"}, expire_time=50)
    assert cache.statistics.skipped == 2
    assert sum("message" in text for text in _errors(caplog)) == 2


@pytest.mark.parametrize("foreign", ["abc", "", "12x", "-5", b"\xff"])
async def test_a_foreign_member_of_one_of_our_sets_does_not_stop_a_shard_from_saying_what_it_has(
    make_cache: typing.Any, feed: gateway.Feed, raw: redis.asyncio.Redis, foreign: str | bytes
) -> None:
    cache = await make_cache(database=0)
    feed("GUILD_CREATE", samples.guild(0, 4))
    await cache.flush()
    await raw.sadd(keys.guilds(), foreign)
    assert await cache.get_unavailable_guild_ids() <= {-5}
    feed("READY", {**testing.World(guilds=1, members=2).ready(), "guilds": []})
    feed("GUILD_MEMBER_ADD", samples.member(2, "after"))
    await cache.flush()
    assert (await cache.get_member(int(samples.GUILD), 2)).nickname == "after"
    assert await cache.iter_roles().len() == 0
    assert await cache.get_guilds([int(samples.GUILD)]) == {}
    await cache.clear_roles()
    await cache.clear_guilds()
