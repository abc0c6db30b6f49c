# SPDX-License-Identifier: BSD-3-Clause
"""Voice states."""

from __future__ import annotations

__all__ = ["VoiceStateCache"]

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
from .._model.kinds import VOICE_STATES
from .._model.kinds import Kinds
from . import stores


class VoiceStateCache(ResourceClient, abc.RefVoiceStateCache):
    """Redis implementation of [sake.abc.RefVoiceStateCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (VOICE_STATES,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS | hikari.Intents.GUILD_VOICE_STATES

    @on("GUILD_CREATE")
    def _plan_voice_states(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        if (states := payload.get("voice_states")) is None:
            return

        members = payload.get("members") or () if states else ()
        known = {str(nested(member, "user").get("id")): member for member in members if is_object(member)}
        draft.replace_list(VOICE_STATES, str(payload["id"]), [_with_member(state, known) for state in states])

    @on("VOICE_STATE_UPDATE")
    def _plan_voice_state(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        if guild := payload.get("guild_id"):
            _put(draft, str(guild), str(payload["user_id"]), payload)

    @on("GUILD_MEMBER_REMOVE")
    def _plan_voice_state_of_member_left(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.drop(VOICE_STATES, str(payload["guild_id"]), str(payload["user"]["id"]))

    @typing_extensions.override
    async def clear_voice_states(self) -> None:
        await stores.clear(self._engine(), VOICE_STATES)

    @typing_extensions.override
    async def clear_voice_states_for_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_channel(self._engine(), VOICE_STATES, channel_id)

    @typing_extensions.override
    async def clear_voice_states_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_guild(self._engine(), VOICE_STATES, guild_id)

    @typing_extensions.override
    async def delete_voice_state(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> None:
        await stores.delete(self._engine(), VOICE_STATES, stores.text(guild_id), stores.text(user_id))

    @typing_extensions.override
    async def get_voice_state(
        self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /
    ) -> hikari.VoiceState:
        return await stores.get(self._engine(), VOICE_STATES, stores.text(guild_id), stores.text(user_id))

    @typing_extensions.override
    async def get_voice_states(
        self, guild_id: hikari.Snowflakeish, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.VoiceState]:
        return await stores.get_many(self._engine(), VOICE_STATES, stores.text(guild_id), user_ids)

    @typing_extensions.override
    def iter_voice_states(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.VoiceState]:
        return stores.iter_all(self._engine, VOICE_STATES, window_size)

    @typing_extensions.override
    def iter_voice_states_for_channel(
        self, channel_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.VoiceState]:
        return stores.iter_channel(self._engine, VOICE_STATES, channel_id, window_size)

    @typing_extensions.override
    def iter_voice_states_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.VoiceState]:
        return stores.iter_guild(self._engine, VOICE_STATES, guild_id, window_size)

    async def set_voice_state(self, guild_id: hikari.Snowflakeish, payload: Payload, /) -> None:
        """Store a voice state, in place of what was stored of it. One without a channel is removed instead.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        payload : collections.Mapping[str, typing.Any]
            The voice state as Discord sends it. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `user_id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The voice state is kept and will be written.
        """
        guild, user = stores.text(guild_id), stores.key_of(payload, "user_id")
        await stores.write(self._engine(), lambda draft: _put(draft, guild, user, payload))


def _put(draft: Draft, guild: str, user: str, payload: Payload, /) -> None:
    if payload.get("channel_id") is None:
        draft.drop(VOICE_STATES, guild, user)
    else:
        draft.put(VOICE_STATES, guild, user, dict(payload))


def _with_member(state: typing.Any, members: collections.Mapping[str, Payload], /) -> typing.Any:
    if not is_object(state):
        # Refused where all that cannot be used is.
        return state

    member = members.get(str(state.get("user_id")))
    return state if member is None else {**state, "member": member}
