# SPDX-License-Identifier: BSD-3-Clause
"""A database says how things are stored in it, and a client that stores them in another way leaves it alone."""

from __future__ import annotations

import pickle
import typing

import orjson
import pytest
from _support import samples

import sake
from sake.redis._model import codec as _codec
from sake.redis._model import keys as _keys
from sake.redis._model import meta as _meta

_ROLE: typing.Final = next(iter(samples.whole_guild()["roles"]))


async def test_the_first_client_that_writes_says_how_things_are_stored(make_cache: typing.Any, raw: typing.Any) -> None:
    cache = await make_cache(database=0)
    assert not await raw.exists("sake:meta")

    await cache.set_role(samples.GUILD, _ROLE)
    assert orjson.loads(await raw.get("sake:meta")) == {"layout": 2, "values": "JSON"}


@pytest.mark.parametrize("writes", [False, True], ids=["reader", "filler"])
async def test_a_client_with_another_format_of_values_is_told_of_both(
    make_cache: typing.Any, raw: typing.Any, writes: bool
) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(samples.GUILD, _ROLE)

    options = {"fed": writes}
    with pytest.raises(sake.BackendError, match=r"layout 2 .*JSON.* layout 2 .*0x8004.* namespace"):
        await make_cache(database=0, dumps=pickle.dumps, loads=pickle.loads, **options)

    assert await cache.iter_roles().len() == 1


async def test_a_client_with_another_layout_is_told_of_both(make_cache: typing.Any, raw: typing.Any) -> None:
    await raw.set("sake:meta", b'{"layout":3,"values":"JSON"}')
    with pytest.raises(sake.BackendError, match=r"layout 3 .* layout 2 "):
        await make_cache(database=0)


@pytest.mark.parametrize("said", [b"", b"[]", b"something else", b'{"layout":2}'])
async def test_what_somebody_else_keeps_under_that_name_is_left_alone(
    make_cache: typing.Any, raw: typing.Any, said: bytes
) -> None:
    await raw.set("sake:meta", said)
    with pytest.raises(sake.BackendError, match=r"meta|layout"):
        await make_cache(database=0)

    assert await raw.get("sake:meta") == said


async def test_a_database_that_was_emptied_says_it_again(make_cache: typing.Any, raw: typing.Any) -> None:
    cache = await make_cache(database=0)
    await cache.set_role(samples.GUILD, _ROLE)
    await raw.delete("sake:meta")
    other = await make_cache(database=0)
    await other.set_role(samples.GUILD, _ROLE)

    assert await raw.exists("sake:meta")


def test_formats_are_told_apart_by_what_they_make() -> None:
    keys = _keys.Keys()
    formats = [(orjson.dumps, orjson.loads), (pickle.dumps, pickle.loads)]
    one, other = (_meta.Meta(keys, _codec.Codec(dumps, loads)) for dumps, loads in formats)
    assert one.founding != other.founding
    assert one.greeting == other.greeting


def test_two_ways_to_write_json_are_one_format() -> None:
    def indented(payload: dict[str, typing.Any]) -> bytes:
        return orjson.dumps(payload, option=orjson.OPT_INDENT_2)

    keys = _keys.Keys()
    assert _meta.Meta(keys, _codec.Codec()).founding == _meta.Meta(keys, _codec.Codec(indented)).founding
