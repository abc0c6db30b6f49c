# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the caches of guild channels and threads."""

from __future__ import annotations

__all__ = ["GuildChannelCache", "RefGuildChannelCache", "RefThreadCache", "ThreadCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class GuildChannelCache(_base.Resource, abc.ABC):
    """Cache of the channels of guilds.

    Threads are no part of it: see [sake.abc.ThreadCache][]. Neither are direct message channels.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_guild_channels(self) -> None:
        """Remove all guild channels.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_guild_channel(
        self, channel_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        """Remove a guild channel.

        Nothing happens if the guild channel is not stored. Its threads are kept.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the guild channel belongs to. It is optional and saves looking the guild up; with the wrong
            guild the guild channel is not found.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_guild_channel(
        self, channel_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.PermissibleGuildChannel:
        """Get a guild channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the guild channel belongs to. It is optional and saves looking the guild up; with the wrong
            guild the guild channel is not found.

        Returns
        -------
        hikari.PermissibleGuildChannel
            The stored guild channel.

        Raises
        ------
        sake.errors.EntryNotFound
            If the guild channel is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_guild_channels(
        self, channel_ids: collections.Iterable[hikari.Snowflakeish], /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> collections.Mapping[hikari.Snowflake, hikari.PermissibleGuildChannel]:
        """Get several guild channels at once.

        This takes one round trip to the backend with `guild_id`, two without. Guild channels that are not stored are
        left out, and so are those that cannot be read or that this version of hikari cannot build: `get_guild_channel`
        tells which it is.

        Parameters
        ----------
        channel_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the channels. An empty iterable gives an empty mapping, and an id given twice counts once.
        guild_id : hikari.Snowflakeish | None
            Id of the guild that all of the guild channels belong to. It is optional and saves looking the guilds up;
            guild channels of other guilds are not found.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.PermissibleGuildChannel]
            The stored guild channels by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_guild_channels(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.PermissibleGuildChannel]:
        """Iterate over all stored guild channels.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.PermissibleGuildChannel]
            An asynchronous iterator over the guild channels.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefGuildChannelCache(GuildChannelCache, abc.ABC):
    """Cache of the channels of guilds which also finds them by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_guild_channels_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all guild channels of a guild.

        Their threads are kept.

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
    def iter_guild_channels_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.PermissibleGuildChannel]:
        """Iterate over the stored guild channels of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.PermissibleGuildChannel]
            An asynchronous iterator over the guild channels.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class ThreadCache(_base.Resource, abc.ABC):
    """Cache of the threads of guilds.

    Discord lists the active threads that the bot can see when it sends a guild. A thread that is archived later stays
    stored until it is deleted or its guild is received again.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_threads(self) -> None:
        """Remove all threads.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_thread(
        self, thread_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        """Remove a thread.

        Nothing happens if the thread is not stored.

        Parameters
        ----------
        thread_id : hikari.Snowflakeish
            Id of the thread.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the thread belongs to. It is optional and saves looking the guild up; with the wrong guild
            the thread is not found.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_thread(
        self, thread_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.GuildThreadChannel:
        """Get a thread.

        Parameters
        ----------
        thread_id : hikari.Snowflakeish
            Id of the thread.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the thread belongs to. It is optional and saves looking the guild up; with the wrong guild
            the thread is not found.

        Returns
        -------
        hikari.GuildThreadChannel
            The stored thread.

        Raises
        ------
        sake.errors.EntryNotFound
            If the thread is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_threads(
        self, thread_ids: collections.Iterable[hikari.Snowflakeish], /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> collections.Mapping[hikari.Snowflake, hikari.GuildThreadChannel]:
        """Get several threads at once.

        This takes one round trip to the backend with `guild_id`, two without. Threads that are not stored are left out,
        and so are those that cannot be read or that this version of hikari cannot build: `get_thread` tells which it
        is.

        Parameters
        ----------
        thread_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the threads. An empty iterable gives an empty mapping, and an id given twice counts once.
        guild_id : hikari.Snowflakeish | None
            Id of the guild that all of the threads belong to. It is optional and saves looking the guilds up; threads
            of other guilds are not found.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.GuildThreadChannel]
            The stored threads by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_threads(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.GuildThreadChannel]:
        """Iterate over all stored threads.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.GuildThreadChannel]
            An asynchronous iterator over the threads.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefThreadCache(ThreadCache, abc.ABC):
    """Cache of the threads of guilds which also finds them by parent channel and by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_threads_for_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        """Remove all threads of a parent channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel that the threads were started in (their `parent_id`).

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def clear_threads_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all threads of a guild.

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
    def iter_threads_for_channel(
        self, channel_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.GuildThreadChannel]:
        """Iterate over the stored threads of a parent channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel that the threads were started in (their `parent_id`).
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.GuildThreadChannel]
            An asynchronous iterator over the threads.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """

    @abc.abstractmethod
    def iter_threads_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.GuildThreadChannel]:
        """Iterate over the stored threads of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.GuildThreadChannel]
            An asynchronous iterator over the threads.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
