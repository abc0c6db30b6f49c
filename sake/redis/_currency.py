# SPDX-License-Identifier: BSD-3-Clause
"""Whether what is stored is all there is: whether a session that goes on has heard of all of it."""

from __future__ import annotations

__all__ = ["is_current", "is_current_everywhere"]

import asyncio
import contextlib
import typing
from collections import abc as collections

from sake import errors

from . import _scans
from ._codec import Payload
from ._engine import Engine
from ._kinds import LISTS
from ._kinds import SESSIONS
from ._kinds import Kind
from ._sessions import Token

AnyKind = Kind[typing.Any]

_MOST_GUILDS: typing.Final = 100
"""With more guilds than that asking Discord is cheaper than looking into each of them."""


async def is_current(engine: Engine, kind: AnyKind, guild: str, /) -> bool:
    """Return whether all that a guild has of a kind is stored, and nothing else.

    Raises
    ------
    sake.errors.BackendError
        If the server cannot be asked.
    """
    if kind not in LISTS or LISTS[kind] not in engine.setup.layout:
        return False

    (data,) = await engine.reader.get(LISTS[kind], guild, [guild])
    token = Token.of(data)
    return token is not None and token.is_of((await _sessions(engine, [token.shard])).get(token.shard))


async def is_current_everywhere(engine: Engine, kind: AnyKind, /) -> bool:
    """Return whether that is so of all guilds that the bot is in; not where these are too many to look into each.

    Raises
    ------
    sake.errors.BackendError
        If the server cannot be asked.
    """
    if kind not in LISTS or LISTS[kind] not in engine.setup.layout or await _scans.count_guilds(engine) > _MOST_GUILDS:
        return False

    guilds = [guild async for window in _scans.guild_ids(engine, LISTS[kind]) for guild in window]
    marks = await asyncio.gather(*(engine.reader.get(LISTS[kind], guild, [guild]) for guild in guilds))
    tokens = [Token.of(data) for (data,) in marks]
    counts = {token.shard.partition("-")[2] for token in tokens if token is not None}
    if len(counts) != 1 or None in tokens:
        return False

    (count,) = counts
    shards = [f"{number}-{count}" for number in range(int(count))]
    sessions = await _sessions(engine, shards)
    heard = dict.fromkeys(shards, 0)
    for token in tokens:
        if token is None or not token.is_of(sessions.get(token.shard)):
            return False
        heard[token.shard] += 1

    return all(shard in sessions and heard[shard] >= int(sessions[shard]["guilds"]) for shard in shards)


async def _sessions(engine: Engine, shards: collections.Sequence[str], /) -> dict[str, Payload]:
    found = zip(shards, await engine.reader.get(SESSIONS, "", [*shards]), strict=True)
    sessions: dict[str, Payload] = {}
    for shard, data in found:
        with contextlib.suppress(errors.InvalidDataFound):
            if data is not None:
                sessions[shard] = engine.codec.load(data, f"{SESSIONS.name} {shard}")
    return sessions
