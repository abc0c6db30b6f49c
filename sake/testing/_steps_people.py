# SPDX-License-Identifier: BSD-3-Clause
"""What people do: come online, change, join, leave, talk."""

from __future__ import annotations

__all__ = ["STEPS"]

import typing
from collections import abc as collections

from sake.testing import _source
from sake.testing import _steps

if typing.TYPE_CHECKING:
    from sake.testing import _world
    from sake.testing import _world_guild

_MAX_IN_VOICE: typing.Final = 100
_MAX_ROLES: typing.Final = 5


def _presence_update(world: _world.World, guild: _world_guild.WorldGuild, /) -> _steps.Event | None:
    user_id = guild.member_deck.draw()
    if user_id is None:
        return None

    if user_id in guild.presences and world.payloads.chance(0.4):
        del guild.presences[user_id]
        presence = world.payloads.presence(user_id=user_id, status="offline")
    else:
        presence = guild.presences[user_id] = world.draw_presence(user_id)

    return "PRESENCE_UPDATE", guild.complete(presence)


def _member_update(world: _world.World, guild: _world_guild.WorldGuild, /) -> _steps.Event | None:
    user_id = guild.member_deck.draw()
    if user_id is None:
        return None

    member = {**guild.members[user_id], **_member_change(world, guild, user_id)}
    guild.put_member(member)
    return "GUILD_MEMBER_UPDATE", guild.complete(member)


def _member_change(world: _world.World, guild: _world_guild.WorldGuild, user_id: str, /) -> _source.Payload:
    payloads = world.payloads
    if payloads.chance(0.5):
        count = payloads.whole(0, min(_MAX_ROLES, len(guild.roles) - 1))
        return {"roles": payloads.random.sample([id_ for id_ in guild.roles if id_ != guild.id], count)}

    if payloads.chance(0.1) and world.is_only_in(user_id, guild):
        return {"user": world.rename(user_id)}

    if payloads.chance(0.2):
        return {"communication_disabled_until": payloads.timestamp()}

    return {"nick": payloads.word() if payloads.chance(0.7) else None}


def _member_add(world: _world.World, guild: _world_guild.WorldGuild, /) -> _steps.Event | None:
    member = world.payloads.member(user=world.new_user(), joined_at=world.payloads.timestamp())
    world.settle_in(guild, member)
    return "GUILD_MEMBER_ADD", guild.complete(member)


def _member_remove(world: _world.World, guild: _world_guild.WorldGuild, /) -> _steps.Event | None:
    user = world.remove_someone(guild)
    return ("GUILD_MEMBER_REMOVE", {"guild_id": guild.id, "user": user}) if user is not None else None


def _voice_state_update(world: _world.World, guild: _world_guild.WorldGuild, /) -> _steps.Event | None:
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


def _voice_change(world: _world.World, guild: _world_guild.WorldGuild, /) -> _source.Payload:
    if world.payloads.chance(0.6):
        return {"channel_id": None}

    if world.payloads.chance(0.5):
        return {"channel_id": world.payloads.pick(guild.voice_channel_ids)}

    return {"self_mute": world.payloads.chance(0.5), "self_deaf": world.payloads.chance(0.5)}


def _join_voice(world: _world.World, guild: _world_guild.WorldGuild, /) -> tuple[str, _source.Payload] | None:
    channel_ids = guild.voice_channel_ids
    user_id = guild.member_deck.draw()
    if user_id is None or not channel_ids:
        return None

    return user_id, world.payloads.voice_state(user_id=user_id, channel_id=world.payloads.pick(channel_ids))


STEPS: typing.Final[collections.Mapping[str, _steps.Step]] = {
    "PRESENCE_UPDATE": _steps.Step(45, _presence_update),
    "GUILD_MEMBER_UPDATE": _steps.Step(10, _member_update),
    "GUILD_MEMBER_ADD": _steps.Step(0.55, _member_add),
    "GUILD_MEMBER_REMOVE": _steps.Step(0.45, _member_remove),
    "VOICE_STATE_UPDATE": _steps.Step(5, _voice_state_update),
}
