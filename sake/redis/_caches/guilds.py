# SPDX-License-Identifier: BSD-3-Clause
"""Guilds and whether they are available."""

from __future__ import annotations

__all__ = ["GuildCache"]

import asyncio
import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc
from sake import errors

from .._client.client import ResourceClient
from .._client.events import GUILD_UNAVAILABLE
from .._client.events import on
from .._engine import currency
from .._model.codec import Payload
from .._model.draft import Draft
from .._model.kinds import GUILDS
from .._model.kinds import STALE_GUILDS
from .._model.kinds import UNAVAILABLE_GUILDS
from .._model.kinds import Kinds
from . import stores

_CHILDREN: typing.Final = frozenset(
    {
        "activity_instances",
        "channels",
        "embedded_activities",
        "emojis",
        "guild_scheduled_events",
        "members",
        "presences",
        "roles",
        "soundboard_sounds",
        "stage_instances",
        "stickers",
        "threads",
        "unavailable",
        "voice_states",
    }
)


class GuildCache(ResourceClient, abc.GuildCache):
    """Redis implementation of [sake.abc.GuildCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (GUILDS, STALE_GUILDS, UNAVAILABLE_GUILDS)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS

    @on("GUILD_CREATE")
    def _plan_guild(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["id"])
        draft.put(GUILDS, guild, guild, _record(payload))
        draft.mark_list(GUILDS, guild)
        draft.unmark(STALE_GUILDS, guild)
        draft.unmark(UNAVAILABLE_GUILDS, guild)

    @on("GUILD_UPDATE")
    def _plan_guild_update(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["id"])
        record = _record(payload)
        draft.patch(GUILDS, guild, guild, record, record)
        draft.unmark(UNAVAILABLE_GUILDS, guild)

    @on(GUILD_UNAVAILABLE)
    def _plan_guild_unavailable(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.mark(UNAVAILABLE_GUILDS, str(payload["id"]))

    @typing_extensions.override
    async def clear_guilds(self) -> None:
        await stores.clear(self._engine(), GUILDS)

    @typing_extensions.override
    async def delete_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        guild = stores.text(guild_id)
        await stores.write(self._engine(), lambda draft: draft.drop(GUILDS, guild, guild))

    @typing_extensions.override
    async def get_guild(self, guild_id: hikari.Snowflakeish, /) -> hikari.GatewayGuild:
        guild = stores.text(guild_id)
        return await stores.get(self._engine(), GUILDS, guild, guild)

    @typing_extensions.override
    async def get_guilds(
        self, guild_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.GatewayGuild]:
        return await stores.get_many_guilds(self._engine(), GUILDS, guild_ids)

    @typing_extensions.override
    async def get_stale_guild_ids(self) -> collections.Set[hikari.Snowflake]:
        return {hikari.Snowflake(guild) async for guild in stores.iter_ids(self._engine(), STALE_GUILDS)}

    @typing_extensions.override
    async def get_unavailable_guild_ids(self) -> collections.Set[hikari.Snowflake]:
        return {hikari.Snowflake(guild) async for guild in stores.iter_ids(self._engine(), UNAVAILABLE_GUILDS)}

    @typing_extensions.override
    async def is_guild_available(self, guild_id: hikari.Snowflakeish, /) -> bool:
        guild = stores.text(guild_id)
        engine = self._engine()
        # Both in one turn, and so of one moment and within the time of one read.
        marks, records = await asyncio.gather(
            engine.reader.get(UNAVAILABLE_GUILDS, guild, [guild]), engine.reader.get(GUILDS, guild, [guild])
        )
        if marks != [None]:
            return False
        if records == [None]:
            error_message = f"Guild {guild} is not stored"
            raise errors.EntryNotFound(error_message)

        return True

    @typing_extensions.override
    async def is_guild_current(self, guild_id: hikari.Snowflakeish, /) -> bool:
        return await currency.is_current(self._engine(), GUILDS, stores.text(guild_id))

    @typing_extensions.override
    async def is_guild_stale(self, guild_id: hikari.Snowflakeish, /) -> bool:
        return await stores.is_marked(self._engine(), STALE_GUILDS, guild_id)

    @typing_extensions.override
    def iter_guilds(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.GatewayGuild]:
        return stores.iter_all(self._engine, GUILDS, window_size)

    async def set_guild(self, payload: Payload, /) -> None:
        """Store a guild, in place of what was stored of it.

        Only the guild itself is stored, none of the lists in the payload.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The guild as Discord sends it.

        Raises
        ------
        ValueError
            If the payload has no `id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The guild is kept and will be written.
        """
        guild = stores.key_of(payload, "id")
        await stores.write(self._engine(), lambda draft: draft.put(GUILDS, guild, guild, _record(payload)))


def _record(payload: Payload, /) -> dict[str, typing.Any]:
    return {name: value for name, value in payload.items() if name not in _CHILDREN}
