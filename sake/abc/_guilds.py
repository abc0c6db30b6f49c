# SPDX-License-Identifier: BSD-3-Clause
"""Interface of the cache of guilds."""

from __future__ import annotations

__all__ = ["GuildCache", "RefGuildCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class GuildCache(_base.Resource, abc.ABC):
    """Cache of guilds, and of whether they are available.

    A guild holds none of its members, channels, roles and the like: these have caches of their own.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_guilds(self) -> None:
        """Remove all guilds.

        Their members, channels, roles and the like are kept: they belong to their own caches. So is whether they are
        unavailable or stale, which is about these as well.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove a guild.

        Nothing happens if the guild is not stored. Its members, channels, roles and the like are kept: they belong to
        their own caches. So is whether it is unavailable or stale, which is about these as well.

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
    async def get_guild(self, guild_id: hikari.Snowflakeish, /) -> hikari.GatewayGuild:
        """Get a guild.

        A guild that became unavailable is still returned, as it was last known: see `is_guild_available`.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.

        Returns
        -------
        hikari.GatewayGuild
            The stored guild.

        Raises
        ------
        sake.errors.EntryNotFound
            If the guild is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_guilds(
        self, guild_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.GatewayGuild]:
        """Get several guilds at once.

        This takes one round trip to the backend. Guilds that are not stored are left out, and so are those that cannot
        be read or that this version of hikari cannot build: `get_guild` tells which it is.

        Parameters
        ----------
        guild_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the guilds. An empty iterable gives an empty mapping, and an id given twice counts once.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.GatewayGuild]
            The stored guilds by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_stale_guild_ids(self) -> collections.Set[hikari.Snowflake]:
        """Get the ids of the guilds of which changes were lost.

        See `is_guild_stale`.

        Returns
        -------
        collections.Set[hikari.Snowflake]
            The ids of the stale guilds.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_unavailable_guild_ids(self) -> collections.Set[hikari.Snowflake]:
        """Get the ids of the guilds that are known to be unavailable.

        This includes guilds of which nothing but their unavailability is known.

        Returns
        -------
        collections.Set[hikari.Snowflake]
            The ids of the unavailable guilds.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def is_guild_available(self, guild_id: hikari.Snowflakeish, /) -> bool:
        """Tell whether a guild is available.

        A guild is unavailable during an outage at Discord. What is stored of it stays, and may be out of date for as
        long.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.

        Returns
        -------
        bool
            Whether the guild was available when it was last heard of.

        Raises
        ------
        sake.errors.EntryNotFound
            If the guild is neither stored nor known to be unavailable.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def is_guild_current(self, guild_id: hikari.Snowflakeish, /) -> bool:
        """Tell whether a process hears of all that happens in a guild, and has received the guild since it does.

        That is so from when the guild is received until the connection of its shard is lost or closed (and again once
        it is resumed), the guild has an outage, changes of it are lost, or it is deleted by hand. A process that was
        killed is taken for one that listens for up to 90 seconds.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.

        Returns
        -------
        bool
            Whether what is stored of the guild is what it is like now. False for a guild that is not known.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def is_guild_stale(self, guild_id: hikari.Snowflakeish, /) -> bool:
        """Tell whether changes of a guild were lost since it was last received.

        A backend that is away for so long that no more can be kept costs changes. What is stored of such a guild may
        be out of date, and what is not stored of it may exist all the same, until the guild is received again.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.

        Returns
        -------
        bool
            Whether changes were lost. False for a guild that is not known.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_guilds(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.GatewayGuild]:
        """Iterate over all stored guilds.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.GatewayGuild]
            An asynchronous iterator over the guilds.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


RefGuildCache = GuildCache
"""Another name of [sake.abc.GuildCache][]: a guild belongs to nothing else."""
