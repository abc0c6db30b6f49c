# SPDX-License-Identifier: BSD-3-Clause
"""Asking the cache, and telling Tanjun what went wrong in its own terms."""

from __future__ import annotations

__all__ = ["NO_DEFAULT", "Asker", "LookForUser", "NoDefault", "UnsureError"]

import enum
import logging
import time
import typing
from collections import abc as collections

import hikari
from tanjun import dependencies

from sake import abc
from sake import errors

if typing.TYPE_CHECKING:
    from sake.redis import ResourceClient
    from sake.redis import _membership

_DefaultT = typing.TypeVar("_DefaultT")
_ValueT = typing.TypeVar("_ValueT")

_LOGGER: typing.Final = logging.getLogger("sake.tanjun")
_QUIET_SECONDS: typing.Final = 60.0

LookForUser = collections.Callable[[hikari.Snowflakeish], "collections.Awaitable[_membership.Sighting]"]
"""Finds a user among the stored members."""


class NoDefault(enum.Enum):
    """What stands for a default that was not given."""

    NO_DEFAULT = enum.auto()


NO_DEFAULT: typing.Final = NoDefault.NO_DEFAULT


class UnsureError(Exception):
    """What was asked for is not stored, which does not mean that it does not exist."""


class Asker:
    """Asks the cache, and tells what goes wrong in Tanjun's terms."""

    __slots__ = ("_quiet_until", "_unreported", "cache", "look_for_user", "settle")

    def __init__(
        self,
        cache: ResourceClient,
        look_for_user: LookForUser,
        settle: collections.Callable[[], collections.Awaitable[None]],
        /,
    ) -> None:
        self._quiet_until = 0.0
        self._unreported = 0
        self.cache: typing.Final = cache
        self.look_for_user: typing.Final = look_for_user
        self.settle: typing.Final = settle

    async def ask(
        self,
        entry: collections.Awaitable[_ValueT],
        is_final: collections.Callable[[], collections.Awaitable[bool]],
        default: _DefaultT | NoDefault,
        /,
    ) -> _ValueT | _DefaultT:
        """Return an entry, or else the default, or else raise what Tanjun expects."""
        await self.settle()
        try:
            return await entry
        except (errors.SakeException, UnsureError) as exc:
            self.report(exc)
            if not isinstance(default, NoDefault):
                return default

            if isinstance(exc, errors.EntryNotFound) and await self._is_sure(is_final):
                raise dependencies.EntryNotFound(str(exc)) from exc

            raise dependencies.CacheMissError(str(exc)) from exc

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

    async def _is_sure(self, is_final: collections.Callable[[], collections.Awaitable[bool]], /) -> bool:
        try:
            return await is_final()
        except errors.SakeException as exc:
            self.report(exc)
            return False

    async def never(self, _: object, __: hikari.Snowflakeish | None, /) -> bool:
        """Return that what is not stored may exist."""
        return False

    async def as_told(self, _: object, __: hikari.Snowflakeish | None, /) -> bool:
        """Return that what is not stored does not exist, since whoever registered the cache says so."""
        return True

    async def knows_guild(self, guild_id: hikari.Snowflakeish, _: hikari.Snowflakeish | None, /) -> bool:
        """Return whether a guild that is not stored is none that is merely unavailable."""
        return guild_id not in await self._guilds_away()

    async def knows_entities(self, _: object, guild_id: hikari.Snowflakeish | None, /) -> bool:
        """Return whether everything that is in a guild (or without one, in any guild) is stored."""
        if not isinstance(self.cache, abc.GuildCache):
            return True

        if guild_id is None:
            return not await self._guilds_away()

        # Raises that the guild is not found where nothing of it has arrived: then nothing is known of it either.
        return await self.cache.is_guild_available(guild_id)

    async def knows_members(self, _: object, guild_id: hikari.Snowflakeish | None, /) -> bool:
        """Return whether all members of a guild are stored."""
        if guild_id is None or not isinstance(self.cache, abc.MemberCache):
            return False

        return await self.cache.is_member_list_complete(guild_id) and await self.knows_entities(_, guild_id)

    async def _guilds_away(self) -> collections.Set[hikari.Snowflake]:
        return await self.cache.get_unavailable_guild_ids() if isinstance(self.cache, abc.GuildCache) else set()
