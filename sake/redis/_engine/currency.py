# SPDX-License-Identifier: BSD-3-Clause
"""Whether what is stored is all there is: whether a session that goes on has heard of all of it."""

from __future__ import annotations

__all__ = ["is_current", "is_current_everywhere", "is_no_guild"]

import asyncio
import contextlib
import math
import typing
from collections import abc as collections

from sake import errors

from .._model.codec import Payload
from .._model.kinds import GUILDS
from .._model.kinds import LISTS
from .._model.kinds import SESSIONS
from .._model.kinds import Kind
from .._model.sessions import SHARDS
from .._model.sessions import Token
from .._model.sessions import shard_of
from . import scans
from .engine import Engine

AnyKind = Kind[typing.Any]


async def is_current(engine: Engine, kind: AnyKind, guild: str, /) -> bool:
    """Return whether all that a guild has of a kind is stored, and nothing else.

    Raises
    ------
    sake.errors.BackendError
        If the server cannot be asked.
    """
    if kind not in LISTS:
        return False

    token = await _token(engine, kind, guild)
    return token is not None and token.is_of((await _sessions(engine, [token.shard])).get(token.shard))


async def is_current_everywhere(engine: Engine, kind: AnyKind, /) -> bool:
    """Return whether that is so of all guilds that the bot is in.

    Raises
    ------
    sake.errors.BackendError
        If the server cannot be asked.
    """
    count = await _shard_count(engine)
    if kind not in LISTS or not count:
        return False

    # Sessions first: what they have not heard of by then is not taken for all there is.
    sessions = await _sessions(engine, [f"{number}-{count}" for number in range(count)])
    if len(sessions) < count or not all(session.get("is_whole") for session in sessions.values()):
        return False

    guilds = [guild async for window in scans.guild_ids(engine, LISTS[kind]) for guild in window]
    if len(guilds) < sum(map(_guild_count, sessions.values())):
        return False

    tokens = await asyncio.gather(*(_token(engine, kind, guild) for guild in guilds))
    return all(token is not None and token.is_of(sessions.get(token.shard)) for token in tokens)


async def is_no_guild(engine: Engine, guild: str, /) -> bool:
    """Return whether the bot is not in a guild: whether a session goes on that knows all guilds of its shard.

    Raises
    ------
    sake.errors.BackendError
        If the server cannot be asked.
    """
    if not (count := await _shard_count(engine)):
        return False

    shard = shard_of(guild, count)
    session = (await _sessions(engine, [shard])).get(shard, {})
    if not session.get("is_whole"):
        return False

    await engine.reader.settle(GUILDS)
    if await scans.is_listed(engine, guild):
        return False

    return await scans.count_guilds(engine) >= _guild_count(session)


def _guild_count(session: Payload, /) -> float:
    # Where fewer are listed, the server has forgotten some.
    count = session.get("guilds")
    return count if isinstance(count, int) else math.inf


async def _token(engine: Engine, kind: AnyKind, guild: str, /) -> Token | None:
    (data,) = await engine.reader.get(LISTS[kind], guild, [guild])
    return Token.of(data)


async def _shard_count(engine: Engine, /) -> int:
    found = (await _sessions(engine, [SHARDS])).get(SHARDS, {}).get("count")
    return found if isinstance(found, int) and found > 0 else 0


async def _sessions(engine: Engine, shards: collections.Sequence[str], /) -> dict[str, Payload]:
    if SESSIONS not in engine.setup.layout:
        return {}

    found = zip(shards, await engine.reader.get(SESSIONS, "", [*shards]), strict=True)
    sessions: dict[str, Payload] = {}
    for shard, data in found:
        with contextlib.suppress(errors.InvalidDataFound):
            if data is not None:
                sessions[shard] = engine.codec.load(data, f"{SESSIONS.name} {shard}")
    return sessions
