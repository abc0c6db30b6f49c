# SPDX-License-Identifier: BSD-3-Clause
"""Members, and whether all of a guild's are known."""

from __future__ import annotations

__all__ = ["MemberCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from .._client.client import ResourceClient
from .._client.events import GUILD_UNAVAILABLE
from .._client.events import on
from .._engine import currency
from .._engine.engine import Engine
from .._model.codec import Payload
from .._model.codec import nested
from .._model.draft import Draft
from .._model.kinds import COMPLETE_MEMBER_LISTS
from .._model.kinds import MEMBERS
from .._model.kinds import Kinds
from .._model.member_lists import Chunk
from .._model.member_lists import MemberLists
from . import stores
from .member_requests import MemberRequests

_GUILD_MEMBERS: typing.Final = int(hikari.Intents.GUILD_MEMBERS)
_CHUNK_ON_CREATE: typing.Final = "chunk_on_create"
_GUILD_INSTALL: typing.Final = "0"
"""Under which an interaction says to which guild the application was added, rather than to a user."""


class MemberCache(ResourceClient, abc.MemberCache):
    """Redis implementation of [sake.abc.MemberCache][]."""

    __slots__ = ("_homes", "_lists", "_ready", "_requests")
    _KINDS: typing.ClassVar[Kinds] = (MEMBERS, COMPLETE_MEMBER_LISTS)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS | hikari.Intents.GUILD_MEMBERS

    _homes: dict[str, hikari.api.GatewayShard]
    """Guild id → the shard it comes through, of the guilds that the bot is in."""

    _lists: MemberLists
    _ready: set[int]
    """Ids of the shards of which all guilds are in `_homes`: that have been ready since the client was opened."""

    _requests: MemberRequests

    @typing_extensions.override
    async def _begin(self, needs_server: bool, /) -> Engine:
        # What was known before may have changed while nobody listened.
        self._homes = {}
        self._lists = MemberLists()
        self._ready = set()
        self._requests = MemberRequests(self._lists)
        return await super()._begin(needs_server)

    @typing_extensions.override
    def _given_up(self, guilds: collections.Set[str], /) -> None:
        for guild in guilds:
            self._lists.forget(guild)
        if self.is_alive and self.config.get(_CHUNK_ON_CREATE) is not None:
            homes = {guild: self._homes[guild] for guild in guilds if guild in self._homes}
            self._requests.ask_again(self._engine(), homes)

    def chunk_on_guild_create(self, shard_aware: hikari.ShardAware | None, /) -> typing_extensions.Self:
        """Request all members of a guild when it is received without them.

        They are requested again, at most one guild a second for each shard, where the request fails or Discord refuses
        it, and where the server was away for so long that what came of it was lost. A bot that already lets hikari
        request members (`auto_chunk_members`) needs this for the latter only.

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

    @on("READY")
    def _plan_homes(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        guilds = {str(guild["id"]): shard for guild in payload["guilds"]}

        def move() -> None:
            self._homes = {guild: home for guild, home in self._homes.items() if home.id != shard.id} | guilds
            self._ready.add(shard.id)

        draft.also(move)

    @on("GUILD_CREATE", GUILD_UNAVAILABLE)
    def _plan_home(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["id"])
        draft.also(lambda: self._homes.update({guild: shard}))

    @on("GUILD_CREATE")
    def _plan_members(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        members = payload.get("members")
        if members is None:
            return

        guild, count = str(payload["id"]), payload.get("member_count")
        taken = draft.replace_list(MEMBERS, guild, members)
        if not _hears_of_members(shard):
            self._start_list(draft, guild, None)
        elif count is not None and count <= taken == len(members):
            self._complete(draft, guild)
        else:
            self._start_list(draft, guild, count)
            draft.also(lambda: self._request(guild, shard))

    @on("GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE")
    def _plan_member(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        member = dict(payload)
        draft.put(MEMBERS, str(member.pop("guild_id")), str(payload["user"]["id"]), member)

    @on("GUILD_MEMBER_ADD")
    def _plan_member_joined(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.also(lambda: self._lists.count(str(payload["guild_id"]), 1))

    @on("GUILD_MEMBER_REMOVE")
    def _plan_member_left(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["guild_id"])
        draft.drop(MEMBERS, guild, str(payload["user"]["id"]))
        draft.also(lambda: self._lists.count(guild, -1))

    @on("GUILD_MEMBERS_CHUNK")
    def _plan_members_chunk(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        guild, members = str(payload["guild_id"]), payload["members"]
        chunk = Chunk.of(payload, draft.put_list(MEMBERS, guild, members))
        if chunk is None or not _hears_of_members(shard):
            return

        if self._lists.completes(chunk):
            draft.mark(COMPLETE_MEMBER_LISTS, guild)
        draft.also(lambda: self._lists.add(chunk))

    @on("RATE_LIMITED")
    def _plan_request_refused(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        asked, seconds = nested(payload, "meta"), float(payload.get("retry_after") or 0)
        guild = str(asked.get("guild_id"))
        if self._lists.is_ours(guild, asked.get("nonce")):
            draft.also(lambda: self._requests.ask_again(self._engine(), {guild: shard}, seconds))

    @on("VOICE_STATE_UPDATE")
    def _plan_member_of_voice_state(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild, member = payload.get("guild_id"), payload.get("member")
        # Who leaves a channel may be leaving the guild, and this may come after that.
        if guild and member and "user" in member and payload.get("channel_id") is not None:
            draft.put(MEMBERS, str(guild), str(payload["user_id"]), member)

    @on("MESSAGE_CREATE", "MESSAGE_REACTION_ADD", "TYPING_START")
    def _plan_member_seen(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        member = nested(payload, "member")
        if not member or not payload.get("guild_id") or _hears_of_members(shard):
            return

        if user := nested(member, "user") or nested(payload, "author"):
            draft.put(MEMBERS, str(payload["guild_id"]), str(user["id"]), {**member, "user": user})

    @on("INTERACTION_CREATE")
    def _plan_member_of_interaction(self, payload: Payload, draft: Draft, shard: hikari.api.GatewayShard, /) -> None:
        if self._is_ours(str(payload.get("guild_id")), payload, shard):
            self._plan_member_seen(payload, draft, shard)

    @on("GUILD_DELETE")
    def _plan_members_gone(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["id"])

        def forget() -> None:
            self._homes.pop(guild, None)
            self._lists.forget(guild)
            self._requests.forget(guild)

        draft.also(forget)

    @typing_extensions.override
    async def clear_members(self) -> None:
        await stores.clear_guilds(self._engine(), MEMBERS, self._clear)

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
        guild = stores.text(guild_id)
        await stores.write(self._engine(), lambda draft: self._clear(draft, guild))

    @typing_extensions.override
    async def delete_member(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> None:
        await stores.delete(self._engine(), MEMBERS, stores.text(guild_id), stores.text(user_id))

    @typing_extensions.override
    async def get_member(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> hikari.Member:
        return await stores.get(self._engine(), MEMBERS, stores.text(guild_id), stores.text(user_id))

    @typing_extensions.override
    async def get_members(
        self, guild_id: hikari.Snowflakeish, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.Member]:
        return await stores.get_many(self._engine(), MEMBERS, stores.text(guild_id), user_ids)

    @typing_extensions.override
    async def is_member_list_complete(self, guild_id: hikari.Snowflakeish, /) -> bool:
        return await currency.is_current(self._engine(), MEMBERS, stores.text(guild_id))

    @typing_extensions.override
    def iter_members(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.Member]:
        return stores.iter_all(self._engine, MEMBERS, window_size)

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
        return stores.iter_guild(self._engine, MEMBERS, guild_id, window_size)

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
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The member is kept and will be written.
        """
        guild, user = stores.text(guild_id), stores.key_of(payload, "user", "id")

        def describe(draft: Draft) -> None:
            draft.put(MEMBERS, guild, user, dict(payload))
            self._put_users(draft, [payload["user"]])

        await stores.write(self._engine(), describe)

    def _clear(self, draft: Draft, guild: str, /) -> None:
        draft.clear(MEMBERS, guild)
        self._start_list(draft, guild, None)

    def _complete(self, draft: Draft, guild: str, /) -> None:
        draft.mark(COMPLETE_MEMBER_LISTS, guild)
        draft.also(lambda: self._await_members(guild, None))

    def _start_list(self, draft: Draft, guild: str, count: int | None, /) -> None:
        draft.unmark(COMPLETE_MEMBER_LISTS, guild)
        draft.also(lambda: self._await_members(guild, count))

    def _await_members(self, guild: str, count: int | None, /) -> None:
        self._requests.forget(guild)
        self._lists.expect(guild, count)

    def _request(self, guild: str, shard: hikari.api.GatewayShard, /) -> None:
        if self.config.get(_CHUNK_ON_CREATE) is not None:
            self._requests.ask(self._engine(), guild, shard)

    def _is_ours(self, guild: str, interaction: Payload, shard: hikari.api.GatewayShard, /) -> bool:
        # A user who added the application to their account uses it everywhere.
        if guild in self._homes or shard.id in self._ready:
            return guild in self._homes

        owners = interaction.get("authorizing_integration_owners")
        return owners is None or str(owners.get(_GUILD_INSTALL)) == guild


def _hears_of_members(shard: hikari.api.GatewayShard, /) -> bool:
    # As numbers: hikari's flags take their time.
    return bool(int(shard.intents) & _GUILD_MEMBERS)
