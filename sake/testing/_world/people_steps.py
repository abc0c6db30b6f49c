# SPDX-License-Identifier: BSD-3-Clause
"""What people do: come online, change, join, leave, talk."""

from __future__ import annotations

__all__ = ["STEPS"]

import typing
from collections import abc as collections

from .._payloads.source import Payload
from .steps import Event
from .steps import Step

if typing.TYPE_CHECKING:
    from .guild import WorldGuild
    from .world import World

_MAX_IN_VOICE: typing.Final = 100
_MAX_ROLES: typing.Final = 5


def _presence_update(world: World, guild: WorldGuild, /) -> Event | None:
    user_id = guild.member_deck.draw()
    if user_id is None:
        return None

    if user_id in guild.presences and world.payloads.chance(0.4):
        del guild.presences[user_id]
        presence = world.payloads.presence(user_id=user_id, status="offline")
    else:
        presence = guild.presences[user_id] = world.draw_presence(user_id)

    return "PRESENCE_UPDATE", guild.complete(presence)


def _member_update(world: World, guild: WorldGuild, /) -> Event | None:
    user_id = guild.member_deck.draw()
    if user_id is None:
        return None

    member = {**guild.members[user_id], **_member_change(world, guild, user_id)}
    guild.put_member(member)
    return "GUILD_MEMBER_UPDATE", guild.complete(member)


def _member_change(world: World, guild: WorldGuild, user_id: str, /) -> Payload:
    payloads = world.payloads
    if payloads.chance(0.5):
        count = payloads.whole(0, min(_MAX_ROLES, len(guild.roles) - 1))
        return {"roles": payloads.random.sample([id_ for id_ in guild.roles if id_ != guild.id], count)}

    if payloads.chance(0.1) and world.is_only_in(user_id, guild):
        return {"user": world.rename(user_id)}

    if payloads.chance(0.2):
        return {"communication_disabled_until": payloads.timestamp()}

    return {"nick": payloads.word() if payloads.chance(0.7) else None}


def _member_add(world: World, guild: WorldGuild, /) -> Event | None:
    member = world.payloads.member(user=world.new_user(), joined_at=world.payloads.timestamp())
    world.settle_in(guild, member)
    return "GUILD_MEMBER_ADD", guild.complete(member)


def _member_remove(world: World, guild: WorldGuild, /) -> Event | None:
    user = world.remove_someone(guild)
    return ("GUILD_MEMBER_REMOVE", {"guild_id": guild.id, "user": user}) if user is not None else None


def _voice_state_update(world: World, guild: WorldGuild, /) -> Event | None:
    payloads = world.payloads
    talking = len(guild.voice_states)
    if talking and (talking >= _MAX_IN_VOICE or payloads.chance(0.6)):
        user_id = payloads.pick(list(guild.voice_states))
        state = {**guild.voice_states[user_id], **_voice_change(world, guild)}
    else:
        joined = _join_voice(world, guild)
        if joined is None:
            return None

        user_id, state = joined

    if state["channel_id"] is None:
        guild.voice_states.pop(user_id, None)
    else:
        guild.voice_states[user_id] = state

    return "VOICE_STATE_UPDATE", {**state, "guild_id": guild.id, "member": guild.members[user_id]}


def _voice_change(world: World, guild: WorldGuild, /) -> Payload:
    if world.payloads.chance(0.6):
        return {"channel_id": None}

    if world.payloads.chance(0.5):
        return {"channel_id": world.payloads.pick(guild.voice_channel_ids)}

    return {"self_mute": world.payloads.chance(0.5), "self_deaf": world.payloads.chance(0.5)}


def _join_voice(world: World, guild: WorldGuild, /) -> tuple[str, Payload] | None:
    channel_ids = guild.voice_channel_ids
    user_id = guild.member_deck.draw()
    if user_id is None or not channel_ids:
        return None

    return user_id, world.payloads.voice_state(user_id=user_id, channel_id=world.payloads.pick(channel_ids))


STEPS: typing.Final[collections.Mapping[str, Step]] = {
    "PRESENCE_UPDATE": Step(45, _presence_update),
    "GUILD_MEMBER_UPDATE": Step(10, _member_update),
    "GUILD_MEMBER_ADD": Step(0.55, _member_add),
    "GUILD_MEMBER_REMOVE": Step(0.45, _member_remove),
    "VOICE_STATE_UPDATE": Step(5, _voice_state_update),
}
