# SPDX-License-Identifier: BSD-3-Clause
"""Guild channels and threads."""

from __future__ import annotations

__all__ = ["GuildChannelCache", "ThreadCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from .._client.client import ResourceClient
from .._client.events import on
from .._model.codec import Payload
from .._model.codec import is_object
from .._model.codec import nested
from .._model.draft import Draft
from .._model.kinds import CHANNELS
from .._model.kinds import THREADS
from .._model.kinds import Kind
from .._model.kinds import Kinds
from . import stores


class GuildChannelCache(ResourceClient, abc.RefGuildChannelCache):
    """Redis implementation of [sake.abc.RefGuildChannelCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (CHANNELS,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS

    @on("GUILD_CREATE")
    def _plan_channels(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        stores.replace(draft, CHANNELS, payload, "channels")

    @on("CHANNEL_CREATE", "CHANNEL_UPDATE")
    def _plan_channel_set(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        if guild := payload.get("guild_id"):
            draft.put(CHANNELS, str(guild), str(payload["id"]), dict(payload))

    @on("CHANNEL_DELETE")
    def _plan_channel_deleted(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        if guild := payload.get("guild_id"):
            draft.drop(CHANNELS, str(guild), str(payload["id"]))

    @on("CHANNEL_PINS_UPDATE")
    def _plan_channel_pins(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        _plan_pins(CHANNELS, payload, draft)

    @typing_extensions.override
    async def clear_guild_channels(self) -> None:
        await stores.clear(self._engine(), CHANNELS)

    @typing_extensions.override
    async def clear_guild_channels_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_guild(self._engine(), CHANNELS, guild_id)

    @typing_extensions.override
    async def delete_guild_channel(
        self, channel_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        await stores.delete_owned(self._engine(), CHANNELS, channel_id, guild_id)

    @typing_extensions.override
    async def get_guild_channel(
        self, channel_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.PermissibleGuildChannel:
        return await stores.get_owned(self._engine(), CHANNELS, channel_id, guild_id)

    @typing_extensions.override
    async def get_guild_channels(
        self,
        channel_ids: collections.Iterable[hikari.Snowflakeish],
        /,
        *,
        guild_id: hikari.Snowflakeish | None = None,
    ) -> collections.Mapping[hikari.Snowflake, hikari.PermissibleGuildChannel]:
        return await stores.get_many_owned(self._engine(), CHANNELS, channel_ids, guild_id)

    @typing_extensions.override
    def iter_guild_channels(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.PermissibleGuildChannel]:
        return stores.iter_all(self._engine, CHANNELS, window_size)

    @typing_extensions.override
    def iter_guild_channels_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.PermissibleGuildChannel]:
        return stores.iter_guild(self._engine, CHANNELS, guild_id, window_size)

    async def set_guild_channel(self, payload: Payload, /) -> None:
        """Store a guild channel, in place of what was stored of it.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The guild channel as Discord sends it, through the gateway or REST. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `id` or no `guild_id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The guild channel is kept and will be written.
        """
        guild, entity = stores.key_of(payload, "guild_id"), stores.key_of(payload, "id")
        await stores.write(self._engine(), lambda draft: draft.put(CHANNELS, guild, entity, dict(payload)))


class ThreadCache(ResourceClient, abc.RefThreadCache):
    """Redis implementation of [sake.abc.RefThreadCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (THREADS,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS

    @on("GUILD_CREATE")
    def _plan_threads(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        if (threads := payload.get("threads")) is not None:
            own = _own_id(shard)
            completed = [_with_own_member(thread, own) for thread in threads]
            draft.replace_list(THREADS, str(payload["id"]), completed)

    @on("THREAD_CREATE")
    def _plan_thread_set(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        thread = _with_own_member(dict(payload), _own_id(shard))
        draft.put(THREADS, str(payload["guild_id"]), str(payload["id"]), thread)

    @on("THREAD_UPDATE")
    def _plan_thread_update(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.patch(THREADS, str(payload["guild_id"]), str(payload["id"]), payload, payload)

    @on("THREAD_DELETE")
    def _plan_thread_deleted(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.drop(THREADS, str(payload["guild_id"]), str(payload["id"]))

    @on("THREAD_LIST_SYNC")
    def _plan_threads_synced(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        guild, own = str(payload["guild_id"]), _own_id(shard)
        members = {_id_of(member): member for member in payload.get("members") or ()}
        threads = [_with_own_member(thread, own, nested(members, _id_of(thread))) for thread in payload["threads"]]
        channels = payload.get("channel_ids")
        if not channels:
            draft.replace_list(THREADS, guild, threads)
            return

        for channel in channels:
            draft.clear_channel(THREADS, guild, str(channel))
        draft.put_list(THREADS, guild, threads)

    @on("THREAD_MEMBERS_UPDATE")
    def _plan_thread_members(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        if _own_id(shard) in map(str, payload.get("removed_member_ids") or ()):
            draft.drop(THREADS, str(payload["guild_id"]), str(payload["id"]))

    @on("THREAD_MEMBER_UPDATE")
    def _plan_own_thread_member(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        member = {name: value for name, value in payload.items() if name != "guild_id"}
        draft.patch(THREADS, str(payload["guild_id"]), str(payload["id"]), {"member": member})

    @on("CHANNEL_PINS_UPDATE")
    def _plan_thread_pins(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        _plan_pins(THREADS, payload, draft)

    @typing_extensions.override
    async def clear_threads(self) -> None:
        await stores.clear(self._engine(), THREADS)

    @typing_extensions.override
    async def clear_threads_for_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_channel(self._engine(), THREADS, channel_id)

    @typing_extensions.override
    async def clear_threads_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_guild(self._engine(), THREADS, guild_id)

    @typing_extensions.override
    async def delete_thread(
        self, thread_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        await stores.delete_owned(self._engine(), THREADS, thread_id, guild_id)

    @typing_extensions.override
    async def get_thread(
        self, thread_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.GuildThreadChannel:
        return await stores.get_owned(self._engine(), THREADS, thread_id, guild_id)

    @typing_extensions.override
    async def get_threads(
        self,
        thread_ids: collections.Iterable[hikari.Snowflakeish],
        /,
        *,
        guild_id: hikari.Snowflakeish | None = None,
    ) -> collections.Mapping[hikari.Snowflake, hikari.GuildThreadChannel]:
        return await stores.get_many_owned(self._engine(), THREADS, thread_ids, guild_id)

    @typing_extensions.override
    def iter_threads(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.GuildThreadChannel]:
        return stores.iter_all(self._engine, THREADS, window_size)

    @typing_extensions.override
    def iter_threads_for_channel(
        self, channel_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.GuildThreadChannel]:
        return stores.iter_channel(self._engine, THREADS, channel_id, window_size)

    @typing_extensions.override
    def iter_threads_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.GuildThreadChannel]:
        return stores.iter_guild(self._engine, THREADS, guild_id, window_size)

    async def set_thread(self, payload: Payload, /) -> None:
        """Store a thread, in place of what was stored of it.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The thread as Discord sends it, through the gateway or REST. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `id`, no `guild_id` or no `parent_id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The thread is kept and will be written.
        """
        guild, entity = stores.key_of(payload, "guild_id"), stores.key_of(payload, "id")
        stores.key_of(payload, "parent_id")
        await stores.write(self._engine(), lambda draft: draft.put(THREADS, guild, entity, dict(payload)))


def _plan_pins(kind: Kind[typing.Any], payload: Payload, draft: Draft, /) -> None:
    if guild := payload.get("guild_id"):
        pinned = {"last_pin_timestamp": payload.get("last_pin_timestamp")}
        draft.patch(kind, str(guild), str(payload["channel_id"]), pinned)


def _own_id(shard: hikari.api.GatewayShard, /) -> str:
    return str(int(shard.get_user_id()))


def _id_of(entity: object, /) -> str:
    return str(entity.get("id")) if is_object(entity) else ""


def _with_own_member(thread: typing.Any, own: str, listed: Payload | None = None, /) -> typing.Any:
    # What is no thread is refused where all that cannot be used is.
    member = (listed or nested(thread, "member")) if is_object(thread) else None
    if not member:
        return thread

    return {**thread, "member": {"id": thread.get("id"), "user_id": own, **member}}
