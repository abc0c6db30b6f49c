# SPDX-License-Identifier: BSD-3-Clause
"""Roles."""

from __future__ import annotations

__all__ = ["RoleCache"]

import typing
from collections import abc as collections

import hikari
import typing_extensions

from sake import abc

from .._client.client import ResourceClient
from .._client.events import on
from .._model.codec import Payload
from .._model.draft import Draft
from .._model.kinds import ROLES
from .._model.kinds import Kinds
from . import stores


class RoleCache(ResourceClient, abc.RefRoleCache):
    """Redis implementation of [sake.abc.RefRoleCache][]."""

    __slots__ = ()
    _KINDS: typing.ClassVar[Kinds] = (ROLES,)
    _INTENTS: typing.ClassVar[hikari.Intents] = hikari.Intents.GUILDS

    @on("GUILD_CREATE", "GUILD_UPDATE")
    def _plan_roles(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        stores.replace(draft, ROLES, payload, "roles")

    @on("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE")
    def _plan_role_set(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        role = payload["role"]
        draft.put(ROLES, str(payload["guild_id"]), str(role["id"]), role)

    @on("GUILD_ROLE_DELETE")
    def _plan_role_deleted(self, payload: Payload, draft: Draft, _: hikari.api.GatewayShard, /) -> None:
        draft.drop(ROLES, str(payload["guild_id"]), str(payload["role_id"]))

    @typing_extensions.override
    async def clear_roles(self) -> None:
        await stores.clear(self._engine(), ROLES)

    @typing_extensions.override
    async def clear_roles_for_guild(self, guild_id: hikari.Snowflakeish, /) -> None:
        await stores.clear_guild(self._engine(), ROLES, guild_id)

    @typing_extensions.override
    async def delete_role(
        self, role_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> None:
        await stores.delete_owned(self._engine(), ROLES, role_id, guild_id)

    @typing_extensions.override
    async def get_role(
        self, role_id: hikari.Snowflakeish, /, *, guild_id: hikari.Snowflakeish | None = None
    ) -> hikari.Role:
        return await stores.get_owned(self._engine(), ROLES, role_id, guild_id)

    @typing_extensions.override
    async def get_roles(
        self,
        role_ids: collections.Iterable[hikari.Snowflakeish],
        /,
        *,
        guild_id: hikari.Snowflakeish | None = None,
    ) -> collections.Mapping[hikari.Snowflake, hikari.Role]:
        return await stores.get_many_owned(self._engine(), ROLES, role_ids, guild_id)

    @typing_extensions.override
    def iter_roles(self, *, window_size: int = 1000) -> abc.CacheIterator[hikari.Role]:
        return stores.iter_all(self._engine, ROLES, window_size)

    @typing_extensions.override
    def iter_roles_for_guild(
        self, guild_id: hikari.Snowflakeish, /, *, window_size: int = 1000
    ) -> abc.CacheIterator[hikari.Role]:
        return stores.iter_guild(self._engine, ROLES, guild_id, window_size)

    async def set_role(self, guild_id: hikari.Snowflakeish, payload: Payload, /) -> None:
        """Store a role, in place of what was stored of it.

        Parameters
        ----------
        guild_id : hikari.Snowflakeish
            Id of the guild.
        payload : collections.Mapping[str, typing.Any]
            The role as Discord sends it, through the gateway or REST. It is not changed.

        Raises
        ------
        ValueError
            If the payload has no `id`.
        TypeError
            If what is given is no mapping.
        sake.errors.ClosedClient
            If the client is not open.
        sake.errors.BackendError
            If the server is away. The role is kept and will be written.
        """
        guild, entity = stores.text(guild_id), stores.key_of(payload, "id")
        await stores.write(self._engine(), lambda draft: draft.put(ROLES, guild, entity, dict(payload)))
