# SPDX-License-Identifier: BSD-3-Clause
"""What is true in a world, as another process can be told."""

from __future__ import annotations

__all__ = ["of_guild", "of_rest"]

import typing

if typing.TYPE_CHECKING:
    from sake import testing


def of_guild(world: testing.World, guild: testing.WorldGuild, /) -> dict[str, typing.Any]:
    """Tell everything about a guild.

    Parameters
    ----------
    world
        The world.
    guild
        One of its guilds.

    Returns
    -------
    dict[str, object]
        Payloads that JSON can express.
    """
    return {
        "available": guild.available,
        "channels": list(guild.channels.values()),
        "emojis": list(guild.emojis.values()),
        "invites": list(guild.invites.values()),
        "members": list(guild.members.values()),
        "messages": list(guild.messages.values()),
        "presences": list(guild.presences.values()),
        "record": guild.record,
        "roles": list(guild.roles.values()),
        "stickers": list(guild.stickers.values()),
        "threads": [_complete_thread(thread, world.me["id"]) for thread in guild.threads.values()],
        "voice_states": list(guild.voice_states.values()),
    }


def of_rest(world: testing.World, /) -> dict[str, typing.Any]:
    """Tell everything that belongs to no guild.

    Parameters
    ----------
    world
        The world.

    Returns
    -------
    dict[str, object]
        Payloads that JSON can express.
    """
    return {"direct_messages": list(world.direct_messages.values()), "me": world.me}


def _complete_thread(thread: dict[str, typing.Any], own_id: str, /) -> dict[str, typing.Any]:
    """Say whose membership it is that the gateway sends without ids."""
    if "member" not in thread:
        return thread

    return {**thread, "member": {"id": thread["id"], "user_id": own_id, **thread["member"]}}
