# SPDX-License-Identifier: BSD-3-Clause
"""Reading many entries at once: every kind of entry, of all guilds, of one guild, of one channel."""

from __future__ import annotations

__all__ = [
    "check_window_size",
    "count_all",
    "count_guilds",
    "count_in_channel",
    "count_in_guild",
    "entity_ids",
    "find_guild",
    "guild_ids",
    "in_all",
    "in_channel",
    "in_guild",
    "is_listed",
]

import asyncio
import typing
from collections import abc as collections

from .._model import ids
from .._model import wire
from .._model.kinds import Kind
from .._model.kinds import Shape
from .engine import Engine
from .iterators import Window

AnyKind = Kind[typing.Any]
_T = typing.TypeVar("_T")

_GUILDS_AT_ONCE: typing.Final = 500
"""How many guilds are asked for the number of their entries in one round trip."""


def check_window_size(window_size: int, /) -> int:
    """Return a window size that can be used.

    Raises
    ------
    ValueError
        If it is no whole number, or smaller than 1.
    """
    if not isinstance(window_size, int) or window_size < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        error_message = f"window_size must be a whole number of at least 1, not {window_size!r}"
        raise ValueError(error_message)

    return window_size


async def in_all(engine: Engine, kind: AnyKind, window_size: int, /) -> collections.AsyncIterator[Window]:
    """Fetch all entries of a kind."""
    await engine.reader.settle(kind)
    if kind.shape is Shape.SINGLE:
        async for names in _scan(engine, kind, window_size):
            yield "", await _singles(engine, kind, names)
    else:
        async for window in _in_all_guilds(engine, kind, window_size):
            yield window


async def in_guild(engine: Engine, kind: AnyKind, guild: str, window_size: int, /) -> collections.AsyncIterator[Window]:
    """Fetch the entries of a kind in one guild: those of one moment where they fit into one window."""
    await engine.reader.settle(kind, guild)
    async for window in _hash(engine, kind, engine.keys.in_guild(kind.name, guild), window_size):
        yield guild, window


async def in_channel(
    engine: Engine, kind: AnyKind, channel: str, window_size: int, /
) -> collections.AsyncIterator[Window]:
    """Fetch the entries of a kind in one channel."""
    guild, entities = await _in_channel(engine, kind, channel)
    for group in _chunks(entities, window_size):
        if kind.shape is Shape.SINGLE:
            yield guild, await _singles(engine, kind, group)
        else:
            command = wire.parcel(engine.keys, "HMGET", engine.keys.in_guild(kind.name, guild), *group)
            (values,) = await engine.reader.call(kind, command)
            yield guild, [value for value in values if value is not None]


async def count_all(engine: Engine, kind: AnyKind, /) -> int:
    """Count all entries of a kind."""
    await engine.reader.settle(kind)
    if kind.shape is Shape.SINGLE:
        return sum([len(names) async for names in _scan(engine, kind, 1_000)])

    total = 0
    async for group in _known_guilds(engine):
        total += sum(await _lengths(engine, kind, group))

    return total


async def count_in_guild(engine: Engine, kind: AnyKind, guild: str, /) -> int:
    """Count the entries of a kind in one guild."""
    await engine.reader.settle(kind, guild)
    return await _length(engine, kind, engine.keys.in_guild(kind.name, guild))


async def count_in_channel(engine: Engine, kind: AnyKind, channel: str, /) -> int:
    """Count the entries of a kind in one channel."""
    _, entities = await _in_channel(engine, kind, channel)
    if kind.shape is Shape.SINGLE:
        return len(await _singles(engine, kind, entities))

    return len(entities)


async def entity_ids(engine: Engine, kind: AnyKind, /) -> collections.AsyncIterator[list[str]]:
    """Fetch, in windows, the ids of all entries of a kind that has one in a guild, or knows no guilds.

    Those that are not written yet are among them, also where the server refuses to write them.
    """
    if kind.one_per_guild:
        async for group in guild_ids(engine, kind):
            found = await asyncio.gather(*(engine.reader.get(kind, guild, [guild]) for guild in group))
            yield [guild for guild, data in zip(group, found, strict=True) if data != [None]]
        return

    await engine.reader.settle(kind)
    yield list(engine.reader.overlay.entities(kind))
    async for names in _scan(engine, kind, 1_000):
        yield names


async def guild_ids(engine: Engine, kind: AnyKind, /) -> collections.AsyncIterator[list[str]]:
    """Fetch, in windows, the ids of the guilds that may have entries of a kind, written or not."""
    await engine.reader.settle(kind)
    unwritten = engine.reader.overlay.guilds(kind)
    yield list(unwritten)
    async for group in _known_guilds(engine):
        yield [guild for guild in group if guild not in unwritten]


async def count_guilds(engine: Engine, /) -> int:
    """Count the guilds that anything is stored of."""
    (count,) = await engine.reader.call(None, wire.parcel(engine.keys, "SCARD", engine.keys.guilds()))
    return int(count)


async def is_listed(engine: Engine, guild: str, /) -> bool:
    """Return whether a guild is one of those that the bot is in, or that anything is stored of."""
    await asyncio.sleep(0)
    if engine.reader.overlay.has_guild(guild):
        return True

    (found,) = await engine.reader.call(None, wire.parcel(engine.keys, "SISMEMBER", engine.keys.guilds(), guild))
    return bool(found)


async def find_guild(engine: Engine, kind: AnyKind, entity: str, /) -> str | None:
    """Return the guild that an id belongs to, if that is known."""
    (guild,) = await engine.reader.find_guilds(kind, [entity])
    return guild


async def _in_channel(engine: Engine, kind: AnyKind, channel: str, /) -> tuple[str, list[str]]:
    """Return the guild of a channel, and the ids of the entries of a kind in there."""
    # What was received a moment ago is described by then, and tells which guild it is.
    await asyncio.sleep(0)
    guild = await find_guild(engine, kind, channel)
    if guild is None:
        return "", []

    await engine.reader.settle(kind, guild)
    table = engine.keys.channels_in_guild(kind.name, guild)
    (found,) = await engine.reader.call(kind, wire.parcel(engine.keys, "HGETALL", table))
    names = zip(found[::2], found[1::2], strict=True)
    return guild, [_name(entity) for entity, place in names if _name(place) == channel]


async def _singles(engine: Engine, kind: AnyKind, entities: list[str], /) -> list[bytes]:
    keys = engine.keys
    singles = (keys.single(kind.name, entity) for entity in entities)
    commands = [wire.parcel(keys, "MGET", *group) for _, group in keys.by_slot(singles)] if entities else []
    answers = await engine.reader.call(kind, *commands) if commands else []
    return [value for values in answers for value in values if value is not None]


def _name(data: bytes, /) -> str:
    return data.decode("ascii", "replace")


async def _length(engine: Engine, kind: AnyKind, key: str, /) -> int:
    (length,) = await engine.reader.call(kind, wire.parcel(engine.keys, "HLEN", key))
    return int(length)


async def _lengths(engine: Engine, kind: AnyKind, guilds: list[str], /) -> list[int]:
    return await engine.reader.call(
        kind, *(wire.parcel(engine.keys, "HLEN", engine.keys.in_guild(kind.name, guild)) for guild in guilds)
    )


async def _hash(
    engine: Engine, kind: AnyKind, key: str, window_size: int, /
) -> collections.AsyncIterator[collections.Iterable[bytes]]:
    if await _length(engine, kind, key) <= window_size:
        (values,) = await engine.reader.call(kind, wire.parcel(engine.keys, "HVALS", key))
        yield values
        return

    seen: set[bytes] = set()
    cursor = b"0"
    while True:
        command = wire.parcel(engine.keys, "HSCAN", key, cursor, "COUNT", window_size)
        ((cursor, found),) = await engine.reader.call(kind, command)
        window = {name: value for name, value in zip(found[::2], found[1::2], strict=True) if name not in seen}
        seen.update(window)
        yield window.values()
        if cursor == b"0":
            return


async def _in_all_guilds(engine: Engine, kind: AnyKind, window_size: int, /) -> collections.AsyncIterator[Window]:
    async for group in _known_guilds(engine):
        together: list[str] = []
        size = 0
        lengths = [1] * len(group) if kind.one_per_guild else await _lengths(engine, kind, group)
        for guild, length in zip(group, lengths, strict=True):
            if length > window_size:
                async for values in _hash(engine, kind, engine.keys.in_guild(kind.name, guild), window_size):
                    yield guild, values
            elif length:
                if size + length > window_size:
                    for window in await _values(engine, kind, together):
                        yield window
                    together, size = [], 0
                together.append(guild)
                size += length

        for window in await _values(engine, kind, together):
            yield window


async def _values(engine: Engine, kind: AnyKind, guilds: list[str], /) -> list[Window]:
    if not guilds:
        return []

    commands = [wire.parcel(engine.keys, "HVALS", engine.keys.in_guild(kind.name, guild)) for guild in guilds]
    return list(zip(guilds, await engine.reader.call(kind, *commands), strict=True))


async def _known_guilds(engine: Engine, /) -> collections.AsyncIterator[list[str]]:
    (members,) = await engine.reader.call(None, wire.parcel(engine.keys, "SMEMBERS", engine.keys.guilds()))
    for group in _chunks(members, _GUILDS_AT_ONCE):
        yield [name for data in group if (name := ids.stored_snowflake(data)) is not None]


async def _scan(engine: Engine, kind: AnyKind, window_size: int, /) -> collections.AsyncIterator[list[str]]:
    prefix = engine.keys.single(kind.name, "").encode()
    options = ("MATCH", prefix + b"*", "COUNT", max(window_size, 100), "TYPE", "string")
    seen: set[str] = set()
    for slot in await engine.connections.database(engine.setup.layout[kind]).places():
        cursor = b""
        while cursor != b"0":
            command = wire.Parcel(slot, wire.pack("SCAN", cursor or "0", *options))
            ((cursor, keys),) = await engine.reader.call(kind, command)
            names = {key[len(prefix) :].decode("ascii", "replace") for key in keys} - seen
            names = {name for name in names if (ids.is_snowflake(name) if kind.numeric else ids.is_code(name))}
            seen |= names
            for window in _chunks(list(names), window_size):
                yield window


def _chunks(items: list[_T], size: int, /) -> collections.Iterator[list[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
