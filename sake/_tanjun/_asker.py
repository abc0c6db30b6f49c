# SPDX-License-Identifier: BSD-3-Clause
"""Asking the cache, and telling Tanjun what went wrong in its own terms."""

from __future__ import annotations

__all__ = ["NO_DEFAULT", "Asker", "Knowledge", "NoDefault"]

import enum
import logging
import time
import typing
from collections import abc as collections

import hikari
from tanjun import dependencies

from sake import _names
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


class Knowledge(typing.Protocol):
    """What is known beyond what is stored."""

    async def find_member(self, user_id: hikari.Snowflakeish, /) -> hikari.User | None:
        """Return a user who is a stored member of any guild, if that can be told."""

    async def is_current(self, kind: str, guild_id: hikari.Snowflakeish | None, /) -> bool:
        """Return whether all of a kind that a guild has (without one, that all guilds have) is stored."""
        ...

    async def is_no_guild(self, guild_id: hikari.Snowflakeish, /) -> bool:
        """Return whether the bot is not in a guild."""
        ...


class Asker:
    """Asks the cache, and tells what goes wrong in Tanjun's terms."""

    __slots__ = ("_quiet_until", "_unreported", "cache", "knowledge", "settle")

    def __init__(
        self,
        cache: abc.Resource,
        knowledge: Knowledge,
        settle: collections.Callable[[], collections.Awaitable[None]],
        /,
    ) -> None:
        self._quiet_until = 0.0
        self._unreported = 0
        self.cache: typing.Final = cache
        self.knowledge: typing.Final = knowledge
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

    async def as_told(self, _: str, __: object, ___: hikari.Snowflake | None, /) -> bool:
        """Return that what is not stored does not exist, since whoever registered the cache says so."""
        return True

    async def knows_guild(self, _: str, guild_id: hikari.Snowflakeish, __: hikari.Snowflake | None, /) -> bool:
        """Return whether the bot is known not to be in a guild."""
        return await self.knowledge.is_no_guild(guild_id)

    async def knows_entities(self, kind: str, _: object, guild_id: hikari.Snowflake | None, /) -> bool:
        """Return whether everything of a kind that is in a guild (or without one, in any guild) is stored."""
        return await self.knowledge.is_current(kind, guild_id)

    async def knows_users(self, _: str, __: object, ___: hikari.Snowflake | None, /) -> bool:
        """Return whether the members of all guilds are stored, where members are stored at all."""
        is_told = not isinstance(self.cache, abc.MemberCache)
        return is_told or await self.knowledge.is_current(_names.MEMBER.kind, None)

    async def has_lost(self, guild_id: hikari.Snowflake, /) -> bool:
        """Return whether changes of a guild were lost."""
        return isinstance(self.cache, abc.GuildCache) and await self.cache.is_guild_stale(guild_id)
