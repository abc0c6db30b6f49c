# SPDX-License-Identifier: BSD-3-Clause
"""How the guilds of a world come to be."""

from __future__ import annotations

__all__ = ["build_guild", "spread"]

import typing

import hikari

from .guild import WorldGuild

if typing.TYPE_CHECKING:
    from .._payloads.source import Payload
    from .world import World

_MINIMUM: typing.Final = 2
_SHARED_USERS: typing.Final = 0.15
_ONLINE: typing.Final = 0.3
_IN_VOICE: typing.Final = 0.02
_MAX_IN_VOICE: typing.Final = 60


def spread(members: int, guilds: int, /) -> list[int]:
    """Spread members unevenly over guilds: a few large ones, many small ones.

    Parameters
    ----------
    members
        How many there are in total, at least two for each guild (its owner and the bot).
    guilds
        How many guilds there are.

    Returns
    -------
    list[int]
        The size of each guild, largest first; the sum is `members`.
    """
    weights = [1 / (rank + 1) for rank in range(guilds)]
    free = members - _MINIMUM * guilds
    sizes = [_MINIMUM + int(free * weight / sum(weights)) for weight in weights]
    sizes[0] += members - sum(sizes)
    return sizes


def build_guild(world: World, id: str, size: int, /) -> WorldGuild:
    """Build a guild of a world.

    Parameters
    ----------
    world
        The world, which gets to know the guild's users.
    id
        The guild's id.
    size
        How many members it has, its owner and the bot included.

    Returns
    -------
    WorldGuild
        A guild with something in each of its dicts but `messages` and `invites`, which GUILD_CREATE does not carry.
    """
    payloads = world.payloads
    owner = world.new_user()
    record = payloads.guild_fields(id=id, owner_id=owner["id"])
    record |= {"joined_at": payloads.timestamp(within_days=300), "large": False, "member_count": size}
    guild = WorldGuild(record, payloads)
    _fill(guild.roles, [payloads.everyone_role(id), *(payloads.role() for _ in range(payloads.whole(9, 39)))])
    _build_channels(world, guild)
    _build_members(world, guild, owner, size)
    parent_ids = guild.thread_parent_ids
    threads = (world.draw_thread(guild, payloads.pick(parent_ids)) for _ in range(payloads.whole(0, 8)))
    _fill(guild.threads, threads)
    _fill(guild.emojis, (payloads.emoji(user=owner) for _ in range(payloads.whole(3, 40))))
    _fill(guild.stickers, (payloads.sticker(guild_id=id, user=owner) for _ in range(payloads.whole(1, 8))))
    _build_happenings(world, guild)
    return guild


def _fill(table: dict[str, Payload], payloads: typing.Iterable[Payload], /) -> None:
    table.update((payload["id"], payload) for payload in payloads)


def _build_channels(world: World, guild: WorldGuild, /) -> None:
    payloads = world.payloads
    role_ids = list(guild.roles)
    categories = [
        payloads.channel(type=hikari.ChannelType.GUILD_CATEGORY, position=position)
        for position in range(payloads.whole(2, 5))
    ]
    _fill(guild.channels, categories)
    for type_, low, high in (
        (hikari.ChannelType.GUILD_TEXT, 4, 20),
        (hikari.ChannelType.GUILD_VOICE, 2, 8),
        (hikari.ChannelType.GUILD_NEWS, 0, 1),
        (hikari.ChannelType.GUILD_STAGE, 0, 1),
        (hikari.ChannelType.GUILD_FORUM, 0, 2),
    ):
        for position in range(payloads.whole(low, high)):
            channel = payloads.channel(
                type=type_,
                position=position,
                parent_id=payloads.pick(categories)["id"],
                role_ids=payloads.random.sample(role_ids, payloads.whole(0, 2)),
            )
            guild.channels[channel["id"]] = channel


def _build_members(world: World, guild: WorldGuild, owner: Payload, size: int, /) -> None:
    payloads = world.payloads
    known = list(world.users.values())
    role_ids = [role_id for role_id in guild.roles if role_id != guild.id]
    world.settle_in(guild, payloads.member(user=owner))
    world.settle_in(guild, payloads.member(user=world.users[world.me["id"]], nick=None))
    while len(guild.members) < size:
        user = payloads.pick(known) if payloads.chance(_SHARED_USERS) else world.new_user()
        if user["id"] not in guild.members:
            roles = payloads.random.sample(role_ids, min(len(role_ids), payloads.whole(0, 4)))
            world.settle_in(guild, payloads.member(user=user, roles=roles))

    for user_id in guild.members:
        if payloads.chance(_ONLINE):
            guild.presences[user_id] = world.draw_presence(user_id)


def _build_happenings(world: World, guild: WorldGuild, /) -> None:
    payloads = world.payloads
    channel_ids = guild.voice_channel_ids
    talking = min(_MAX_IN_VOICE, 1 + int(len(guild.members) * _IN_VOICE))
    for user_id in payloads.random.sample(list(guild.members), talking):
        channel_id = payloads.pick(channel_ids)
        guild.voice_states[user_id] = payloads.voice_state(user_id=user_id, channel_id=channel_id)

    stages = [id_ for id_ in channel_ids if guild.channels[id_]["type"] == hikari.ChannelType.GUILD_STAGE]
    _fill(guild.stage_instances, (payloads.stage_instance(guild_id=guild.id, channel_id=id_) for id_ in stages))
    _fill(guild.scheduled_events, [payloads.scheduled_event(guild_id=guild.id, creator_id=guild.owner_id)])
    sound = payloads.soundboard_sound(guild_id=guild.id)
    guild.soundboard_sounds[sound["sound_id"]] = sound
