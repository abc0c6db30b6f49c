# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the cache of presences."""

from __future__ import annotations

__all__ = ["PresenceCache", "RefPresenceCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class PresenceCache(_base.Resource, abc.ABC):
    """Cache of the presences of guild members: their status and activities.

    Presences of offline members are not stored. Presences are sent only to bots with the `GUILD_PRESENCES` intent.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_presences(self) -> None:
        """Remove all presences.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_presence(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> None:
        """Remove a presence.

        Nothing happens if the presence is not stored.

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
    async def get_presence(
        self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /
    ) -> hikari.MemberPresence:
        """Get a presence.

        The presence of a member who is offline is not stored.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        user_id : hikari.Snowflakeish
            Id of the user.

        Returns
        -------
        hikari.MemberPresence
            The stored presence.

        Raises
        ------
        sake.errors.EntryNotFound
            If the presence is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_presences(
        self, guild_id: hikari.Snowflakeish, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.MemberPresence]:
        """Get several presences at once.

        This takes one round trip to the backend. Presences that are not stored are left out, and so are those that
        cannot be read or that this version of hikari cannot build: `get_presence` tells which it is.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        user_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the users. An empty iterable gives an empty mapping, and an id given twice counts once.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.MemberPresence]
            The stored presences by their user ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_presences(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.MemberPresence]:
        """Iterate over all stored presences.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.MemberPresence]
            An asynchronous iterator over the presences.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefPresenceCache(PresenceCache, abc.ABC):
    """Cache of the presences of guild members which also finds them by guild and by user."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_presences_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all presences of a guild.

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
    async def clear_presences_for_user(self, user_id: hikari.Snowflakeish, /) -> None:
        """Remove all presences of a user in different guilds.

        Parameters
        ----------
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
    def iter_presences_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.MemberPresence]:
        """Iterate over the stored presences of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.MemberPresence]
            An asynchronous iterator over the presences.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """

    @abc.abstractmethod
    def iter_presences_for_user(
        self, user_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.MemberPresence]:
        """Iterate over the stored presences of a user in different guilds.

        Parameters
        ----------
        user_id : hikari.Snowflakeish
            Id of the user.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.MemberPresence]
            An asynchronous iterator over the presences.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
