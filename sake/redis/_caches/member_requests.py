# SPDX-License-Identifier: BSD-3-Clause
"""Asking Discord for all members of guilds."""

from __future__ import annotations

__all__ = ["MemberRequests"]

import asyncio
import typing
from collections import abc as collections

import hikari

from sake import errors

from .._engine.engine import Engine
from .._model.kinds import PRESENCES
from .._model.member_lists import MemberLists

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
        self._waiting: dict[str, tuple[hikari.api.GatewayShard, float]] = {}
        """Guild id → shard to ask through, and when at the earliest, by the event loop's clock."""

    def ask(self, engine: Engine, guild: str, shard: hikari.api.GatewayShard, /) -> None:
        """Ask for the members of a guild now."""
        engine.spawn("sake member request", self._ask_now(engine, guild, shard))

    def ask_again(
        self, engine: Engine, guilds: collections.Mapping[str, hikari.api.GatewayShard], delay: float = 0.0, /
    ) -> None:
        """Ask for the members of guilds one after the other, once what waits for the server is written.

        A `delay` in seconds is waited for first.
        """
        earliest = engine.loop.time() + delay
        self._waiting.update({guild: (shard, earliest) for guild, shard in guilds.items()})
        if self._waiting and not self._is_asking:
            self._is_asking = True
            engine.spawn("sake member requests", self._ask_all(engine))

    def forget(self, guild: str, /) -> None:
        """Do not ask for a guild any more that has been received anew, or is gone."""
        self._waiting.pop(guild, None)

    async def _ask_now(self, engine: Engine, guild: str, shard: hikari.api.GatewayShard, /) -> None:
        if not await self._is_asked(engine, guild, shard):
            self.ask_again(engine, {guild: shard})

    async def _ask_all(self, engine: Engine, /) -> None:
        try:
            while self._waiting:
                await _until_written(engine)
                for guild, shard in self._due(engine.loop.time()):
                    if await self._is_asked(engine, guild, shard):
                        self.forget(guild)
                await asyncio.sleep(_PACE)
        finally:
            self._is_asking = False

    def _due(self, now: float, /) -> list[tuple[str, hikari.api.GatewayShard]]:
        due = [(guild, shard) for guild, (shard, earliest) in self._waiting.items() if earliest <= now]
        return list({shard.id: (guild, shard) for guild, shard in due}.values())

    async def _is_asked(self, engine: Engine, guild: str, shard: hikari.api.GatewayShard, /) -> bool:
        has_presences = PRESENCES in engine.setup.layout and bool(shard.intents & hikari.Intents.GUILD_PRESENCES)
        # Not through the bot: while it is starting it does not know its shards yet.
        try:
            await shard.request_guild_members(
                hikari.Snowflake(guild), include_presences=has_presences, nonce=self._lists.request(guild)
            )
        except (hikari.HikariError, OSError):
            # The shard is not connected. If it resumes, its guilds do not come anew, so this has to be tried again.
            return False

        return True


async def _until_written(engine: Engine, /) -> None:
    while True:
        try:
            await engine.writer.flush()
        except errors.BackendError:
            await asyncio.sleep(_PACE)
        else:
            return
