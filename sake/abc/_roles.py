# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the cache of roles."""

from __future__ import annotations

__all__ = ["RefRoleCache", "RoleCache"]

import abc
from collections import abc as collections

import hikari

from sake.abc import _base


class RoleCache(_base.Resource, abc.ABC):
    """Cache of the roles of guilds.

    The role that everyone has is one of them: its id is the guild's.
    """

    __slots__ = ()

    @abc.abstractmethod
    async def clear_roles(self) -> None:
        """Remove all roles.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def delete_role(
        self, role_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        """Remove a role.

        Nothing happens if the role is not stored.

        Parameters
        ----------
        role_id : hikari.Snowflakeish
            Id of the role.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the role belongs to. It is optional and saves looking the guild up; with the wrong guild the
            role is not found.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    async def get_role(
        self, role_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.Role:
        """Get a role.

        Parameters
        ----------
        role_id : hikari.Snowflakeish
            Id of the role.
        guild_id : hikari.Snowflakeish | None
            Id of the guild the role belongs to. It is optional and saves looking the guild up; with the wrong guild the
            role is not found.

        Returns
        -------
        hikari.Role
            The stored role.

        Raises
        ------
        sake.errors.EntryNotFound
            If the role is not stored.
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        sake.errors.InvalidDataFound
            If what is stored cannot be read, or has a shape that this version of hikari cannot build.
        """

    @abc.abstractmethod
    async def get_roles(
        self, role_ids: collections.Iterable[hikari.Snowflakeish], /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> collections.Mapping[hikari.Snowflake, hikari.Role]:
        """Get several roles at once.

        This takes one round trip to the backend with `guild_id`, two without. Roles that are not stored are left out,
        and so are those that cannot be read or that this version of hikari cannot build: `get_role` tells which it is.

        Parameters
        ----------
        role_ids : collections.Iterable[hikari.Snowflakeish]
            Ids of the roles. An empty iterable gives an empty mapping, and an id given twice counts once.
        guild_id : hikari.Snowflakeish | None
            Id of the guild that all of the roles belong to. It is optional and saves looking the guilds up; roles of
            other guilds are not found.

        Returns
        -------
        collections.Mapping[hikari.Snowflake, hikari.Role]
            The stored roles by their ids, in the order asked for.

        Raises
        ------
        sake.errors.ClosedClient
            If the resource is not open.
        sake.errors.BackendError
            If the backend cannot be reached or refuses the request.
        """

    @abc.abstractmethod
    def iter_roles(self, *, window_size: int = 1000) -> _base.CacheIterator[hikari.Role]:
        """Iterate over all stored roles.

        Parameters
        ----------
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Role]
            An asynchronous iterator over the roles.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """


class RefRoleCache(RoleCache, abc.ABC):
    """Cache of the roles of guilds which also finds them by guild."""

    __slots__ = ()

    @abc.abstractmethod
    async def clear_roles_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        """Remove all roles of a guild.

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
    def iter_roles_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> _base.CacheIterator[hikari.Role]:
        """Iterate over the stored roles of a guild.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        window_size : int
            How many entries are fetched from the backend in one go.

        Returns
        -------
        CacheIterator[hikari.Role]
            An asynchronous iterator over the roles.

        Raises
        ------
        ValueError
            If `window_size` is smaller than 1.
        """
