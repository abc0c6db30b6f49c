# SPDX-License-Identifier: BSD-3-Clause
"""Presences of members."""

from __future__ import annotations

__all__ = ["PresenceCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from .._client.client import ResourceClient
from .._client.events import on
from .._model import ids
from .._model.codec import Payload
from .._model.codec import is_object
from .._model.codec import nested
from .._model.draft import Draft
from .._model.kinds import PRESENCES
from .._model.kinds import Kinds
from . import stores


class PresenceCache(ResourceClient, abc.PresenceCache):
    """Redis implementation of [sake.abc.PresenceCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (PRESENCES,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS | hikari.Intents.GUILD_PRESENCES

    @on("PRESENCE_UPDATE")
    def _plan_presence(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        _put(draft, str(payload["guild_id"]), payload)

    @on("GUILD_CREATE")
    def _plan_presences(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        if (presences := payload.get("presences")) is not None:
            draft.replace_list(PRESENCES, str(payload["id"]), _online(presences))

    @on("GUILD_MEMBERS_CHUNK")
    def _plan_presences_chunk(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        guild = str(payload["guild_id"])
        presences = payload.get("presences") or ()
        draft.put_list(PRESENCES, guild, _online(presences))
        for user in filter(ids.is_snowflake, (_user_of(presence) for presence in presences if _is_offline(presence))):
            draft.drop(PRESENCES, guild, user)

    @on("GUILD_MEMBER_REMOVE")
    def _plan_presence_of_member_left(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.drop(PRESENCES, str(payload["guild_id"]), str(payload["user"]["id"]))

    @typing_extensions.override
    async def clear_presences(self) -> None:
        await stores.clear(self._engine(), PRESENCES)

    async def clear_presences_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all presences of a guild.

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
        await stores.clear_guild(self._engine(), PRESENCES, guild_id)

    @typing_extensions.override
    async def delete_presence(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> None:
        await stores.delete(self._engine(), PRESENCES, stores.text(guild_id), stores.text(user_id))

    @typing_extensions.override
    async def get_presence(
        self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /
    ) -> hikari.MemberPresence:
        return await stores.get(self._engine(), PRESENCES, stores.text(guild_id), stores.text(user_id))

    @typing_extensions.override
    async def get_presences(
        self, guild_id: hikari.Snowflakeish, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.MemberPresence]:
        return await stores.get_many(self._engine(), PRESENCES, stores.text(guild_id), user_ids)

    @typing_extensions.override
    def iter_presences(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.MemberPresence]:
        return stores.iter_all(self._engine, PRESENCES, window_size)

    def iter_presences_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.MemberPresence]:
        """Iterate over the stored presences of a guild.

        Those of one moment are returned where they fit into one window.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the server in one go.

        Returns
        -------
        sake.abc.CacheIterator[hikari.MemberPresence]
            An asynchronous iterator over the presences.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
        return stores.iter_guild(self._engine, PRESENCES, guild_id, window_size)

    async def set_presence(self, payload: Payload, /) -> None:
        """Store a presence, in place of what was stored of it. An offline one is removed instead.

        Parameters
        ----------
        payload : collections.Mapping[str, typing.Any]
            The presence as Discord sends it. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `guild_id`, or its `user` no `id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The presence is kept and will be written.
        """
        guild, user = stores.key_of(payload, "guild_id"), stores.key_of(payload, "user", "id")
        online = _online([{**payload, "user": {**payload["user"], "id": user}}])

        def describe(draft: Draft) -> None:
            draft.drop(PRESENCES, guild, user)
            for presence in online:
                draft.put(PRESENCES, guild, user, presence)

        await stores.write(self._engine(), describe)


def _put(draft: Draft, guild: str, presence: Payload, /) -> None:
    user = str(presence["user"]["id"])
    if presence["status"] == "offline":
        draft.drop(PRESENCES, guild, user)
    else:
        draft.put(PRESENCES, guild, user, dict(presence))


def _online(presences: collections.Iterable[dict[str, typing.Any]], /) -> list[dict[str, typing.Any]]:
    return [presence for presence in presences if not _is_offline(presence)]


def _is_offline(presence: object, /) -> bool:
    return is_object(presence) and presence.get("status") == "offline"


def _user_of(presence: Payload, /) -> str:
    return str(nested(presence, "user").get("id"))
