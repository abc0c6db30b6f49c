# SPDX-License-Identifier: BSD-3-Clause
"""Interface of the cache of the bot's direct message channels."""

from __future__ import annotations

__all__ = ["DMChannelCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class DMChannelCache(_base.Resource, abc.ABC):
    """Cache of the channels in which the bot and one user write to each other.

    Discord neither lists these channels nor tells when one is made. Those are stored in which somebody uses a command
    or presses a button, and those the bot makes through `fetch_dm_channel`. So a channel that is not stored may well
    exist, and the `last_message_id` of one that is stored is that of the moment it was stored. Entries have a lifetime,
    since nothing else would remove them.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_dm_channels(self) -> None:
        """Remove all direct message channels.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_dm_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        """Remove a direct message channel.

        Nothing happens if it is not stored.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_dm_channel(self, channel_id: hikari.Snowflakeish, /) -> hikari.DMChannel:
        """Get a direct message channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel.

        Returns
        -------
        hikari.DMChannel
            The stored channel.

        Raises
        ------
        sake.errors.EntryNotFound
            If the channel is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_dm_channel_for_user(self, user_id: hikari.Snowflakeish, /) -> hikari.DMChannel:
        """Get the direct message channel of a user and the bot.

        Parameters
        ----------
        user_id : hikari.Snowflakeish
            Id of the user.

        Returns
        -------
        hikari.DMChannel
            The stored channel.

        Raises
        ------
        sake.errors.EntryNotFound
            If no channel with that user is stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_dm_channels(
        self, channel_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.DMChannel]:
        """Get several direct message channels at once.

        This takes one round trip to the backend. Channels that are not stored are left out, and so are those that
        cannot be read or that this version of hikari cannot build: `get_dm_channel` tells which it is.

        Parameters
        ----------
        channel_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the channels. An empty iterable gives an empty mapping, and an id given twice counts once.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.DMChannel]
            The stored channels by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def fetch_dm_channel(self, user_id: hikari.Snowflakeish, /) -> hikari.DMChannel:
        """Get the direct message channel of a user and the bot; if it is not stored, make it on Discord and store it.

        Discord gives the same channel each time it is told to make one, so this makes no second one. All who wait for
        the channel of a user at the same time share one request, also if that fails.

        Parameters
        ----------
        user_id : hikari.Snowflakeish
            Id of the user.

        Returns
        -------
        hikari.DMChannel
            The channel.

        Raises
        ------
        sake.errors.EntryNotFound
            If the channel is not stored, and Discord refuses to make one with that user.
        sake.errors.DiscordError
            If the channel is not stored, and Discord cannot be reached, or rejects the request for a reason that has
            nothing to do with the user: the message says why.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_dm_channels(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.DMChannel]:
        """Iterate over all stored direct message channels.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.DMChannel]
            An asynchronous iterator over the channels.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
