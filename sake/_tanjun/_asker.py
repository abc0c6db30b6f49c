# SPDX-License-Identifier: BSD-3-Clause
"""Asking the cache, and telling Tanjun what went wrong in its own terms."""

from __future__ import annotations

__all__ = ["NO_DEFAULT", "Asker", "Membership", "NoDefault"]

import asyncio
import enum
import logging
import time
import typing
from collections import abc as collections

import hikari
from tanjun import dependencies

from sake import abc
from sake import errors

_DefaultT = typing.TypeVar("_DefaultT")
_ValueT = typing.TypeVar("_ValueT")

_LOGGER: typing.Final = logging.getLogger("sake.tanjun")
_QUIET_SECONDS: typing.Final = 60.0

_Look = collections.Callable[[], "collections.Awaitable[_ValueT]"]
_IsFinal = collections.Callable[[], "collections.Awaitable[bool]"]


class NoDefault(enum.Enum):
    """What stands for a default that was not given."""

    NO_DEFAULT = enum.auto()


NO_DEFAULT: typing.Final = NoDefault.NO_DEFAULT


class Membership(typing.Protocol):
    """What the stored members tell of users."""

    async def find(self, user_id: hikari.Snowflakeish, /) -> hikari.User | None:
        """Return a user who is a stored member of any guild, if that can be told."""

    async def is_whole(self) -> bool:
        """Return whether who is not found is a member of no guild that is known."""
        ...


class Asker:
    """Asks the cache, and tells what goes wrong in Tanjun's terms."""

    __slots__ = ("_quiet_until", "_unreported", "cache", "membership", "settle")

    def __init__(
        self,
        cache: abc.Resource,
        membership: Membership,
        settle: collections.Callable[[], collections.Awaitable[None]],
        /,
    ) -> None:
        self._quiet_until = 0.0
        self._unreported = 0
        self.cache: typing.Final = cache
        self.membership: typing.Final = membership
        self.settle: typing.Final = settle

    async def ask(
        self, look: _Look[_ValueT], is_final: _IsFinal, default: _DefaultT | NoDefault, /
    ) -> _ValueT | _DefaultT:
        """Return an entry, or else the default, or else raise what Tanjun expects."""
        await self.settle()
        try:
            return await (self._look_twice(look, is_final) if isinstance(default, NoDefault) else look())
        except errors.SakeException as exc:
            self.report(exc)
            return self.miss(exc, default)
        except ValueError as exc:
            # Nothing can have such a key.
            return self.miss(exc, default)

    def miss(self, exc: Exception, default: _DefaultT | NoDefault, /) -> _DefaultT:
        """Return the default, or else raise that the cache does not know."""
        if not isinstance(default, NoDefault):
            return default

        raise dependencies.CacheMissError(str(exc)) from exc

    async def _look_twice(self, look: _Look[_ValueT], is_final: _IsFinal, /) -> _ValueT:
        try:
            return await look()
        except errors.EntryNotFound:
            if not await self._is_sure(is_final):
                raise

        # All is known now, which may be so because it has arrived since the first look.
        try:
            return await look()
        except errors.EntryNotFound as exc:
            raise dependencies.EntryNotFound(str(exc)) from exc

    def report(self, exc: Exception, /) -> None:
        """Log, at most once a minute, that the server is away."""
        if not isinstance(exc, errors.BackendError):
            return

        now = time.monotonic()
        if now < self._quiet_until:
            self._unreported += 1
            return

        earlier = f"; so it was {self._unreported} more times since this was last logged" if self._unreported else ""
        self._quiet_until, self._unreported = now + _QUIET_SECONDS, 0
        _LOGGER.warning("The cache cannot be asked, so Tanjun is told that it knows nothing: %s%s", exc, earlier)

    async def _is_sure(self, is_final: _IsFinal, /) -> bool:
        try:
            return await is_final()
        except errors.SakeException as exc:
            self.report(exc)
            return False

    async def as_told(self, _: object, __: hikari.Snowflake | None, /) -> bool:
        """Return that what is not stored does not exist, since whoever registered the cache says so."""
        return True

    async def knows_guild(self, guild_id: hikari.Snowflakeish, _: hikari.Snowflake | None, /) -> bool:
        """Return whether a guild that is not stored is neither unavailable nor one of which changes were lost."""
        return hikari.Snowflake(guild_id) not in await self._doubtful_guilds()

    async def knows_entities(self, _: object, guild_id: hikari.Snowflake | None, /) -> bool:
        """Return whether everything that is in a guild (or without one, in any guild) is stored."""
        if not isinstance(self.cache, abc.GuildCache):
            return True

        if guild_id is None:
            return not await self._doubtful_guilds()

        # The first raises that the guild is not found where nothing of it has arrived: then nothing is known of it.
        is_available, is_stale = await asyncio.gather(
            self.cache.is_guild_available(guild_id), self.cache.is_guild_stale(guild_id)
        )
        return is_available and not is_stale

    async def has_lost(self, guild_id: hikari.Snowflake, /) -> bool:
        """Return whether changes of a guild were lost."""
        return isinstance(self.cache, abc.GuildCache) and await self.cache.is_guild_stale(guild_id)

    async def knows_members(self, _: object, guild_id: hikari.Snowflake | None, /) -> bool:
        """Return whether all members of a guild are stored."""
        if guild_id is None or not isinstance(self.cache, abc.MemberCache):
            return False

        return await self.cache.is_member_list_complete(guild_id) and await self.knows_entities(_, guild_id)

    async def knows_users(self, _: object, __: hikari.Snowflake | None, /) -> bool:
        """Return whether the members of all guilds are stored, where members are stored at all."""
        return not isinstance(self.cache, abc.MemberCache) or await self.membership.is_whole()

    async def _doubtful_guilds(self) -> collections.Set[hikari.Snowflake]:
        if not isinstance(self.cache, abc.GuildCache):
            return frozenset()

        away, stale = await asyncio.gather(self.cache.get_unavailable_guild_ids(), self.cache.get_stale_guild_ids())
        return away | stale
