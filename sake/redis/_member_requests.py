# SPDX-License-Identifier: BSD-3-Clause
"""Asking Discord for all members of guilds."""

from __future__ import annotations

__all__ = ["MemberRequests"]

import asyncio
import contextlib
import typing
from collections import abc as collections

import hikari

from sake import errors

from ._engine import Engine
from ._kinds import PRESENCES
from ._member_lists import MemberLists

_PACE: typing.Final = 1.0
"""Seconds between requests through one shard, where many are made again: a bot may send two messages a second."""


class MemberRequests:
    """Asks for the members of guilds, and again where what was answered had to be given up.

    Parameters
    ----------
    lists
        Is told by what the answers will be known.
    """

    __slots__ = ("_is_asking", "_lists", "_waiting")

    def __init__(self, lists: MemberLists, /) -> None:
        self._is_asking = False
        self._lists = lists
        self._waiting: dict[str, hikari.api.GatewayShard] = {}
        """Guild id → shard to ask through."""

    def ask(self, engine: Engine, guild: str, shard: hikari.api.GatewayShard, /) -> None:
        """Ask for the members of a guild now."""
        engine.spawn("sake member request", self._ask(engine, guild, shard))

    def ask_again(self, engine: Engine, guilds: collections.Mapping[str, hikari.api.GatewayShard], /) -> None:
        """Ask for the members of guilds one after the other, once what waits for the server is written."""
        self._waiting.update(guilds)
        if self._waiting and not self._is_asking:
            self._is_asking = True
            engine.spawn("sake member requests", self._ask_all(engine))

    def forget(self, guild: str, /) -> None:
        """Do not ask for a guild any more that has been received anew, or is gone."""
        self._waiting.pop(guild, None)

    async def _ask_all(self, engine: Engine, /) -> None:
        try:
            while self._waiting:
                await _until_written(engine)
                for guild, shard in {shard.id: (guild, shard) for guild, shard in self._waiting.items()}.values():
                    # A shard that is not connected is tried again: where it resumes, guilds do not come anew.
                    with contextlib.suppress(hikari.HikariError, OSError):
                        await self._ask(engine, guild, shard)
                        self.forget(guild)
                await asyncio.sleep(_PACE)
        finally:
            self._is_asking = False

    async def _ask(self, engine: Engine, guild: str, shard: hikari.api.GatewayShard, /) -> None:
        has_presences = PRESENCES in engine.layout and bool(shard.intents & hikari.Intents.GUILD_PRESENCES)
        # Not through the bot: while it is starting it does not know its shards yet.
        await shard.request_guild_members(
            hikari.Snowflake(guild), include_presences=has_presences, nonce=self._lists.request(guild)
        )


async def _until_written(engine: Engine, /) -> None:
    while True:
        try:
            await engine.writer.flush()
        except errors.BackendError:
            await asyncio.sleep(_PACE)
        else:
            return
