# SPDX-License-Identifier: BSD-3-Clause
"""Reading many entries at once: every kind of entry, of all guilds, of one guild, of one channel."""

from __future__ import annotations

__all__ = [
    "check_window_size",
    "count_all",
    "count_in_channel",
    "count_in_guild",
    "guild_ids",
    "guilds_of_channel",
    "ids",
    "in_all",
    "in_channel",
    "in_guild",
    "known_guilds",
]

import typing
from collections import abc as collections

from . import _ids
from . import _wire
from ._engine import Engine
from ._iterators import Window
from ._kinds import Kind
from ._kinds import Shape

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
    if kind.shape is Shape.STRING:
        async for names in _scan(engine, kind, window_size):
            keys = [engine.keys.single(kind.name, name) for name in names]
            (values,) = await engine.reader.call(kind, _wire.pack("MGET", *keys))
            yield "", [value for value in values if value is not None]
    elif kind.shape is Shape.HASH:
        async for values in _hash(engine, kind, engine.keys.whole(kind.name), window_size):
            yield "", values
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
    await engine.reader.settle(kind)
    for guild, group in (await _places(engine, kind, channel)).items():
        for entities in _chunks(group, window_size):
            command = _wire.pack("HMGET", engine.keys.in_guild(kind.name, guild), *entities)
            (values,) = await engine.reader.call(kind, command)
            yield guild, [value for value in values if value is not None]


async def count_all(engine: Engine, kind: AnyKind, /) -> int:
    """Count all entries of a kind."""
    await engine.reader.settle(kind)
    if kind.shape is Shape.STRING:
        return sum([len(names) async for names in _scan(engine, kind, 1_000)])

    if kind.shape is Shape.HASH:
        return await _length(engine, kind, engine.keys.whole(kind.name))

    total = 0
    async for group in known_guilds(engine, kind):
        total += sum(await _lengths(engine, kind, group))

    return total


async def count_in_guild(engine: Engine, kind: AnyKind, guild: str, /) -> int:
    """Count the entries of a kind in one guild."""
    await engine.reader.settle(kind, guild)
    return await _length(engine, kind, engine.keys.in_guild(kind.name, guild))


async def count_in_channel(engine: Engine, kind: AnyKind, channel: str, /) -> int:
    """Count the entries of a kind in one channel."""
    await engine.reader.settle(kind)
    return await _length(engine, kind, engine.keys.in_channel(kind.name, channel))


async def ids(engine: Engine, kind: AnyKind, /) -> collections.AsyncIterator[list[str]]:
    """Fetch, in windows, the ids of all guilds with entries of a kind, or of all entries where it knows no guilds.

    Those that are not written yet are among them, also where the server refuses to write them.
    """
    if kind.shape is Shape.GUILD_HASH:
        async for group in guild_ids(engine, kind):
            yield group
        return

    overlay = engine.reader.overlay
    await engine.reader.settle(kind)
    if kind.shape is Shape.STRING:
        yield list(overlay.entities(kind))
        async for names in _scan(engine, kind, 1_000):
            yield names
    else:
        command = "SMEMBERS" if kind.shape is Shape.SET else "HKEYS"
        (members,) = await engine.reader.call(kind, _wire.pack(command, engine.keys.whole(kind.name)))
        stored = set(_snowflakes(members))
        yield [name for name in stored | overlay.entities(kind) if overlay.has(kind, name, is_stored=name in stored)]


async def guild_ids(engine: Engine, kind: AnyKind, /) -> collections.AsyncIterator[list[str]]:
    """Fetch, in windows, the ids of the guilds with entries of a kind, written or not."""
    await engine.reader.settle(kind)
    yield list(engine.reader.overlay.guilds(kind))
    async for group in known_guilds(engine, kind):
        yield group


async def guilds_of_channel(engine: Engine, kind: AnyKind, channel: str, /) -> list[str]:
    """Return the ids of the guilds (one, or none) that have entities of a kind in a channel."""
    return list(await _places(engine, kind, channel))


async def _places(engine: Engine, kind: AnyKind, channel: str, /) -> dict[str, list[bytes]]:
    (found,) = await engine.reader.call(kind, _wire.pack("HGETALL", engine.keys.in_channel(kind.name, channel)))
    places: dict[str, list[bytes]] = {}
    for entity, guild in zip(found[::2], found[1::2], strict=True):
        if (name := _ids.stored_snowflake(guild)) is not None:
            places.setdefault(name, []).append(entity)

    return places


async def _length(engine: Engine, kind: AnyKind, key: str, /) -> int:
    (length,) = await engine.reader.call(kind, _wire.pack("HLEN", key))
    return int(length)


async def _lengths(engine: Engine, kind: AnyKind, guilds: list[str], /) -> list[int]:
    return await engine.reader.call(
        kind, *(_wire.pack("HLEN", engine.keys.in_guild(kind.name, guild)) for guild in guilds)
    )


async def _hash(
    engine: Engine, kind: AnyKind, key: str, window_size: int, /
) -> collections.AsyncIterator[collections.Iterable[bytes]]:
    if await _length(engine, kind, key) <= window_size:
        (values,) = await engine.reader.call(kind, _wire.pack("HVALS", key))
        yield values
        return

    seen: set[bytes] = set()
    cursor = b"0"
    while True:
        command = _wire.pack("HSCAN", key, cursor, "COUNT", window_size)
        ((cursor, found),) = await engine.reader.call(kind, command)
        window = {name: value for name, value in zip(found[::2], found[1::2], strict=True) if name not in seen}
        seen.update(window)
        yield window.values()
        if cursor == b"0":
            return


async def _in_all_guilds(engine: Engine, kind: AnyKind, window_size: int, /) -> collections.AsyncIterator[Window]:
    async for group in known_guilds(engine, kind):
        together: list[str] = []
        size = 0
        for guild, length in zip(group, await _lengths(engine, kind, group), strict=True):
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

    commands = [_wire.pack("HVALS", engine.keys.in_guild(kind.name, guild)) for guild in guilds]
    return list(zip(guilds, await engine.reader.call(kind, *commands), strict=True))


async def known_guilds(engine: Engine, kind: AnyKind, /) -> collections.AsyncIterator[list[str]]:
    (members,) = await engine.reader.call(kind, _wire.pack("SMEMBERS", engine.keys.guilds(kind.name)))
    for group in _chunks(members, _GUILDS_AT_ONCE):
        yield _snowflakes(group)


async def _scan(engine: Engine, kind: AnyKind, window_size: int, /) -> collections.AsyncIterator[list[str]]:
    prefix = engine.keys.single(kind.name, "").encode()
    seen: set[str] = set()
    cursor = b"0"
    while True:
        command = _wire.pack("SCAN", cursor, "MATCH", prefix + b"*", "COUNT", max(window_size, 100), "TYPE", "string")
        ((cursor, keys),) = await engine.reader.call(kind, command)
        names = {key[len(prefix) :].decode("ascii", "replace") for key in keys} - seen
        names = {name for name in names if (_ids.is_snowflake(name) if kind.numeric else _ids.is_code(name))}
        seen |= names
        for window in _chunks(list(names), window_size):
            yield window
        if cursor == b"0":
            return


def _snowflakes(stored: collections.Iterable[bytes], /) -> list[str]:
    return [name for data in stored if (name := _ids.stored_snowflake(data)) is not None]


def _chunks(items: list[_T], size: int, /) -> collections.Iterator[list[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
