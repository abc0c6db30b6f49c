# SPDX-License-Identifier: BSD-3-Clause
"""How long entries live, and the bytes they are stored as."""

from __future__ import annotations

import asyncio
import datetime
import json
import math
import typing
import zlib
from collections import abc as collections

import pytest
import pytest_asyncio
from _support import gateway
from _support import keys
from _support import leaks
from _support import samples
from _support import servers

import sake
import sake.redis
from sake import testing

Payload = dict[str, typing.Any]


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    async with leaks.none(caplog):
        yield


def test_a_shared_config_is_kept_as_it_is() -> None:
    config: dict[str, typing.Any] = {}
    one, other = samples.make_cache(config=config), samples.make_cache(samples.People, config=config)
    assert one.config is config
    assert other.config is config
    one.with_user_expire(60)
    assert other.config == one.config != {}


async def _lifetime(raw: typing.Any, key: str) -> float:
    milliseconds = await raw.pttl(key)
    assert milliseconds != -2, key
    return math.inf if milliseconds == -1 else milliseconds / 1_000


async def test_a_lifetime_in_a_shared_config_counts_for_every_cache(
    server: servers.Server, raw: typing.Any, payloads: testing.Payloads
) -> None:
    config: dict[str, typing.Any] = {}
    samples.make_cache(config=config).with_user_expire(77)
    async with samples.make_cache(address=server.url, database=0, config=config, **server.options) as cache:
        await cache.set_user(payloads.user(id="5"))
        assert await _lifetime(raw, keys.single("user", 5)) == pytest.approx(77, abs=3)


DEFAULTS = {"user": 3_600, "message": 300, "invite": 2_592_000}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, DEFAULTS),
        ({"default_expire": 50}, dict.fromkeys(DEFAULTS, 50)),
        ({"default_expire": 50.5}, dict.fromkeys(DEFAULTS, 50.5)),
        ({"default_expire": datetime.timedelta(hours=2)}, dict.fromkeys(DEFAULTS, 7_200)),
        ({"default_expire": None}, dict.fromkeys(DEFAULTS, math.inf)),
        ({"default_expire": math.inf}, dict.fromkeys(DEFAULTS, math.inf)),
        ({"default_expire": math.nan}, dict.fromkeys(DEFAULTS, math.inf)),
    ],
)
async def test_lifetimes_on_the_server_are_in_real_units(
    make_cache: typing.Any,
    raw: typing.Any,
    payloads: testing.Payloads,
    options: dict[str, typing.Any],
    expected: dict[str, float],
) -> None:
    cache = await make_cache(database=0, **options)
    await cache.set_user(payloads.user(id="5"))
    await cache.set_message(payloads.message(id="6"))
    await cache.set_invite(payloads.invite(code="abc", max_age=0))
    for kind, key in (
        ("user", keys.single("user", 5)),
        ("message", keys.single("message", 6)),
        ("invite", keys.single("invite", "abc")),
    ):
        assert await _lifetime(raw, key) == pytest.approx(expected[kind], abs=3), kind


@pytest.mark.parametrize(
    ("expire", "expected"),
    [(40, 40), (0.5, 0.5), (datetime.timedelta(minutes=3), 180), (math.inf, math.inf), (math.nan, math.inf)],
)
async def test_a_lifetime_of_a_kind_takes_the_place_of_the_default(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads, expire: typing.Any, expected: float
) -> None:
    cache = await make_cache(database=0, default_expire=999)
    await cache.close()
    assert cache.with_user_expire(expire).with_message_expire(expire).with_invite_expire(expire) is cache
    await cache.open()
    await cache.set_user(payloads.user(id="5"))
    await cache.set_message(payloads.message(id="6"))
    await cache.set_invite(payloads.invite(code="abc", max_age=0))
    for key in (keys.single("user", 5), keys.single("message", 6), keys.single("invite", "abc")):
        assert await _lifetime(raw, key) == pytest.approx(expected, abs=0.5 if expected < 1 else 3), key
    cache.with_user_expire(None)
    await cache.set_user(payloads.user(id="7"))
    assert await _lifetime(raw, keys.single("user", 7)) == pytest.approx(999, abs=3)


async def test_a_lifetime_changed_while_open_counts_from_the_next_entry_on(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    cache.with_message_expire(20)
    feed("MESSAGE_CREATE", payloads.message(id="6"))
    await cache.flush()
    assert await _lifetime(raw, keys.single("message", 6)) == pytest.approx(20, abs=3)


async def test_an_entry_may_have_a_lifetime_of_its_own(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    for number, (expire, expected) in enumerate(
        ((30, 30), (math.inf, math.inf), (datetime.timedelta(days=1), 86_400), (None, 3_600))
    ):
        await cache.set_user(payloads.user(id=f"5{number}"), expire_time=expire)
        assert await _lifetime(raw, keys.single("user", f"5{number}")) == pytest.approx(expected, abs=3)


async def test_an_update_keeps_the_time_that_a_message_has_left_unless_told_otherwise(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    message = payloads.message(id="6")
    await cache.set_message(message, expire_time=50)
    feed("MESSAGE_UPDATE", {**message, "content": "by an event"})
    await cache.flush()
    assert await _lifetime(raw, keys.single("message", 6)) == pytest.approx(50, abs=3)
    assert await cache.update_message({"id": "6", "content": "by hand"})
    assert await _lifetime(raw, keys.single("message", 6)) == pytest.approx(50, abs=3)
    assert (await cache.get_message(6)).content == "by hand"
    assert await cache.update_message({"id": "6", "content": "longer"}, expire_time=500)
    assert await _lifetime(raw, keys.single("message", 6)) == pytest.approx(500, abs=3)
    assert (await cache.get_message(6)).content == "longer"
    assert not await cache.update_message({"id": "404", "content": "nothing"}, expire_time=500)
    assert not await raw.exists(keys.single("message", 404))


async def test_an_invite_goes_when_it_expires(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    now = datetime.datetime.now(tz=datetime.UTC)
    created_at = (now - datetime.timedelta(seconds=600)).isoformat()
    feed("INVITE_CREATE", payloads.invite(code="live", max_age=1_800, created_at=created_at))
    feed("INVITE_CREATE", payloads.invite(code="dead", max_age=300, created_at=created_at))
    feed("INVITE_CREATE", payloads.invite(code="ever", max_age=0, created_at=created_at))
    await cache.flush()
    assert await _lifetime(raw, keys.single("invite", "live")) == pytest.approx(1_200, abs=5)
    assert await _lifetime(raw, keys.single("invite", "ever")) == pytest.approx(2_592_000, abs=5)
    assert not await raw.exists(keys.single("invite", "dead"))
    assert {invite.code async for invite in cache.iter_invites()} == {"live", "ever"}


async def test_an_entry_is_gone_when_its_time_is_over(make_cache: typing.Any, payloads: testing.Payloads) -> None:
    cache = await make_cache(database=0)
    await cache.set_user(payloads.user(id="5"), expire_time=0.05)
    assert (await cache.get_user(5)).id == 5
    for _ in range(500):
        if not await cache.get_users([5]):
            break
        await asyncio.sleep(0.01)
    assert await cache.get_users([5]) == {}
    assert await cache.iter_users().len() == 0


# Bytes of one's own


def _pack(payload: Payload) -> bytes:
    return zlib.compress(json.dumps(payload).encode())


def _unpack(data: bytes) -> Payload:
    return json.loads(zlib.decompress(data))


async def test_payloads_are_stored_with_the_functions_that_were_given(
    make_cache: typing.Any, raw: typing.Any, feed: gateway.Feed, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0, dumps=_pack, loads=_unpack)
    message = payloads.message(id="6")
    feed("MESSAGE_CREATE", message)
    feed("MESSAGE_UPDATE", {"id": "6", "content": "one"})
    await cache.flush()
    feed("MESSAGE_UPDATE", {"id": "6", "content": "two"})
    assert (await cache.get_message(6)).content == "two"
    await cache.flush()
    assert _unpack(await raw.get(keys.single("message", 6))) == {**message, "content": "two"}
    assert cache.load(cache.dump({"a": []})) == {"a": []}
    guild = samples.whole_guild()
    feed("GUILD_CREATE", guild)
    assert await cache.iter_members().len() == len(guild["members"])
    assert {int(role.id) async for role in cache.iter_roles()} == {int(role["id"]) for role in guild["roles"]}


async def test_bytes_that_cannot_be_read_are_an_error_for_one_and_skipped_among_many(
    make_cache: typing.Any, raw: typing.Any, payloads: testing.Payloads
) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(7, payloads.role(id="1"))
    await cache.set_role(7, payloads.role(id="2"))
    for data in (b"\x00", b"{}", b"[]", b"null", _pack({"id": "2"})):
        await raw.hset(keys.in_guild("role", 7), "2", data)
        with pytest.raises(sake.InvalidDataFound, match="role 2") as caught:
            await cache.get_role(2)
        assert caught.value.exception is not None
        assert [role.id async for role in cache.iter_roles()] == [1]
        assert set(await cache.get_roles([1, 2])) == {1}
        assert set(await cache.get_roles([1, 2], guild_id=7)) == {1}
