# SPDX-License-Identifier: BSD-3-Clause
"""Custom emojis and stickers of guilds."""

from __future__ import annotations

__all__ = ["EmojiCache", "StickerCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from .._client.client import ResourceClient
from .._client.events import on
from .._model.codec import Payload
from .._model.draft import Draft
from .._model.kinds import EMOJIS
from .._model.kinds import STICKERS
from .._model.kinds import Kinds
from . import stores


class EmojiCache(ResourceClient, abc.RefEmojiCache):
    """Redis implementation of [sake.abc.RefEmojiCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (EMOJIS,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS | hikari.Intents.GUILD_EMOJIS

    @on("GUILD_CREATE", "GUILD_UPDATE")
    def _plan_emojis(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        stores.replace(draft, EMOJIS, payload, "emojis")

    @on("GUILD_EMOJIS_UPDATE")
    def _plan_emojis_update(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        stores.replace(draft, EMOJIS, payload, "emojis", "guild_id")

    @typing_extensions.override
    async def clear_emojis(self) -> None:
        await stores.clear(self._engine(), EMOJIS)

    @typing_extensions.override
    async def clear_emojis_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_guild(self._engine(), EMOJIS, guild_id)

    @typing_extensions.override
    async def delete_emoji(
        self, emoji_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        await stores.delete_owned(self._engine(), EMOJIS, emoji_id, guild_id)

    @typing_extensions.override
    async def get_emoji(
        self, emoji_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.KnownCustomEmoji:
        return await stores.get_owned(self._engine(), EMOJIS, emoji_id, guild_id)

    @typing_extensions.override
    async def get_emojis(
        self,
        emoji_ids: collections.Iterable[hikari.Snowflakeish],
        /,
        *,
        guild_id: hikari.Snowflakeish | None = None,
    ) -> collections.Mapping[hikari.Snowflake, hikari.KnownCustomEmoji]:
        return await stores.get_many_owned(self._engine(), EMOJIS, emoji_ids, guild_id)

    @typing_extensions.override
    def iter_emojis(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.KnownCustomEmoji]:
        return stores.iter_all(self._engine, EMOJIS, window_size)

    @typing_extensions.override
    def iter_emojis_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.KnownCustomEmoji]:
        return stores.iter_guild(self._engine, EMOJIS, guild_id, window_size)

    async def set_emoji(self, guild_id: hikari.Snowflakeish, payload: Payload, /) -> None:
        """Store an emoji, in place of what was stored of it.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        payload : collections.Mapping[str, typing.Any]
            The emoji as Discord sends it, through the gateway or REST. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The emoji is kept and will be written.
        """
        guild, entity = stores.text(guild_id), stores.key_of(payload, "id")

        def describe(draft: Draft) -> None:
            draft.put(EMOJIS, guild, entity, dict(payload))
            self._lay_users(draft, [payload.get("user")])

        await stores.write(self._engine(), describe)


class StickerCache(ResourceClient, abc.RefStickerCache):
    """Redis implementation of [sake.abc.RefStickerCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (STICKERS,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS | hikari.Intents.GUILD_EMOJIS

    @on("GUILD_CREATE", "GUILD_UPDATE")
    def _plan_stickers(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        stores.replace(draft, STICKERS, payload, "stickers")

    @on("GUILD_STICKERS_UPDATE")
    def _plan_stickers_update(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        stores.replace(draft, STICKERS, payload, "stickers", "guild_id")

    @typing_extensions.override
    async def clear_stickers(self) -> None:
        await stores.clear(self._engine(), STICKERS)

    @typing_extensions.override
    async def clear_stickers_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_guild(self._engine(), STICKERS, guild_id)

    @typing_extensions.override
    async def delete_sticker(
        self, sticker_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        await stores.delete_owned(self._engine(), STICKERS, sticker_id, guild_id)

    @typing_extensions.override
    async def get_sticker(
        self, sticker_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.GuildSticker:
        return await stores.get_owned(self._engine(), STICKERS, sticker_id, guild_id)

    @typing_extensions.override
    async def get_stickers(
        self,
        sticker_ids: collections.Iterable[hikari.Snowflakeish],
        /,
        *,
        guild_id: hikari.Snowflakeish | None = None,
    ) -> collections.Mapping[hikari.Snowflake, hikari.GuildSticker]:
        return await stores.get_many_owned(self._engine(), STICKERS, sticker_ids, guild_id)

    @typing_extensions.override
    def iter_stickers(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.GuildSticker]:
        return stores.iter_all(self._engine, STICKERS, window_size)

    @typing_extensions.override
    def iter_stickers_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.GuildSticker]:
        return stores.iter_guild(self._engine, STICKERS, guild_id, window_size)

    async def set_sticker(self, guild_id: hikari.Snowflakeish, payload: Payload, /) -> None:
        """Store a sticker, in place of what was stored of it.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        payload : collections.Mapping[str, typing.Any]
            The sticker as Discord sends it, through the gateway or REST. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The sticker is kept and will be written.
        """
        guild, entity = stores.text(guild_id), stores.key_of(payload, "id")

        def describe(draft: Draft) -> None:
            draft.put(STICKERS, guild, entity, dict(payload))
            self._lay_users(draft, [payload.get("user")])

        await stores.write(self._engine(), describe)
