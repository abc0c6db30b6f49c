# SPDX-License-Identifier: BSD-3-Clause
"""What many tests fill a cache with."""

from __future__ import annotations

import datetime
import math
import os
import sys
import typing

import sake.redis
from _support import gateway
from sake import testing

Payload = dict[str, typing.Any]

GUILD: typing.Final = "41771983423143937"
OTHER_GUILD: typing.Final = "41771983423143939"


def environment() -> dict[str, str]:
    """Return what a second process needs to import what this one can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def guild(number: int, count: int) -> Payload:
    """A guild of which half of the entities stay and the other half is new in each generation."""
    make = testing.Payloads(seed=1)
    new = 1_000_000 * (number + 1)
    ids = [*range(1, count // 2 + 1), *range(new, new + count - count // 2)]
    roles = [make.role(id=str(id_), name=f"role {id_} {number}") for id_ in ids]
    channels = [make.channel(id=str(id_), name=f"channel {id_} {number}") for id_ in ids]
    members = [make.member(user=make.user(id=str(id_)), nick=f"member {id_} {number}") for id_ in ids]
    record = make.guild_fields(id=GUILD, name=f"guild {number}")
    return {
        **record,
        "joined_at": make.timestamp(),
        "large": False,
        "member_count": count,
        "unavailable": False,
        "roles": roles,
        "channels": channels,
        "members": members,
        "threads": [],
        "emojis": [],
        "stickers": [],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
    }


def member(user: int, nick: str) -> Payload:
    """A member of the guild."""
    make = testing.Payloads(seed=5)
    return make.member(user=make.user(id=str(user)), nick=nick, guild_id=GUILD)


def small_message(number: int) -> tuple[str, Payload]:
    """The event of a message with nothing but a kilobyte of text."""
    return "MESSAGE_CREATE", {"id": str(number), "content": f"{number} {'x' * 1_000}"}


def whole_guild() -> Payload:
    """Return a GUILD_CREATE with some of everything."""
    world = testing.World(seed=3, guilds=1, members=20)
    (guild_id,) = world.guilds
    return world.guild_create(guild_id)


ADDRESS = "redis://127.0.0.1:1"
NOT_POSITIVE = (0, -1, -0.5, -math.inf, datetime.timedelta(0), datetime.timedelta(seconds=-3))
NO_TIME = (True, False, "60", b"1")


class People(sake.redis.MemberCache, sake.redis.UserCache):
    """Members and users."""


class Roles(sake.redis.RoleCache):
    """Roles."""


def make_cache(cls: typing.Any = sake.redis.RedisCache, /, address: str = ADDRESS, **options: typing.Any) -> typing.Any:
    """Make a cache that is not opened."""
    return cls(address, gateway.make_bot(), **options)


# What every iterator takes: the id of a guild or channel, or nothing.
ITERATORS: dict[str, tuple[int, ...]] = {
    name: (1,) if "_for_" in name else () for name in dir(sake.redis.RedisCache) if name.startswith("iter_")
}
