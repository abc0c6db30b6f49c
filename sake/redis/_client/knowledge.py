# SPDX-License-Identifier: BSD-3-Clause
"""What is known beyond what is stored: what there is not, and who is somewhere a member."""

from __future__ import annotations

__all__ = ["Knowledge"]

import asyncio
import typing
from collections import abc as collections

import hikari

from .._engine import currency
from .._engine import scans
from .._engine.engine import Engine
from .._model.kinds import MEMBERS

_MOST_GUILDS: typing.Final = 100
"""With more guilds than that asking Discord is cheaper than looking into each of them."""


class Knowledge:
    """Tells what the sessions and the stored members tell.

    Parameters
    ----------
    opened
        Returns what the client works with, or raises that it is not open.
    """

    __slots__ = ("_opened",)

    def __init__(self, opened: collections.Callable[[], Engine], /) -> None:
        self._opened = opened

    async def find_member(self, user_id: hikari.Snowflakeish, /) -> hikari.User | None:
        """Return a user who is a stored member of any guild; of none if there are too many guilds to look into.

        Raises
        ------
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server cannot be asked.
        sake.errors.InvalidDataFound
            If what is stored of the member cannot be read.
        """
        engine = self._opened()
        if await scans.count_guilds(engine) > _MOST_GUILDS:
            return None

        user = str(int(user_id))
        guilds = [guild async for window in scans.guild_ids(engine, MEMBERS) for guild in window]
        found = await asyncio.gather(*(engine.reader.get(MEMBERS, guild, [user]) for guild in guilds))
        data = next((data for (data,) in found if data is not None), None)
        if data is None:
            return None

        return engine.codec.build(
            lambda payload: engine.factory.deserialize_user(payload["user"]), data, f"{MEMBERS.name} {user}"
        )

    async def is_current(self, kind: str, guild_id: hikari.Snowflakeish | None, /) -> bool:
        """Return whether all of a kind that a guild has (without one, that all guilds have) is stored.

        Raises
        ------
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server cannot be asked.
        """
        engine = self._opened()
        found = next((each for each in engine.setup.layout if each.name == kind), None)
        if found is None:
            return False
        if guild_id is not None:
            return await currency.is_current(engine, found, str(int(guild_id)))

        # Of very many guilds even the list of their ids takes long to read.
        is_few = await scans.count_guilds(engine) <= _MOST_GUILDS
        return is_few and await currency.is_current_everywhere(engine, found)

    async def is_no_guild(self, guild_id: hikari.Snowflakeish, /) -> bool:
        """Return whether the bot is not in a guild.

        Raises
        ------
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server cannot be asked.
        """
        return await currency.is_no_guild(self._opened(), str(int(guild_id)))
