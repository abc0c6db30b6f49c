# SPDX-License-Identifier: BSD-3-Clause
"""Whether a user is somewhere a member, for users whose own entry is gone because it expired."""

from __future__ import annotations

__all__ = ["Sighting", "look_for"]

import dataclasses
import typing

import hikari

from . import _scans
from . import _wire
from ._engine import Engine
from ._kinds import COMPLETE_MEMBER_LISTS
from ._kinds import GUILDS
from ._kinds import MEMBERS
from ._kinds import UNAVAILABLE_GUILDS
from ._kinds import Kind

_MOST_GUILDS: typing.Final = 1_000
"""With more guilds than that asking Discord is cheaper than looking into each of them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """What the stored members tell of a user."""

    user: hikari.User | None
    """The user, if they are a stored member of any guild."""

    is_certain: bool
    """Whether a user who was not found is a member of no guild of the bot."""


async def look_for(engine: Engine, user_id: hikari.Snowflakeish, /) -> Sighting:
    """Look for a user among the members of all guilds.

    Raises
    ------
    sake.errors.BackendError
        If the server cannot be asked.
    sake.errors.InvalidDataFound
        If what is stored of the member cannot be read.
    """
    known = await _ids(engine, GUILDS) if GUILDS in engine.layout else set[str]()
    guilds = await _ids(engine, MEMBERS)
    if len(known | guilds) > _MOST_GUILDS:
        return Sighting(user=None, is_certain=False)

    if guilds and (data := await _find(engine, guilds, str(int(user_id)))) is not None:
        return Sighting(
            user=engine.codec.build(
                lambda payload: engine.factory.deserialize_user(payload["user"]), data, f"{MEMBERS.name} {user_id}"
            ),
            is_certain=True,
        )

    away = await _ids(engine, UNAVAILABLE_GUILDS) if UNAVAILABLE_GUILDS in engine.layout else set[str]()
    complete = await _ids(engine, COMPLETE_MEMBER_LISTS)
    return Sighting(user=None, is_certain=not away and (known | guilds) <= complete)


async def _find(engine: Engine, guilds: set[str], user: str, /) -> bytes | None:
    commands = (_wire.pack("HGET", engine.keys.in_guild(MEMBERS.name, guild), user) for guild in guilds)
    found: list[bytes | None] = await engine.reader.call(MEMBERS, *commands)
    return next((data for data in found if data is not None), None)


async def _ids(engine: Engine, kind: Kind[typing.Any], /) -> set[str]:
    return {entity async for window in _scans.ids(engine, kind) for entity in window}
