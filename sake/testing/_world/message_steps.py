# SPDX-License-Identifier: BSD-3-Clause
"""What happens to messages and invites."""

from __future__ import annotations

__all__ = ["STEPS"]

import typing
from collections import abc as collections

from .._payloads.messages import without_user
from .._payloads.source import Payload
from .steps import Event
from .steps import Step

if typing.TYPE_CHECKING:
    from .guild import WorldGuild
    from .world import World

_MAX_INVITES: typing.Final = 50
_BULK: typing.Final = 40


def _message_create(world: World, guild: WorldGuild, /) -> Event | None:
    payloads = world.payloads
    if payloads.chance(0.01):
        return "MESSAGE_CREATE", world.write_direct_message()

    user_id = guild.member_deck.draw()
    channel_id = _somewhere(world, guild)
    if user_id is None or channel_id is None:
        return None

    member = guild.members[user_id]
    if payloads.chance(0.1) and (quoted := guild.message_deck.draw()) is not None:
        message = payloads.reply(_with_current_users(world, guild.messages[quoted]), member=member)
    elif payloads.chance(0.03):
        message = payloads.rich_message(
            channel_id=channel_id, guild_id=guild.id, member=member, mentions=[member["user"]], mention_roles=[]
        )
    else:
        message = payloads.message(channel_id=channel_id, guild_id=guild.id, member=member)

    guild.put_message(message)
    return "MESSAGE_CREATE", message


def _with_current_users(world: World, message: Payload, /) -> Payload:
    fresh = {
        **message,
        "author": world.users[message["author"]["id"]],
        "mentions": [world.users[user["id"]] for user in message["mentions"]],
    }
    if "referenced_message" in message:
        fresh["referenced_message"] = _with_current_users(world, message["referenced_message"])

    return fresh


def _somewhere(world: World, guild: WorldGuild, /) -> str | None:
    if guild.threads and world.payloads.chance(0.1):
        return world.payloads.pick(list(guild.threads))

    channel_ids = guild.text_channel_ids
    return world.payloads.pick(channel_ids) if channel_ids else None


def _message_update(world: World, guild: WorldGuild, /) -> Event | None:
    message_id = guild.message_deck.draw()
    if message_id is None:
        return None

    payloads = world.payloads
    message = guild.messages[message_id]
    if payloads.chance(0.2):
        update = payloads.message_update(message, embeds=[payloads.embed()])
    elif payloads.chance(0.4):
        update = payloads.message_update(message)
    else:
        edit = {"content": payloads.sentence(), "edited_timestamp": payloads.timestamp()}
        update = {**_with_current_users(world, message), **edit}
        if (member := guild.members.get(message["author"]["id"])) is not None:
            update["member"] = without_user(member)

    guild.put_message({**message, **update})
    return "MESSAGE_UPDATE", update


def _message_delete(_: World, guild: WorldGuild, /) -> Event | None:
    message_id = guild.message_deck.draw()
    if message_id is None:
        return None

    channel_id = guild.messages.pop(message_id)["channel_id"]
    return "MESSAGE_DELETE", {"id": message_id, "channel_id": channel_id, "guild_id": guild.id}


def _message_delete_bulk(_: World, guild: WorldGuild, /) -> Event | None:
    first = guild.message_deck.draw()
    if first is None:
        return None

    channel_id = guild.messages[first]["channel_id"]
    drawn = {first, *(guild.message_deck.draw() or first for _ in range(_BULK))}
    ids = [id_ for id_ in sorted(drawn) if guild.messages[id_]["channel_id"] == channel_id]
    for message_id in ids:
        del guild.messages[message_id]

    return "MESSAGE_DELETE_BULK", {"ids": ids, "channel_id": channel_id, "guild_id": guild.id}


def _channel_pins_update(world: World, guild: WorldGuild, /) -> Event | None:
    channel_id = _somewhere(world, guild)
    if channel_id is None:
        return None

    pinned_at = world.payloads.timestamp()
    table = guild.threads if channel_id in guild.threads else guild.channels
    table[channel_id] = {**table[channel_id], "last_pin_timestamp": pinned_at}
    return "CHANNEL_PINS_UPDATE", {"guild_id": guild.id, "channel_id": channel_id, "last_pin_timestamp": pinned_at}


def _invite_create(world: World, guild: WorldGuild, /) -> Event | None:
    channel_ids = guild.text_channel_ids
    if not channel_ids or len(guild.invites) >= _MAX_INVITES:
        return None

    invite = world.payloads.invite(
        guild_id=guild.id,
        channel_id=world.payloads.pick(channel_ids),
        inviter=world.users[guild.owner_id],
        max_age=world.payloads.pick((0, 86_400, 604_800)),
    )
    guild.invites[invite["code"]] = invite
    return "INVITE_CREATE", invite


def _invite_delete(world: World, guild: WorldGuild, /) -> Event | None:
    if not guild.invites:
        return None

    code = world.payloads.pick(list(guild.invites))
    channel_id = guild.invites.pop(code)["channel_id"]
    return "INVITE_DELETE", {"code": code, "channel_id": channel_id, "guild_id": guild.id}


STEPS: typing.Final[collections.Mapping[str, Step]] = {
    "MESSAGE_CREATE": Step(25, _message_create),
    "MESSAGE_UPDATE": Step(6, _message_update),
    "MESSAGE_DELETE": Step(3.9, _message_delete),
    "MESSAGE_DELETE_BULK": Step(0.1, _message_delete_bulk),
    "CHANNEL_PINS_UPDATE": Step(0.3, _channel_pins_update),
    "INVITE_CREATE": Step(0.3, _invite_create),
    "INVITE_DELETE": Step(0.2, _invite_delete),
}
