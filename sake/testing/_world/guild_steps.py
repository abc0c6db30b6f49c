# SPDX-License-Identifier: BSD-3-Clause
"""What happens to guilds and what they are made of."""

from __future__ import annotations

__all__ = ["STEPS"]

import typing
from collections import abc as collections

import hikari

from .._payloads.source import Payload
from .steps import Event
from .steps import Step

if typing.TYPE_CHECKING:
    from .guild import WorldGuild
    from .world import World

_MAX_ROLES: typing.Final = 60
_MAX_CHANNELS: typing.Final = 100
_MAX_THREADS: typing.Final = 40
_MAX_EMOJIS: typing.Final = 50
_MAX_STICKERS: typing.Final = 15
_MIN_TEXT_CHANNELS: typing.Final = 2
_NEW_CHANNELS: typing.Final = (
    hikari.ChannelType.GUILD_TEXT,
    hikari.ChannelType.GUILD_TEXT,
    hikari.ChannelType.GUILD_VOICE,
    hikari.ChannelType.GUILD_CATEGORY,
    hikari.ChannelType.GUILD_FORUM,
    hikari.ChannelType.GUILD_NEWS,
)


def _role_create(world: World, guild: WorldGuild, /) -> Event | None:
    if len(guild.roles) >= _MAX_ROLES:
        return None

    role = world.payloads.role(id=world.payloads.snowflake())
    guild.roles[role["id"]] = role
    return "GUILD_ROLE_CREATE", {"guild_id": guild.id, "role": role}


def _role_update(world: World, guild: WorldGuild, /) -> Event | None:
    role_id = world.payloads.pick(list(guild.roles))
    permissions = str(world.payloads.random.getrandbits(30))
    role = guild.roles[role_id] = {**guild.roles[role_id], "permissions": permissions}
    if role_id != guild.id:
        role["name"] = world.payloads.word()

    return "GUILD_ROLE_UPDATE", {"guild_id": guild.id, "role": role}


def _role_delete(world: World, guild: WorldGuild, /) -> Event | None:
    role_id = world.payloads.pick(list(guild.roles))
    if role_id == guild.id:
        return None

    del guild.roles[role_id]
    return "GUILD_ROLE_DELETE", {"guild_id": guild.id, "role_id": role_id}


def _channel_create(world: World, guild: WorldGuild, /) -> Event | None:
    if len(guild.channels) >= _MAX_CHANNELS:
        return None

    payloads = world.payloads
    type_ = payloads.pick(_NEW_CHANNELS)
    channel = payloads.channel(type=type_, id=payloads.snowflake(), position=len(guild.channels))
    if type_ != hikari.ChannelType.GUILD_CATEGORY and (category_ids := guild.category_ids):
        channel["parent_id"] = payloads.pick(category_ids)

    guild.channels[channel["id"]] = channel
    return "CHANNEL_CREATE", guild.complete(channel)


def _channel_update(world: World, guild: WorldGuild, /) -> Event | None:
    channel_id = world.payloads.pick(list(guild.channels))
    channel = {**guild.channels[channel_id], "name": world.payloads.word()}
    if world.payloads.chance(0.3):
        channel["permission_overwrites"] = [world.payloads.overwrite(id=world.payloads.pick(list(guild.roles)))]

    guild.channels[channel_id] = channel
    return "CHANNEL_UPDATE", guild.complete(channel)


def _channel_delete(world: World, guild: WorldGuild, /) -> Event | None:
    if guild.threads and world.payloads.chance(0.5):
        channel_id = world.payloads.pick(list(guild.threads.values()))["parent_id"]
    else:
        channel_id = world.payloads.pick(list(guild.channels))

    if channel_id in guild.category_ids or _is_needed(channel_id, guild):
        return None

    channel = guild.channels[channel_id]
    guild.drop_channel(channel_id)
    return "CHANNEL_DELETE", guild.complete(channel)


def _is_needed(channel_id: str, guild: WorldGuild, /) -> bool:
    few = ((guild.text_channel_ids, _MIN_TEXT_CHANNELS), (guild.voice_channel_ids, 1))
    return any(channel_id in channel_ids and len(channel_ids) <= minimum for channel_ids, minimum in few)


def _thread_create(world: World, guild: WorldGuild, /) -> Event | None:
    parent_ids = guild.thread_parent_ids
    if not parent_ids or len(guild.threads) >= _MAX_THREADS:
        return None

    thread = world.draw_thread(guild, world.payloads.pick(parent_ids), id=world.payloads.snowflake())
    guild.threads[thread["id"]] = thread
    payload = guild.complete(thread)
    if "member" in thread:
        payload["member"] = {**thread["member"], "id": thread["id"], "user_id": world.me["id"]}
    else:
        payload["newly_created"] = True

    return "THREAD_CREATE", payload


def _thread_update(world: World, guild: WorldGuild, /) -> Event | None:
    if not guild.threads:
        return None

    thread_id = world.payloads.pick(list(guild.threads))
    thread = guild.threads[thread_id] = {**guild.threads[thread_id], "name": world.payloads.word()}
    payload = guild.complete(thread)
    payload.pop("member", None)
    return "THREAD_UPDATE", payload


def _thread_delete(world: World, guild: WorldGuild, /) -> Event | None:
    if not guild.threads:
        return None

    thread = guild.threads[world.payloads.pick(list(guild.threads))]
    guild.drop_thread(thread["id"])
    ids = {key: thread[key] for key in ("id", "parent_id", "type")}
    return "THREAD_DELETE", guild.complete(ids)


def _emojis_update(world: World, guild: WorldGuild, /) -> Event | None:
    owner = world.users[guild.owner_id]
    _reshuffle(world, guild.emojis, world.payloads.emoji(user=owner), _MAX_EMOJIS)
    return "GUILD_EMOJIS_UPDATE", {"guild_id": guild.id, "emojis": list(guild.emojis.values())}


def _stickers_update(world: World, guild: WorldGuild, /) -> Event | None:
    owner = world.users[guild.owner_id]
    _reshuffle(world, guild.stickers, world.payloads.sticker(guild_id=guild.id, user=owner), _MAX_STICKERS)
    return "GUILD_STICKERS_UPDATE", {"guild_id": guild.id, "stickers": list(guild.stickers.values())}


def _reshuffle(world: World, table: dict[str, Payload], new: Payload, limit: int, /) -> None:
    """Add one, remove one or rename one."""
    if not table or (len(table) < limit and world.payloads.chance(0.4)):
        table[new["id"]] = new
        return

    id_ = world.payloads.pick(list(table))
    if world.payloads.chance(0.5):
        del table[id_]
    else:
        table[id_] = {**table[id_], "name": new["name"]}


def _guild_update(world: World, guild: WorldGuild, /) -> Event | None:
    guild.record = {**guild.record, "name": world.payloads.word(), "afk_timeout": world.payloads.pick((60, 300, 900))}
    return "GUILD_UPDATE", world.guild_update(guild.id)


def _guild_delete(world: World, guild: WorldGuild, /) -> Event | None:
    return world.send_away(guild, outage=world.payloads.chance(0.6))


STEPS: typing.Final[collections.Mapping[str, Step]] = {
    "GUILD_ROLE_CREATE": Step(0.2, _role_create),
    "GUILD_ROLE_UPDATE": Step(0.4, _role_update),
    "GUILD_ROLE_DELETE": Step(0.15, _role_delete),
    "CHANNEL_CREATE": Step(0.25, _channel_create),
    "CHANNEL_UPDATE": Step(0.5, _channel_update),
    "CHANNEL_DELETE": Step(0.2, _channel_delete),
    "THREAD_CREATE": Step(0.5, _thread_create),
    "THREAD_UPDATE": Step(0.4, _thread_update),
    "THREAD_DELETE": Step(0.3, _thread_delete),
    "GUILD_EMOJIS_UPDATE": Step(0.15, _emojis_update),
    "GUILD_STICKERS_UPDATE": Step(0.1, _stickers_update),
    "GUILD_UPDATE": Step(0.1, _guild_update),
    "GUILD_DELETE": Step(0.02, _guild_delete),
}
