# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the cache of messages."""

from __future__ import annotations

__all__ = ["MessageCache", "RefMessageCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class MessageCache(_base.Resource, abc.ABC):
    """Cache of messages.

    The gateway tells of messages that are sent while the bot is connected. They may have a lifetime, after which they
    are gone. Their content is empty where the bot lacks the `MESSAGE_CONTENT` intent.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_messages(self) -> None:
        """Remove all messages.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_message(self, message_id: hikari.Snowflakeish, /) -> None:
        """Remove a message.

        Nothing happens if the message is not stored.

        Parameters
        ----------
        message_id : hikari.Snowflakeish
            Id of the message.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_message(self, message_id: hikari.Snowflakeish, /) -> hikari.Message:
        """Get a message.

        Parameters
        ----------
        message_id : hikari.Snowflakeish
            Id of the message.

        Returns
        -------
        hikari.Message
            The stored message.

        Raises
        ------
        sake.errors.EntryNotFound
            If the message is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_messages(
        self, message_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.Message]:
        """Get several messages at once.

        This takes one round trip to the backend. Messages that are not stored are left out, and so are those that
        cannot be read or that this version of hikari cannot build: `get_message` tells which it is.

        Parameters
        ----------
        message_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the messages. An empty iterable gives an empty mapping, and an id given twice counts once.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.Message]
            The stored messages by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_messages(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.Message]:
        """Iterate over all stored messages.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Message]
            An asynchronous iterator over the messages.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefMessageCache(MessageCache, abc.ABC):
    """Cache of messages which also finds them by author, by channel and by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_messages_for_author(self, user_id: hikari.Snowflakeish, /) -> None:
        """Remove all messages of an author.

        Parameters
        ----------
        user_id : hikari.Snowflakeish
            Id of the user or webhook that wrote the messages.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def clear_messages_for_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        """Remove all messages of a channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel or thread.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def clear_messages_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all messages of a guild.

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

    def iter_message_for_channel(
        self, channel_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.Message]:
        """Iterate over the stored messages of a channel.

        The same as `iter_messages_for_channel`, whose name this misspells: it is kept for compatibility.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel or thread.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Message]
            An asynchronous iterator over the messages.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
        return self.iter_messages_for_channel(channel_id, window_size=window_size)

    @abc.abstractmethod
    def iter_messages_for_author(
        self, user_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.Message]:
        """Iterate over the stored messages of an author.

        Parameters
        ----------
        user_id : hikari.Snowflakeish
            Id of the user or webhook that wrote the messages.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Message]
            An asynchronous iterator over the messages.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """

    @abc.abstractmethod
    def iter_messages_for_channel(
        self, channel_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.Message]:
        """Iterate over the stored messages of a channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel or thread.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Message]
            An asynchronous iterator over the messages.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """

    @abc.abstractmethod
    def iter_messages_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.Message]:
        """Iterate over the stored messages of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Message]
            An asynchronous iterator over the messages.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
