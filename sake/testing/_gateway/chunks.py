# SPDX-License-Identifier: BSD-3-Clause
"""Answers to what bots ask for over the gateway."""

from __future__ import annotations

__all__ = ["channel_info", "is_called", "member_chunks"]

import typing
from collections import abc as collections

from .._payloads.source import Payload

if typing.TYPE_CHECKING:
    from .._world.guild import WorldGuild
    from .._world.world import World

_CHUNK_SIZE: typing.Final = 1_000
_MAX_LIMIT: typing.Final = 100


def member_chunks(world: World, request: collections.Mapping[str, typing.Any], /) -> collections.Iterator[Payload]:
    """Answer a request for guild members.

    Parameters
    ----------
    world
        What is true.
    request
        What the bot sent: `guild_id`, and either `user_ids` or `query` and `limit`; `presences` and `nonce` if wanted.

    Yields
    ------
    dict
        Payloads of GUILD_MEMBERS_CHUNK with up to 1,000 members each; nothing when the bot is in no such guild.
    """
    guild = world.guilds.get(_ids(request["guild_id"])[0])
    if guild is None or not guild.available:
        return

    members, not_found = _find_members(guild, request)
    extras: Payload = {"nonce": request["nonce"]} if "nonce" in request else {}
    if not_found:
        extras["not_found"] = not_found

    starts = range(0, max(len(members), 1), _CHUNK_SIZE)
    for index, start in enumerate(starts):
        chunk = members[start : start + _CHUNK_SIZE]
        if request.get("presences"):
            ids = (member["user"]["id"] for member in chunk)
            extras["presences"] = [guild.presences[user_id] for user_id in ids if user_id in guild.presences]

        yield {"guild_id": guild.id, "members": chunk, "chunk_index": index, "chunk_count": len(starts), **extras}


def _find_members(
    guild: WorldGuild, request: collections.Mapping[str, typing.Any], /
) -> tuple[list[Payload], list[str]]:
    if (user_ids := request.get("user_ids")) is not None:
        asked = _ids(user_ids)
        found = [guild.members[user_id] for user_id in asked if user_id in guild.members]
        return found, [user_id for user_id in asked if user_id not in guild.members]

    query = request.get("query", "").lower()
    members = [member for member in guild.members.values() if not query or is_called(member, query)]
    limit = request.get("limit") or 0
    if query or limit:
        members = members[: min(limit or _MAX_LIMIT, _MAX_LIMIT)]

    return members, []


def _ids(given: object, /) -> list[str]:
    """Read what may be one id or a list of them."""
    return [str(id_) for id_ in typing.cast("list[object]", given if isinstance(given, list) else [given])]


def is_called(member: Payload, beginning: str, /) -> bool:
    """Return whether one of a member's names begins with a text in small letters."""
    names = (member["user"]["username"], member["user"].get("global_name"), member.get("nick"))
    return any(name is not None and name.lower().startswith(beginning) for name in names)


def channel_info(world: World, request: collections.Mapping[str, typing.Any], /) -> Payload:
    """Answer a request for what goes on in voice channels.

    Parameters
    ----------
    world
        What is true.
    request
        What the bot sent: `guild_id`, and which `fields` it wants.

    Returns
    -------
    dict
        Payload of CHANNEL_INFO: the channels that somebody is in, with nothing to tell of them.
    """
    guild = world.guilds.get(str(request["guild_id"]))
    busy = {state["channel_id"] for state in guild.voice_states.values()} if guild is not None else set[str]()
    fields = dict.fromkeys(request.get("fields", ()))
    return {"guild_id": request["guild_id"], "channels": [{"id": id_, **fields} for id_ in sorted(busy)]}
