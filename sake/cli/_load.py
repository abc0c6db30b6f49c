# SPDX-License-Identifier: BSD-3-Clause
"""What a process that only reads asks a cache for, again and again."""

from __future__ import annotations

__all__ = ["Load", "count"]

import asyncio
import dataclasses
import random
import time
import typing

import hikari

from sake import errors
from sake.cli import _kinds

if typing.TYPE_CHECKING:
    import sake

_AT_ONCE: typing.Final = 20
_IN_BULK: typing.Final = 80
_KNOWN_SECONDS: typing.Final = 5.0
_KNOWN_USERS: typing.Final = 1_000
_PAUSE: typing.Final = 0.01
"""Seconds between two rounds: a dashboard has other things to do, and so has the machine."""


@dataclasses.dataclass(slots=True)
class Load:
    """Reads random things.

    Parameters
    ----------
    cache
        What is read.
    """

    cache: sake.RedisCache
    reads: int = 0
    """How many entities were read so far."""
    errors: int = 0
    """How often reading failed, or gave what cannot be."""
    error: str = ""
    """The last failure, in words."""
    _guilds: list[hikari.Snowflake] = dataclasses.field(default_factory=list[hikari.Snowflake])
    _users: dict[hikari.Snowflake, list[hikari.Snowflake]] = dataclasses.field(
        default_factory=dict[hikari.Snowflake, list[hikari.Snowflake]]
    )
    _known_at: float = float("-inf")

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except errors.SakeException as error:
                self._fail(f"{type(error).__name__}: {error}")

            await asyncio.sleep(_PAUSE)

    def _fail(self, text: str, /) -> None:
        self.errors += 1
        self.error = text

    async def _read(self) -> None:
        if time.monotonic() - self._known_at > _KNOWN_SECONDS:
            self._guilds = [guild.id async for guild in self.cache.iter_guilds()]
            self._users.clear()
            self._known_at = time.monotonic()
            self.reads += len(self._guilds)

        if self._guilds:
            guild = random.choice(self._guilds)  # noqa: S311 - nothing secret about it
            await self._read_roles(guild)
            await self._read_members(guild)
            self.reads += len([state async for state in self.cache.iter_voice_states_for_guild(guild)])

    async def _read_roles(self, guild: hikari.Snowflake, /) -> None:
        roles = {role.id async for role in self.cache.iter_roles_for_guild(guild)}
        self.reads += len(roles)
        # A guild that was left has no roles, any other has the one that everybody has.
        if roles and guild not in roles:
            self._fail(f"half a guild: guild {guild} has {len(roles)} roles, but not @everyone")

    async def _read_members(self, guild: hikari.Snowflake, /) -> None:
        known = self._users.get(guild)
        if known is None:
            members = self.cache.iter_members_for_guild(guild, window_size=_KNOWN_USERS).limit(_KNOWN_USERS)
            known = self._users[guild] = [member.id async for member in members]
            self.reads += len(known)

        users = random.sample(known, min(len(known), _AT_ONCE + _IN_BULK))
        self.reads += len(await self.cache.get_members(guild, users[_AT_ONCE:]))
        self.reads += sum(await asyncio.gather(*(self._read_member(guild, user) for user in users[:_AT_ONCE])))

    async def _read_member(self, guild: hikari.Snowflake, user: hikari.Snowflake, /) -> int:
        try:
            member = await self.cache.get_member(guild, user)
        except errors.EntryNotFound:
            # They have left since their id was read.
            return 0

        if member.id != user or member.guild_id != guild:
            self._fail(f"asked for member {user} of guild {guild}, got {member.id} of {member.guild_id}")

        return 1


async def count(cache: sake.RedisCache, /) -> dict[str, int]:
    """Count the entities of the kinds that are cheap to count.

    Parameters
    ----------
    cache
        Where they are.

    Returns
    -------
    dict[str, int]
        Numbers by kind, in the plural.

    Raises
    ------
    sake.errors.BackendError
        If the server is away.
    """
    counts = {"guilds": await cache.iter_guilds().len()}
    for kind in _kinds.IN_GUILDS:
        counts[kind.name.plural] = await kind.read_all(cache).len()

    return counts
