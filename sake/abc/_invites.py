# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the cache of invites."""

from __future__ import annotations

__all__ = ["InviteCache", "RefInviteCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class InviteCache(_base.Resource, abc.ABC):
    """Cache of the invites of guilds.

    The gateway tells of invites that are created while the bot is connected, in channels that the bot may manage. They
    are gone when they expire. Their `uses` are what they were when the invite was created: Discord does not tell when
    one is used.

    A code is 1 to 64 ASCII letters, digits, `_` and `-`. Every method that takes one raises [ValueError][] for anything
    else.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_invites(self) -> None:
        """Remove all invites.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_invite(self, invite_code: str, /) -> None:
        """Remove an invite.

        Nothing happens if the invite is not stored.

        Parameters
        ----------
        invite_code : str
            Code of the invite, without the address before it.

        Raises
        ------
        ValueError
            If the code is one that no invite can have: other than 1 to 64 letters, digits, `_` and `-`.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_invite(self, invite_code: str, /) -> hikari.InviteWithMetadata:
        """Get an invite.

        Parameters
        ----------
        invite_code : str
            Code of the invite, without the address before it.

        Returns
        -------
        hikari.InviteWithMetadata
            The stored invite.

        Raises
        ------
        ValueError
            If the code is one that no invite can have: other than 1 to 64 letters, digits, `_` and `-`.
        sake.errors.EntryNotFound
            If the invite is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_invites(
        self, invite_codes: collections.Iterable[str], /
    ) -> collections.Mapping[str, hikari.InviteWithMetadata]:
        """Get several invites at once.

        This takes one round trip to the backend. Invites that are not stored are left out, and so are those that cannot
        be read or that this version of hikari cannot build: `get_invite` tells which it is.

        Parameters
        ----------
        invite_codes : collections.Iterable[str]
            Codes of the invites, without the address before them. An empty iterable gives an empty mapping, and a code
            given twice counts once.

        Returns
        -------
        collections.Mapping[str, hikari.InviteWithMetadata]
            The stored invites by their codes, in the order asked for.

        Raises
        ------
        ValueError
            If a code is one that no invite can have: other than 1 to 64 letters, digits, `_` and `-`.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_invites(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.InviteWithMetadata]:
        """Iterate over all stored invites.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.InviteWithMetadata]
            An asynchronous iterator over the invites.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefInviteCache(InviteCache, abc.ABC):
    """Cache of the invites of guilds which also finds them by channel and by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_invites_for_channel(self, channel_id: hikari.Snowflakeish, /) -> None:
        """Remove all invites to a channel.

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
    async def clear_invites_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all invites to a guild.

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
    def iter_invites_for_channel(
        self, channel_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.InviteWithMetadata]:
        """Iterate over the stored invites to a channel.

        Parameters
        ----------
        channel_id : hikari.Snowflakeish
            Id of the channel.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.InviteWithMetadata]
            An asynchronous iterator over the invites.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """

    @abc.abstractmethod
    def iter_invites_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.InviteWithMetadata]:
        """Iterate over the stored invites to a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.InviteWithMetadata]
            An asynchronous iterator over the invites.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
