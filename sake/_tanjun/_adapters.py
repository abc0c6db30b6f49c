# SPDX-License-Identifier: BSD-3-Clause
"""The async caches that Tanjun gets, one class for each shape it asks for."""

from __future__ import annotations

__all__ = ["Adapter", "Global", "InGuild", "Single", "Users"]

import typing
from collections import abc as collections

import hikari
import typing_extensions
from tanjun import dependencies

from sake import abc
from sake import errors

from ._asker import NO_DEFAULT
from ._asker import Asker
from ._asker import NoDefault
from ._table import Row
from ._table import Shape

_DefaultT = typing.TypeVar("_DefaultT")
_KeyT = typing.TypeVar("_KeyT")
_ValueT = typing.TypeVar("_ValueT")


class _Entries(dependencies.CacheIterator[_ValueT]):
    """Iterates over entries of the cache; over none if the cache cannot be asked."""

    __slots__ = ("_asker", "_entries", "_has_begun", "_required", "_whole")

    def __init__(
        self, asker: Asker, entries: abc.CacheIterator[_ValueT], required: hikari.Snowflake | None = None, /
    ) -> None:
        self._asker = asker
        self._entries = entries
        self._has_begun = False
        self._required = required
        self._whole: collections.Iterator[_ValueT] | None = None

    async def __anext__(self) -> _ValueT:
        if not self._has_begun:
            await self._asker.settle()

        try:
            entry = await (anext(self._entries) if self._required is None else self._next_of_whole(self._required))
        except StopAsyncIteration:
            self._complete()
        except errors.SakeException as exc:
            self._asker.report(exc)
            if self._has_begun:
                error_message = f"The cache could not be read to the end: {exc}"
                raise dependencies.CacheMissError(error_message) from exc
            self._complete()

        self._has_begun = True
        return entry

    @typing_extensions.override
    async def len(self) -> int:
        await self._asker.settle()
        try:
            return await self._entries.len()
        except errors.SakeException as exc:
            self._asker.report(exc)
            return 0

    async def _next_of_whole(self, required: hikari.Snowflake, /) -> _ValueT:
        # Tanjun takes what there is for everything there is, and asks REST only if there is nothing.
        if self._whole is None:
            is_whole = not await self._asker.has_lost(required)
            entries = [entry async for entry in self._entries]
            ids = {entry.id for entry in entries if isinstance(entry, hikari.Unique)}
            self._whole = iter(entries if is_whole and required in ids else ())

        for entry in self._whole:
            return entry

        raise StopAsyncIteration


class _Nothing(abc.CacheIterator[_ValueT]):
    """Iterates over what is in no guild."""

    __slots__ = ()

    async def __anext__(self) -> _ValueT:
        self._complete()

    @typing_extensions.override
    async def len(self) -> int:
        return 0


class Adapter(typing.Generic[_ValueT]):
    """What the adapters of a resource have in common."""

    __slots__ = ("_asker", "_row", "_trusted")

    def __init__(self, asker: Asker, row: Row, *, trusted: bool) -> None:
        self._asker = asker
        self._row = row
        self._trusted = trusted

    @property
    def cache(self) -> object:
        """The cache that is asked."""
        return self._asker.cache

    def iter_all(self) -> dependencies.CacheIterator[_ValueT]:
        """Iterate over the entries of all guilds."""
        return _Entries(self._asker, getattr(self._asker.cache, self._row.name.iter_all)())

    def iter_for_guild(self, guild_id: hikari.Snowflakeish, /) -> dependencies.CacheIterator[_ValueT]:
        """Iterate over the entries of one guild."""
        try:
            entries = getattr(self._asker.cache, self._row.name.iter_for_guild)(guild_id)
        except ValueError:
            return _Entries(self._asker, _Nothing())

        return _Entries(self._asker, entries, hikari.Snowflake(guild_id) if self._row.has_everyone else None)

    def _get(self, *key: object, **hints: object) -> collections.Awaitable[_ValueT]:
        look = getattr(self._asker.cache, self._row.get or self._row.name.get)
        entry: collections.Awaitable[_ValueT] = look(*key, **hints)
        return entry

    async def _knows(self, key: object, guild_id: hikari.Snowflake | None, /) -> bool:
        return self._trusted and await self._row.knows(self._asker, self._row.name.kind, key, guild_id)


class Single(Adapter[_ValueT], dependencies.SingleStoreCache[_ValueT]):
    """There is one of it: the bot's own user, its application."""

    __slots__ = ()

    @typing_extensions.override
    async def get(self, *, default: _DefaultT | NoDefault = NO_DEFAULT) -> _ValueT | _DefaultT:
        return await self._asker.ask(self._get, lambda: self._knows(None, None), default)


class Global(Adapter[_ValueT], dependencies.AsyncCache[_KeyT, _ValueT], typing.Generic[_KeyT, _ValueT]):
    """Found by a key that is its own everywhere."""

    __slots__ = ()

    @typing_extensions.override
    async def get(self, key: _KeyT, /, *, default: _DefaultT | NoDefault = NO_DEFAULT) -> _ValueT | _DefaultT:
        return await self._asker.ask(lambda: self._get(key), lambda: self._knows(key, None), default)


class Users(Global[hikari.Snowflakeish, hikari.User]):
    """Users, whose own entries expire: those who are members of a guild are found there."""

    __slots__ = ()

    @typing_extensions.override
    async def _get(self, *key: typing.Any, **hints: object) -> hikari.User:
        try:
            return await super()._get(*key, **hints)
        except errors.EntryNotFound:
            if not isinstance(self._asker.cache, abc.MemberCache):
                raise

            user = await self._asker.knowledge.find_member(*key)
            if user is None:
                raise

            return user


class InGuild(Adapter[_ValueT], dependencies.GuildBoundCache[hikari.Snowflakeish, _ValueT]):
    """Found in a guild."""

    __slots__ = ()

    @typing_extensions.override
    async def get_from_guild(
        self,
        guild_id: hikari.Snowflakeish,
        key: hikari.Snowflakeish,
        /,
        *,
        default: _DefaultT | NoDefault = NO_DEFAULT,
    ) -> _ValueT | _DefaultT:
        return await self._asker.ask(
            lambda: self._get_in(guild_id, key), lambda: self._knows(key, hikari.Snowflake(guild_id)), default
        )

    def _get_in(self, guild_id: hikari.Snowflakeish, key: hikari.Snowflakeish, /) -> collections.Awaitable[_ValueT]:
        if self._row.shape is Shape.BOUND:
            return self._get(guild_id, key)

        # Told of no guild, the cache would look into all.
        return self._get(key, guild_id=guild_id or "")
