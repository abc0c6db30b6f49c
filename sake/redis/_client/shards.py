# SPDX-License-Identifier: BSD-3-Clause
"""Says, as long as it is so, that a process hears of all that happens in the guilds of its shards."""

from __future__ import annotations

__all__ = ["Shards"]

import asyncio
import contextlib
import functools
import typing
from collections import abc as collections

import hikari

from sake import errors

from .._engine.engine import Engine
from .._model.draft import Draft
from .._model.kinds import SESSIONS
from .._model.kinds import STALE_GUILDS
from .._model.sessions import SHARDS
from .._model.sessions import Session

_RENEWAL_SECONDS: typing.Final = 30.0
"""How often a session is written again, which the server forgets after 90 seconds."""


class Shards:
    """The sessions of the shards that a client is filled from.

    A session begins with READY, or with the first event where the client was opened after that. It is over when the
    connection is lost, and goes on when that is resumed, since then everything that was missed has come.

    Parameters
    ----------
    engine
        What the client works with.
    """

    __slots__ = ("_engine", "_lost", "_sessions", "_shards")

    def __init__(self, engine: Engine, /) -> None:
        self._engine = engine
        self._lost: set[int] = set()
        """The shards that are not connected."""
        self._sessions: dict[int, Session] = {}
        self._shards: dict[int, hikari.api.GatewayShard] = {}

    def start(self) -> None:
        """Begin to renew them."""
        self._engine.spawn("sake sessions", self._renew_all())

    def of(self, shard: hikari.api.GatewayShard, /) -> Session:
        """Return the session of a shard, which begins now if there is none yet."""
        if shard.id not in self._sessions:
            self.begin(shard, (), is_whole=False)
        return self._sessions[shard.id]

    def begin(
        self, shard: hikari.api.GatewayShard, guilds: collections.Iterable[str], /, *, is_whole: bool = True
    ) -> None:
        """Begin a session of a shard that has these guilds, which may be only those that are known."""
        session = Session(f"{shard.id}-{shard.shard_count}", int(shard.intents), {*guilds}, is_whole)
        self._sessions[shard.id], self._shards[shard.id] = session, shard
        self._lost.discard(shard.id)
        self._write(lambda draft: _put(session, draft))

    def resume(self, shard: hikari.api.GatewayShard, /) -> None:
        """Go on with a session whose connection was lost."""
        session = self.of(shard)
        self._lost.discard(shard.id)
        self._write(lambda draft: _put(session, draft))

    def lose(self, shard: hikari.api.GatewayShard, /) -> None:
        """Take note that the connection of a shard was lost."""
        if session := self._sessions.get(shard.id):
            self._lost.add(shard.id)
            self._write(lambda draft: draft.drop(SESSIONS, "", session.shard))

    def join(self, shard: hikari.api.GatewayShard, guild: str, /) -> None:
        """Take note of a guild that was received."""
        self.of(shard).guilds.add(guild)

    def leave(self, shard: hikari.api.GatewayShard, guild: str, /) -> None:
        """Take note of a guild that was left."""
        session = self.of(shard)
        session.guilds.discard(guild)
        if shard.id not in self._lost:
            self._write(lambda draft: _put(session, draft))

    def begin_anew(self) -> collections.Set[str]:
        """Begin new sessions, so that nothing is current that was received in those before; return the guilds."""
        guilds = {guild for session in self._sessions.values() for guild in session.guilds}
        for number in self._sessions.keys() - self._lost:
            session = self._sessions[number]
            self.begin(self._shards[number], session.guilds, is_whole=session.is_whole)
        self._write(lambda draft: draft.enlist(guilds))
        if STALE_GUILDS in self._engine.setup.layout:
            self._write(functools.partial(_mark_stale, guilds))
        return guilds

    def end(self) -> None:
        """Say that nothing is heard of any more, unless nothing can be said, since the event loop has ended."""
        for shard in () if self._engine.loop.is_closed() else self._shards.values():
            self.lose(shard)
        self._sessions.clear()

    async def _renew_all(self) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            for number, session in self._sessions.items():
                if number not in self._lost:
                    self._write(functools.partial(_put, session))

    def _write(self, describe: collections.Callable[[Draft], None], /) -> None:
        draft = self._engine.writer.new_draft()
        describe(draft)
        with contextlib.suppress(errors.ClosedClient):
            self._engine.writer.add(draft)


def _mark_stale(guilds: collections.Iterable[str], draft: Draft, /) -> None:
    for guild in guilds:
        draft.mark(STALE_GUILDS, guild)


def _put(session: Session, draft: Draft, /) -> None:
    draft.put(SESSIONS, "", session.shard, session.as_payload())
    draft.put(SESSIONS, "", SHARDS, {"count": int(session.shard.partition("-")[2])})
