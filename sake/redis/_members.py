# SPDX-License-Identifier: BSD-3-Clause
"""Members, and whether all of a guild's are known."""

from __future__ import annotations

__all__ = ["MemberCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from . import _stores
from ._client import ResourceClient
from ._codec import Payload
from ._draft import Draft
from ._engine import Engine
from ._events import on
from ._keys import ResourceIndex
from ._kinds import COMPLETE_MEMBER_LISTS
from ._kinds import MEMBERS
from ._kinds import PRESENCES

_GUILD_MEMBERS: typing.Final = int(hikari.Intents.GUILD_MEMBERS)
_CHUNK_ON_CREATE: typing.Final = "chunk_on_create"
_MOST_MEMBERS_OF_A_QUERY: typing.Final = 100
"""A request by name or by ids is answered with at most so many, so a longer answer is the whole list."""


class MemberCache(ResourceClient, abc.MemberCache):
    """Redis implementation of [sake.abc.MemberCache][]."""

    __slots__ = ("_chunks", "_member_counts")

    _chunks: dict[tuple[str, str], dict[int, int]]
    """(guild id, nonce) → chunk index → how many members the chunk had, of requests that are being answered."""

    _member_counts: dict[str, int]
    """Guild id → how many members it has, of guilds whose member list is not complete."""

    @typing_extensions.override
    def _prepare(self) -> None:
        super()._prepare()
        self._chunks = {}
        self._member_counts = {}

    @classmethod
    @typing_extensions.override
    def index(cls) -> collections.Sequence[ResourceIndex]:
        return (ResourceIndex.MEMBER,)

    @classmethod
    @typing_extensions.override
    def intents(cls) -> hikari.Intents:
        return hikari.Intents.GUILDS | hikari.Intents.GUILD_MEMBERS

    @classmethod
    @typing_extensions.override
    def _kinds(cls) -> collections.Sequence[typing.Any]:
        return (MEMBERS, COMPLETE_MEMBER_LISTS)

    def chunk_on_guild_create(self, shard_aware: hikari.ShardAware | None, /) -> typing_extensions.Self:
        """Request all members of a guild when it is received without them.

        A bot that already lets hikari request them (`auto_chunk_members`) does not need this.

        Parameters
        ----------
        shard_aware : hikari.ShardAware | None
            The bot to request them through. [None][] stops requesting.

        Returns
        -------
        Self
            The client, to chain calls.

        Raises
        ------
        ValueError
            If the cache has no event manager, or the bot lacks the `GUILD_MEMBERS` intent.
        """
        if shard_aware is None:
            self.config.pop(_CHUNK_ON_CREATE, None)
            return self

        if self.event_manager is None:
            error_message = "chunk_on_guild_create needs a cache with an event_manager, which receives the members"
            raise ValueError(error_message)

        if not shard_aware.intents & hikari.Intents.GUILD_MEMBERS:
            error_message = "chunk_on_guild_create needs a bot with the GUILD_MEMBERS intent"
            raise ValueError(error_message)

        self.config[_CHUNK_ON_CREATE] = shard_aware
        return self

    @on("GUILD_CREATE")
    def _plan_members(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        members = payload.get("members")
        if members is None:
            return

        guild, count = str(payload["id"]), payload.get("member_count")
        draft.replace(MEMBERS, guild, {str(member["user"]["id"]): member for member in members})
        if count is not None and len(members) >= count:
            self._mark_complete(draft, guild)
        else:
            self._mark_incomplete(draft, guild, count)
            self._request_members(guild, shard)

    @on("GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE")
    def _plan_member(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        member = dict(payload)
        draft.put(MEMBERS, str(member.pop("guild_id")), str(payload["user"]["id"]), member)

    @on("GUILD_MEMBER_ADD")
    def _plan_member_joined(self, payload: Payload, _: Draft, __: hikari.api.GatewayShard, /) -> None:
        self._count_member(str(payload["guild_id"]), 1)

    @on("GUILD_MEMBER_REMOVE")
    def _plan_member_left(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["guild_id"])
        draft.drop(MEMBERS, guild, str(payload["user"]["id"]))
        self._count_member(guild, -1)

    @on("GUILD_MEMBERS_CHUNK")
    def _plan_members_chunk(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild, members = str(payload["guild_id"]), payload["members"]
        draft.put_all(MEMBERS, guild, {str(member["user"]["id"]): member for member in members})
        request = guild, str(payload.get("nonce") or "")
        chunks = self._chunks.setdefault(request, {})
        chunks[payload["chunk_index"]] = len(members)
        if len(chunks) < payload["chunk_count"]:
            return

        del self._chunks[request]
        received, count = sum(chunks.values()), self._member_counts.get(guild)
        if received > _MOST_MEMBERS_OF_A_QUERY or (count is not None and received >= count):
            self._mark_complete(draft, guild)

    @on("VOICE_STATE_UPDATE")
    def _plan_member_of_voice_state(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild, member = payload.get("guild_id"), payload.get("member")
        if guild and member and "user" in member:
            draft.put(MEMBERS, str(guild), str(payload["user_id"]), member)

    @on("INTERACTION_CREATE", "MESSAGE_CREATE", "MESSAGE_REACTION_ADD", "TYPING_START")
    def _plan_member_seen(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        member = payload.get("member")
        if not member or not payload.get("guild_id") or int(shard.intents) & _GUILD_MEMBERS:
            return

        user = member.get("user") or payload.get("author")
        if user:
            draft.put(MEMBERS, str(payload["guild_id"]), str(user["id"]), {**member, "user": user})

    @on("GUILD_DELETE")
    def _plan_members_gone(self, payload: Payload, _: Draft, __: hikari.api.GatewayShard, /) -> None:
        self._forget(str(payload["id"]))

    @typing_extensions.override
    async def clear_members(self) -> None:
        await _stores.clear(self._engine(), COMPLETE_MEMBER_LISTS)
        await _stores.clear(self._engine(), MEMBERS)

    async def clear_members_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all members of a guild.

        From then on the guild's member list is not complete, until it is received again.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.

        Raises
        ------
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The removal is kept and will be written.
        """
        guild = _stores.text(guild_id)

        def describe(draft: Draft) -> None:
            draft.clear(MEMBERS, guild)
            draft.drop(COMPLETE_MEMBER_LISTS, "", guild)

        await _stores.write(self._engine(), describe)

    @typing_extensions.override
    async def delete_member(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> None:
        await _stores.delete(self._engine(), MEMBERS, _stores.text(guild_id), _stores.text(user_id))

    @typing_extensions.override
    async def get_member(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> hikari.Member:
        return await _stores.get(self._engine(), MEMBERS, _stores.text(guild_id), _stores.text(user_id))

    @typing_extensions.override
    async def get_members(
        self, guild_id: hikari.Snowflakeish, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.Member]:
        return await _stores.get_many(self._engine(), MEMBERS, _stores.text(guild_id), user_ids)

    @typing_extensions.override
    async def is_member_list_complete(self, guild_id: hikari.Snowflakeish, /) -> bool:
        return await _stores.find(self._engine(), COMPLETE_MEMBER_LISTS, "", _stores.text(guild_id)) is not None

    @typing_extensions.override
    def iter_members(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.Member]:
        return _stores.iter_all(self._engine, MEMBERS, window_size)

    def iter_members_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.Member]:
        """Iterate over the stored members of a guild.

        Those of one moment are returned where they fit into one window.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the server in one go.

        Returns
        -------
        sake.abc.CacheIterator[hikari.Member]
            An asynchronous iterator over the members.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
        return _stores.iter_guild(self._engine, MEMBERS, guild_id, window_size)

    async def set_member(self, guild_id: hikari.Snowflakeish, payload: Payload, /) -> None:
        """Store a member and their user, in place of what was stored of them.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        payload : collections.Mapping[str, typing.Any]
            The member as Discord sends it, through the gateway or REST. It is not changed.

        Raises
        ------
        ValueError
            If the payload's `user` has no `id`.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The member is kept and will be written.
        """
        guild, user = _stores.text(guild_id), _stores.key_of(payload, "user", "id")

        def describe(draft: Draft) -> None:
            draft.put(MEMBERS, guild, user, dict(payload))
            self._put_users(draft, [payload["user"]])

        await _stores.write(self._engine(), describe)

    def _mark_complete(self, draft: Draft, guild: str, /) -> None:
        self._forget(guild)
        draft.mark(COMPLETE_MEMBER_LISTS, guild)

    def _mark_incomplete(self, draft: Draft, guild: str, count: int | None, /) -> None:
        self._forget(guild)
        draft.drop(COMPLETE_MEMBER_LISTS, "", guild)
        if count is not None:
            self._member_counts[guild] = count

    def _forget(self, guild: str, /) -> None:
        self._member_counts.pop(guild, None)
        for request in [request for request in self._chunks if request[0] == guild]:
            del self._chunks[request]

    def _count_member(self, guild: str, change: int, /) -> None:
        if guild in self._member_counts:
            self._member_counts[guild] += change

    def _request_members(self, guild: str, shard: hikari.api.GatewayShard, /) -> None:
        if self.config.get(_CHUNK_ON_CREATE) is not None:
            engine = self._engine()
            engine.spawn("sake member request", _request(shard, engine, guild))


async def _request(shard: hikari.api.GatewayShard, engine: Engine, guild: str, /) -> None:
    has_presences = PRESENCES in engine.layout and bool(shard.intents & hikari.Intents.GUILD_PRESENCES)
    # Not through the bot: while it is starting it does not know its shards yet.
    await shard.request_guild_members(hikari.Snowflake(guild), include_presences=has_presences)
