# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the cache of members."""

from __future__ import annotations

__all__ = ["MemberCache", "RefMemberCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class MemberCache(_base.Resource, abc.ABC):
    """Cache of the members of guilds.

    Discord sends the members of a large guild only on request, and joins, leaves and updates only to bots with the
    `GUILD_MEMBERS` intent. Hence a member who is not stored may exist all the same, unless `is_member_list_complete`
    says otherwise.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_members(self) -> None:
        """Remove all members.

        From then on no guild's member list is complete, until it is received again.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_member(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> None:
        """Remove a member.

        Nothing happens if the member is not stored.

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
    async def get_member(self, guild_id: hikari.Snowflakeish, user_id: hikari.Snowflakeish, /) -> hikari.Member:
        """Get a member.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        user_id : hikari.Snowflakeish
            Id of the user.

        Returns
        -------
        hikari.Member
            The stored member.

        Raises
        ------
        sake.errors.EntryNotFound
            If the member is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_members(
        self, guild_id: hikari.Snowflakeish, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.Member]:
        """Get several members at once.

        This takes one round trip to the backend. Members that are not stored are left out, and so are those that cannot
        be read or that this version of hikari cannot build: `get_member` tells which it is.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        user_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the users. An empty iterable gives an empty mapping, and an id given twice counts once.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.Member]
            The stored members by their user ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def is_member_list_complete(self, guild_id: hikari.Snowflakeish, /) -> bool:
        """Tell whether all members of a guild are stored.

        The list is complete once every chunk of a request for all members (one without a query) has come since the
        guild was last received, or at once if the guild came with as many members as its `member_count`. Later joins
        and leaves keep it complete, as long as there is a process that hears of them: not while the guild's shard is
        not connected, nor after the bot has ended. It never is where the bot lacks the `GUILD_MEMBERS` intent, since
        nobody would tell of these, nor where one of the members could not be stored.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.

        Returns
        -------
        bool
            Whether all members are stored. False for a guild that is not known.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_members(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.Member]:
        """Iterate over all stored members.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Member]
            An asynchronous iterator over the members.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefMemberCache(MemberCache, abc.ABC):
    """Cache of the members of guilds which also finds them by guild and by user."""

    __slots__ = ()

    @abc.abstractmethod
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
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def clear_members_for_user(self, user_id: hikari.Snowflakeish, /) -> None:
        """Remove all members that are the same user in different guilds.

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
    def iter_members_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.Member]:
        """Iterate over the stored members of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Member]
            An asynchronous iterator over the members.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """

    @abc.abstractmethod
    def iter_members_for_user(
        self, user_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.Member]:
        """Iterate over the stored members that are the same user in different guilds.

        Parameters
        ----------
        user_id : hikari.Snowflakeish
            Id of the user.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Member]
            An asynchronous iterator over the members.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
