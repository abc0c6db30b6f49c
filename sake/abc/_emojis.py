# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the caches of emojis and stickers."""

from __future__ import annotations

__all__ = ["EmojiCache", "RefEmojiCache", "RefStickerCache", "StickerCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class EmojiCache(_base.Resource, abc.ABC):
    """Cache of the custom emojis of guilds."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_emojis(self) -> None:
        """Remove all emojis.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_emoji(
        self, emoji_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        """Remove an emoji.

        Nothing happens if the emoji is not stored.

        Parameters
        ----------
        emoji_id : hikari.Snowflakeish
            Id of the emoji.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the emoji belongs to. It is optional and saves looking the guild up; with the wrong guild
            the emoji is not found.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_emoji(
        self, emoji_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.KnownCustomEmoji:
        """Get an emoji.

        Parameters
        ----------
        emoji_id : hikari.Snowflakeish
            Id of the emoji.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the emoji belongs to. It is optional and saves looking the guild up; with the wrong guild
            the emoji is not found.

        Returns
        -------
        hikari.KnownCustomEmoji
            The stored emoji.

        Raises
        ------
        sake.errors.EntryNotFound
            If the emoji is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_emojis(
        self, emoji_ids: collections.Iterable[hikari.Snowflakeish], /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> collections.Mapping[hikari.Snowflake, hikari.KnownCustomEmoji]:
        """Get several emojis at once.

        This takes one round trip to the backend with `guild_id`, two without. Emojis that are not stored are left out,
        and so are those that cannot be read or that this version of hikari cannot build: `get_emoji` tells which it is.

        Parameters
        ----------
        emoji_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the emojis. An empty iterable gives an empty mapping, and an id given twice counts once.
        guild_id : hikari.Snowflakeish | None
            Id of the guild that all of the emojis belong to. It is optional and saves looking the guilds up; emojis of
            other guilds are not found.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.KnownCustomEmoji]
            The stored emojis by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_emojis(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.KnownCustomEmoji]:
        """Iterate over all stored emojis.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.KnownCustomEmoji]
            An asynchronous iterator over the emojis.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefEmojiCache(EmojiCache, abc.ABC):
    """Cache of the custom emojis of guilds which also finds them by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_emojis_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all emojis of a guild.

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
    def iter_emojis_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.KnownCustomEmoji]:
        """Iterate over the stored emojis of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.KnownCustomEmoji]
            An asynchronous iterator over the emojis.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class StickerCache(_base.Resource, abc.ABC):
    """Cache of the custom stickers of guilds.

    The standard stickers, which belong to no guild, are not stored.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_stickers(self) -> None:
        """Remove all stickers.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_sticker(
        self, sticker_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        """Remove a sticker.

        Nothing happens if the sticker is not stored.

        Parameters
        ----------
        sticker_id : hikari.Snowflakeish
            Id of the sticker.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the sticker belongs to. It is optional and saves looking the guild up; with the wrong guild
            the sticker is not found.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_sticker(
        self, sticker_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.GuildSticker:
        """Get a sticker.

        Parameters
        ----------
        sticker_id : hikari.Snowflakeish
            Id of the sticker.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the sticker belongs to. It is optional and saves looking the guild up; with the wrong guild
            the sticker is not found.

        Returns
        -------
        hikari.GuildSticker
            The stored sticker.

        Raises
        ------
        sake.errors.EntryNotFound
            If the sticker is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_stickers(
        self, sticker_ids: collections.Iterable[hikari.Snowflakeish], /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> collections.Mapping[hikari.Snowflake, hikari.GuildSticker]:
        """Get several stickers at once.

        This takes one round trip to the backend with `guild_id`, two without. Stickers that are not stored are left
        out, and so are those that cannot be read or that this version of hikari cannot build: `get_sticker` tells which
        it is.

        Parameters
        ----------
        sticker_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the stickers. An empty iterable gives an empty mapping, and an id given twice counts once.
        guild_id : hikari.Snowflakeish | None
            Id of the guild that all of the stickers belong to. It is optional and saves looking the guilds up; stickers
            of other guilds are not found.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.GuildSticker]
            The stored stickers by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_stickers(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.GuildSticker]:
        """Iterate over all stored stickers.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.GuildSticker]
            An asynchronous iterator over the stickers.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefStickerCache(StickerCache, abc.ABC):
    """Cache of the custom stickers of guilds which also finds them by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_stickers_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all stickers of a guild.

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
    def iter_stickers_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.GuildSticker]:
        """Iterate over the stored stickers of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.GuildSticker]
            An asynchronous iterator over the stickers.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
