# SPDX-License-Identifier: BSD-3-Clause
"""Whether a user is somewhere a member, for users whose own entry is gone because it expired."""

from __future__ import annotations

__all__ = ["Membership"]

import asyncio
import typing
from collections import abc as collections

import hikari

from . import _scans
from ._engine import Engine
from ._kinds import COMPLETE_MEMBER_LISTS
from ._kinds import MEMBERS
from ._kinds import STALE_GUILDS
from ._kinds import UNAVAILABLE_GUILDS
from ._kinds import Kind

_MOST_GUILDS: typing.Final = 100
"""With more guilds than that asking Discord is cheaper than looking into each of them."""


class Membership:
    """What the stored members tell of users.

    Parameters
    ----------
    opened
        Returns what the client works with, or raises that it is not open.
    """

    __slots__ = ("_opened",)

    def __init__(self, opened: collections.Callable[[], Engine], /) -> None:
        self._opened = opened

    async def find(self, user_id: hikari.Snowflakeish, /) -> hikari.User | None:
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
        guilds = await _guilds(engine) if await _has_few_guilds(engine) else set[str]()
        if not 0 < len(guilds) <= _MOST_GUILDS:
            return None

        user = str(int(user_id))
        found = await asyncio.gather(*(engine.reader.get(MEMBERS, guild, [user]) for guild in guilds))
        data = next((data for (data,) in found if data is not None), None)
        if data is None:
            return None

        return engine.codec.build(
            lambda payload: engine.factory.deserialize_user(payload["user"]), data, f"{MEMBERS.name} {user}"
        )

    async def is_whole(self) -> bool:
        """Return whether who is not found is a member of no guild that is known.

        Raises
        ------
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server cannot be asked.
        """
        engine = self._opened()
        if not await _has_few_guilds(engine):
            return False

        if await _ids(engine, UNAVAILABLE_GUILDS) or await _ids(engine, STALE_GUILDS):
            return False

        return await _guilds(engine) <= await _ids(engine, COMPLETE_MEMBER_LISTS)


async def _has_few_guilds(engine: Engine, /) -> bool:
    # Of very many guilds even the list of their ids takes long to read.
    return await _scans.count_guilds(engine) <= _MOST_GUILDS


async def _guilds(engine: Engine, /) -> set[str]:
    return {guild async for window in _scans.guild_ids(engine, MEMBERS) for guild in window}


async def _ids(engine: Engine, kind: Kind[typing.Any], /) -> set[str]:
    if kind not in engine.setup.layout:
        return set()

    return {entity async for window in _scans.ids(engine, kind) for entity in window}
