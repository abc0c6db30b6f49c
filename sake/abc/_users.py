# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the caches of users and of the bot's own user."""

from __future__ import annotations

__all__ = ["MeCache", "RefMeCache", "RefUserCache", "UserCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class MeCache(_base.Resource, abc.ABC):
    """Cache of the bot's own user.

    It is sent each time the bot logs in, and when it changes.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def delete_me(self) -> None:
        """Remove the bot's own user.

        Nothing happens if it is not stored. The same user in a [sake.abc.UserCache][] is kept.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_me(self) -> hikari.OwnUser:
        """Get the bot's own user.

        Returns
        -------
        hikari.OwnUser
            The stored user.

        Raises
        ------
        sake.errors.EntryNotFound
            If the bot's own user is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """


RefMeCache = MeCache
"""Another name of [sake.abc.MeCache][]: there is one own user only."""


class UserCache(_base.Resource, abc.ABC):
    """Cache of users.

    Users come with other things: members, messages, invites and the like. Discord tells nothing when a user is no
    longer of interest, so users may have a lifetime, after which they are gone.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_users(self) -> None:
        """Remove all users.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_user(self, user_id: hikari.Snowflakeish, /) -> None:
        """Remove a user.

        Nothing happens if the user is not stored.

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
    async def get_user(self, user_id: hikari.Snowflakeish, /) -> hikari.User:
        """Get a user.

        Parameters
        ----------
        user_id : hikari.Snowflakeish
            Id of the user.

        Returns
        -------
        hikari.User
            The stored user.

        Raises
        ------
        sake.errors.EntryNotFound
            If the user is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_users(
        self, user_ids: collections.Iterable[hikari.Snowflakeish], /
    ) -> collections.Mapping[hikari.Snowflake, hikari.User]:
        """Get several users at once.

        This takes one round trip to the backend. Users that are not stored are left out, and so are those that cannot
        be read or that this version of hikari cannot build: `get_user` tells which it is.

        Parameters
        ----------
        user_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the users. An empty iterable gives an empty mapping, and an id given twice counts once.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.User]
            The stored users by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_users(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.User]:
        """Iterate over all stored users.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.User]
            An asynchronous iterator over the users.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


RefUserCache = UserCache
"""Another name of [sake.abc.UserCache][]: a user belongs to nothing else."""
