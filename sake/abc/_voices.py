# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the cache of voice states."""

from __future__ import annotations

__all__ = ["RefVoiceStateCache", "VoiceStateCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class VoiceStateCache(_base.Resource, abc.ABC):
    """Cache of voice states: who is in which voice channel.

    Only users who are in a voice channel have one. A voice state's `member` is None where Discord did not send the
    member.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_voice_states(self) -> None:
        """Remove all voice states.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_voice_state(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> None:
        """Remove a voice state.

        Nothing happens if the voice state is not stored.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        user_id : hikari.Snowflakeish
            Id of the user.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_voice_state(
        self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /
    ) -> hikari.VoiceState:
        """Get a voice state.

        A user who is in no voice channel of the guild has no voice state.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        user_id : hikari.Snowflakeish
            Id of the user.

        Returns
        -------
        hikari.VoiceState
            The stored voice state.

        Raises
        ------
        sake.errors.EntryNotFound
            If the voice state is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_voice_states(
        self, guild_id: hikari.Snowflakeish, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.VoiceState]:
        """Get several voice states at once.

        This takes one round trip to the backend. Voice states that are not stored are left out, and so are those that
        cannot be read or that this version of hikari cannot build: `get_voice_state` tells which it is.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        user_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the users. An empty iterable gives an empty mapping, and an id given twice counts once.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.VoiceState]
            The stored voice states by their user ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_voice_states(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.VoiceState]:
        """Iterate over all stored voice states.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.VoiceState]
            An asynchronous iterator over the voice states.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefVoiceStateCache(VoiceStateCache, abc.ABC):
    """Cache of voice states which also finds them by channel and by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_voice_states_for_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        """Remove all voice states of a channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the voice or stage channel.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def clear_voice_states_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all voice states of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_voice_states_for_channel(
        self, channel_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.VoiceState]:
        """Iterate over the stored voice states of a channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the voice or stage channel.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.VoiceState]
            An asynchronous iterator over the voice states.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """

    @abc.abstractmethod
    def iter_voice_states_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.VoiceState]:
        """Iterate over the stored voice states of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.VoiceState]
            An asynchronous iterator over the voice states.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
