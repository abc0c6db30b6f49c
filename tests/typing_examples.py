# SPDX-License-Identifier: BSD-3-Clause
"""What a type checker must make of the public interface. Checked by `nox -s typing`, never run."""

from __future__ import annotations

import typing
from collections import abc as collections

import hikari
import tanjun

import sake


class Some(sake.redis.MemberCache, sake.redis.RoleCache):
    """A subset by plain inheritance."""


async def everything(cache: sake.RedisCache) -> None:
    typing.assert_type(await cache.get_role(1, guild_id=2), hikari.Role)
    typing.assert_type(await cache.get_guild_channel(1), hikari.PermissibleGuildChannel)
    typing.assert_type(await cache.get_members(1, [2]), collections.Mapping[hikari.Snowflake, hikari.Member])
    typing.assert_type(await cache.get_invites(["x"]), collections.Mapping[str, hikari.InviteWithMetadata])
    typing.assert_type(cache.iter_threads_for_channel(1), sake.abc.CacheIterator[hikari.GuildThreadChannel])
    typing.assert_type([user async for user in cache.iter_users()], list[hikari.User])
    typing.assert_type(await cache.iter_users().len(), int)
    typing.assert_type(await cache.get_me(), hikari.OwnUser)
    typing.assert_type(await cache.is_guild_available(1), bool)
    typing.assert_type(await cache.is_guild_stale(1), bool)
    typing.assert_type(await cache.get_stale_guild_ids(), collections.Set[hikari.Snowflake])


async def settings(bot: hikari.GatewayBot) -> None:
    cache = Some("embedded://", bot, bot.event_manager, default_expire=60, namespace="bot")
    typing.assert_type(cache.with_index_override(sake.redis.ResourceIndex.ROLE, override=3), Some)
    typing.assert_type(cache.chunk_on_guild_create(bot), Some)
    typing.assert_type(Some.all_intents(), hikari.Intents)
    async with cache as opened:
        typing.assert_type(opened, Some)


def trust(cache: sake.RedisCache, client: tanjun.Client) -> None:
    """Interfaces are abstract, and named like any class."""
    some = [sake.abc.RoleCache, sake.abc.UserCache]
    cache.add_to_tanjun(client, trust_get_for=[sake.abc.RoleCache])
    cache.add_to_tanjun(client, trust_get_for={sake.abc.GuildCache, sake.abc.RoleCache}, tanjun_managed=True)
    cache.add_to_tanjun(client, trust_get_for=(sake.abc.RefRoleCache, sake.redis.MemberCache, Some))
    cache.add_to_tanjun(client, trust_get_for=some)
    cache.add_to_tanjun(client, trust_get_for=())


async def interfaces(cache: sake.abc.Cache, roles: sake.abc.RefRoleCache) -> None:
    await everything_through(cache)
    typing.assert_type(roles.iter_roles_for_guild(1), sake.abc.CacheIterator[hikari.Role])


async def everything_through(cache: sake.abc.MemberCache) -> None:
    typing.assert_type(await cache.get_member(1, 2), hikari.Member)
