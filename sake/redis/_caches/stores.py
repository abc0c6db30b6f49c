# SPDX-License-Identifier: BSD-3-Clause
"""What every kind of entity can be asked and told: look-ups, iterators, changes by hand."""

from __future__ import annotations

__all__ = [
    "as_payload",
    "clear",
    "clear_channel",
    "clear_guild",
    "clear_guilds",
    "delete",
    "delete_owned",
    "find",
    "get",
    "get_many",
    "get_many_guilds",
    "get_many_owned",
    "get_named",
    "get_owned",
    "is_marked",
    "iter_all",
    "iter_channel",
    "iter_guild",
    "iter_ids",
    "key_of",
    "replace",
    "text",
    "write",
]

import asyncio
import contextlib
import functools
import typing
from collections import abc as collections

import hikari

from sake import errors

from .._engine import scans
from .._engine.engine import Engine
from .._engine.iterators import EntryIterator
from .._engine.iterators import Window
from .._model import ids
from .._model.codec import Payload
from .._model.codec import nested
from .._model.draft import Draft
from .._model.kinds import Kind
from .._model.kinds import Shape

AnyKind = Kind[typing.Any]
_Opened = collections.Callable[[], Engine]
_Forget = collections.Callable[[Draft, str], None]
_T = typing.TypeVar("_T")


text = ids.to_snowflake


def replace(draft: Draft, kind: AnyKind, payload: Payload, name: str, guild_key: str = "id", /) -> None:
    """Replace the entities of a guild by a list in a payload, where the payload has that list."""
    entities = payload.get(name)
    if entities is not None:
        draft.replace_list(kind, str(payload[guild_key]), entities)


def as_payload(given: object, /) -> Payload:
    """Return a payload that a caller gave.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(given, collections.Mapping):
        error_message = f"payload must be a mapping such as Discord sends, not {type(given).__name__} ({given!r:.64})"
        raise TypeError(error_message)

    return typing.cast("Payload", given)


def key_of(payload: Payload, *path: str) -> str:
    """Return the id that a payload given by a caller carries under a name, or in an object under a name.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If it is no payload.
    """
    *parents, name = path
    found = functools.reduce(nested, parents, as_payload(payload)).get(name)
    if not found:
        error_message = f"payload must have {'.'.join(path)!r}; it has {', '.join(map(repr, payload)) or 'nothing'}"
        raise ValueError(error_message)

    return str(found)


async def find(engine: Engine, kind: AnyKind, guild: str, entity: str, /, *, until: float = 0.0) -> bytes | None:
    """Return the bytes of one entity, if it exists."""
    (data,) = await engine.reader.get(kind, guild, [entity], until=until)
    return data


async def get(engine: Engine, kind: Kind[_T], guild: str, entity: str, /) -> _T:
    """Return the model of one entity.

    Raises
    ------
    sake.errors.EntryNotFound
        If it does not exist.
    sake.errors.InvalidDataFound
        If no model can be built of it.
    sake.errors.BackendError
        If the server cannot be asked.
    """
    data = await find(engine, kind, guild, entity)
    if data is None:
        raise _not_found(kind, guild, entity)

    return _build(engine, kind, guild, data, entity)


async def get_owned(
    engine: Engine, kind: Kind[_T], entity_id: hikari.Snowflakeish, guild_id: hikari.Snowflakeish | None, /
) -> _T:
    """Return the model of one entity that lives in a guild, which need not be known; raises as `get` does."""
    entity = text(entity_id)
    if guild_id is not None:
        return await get(engine, kind, text(guild_id), entity)

    guild, data = await _find_owned(engine, kind, entity)
    if data is None:
        raise _not_found(kind, "", entity)

    return _build(engine, kind, guild, data, entity)


async def get_many(
    engine: Engine, kind: Kind[_T], guild: str, entity_ids: collections.Iterable[hikari.Snowflakeish], /
) -> dict[hikari.Snowflake, _T]:
    """Return the models of entities by their ids, in the order asked, without those that cannot be had."""
    entities = list(dict.fromkeys(map(text, entity_ids)))
    found = dict(zip(entities, await _find_many(engine, kind, guild, entities), strict=True))
    return _by_snowflake(_build_many(engine, kind, entities, {entity: (guild, data) for entity, data in found.items()}))


async def get_many_owned(
    engine: Engine,
    kind: Kind[_T],
    entity_ids: collections.Iterable[hikari.Snowflakeish],
    guild_id: hikari.Snowflakeish | None,
    /,
) -> dict[hikari.Snowflake, _T]:
    """Return the models of entities that live in guilds; as `get_many` does."""
    if guild_id is not None:
        return await get_many(engine, kind, text(guild_id), entity_ids)

    entities = list(dict.fromkeys(map(text, entity_ids)))
    if not entities:
        return {}

    by_guild: dict[str, list[str]] = {}
    until = engine.reader.deadline()
    owners = await engine.reader.find_guilds(kind, entities, until=until)
    for entity, guild in zip(entities, owners, strict=True):
        if guild is not None:
            by_guild.setdefault(guild, []).append(entity)

    found: dict[str, tuple[str, bytes | None]] = {}
    asking = (engine.reader.get(kind, guild, group, until=until) for guild, group in by_guild.items())
    answers = await asyncio.gather(*asking)
    for (guild, group), answer in zip(by_guild.items(), answers, strict=True):
        found.update({entity: (guild, data) for entity, data in zip(group, answer, strict=True)})

    return _by_snowflake(_build_many(engine, kind, entities, found))


async def get_many_guilds(
    engine: Engine, kind: Kind[_T], guild_ids: collections.Iterable[hikari.Snowflakeish], /
) -> dict[hikari.Snowflake, _T]:
    """Return the models of what each of some guilds has one of; as `get_many` does."""
    guilds = list(dict.fromkeys(map(text, guild_ids)))
    answers = await asyncio.gather(*(engine.reader.get(kind, guild, [guild]) for guild in guilds))
    found = {guild: (guild, data) for guild, (data,) in zip(guilds, answers, strict=True)}
    return _by_snowflake(_build_many(engine, kind, guilds, found))


async def is_marked(engine: Engine, kind: AnyKind, guild_id: hikari.Snowflakeish, /) -> bool:
    """Return whether a guild has a mark."""
    guild = text(guild_id)
    return await find(engine, kind, guild, guild) is not None


async def get_named(engine: Engine, kind: Kind[_T], names: collections.Iterable[str], /) -> dict[str, _T]:
    """Return the models of entities whose ids are not snowflakes; as `get_many` does."""
    entities = list(dict.fromkeys(names))
    found = dict(zip(entities, await _find_many(engine, kind, "", entities), strict=True))
    return _build_many(engine, kind, entities, {entity: ("", data) for entity, data in found.items()})


def iter_all(opened: _Opened, kind: Kind[_T], window_size: int, /) -> EntryIterator[_T]:
    """Iterate over all entities of a kind."""
    scans.check_window_size(window_size)
    return _iterate(
        opened,
        kind,
        lambda engine: scans.in_all(engine, kind, window_size),
        lambda engine: scans.count_all(engine, kind),
    )


def iter_guild(
    opened: _Opened, kind: Kind[_T], guild_id: hikari.Snowflakeish, window_size: int, /
) -> EntryIterator[_T]:
    """Iterate over the entities of a kind in one guild."""
    scans.check_window_size(window_size)
    guild = text(guild_id)
    return _iterate(
        opened,
        kind,
        lambda engine: scans.in_guild(engine, kind, guild, window_size),
        lambda engine: scans.count_in_guild(engine, kind, guild),
    )


def iter_channel(
    opened: _Opened, kind: Kind[_T], channel_id: hikari.Snowflakeish, window_size: int, /
) -> EntryIterator[_T]:
    """Iterate over the entities of a kind in one channel."""
    scans.check_window_size(window_size)
    channel = text(channel_id)
    return _iterate(
        opened,
        kind,
        lambda engine: scans.in_channel(engine, kind, channel, window_size),
        lambda engine: scans.count_in_channel(engine, kind, channel),
        channel,
    )


async def iter_ids(engine: Engine, kind: AnyKind, /) -> collections.AsyncIterator[str]:
    """Iterate over the ids that `scans.entity_ids` fetches."""
    async for window in scans.entity_ids(engine, kind):
        for entity in window:
            yield entity


async def write(engine: Engine, describe: collections.Callable[[Draft], None], /) -> None:
    """Describe a change and wait until it is written.

    Raises
    ------
    sake.errors.BackendError
        If the server is away; the change is kept and will be written.
    """
    draft = engine.writer.new_draft()
    describe(draft)
    engine.writer.add(draft)
    await engine.writer.flush()


async def delete(engine: Engine, kind: AnyKind, guild: str, entity: str, /) -> None:
    """Delete one entity."""
    await write(engine, lambda draft: draft.drop(kind, guild, entity))


async def delete_owned(
    engine: Engine, kind: AnyKind, entity_id: hikari.Snowflakeish, guild_id: hikari.Snowflakeish | None, /
) -> None:
    """Delete one entity that lives in a guild, which need not be known."""
    entity = text(entity_id)
    if guild_id is None:
        guild, data = await _find_owned(engine, kind, entity)
    else:
        guild = text(guild_id)
        data = await find(engine, kind, guild, entity)

    if data is not None:
        await delete(engine, kind, guild, entity)


async def clear(engine: Engine, kind: AnyKind, /) -> None:
    """Delete all entities of a kind."""
    if kind.in_guild:
        await clear_guilds(engine, kind, lambda draft, guild: draft.clear(kind, guild))
    if kind.shape is Shape.SINGLE:
        await _describe_all(engine, scans.entity_ids(engine, kind), lambda draft, name: draft.drop(kind, "", name))
    await engine.writer.flush()


async def clear_guilds(engine: Engine, kind: AnyKind, forget: _Forget, /) -> None:
    """Describe by `forget` what goes of each guild with entities of a kind, and wait until it is written."""
    await _describe_all(engine, scans.guild_ids(engine, kind), forget)
    await engine.writer.flush()


async def _describe_all(engine: Engine, windows: collections.AsyncIterator[list[str]], forget: _Forget, /) -> None:
    async for window in windows:
        draft = engine.writer.new_draft()
        for name in window:
            forget(draft, name)
        engine.writer.add(draft)


async def clear_guild(engine: Engine, kind: AnyKind, guild_id: hikari.Snowflakeish, /) -> None:
    """Delete the entities of a kind in one guild."""
    guild = text(guild_id)
    await write(engine, lambda draft: draft.clear(kind, guild))


async def clear_channel(engine: Engine, kind: AnyKind, channel_id: hikari.Snowflakeish, /) -> None:
    """Delete the entities of a kind in one channel."""
    channel = text(channel_id)
    # What was received a moment ago is described by then, and tells which guild it is.
    await asyncio.sleep(0)
    if (guild := await scans.find_guild(engine, kind, channel)) is not None:
        await write(engine, lambda draft: draft.clear_channel(kind, guild, channel))


def _iterate(
    opened: _Opened,
    kind: Kind[_T],
    fetch: collections.Callable[[Engine], collections.AsyncIterator[Window]],
    count: collections.Callable[[Engine], collections.Awaitable[int]],
    channel: str | None = None,
    /,
) -> EntryIterator[_T]:
    async def windows() -> collections.AsyncIterator[Window]:
        async with contextlib.aclosing(typing.cast("collections.AsyncGenerator[Window]", fetch(opened()))) as found:
            async for window in found:
                yield window

    async def length() -> int:
        return await count(opened())

    build = (
        functools.partial(_build_in_channel, opened, kind, channel)
        if channel
        else functools.partial(_build_in_guild, opened, kind)
    )
    return EntryIterator(build, windows(), length, lambda fetch: opened().reader.spawn(fetch()))


def _build_in_guild(opened: _Opened, kind: Kind[_T], guild: str, data: bytes, /) -> _T:
    return _build(opened(), kind, guild, data, "")


def _build_in_channel(opened: _Opened, kind: Kind[_T], channel: str, guild: str, data: bytes, /) -> _T:
    engine = opened()
    channel_of = kind.channel_of
    if channel_of is not None and engine.codec.build(channel_of, data, kind.name) != channel:
        raise _not_found(kind, guild, channel)

    return _build(engine, kind, guild, data, "")


def _build(engine: Engine, kind: Kind[_T], guild: str, data: bytes, entity: str, /) -> _T:
    key = f"{kind.name} {entity}" + (f" of guild {guild}" if guild else "")
    return engine.codec.build(lambda payload: kind.build(engine.factory, payload, guild), data, key)


def _build_many(
    engine: Engine, kind: Kind[_T], entities: list[str], found: dict[str, tuple[str, bytes | None]], /
) -> dict[str, _T]:
    built: dict[str, _T] = {}
    for entity in entities:
        guild, data = found.get(entity, ("", None))
        if data is not None:
            with contextlib.suppress(errors.InvalidDataFound):
                built[entity] = _build(engine, kind, guild, data, entity)

    return built


def _by_snowflake(built: dict[str, _T], /) -> dict[hikari.Snowflake, _T]:
    return {hikari.Snowflake(entity): model for entity, model in built.items()}


async def _find_many(engine: Engine, kind: AnyKind, guild: str, entities: list[str], /) -> list[bytes | None]:
    return await engine.reader.get(kind, guild, entities) if entities else []


async def _find_owned(engine: Engine, kind: AnyKind, entity: str, /) -> tuple[str, bytes | None]:
    until = engine.reader.deadline()
    # What was received a moment ago is described by then, and tells which guild it is.
    await asyncio.sleep(0)
    (guild,) = await engine.reader.find_guilds(kind, [entity], until=until)
    return ("", None) if guild is None else (guild, await find(engine, kind, guild, entity, until=until))


def _not_found(kind: AnyKind, guild: str, entity: str, /) -> errors.EntryNotFound:
    which = "" if kind.is_only_one else f" {entity}"
    where = f" of guild {guild}" if guild else ""
    return errors.EntryNotFound(f"{kind.noun}{which}{where} is not stored")
