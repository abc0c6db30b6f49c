# SPDX-License-Identifier: BSD-3-Clause
"""A few questions that one would ask a cache, with the answers."""

from __future__ import annotations

__all__ = ["show"]

import time
import typing
from collections import abc as collections

import hikari

from sake.cli import _load

if typing.TYPE_CHECKING:
    import sake
    from sake.cli import _screen

_SHOWN: typing.Final = 5
_LONGEST_NAME: typing.Final = 28
_T = typing.TypeVar("_T")


async def show(cache: sake.RedisCache, screen: _screen.Screen, /) -> None:
    """Ask a cache and show what it answers.

    Parameters
    ----------
    cache
        The cache.
    screen
        Where to show it.

    Raises
    ------
    sake.errors.BackendError
        If the server is away.
    """
    screen.title("Asked by hand")
    guild = await _find_guild(cache)
    if guild is None:
        screen.say("  No guild is stored.")
        return

    await _show_member(cache, screen, guild)
    roles = await _ask(screen, f"iter_roles_for_guild({guild.id})", cache.iter_roles_for_guild(guild.id).collect(list))
    names = [role.name for role in sorted(roles, key=lambda role: role.position)]
    screen.say(f"      {len(roles)} roles: {_list(names)}")
    await _show_voice(cache, screen, guild)
    counts = await _ask(screen, "iter_*().len()", _count(cache))
    screen.say(f"      {', '.join(f'{number:,} {kind}' for kind, number in counts.items())}")


async def _find_guild(cache: sake.RedisCache, /) -> hikari.GatewayGuild | None:
    """Find a guild of middling size: the first that one would think of is not the most interesting."""
    guilds = sorted([guild async for guild in cache.iter_guilds()], key=lambda guild: guild.member_count or 0)
    return guilds[len(guilds) // 2] if guilds else None


async def _show_member(cache: sake.RedisCache, screen: _screen.Screen, guild: hikari.GatewayGuild, /) -> None:
    user = await anext((member.id async for member in cache.iter_members_for_guild(guild.id)), None)
    if user is None:
        screen.say(f"  No member of {guild.name} is stored.")
        return

    member = await _ask(screen, f"get_member({guild.id}, {user})", cache.get_member(guild.id, user))
    since = "" if member.joined_at is None else f", joined {member.joined_at:%Y-%m-%d}"
    screen.say(f"      {_shorten(member.display_name)}{since}, {len(member.role_ids)} roles, of {_shorten(guild.name)}")


async def _show_voice(cache: sake.RedisCache, screen: _screen.Screen, guild: hikari.GatewayGuild, /) -> None:
    states = await _ask(
        screen, f"iter_voice_states_for_guild({guild.id})", cache.iter_voice_states_for_guild(guild.id).collect(list)
    )
    if not states:
        screen.say("      nobody is in voice")
        return

    occupied = [state.channel_id for state in states if state.channel_id is not None]
    channel = max(occupied, key=occupied.count)
    occupants = await _ask(
        screen, f"iter_voice_states_for_channel({channel})", cache.iter_voice_states_for_channel(channel).collect(list)
    )
    names = [state.member.display_name if state.member else str(state.user_id) for state in occupants]
    screen.say(
        f"      {len(occupants)} of {len(states)} who talk are in {await _name_channel(cache, channel)}: {_list(names)}"
    )


async def _name_channel(cache: sake.RedisCache, channel_id: hikari.Snowflake, /) -> str:
    found = await cache.get_guild_channels([channel_id])
    return _shorten(str(found[channel_id].name)) if channel_id in found else str(channel_id)


async def _count(cache: sake.RedisCache, /) -> dict[str, int]:
    counts = await _load.count(cache)
    counts["users"] = await cache.iter_users().len()
    counts["messages"] = await cache.iter_messages().len()
    counts["invites"] = await cache.iter_invites().len()
    return counts


async def _ask(screen: _screen.Screen, call: str, answer: collections.Awaitable[_T], /) -> _T:
    began = time.perf_counter()
    result = await answer
    screen.say(f"  await cache.{call}  ({(time.perf_counter() - began) * 1_000:.1f} ms)")
    return result


def _list(names: collections.Sequence[str], /) -> str:
    shown = ", ".join(map(_shorten, names[:_SHOWN]))
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _shorten(name: str, /) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
