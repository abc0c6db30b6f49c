# SPDX-License-Identifier: BSD-3-Clause
"""Says, as long as it is so, that a process hears of all that happens in the guilds of its shards."""

from __future__ import annotations

__all__ = ["Shards"]

import asyncio
import contextlib
import functools
import logging
import typing
from collections import abc as collections

import hikari

from sake import errors

from .._engine.engine import Engine
from .._model.claims import digest
from .._model.draft import Draft
from .._model.kinds import SESSIONS
from .._model.kinds import STALE_GUILDS
from .._model.sessions import SHARDS
from .._model.sessions import Session

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_REGAIN_SECONDS: typing.Final = 5.0
"""How often a process that has lost a shard to another one looks whether that one has ended."""

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

    __slots__ = ("_engine", "_lost", "_sessions", "_shards", "_taken")

    def __init__(self, engine: Engine, /) -> None:
        self._engine = engine
        self._lost: set[int] = set()
        """The shards that are not connected."""
        self._sessions: dict[int, Session] = {}
        self._shards: dict[int, hikari.api.GatewayShard] = {}
        self._taken: dict[str, tuple[hikari.api.GatewayShard, Session]] = {}
        """The shards that another process has taken over, by name."""

    def start(self) -> None:
        """Begin to renew them."""
        self._engine.writer.on_lost = self._lose_to_another
        self._engine.writer.on_rival = self._outlast
        self._engine.spawn("sake sessions", self._renew_all())

    def of(self, shard: hikari.api.GatewayShard, /) -> Session:
        """Return the session of a shard, which begins now if there is none yet."""
        if shard.id not in self._sessions:
            self._begin(shard, Session(_name(shard), int(shard.intents), set(), is_whole=False))
            self._engine.takeovers.claims.watch(_name(shard))
        return self._sessions[shard.id]

    def begin(self, shard: hikari.api.GatewayShard, guilds: collections.Iterable[str], session_id: str, /) -> None:
        """Begin a session of a shard that has these guilds: READY was heard."""
        name, gateway = _name(shard), digest(session_id)
        known = self._sessions.get(shard.id)
        session = Session(name, int(shard.intents), {*guilds}, is_whole=True, gateway=gateway)
        if known is None or known.gateway != gateway:
            # Other clients of the bot call it the same.
            session.nonce = gateway
        self._taken.pop(name, None)
        self._engine.takeovers.claims.claim(name, gateway)
        self._begin(shard, session)

    def _begin(self, shard: hikari.api.GatewayShard, session: Session, /) -> None:
        self._sessions[shard.id], self._shards[shard.id] = session, shard
        self._lost.discard(shard.id)
        self._write(lambda draft: _put(session, draft))

    def has(self, shard: hikari.api.GatewayShard, /) -> bool:
        """Return whether what a shard hears is to be written: not where another process has taken it over."""
        return not self._taken or _name(shard) not in self._taken

    def _outlast(self, shard: str, /) -> None:
        self._engine.spawn(f"sake sessions: {shard} was another's", self._engine.writer.outlast(shard))

    def _lose_to_another(self, shards: collections.Collection[str], /) -> None:
        for number, session in [*self._sessions.items()]:
            if session.shard in shards:
                self._taken[session.shard] = self._shards.pop(number), self._sessions.pop(number)
        _LOGGER.warning(
            "Another process has connected with the shards %s, and writes what happens there: this one writes no more"
            " of it, unless that one ends",
            ", ".join(sorted(shards)),
        )
        for name in shards:
            self._engine.spawn(f"sake sessions: {name} is another's", self._regain(name))

    async def _regain(self, name: str, /) -> None:
        """Write a shard again if the process ends that has taken it over."""
        while name in self._taken:
            await asyncio.sleep(_REGAIN_SECONDS)
            with contextlib.suppress(errors.BackendError):
                if await self._is_orphan(name) and (taken := self._taken.pop(name, None)):
                    shard, session = taken
                    # What happened meanwhile was not heard, not even which guilds were joined or left.
                    session = session.anew(is_whole=False)
                    self._engine.takeovers.claims.claim(name, session.gateway or session.nonce)
                    self._begin(shard, session)
                    stale = self._engine.writer.on_forgotten()
                    _LOGGER.warning(
                        "Nobody else writes shard %s any more: this process does; %s guilds are stale", name, stale
                    )

    async def _is_orphan(self, name: str, /) -> bool:
        if not await self._engine.takeovers.has_writer(name):
            return True

        (session,) = await self._engine.reader.get(SESSIONS, "", [name])
        return session is None

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
            self._begin(self._shards[number], session.anew(is_whole=session.is_whole))
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


def _name(shard: hikari.api.GatewayShard, /) -> str:
    return f"{shard.id}-{shard.shard_count}"


def _put(session: Session, draft: Draft, /) -> None:
    draft.put(SESSIONS, "", session.shard, session.as_payload())
    draft.put(SESSIONS, "", SHARDS, {"count": int(session.shard.partition("-")[2])})
