# SPDX-License-Identifier: BSD-3-Clause
"""One delta on its way to the server: what is sent, and what the server says to it."""

from __future__ import annotations

__all__ = ["BatchWriter"]

import asyncio
import dataclasses
import logging
import time
import typing
from collections import abc as collections

from sake import errors

from . import _transaction
from ._codec import Codec
from ._connections import Connections
from ._connections import Database
from ._connections import ReplyError
from ._delta import Delta
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._plan import Plan
from ._statistics import Statistics

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_TRANSACTION_ENTRIES: typing.Final = 2_000
"""What is too large for one transaction, after an outage say, is cut between guilds at about so many entries."""

_SCOPE_BYTES: typing.Final = 2_097_152
"""The entries of one kind in one guild that take more than this are sent ahead of the transaction."""

_PART_BYTES: typing.Final = 262_144
"""What is sent ahead of a transaction is sent in parts of about this size."""

_BREATH_SECONDS: typing.Final = 0.002
"""After packing for so long, other tasks get their turn."""

_STAGING_LIFETIME: typing.Final = 600_000
"""Milliseconds after which the server drops a staging key whose writer died."""


class BatchWriter:
    """Writes one delta at a time; see [Writer][sake.redis._writer.Writer] for the parameters."""

    __slots__ = ("_codec", "_connections", "_keys", "_layout", "_lifetimes", "_prepared", "_statistics")

    def __init__(
        self,
        connections: Connections,
        layout: collections.Mapping[AnyKind, int],
        keys: Keys,
        codec: Codec,
        lifetimes: collections.Mapping[AnyKind, int],
        statistics: Statistics,
    ) -> None:
        self._codec = codec
        self._connections = connections
        self._keys = keys
        self._layout = layout
        self._lifetimes = lifetimes
        self._prepared: tuple[Delta, dict[int, Plan]] | None = None
        self._statistics = statistics

    async def write(self, delta: Delta, following: Delta | None, /) -> None:
        """Write a delta. It may be written again after a failure.

        What `following` needs to know is asked for in the same round trip, and it is packed while the server works.

        Raises
        ------
        sake.errors.BackendError
            If the server is away or says that it cannot write now.
        """
        prepared, self._prepared = self._prepared, None
        if delta.departures:
            await self._depart(delta)

        plans = prepared[1] if prepared is not None and prepared[0] is delta else self._plan(delta)
        following = None if following is None or following.departures else following
        upcoming = {} if following is None else self._plan(following)
        writing = [
            asyncio.create_task(self._write_plan(plan, upcoming.get(index)), name=f"sake writer: database {index}")
            for index, plan in plans.items()
        ]
        for result in await asyncio.gather(*writing, return_exceptions=True):
            if result is not None:
                raise result

        if following is not None:
            self._prepared = following, upcoming

    def _plan(self, delta: Delta, /) -> dict[int, Plan]:
        plans: dict[int, Plan] = {}
        for kind, guilds in delta.kinds.items():
            index = self._layout[kind]
            if index not in plans:
                plans[index] = Plan(index, self._keys, self._codec, self._lifetimes, self._statistics)
            for guild, changes in guilds.items():
                plans[index].add(kind, guild, changes)

        return plans

    async def _depart(self, delta: Delta, /) -> None:
        for kind, index in self._layout.items():
            if kind.in_guild:
                command = _transaction.pack("SMEMBERS", self._keys.guilds(kind.name))
            elif kind.keyed_by_guild:
                command = _transaction.pack(
                    "SMEMBERS" if kind.shape is Shape.SET else "HKEYS", self._keys.whole(kind.name)
                )
            else:
                continue

            (stored,) = await self._ask(self._connections.database(index), [command])
            for guild in (member.decode() for member in stored if member.isdigit()):
                if any(departure.covers(guild) for departure in delta.departures):
                    if kind.in_guild:
                        delta.changes(kind, guild).depart()
                    else:
                        delta.changes(kind, "").depart_one(guild)

        delta.departures.clear()

    async def _write_plan(self, plan: Plan, upcoming: Plan | None, /) -> None:
        database = self._connections.database(plan.index)
        if reads := plan.reads():
            plan.learn(await self._ask(database, reads))

        has_msetex = await database.has_msetex()
        if not plan.is_small:
            await self._write_large(database, plan, has_msetex=has_msetex)
            return

        transaction = plan.begun
        if transaction is None:
            transaction = _transaction.Transaction(self._keys, has_msetex=has_msetex)
            await _breathe(plan.begin(transaction))

        await _breathe(plan.finish(transaction))
        if upcoming is None or not upcoming.is_small:
            await self._send(database, transaction)
            return

        sending = asyncio.create_task(self._send(database, transaction, upcoming), name="sake writer: sending")
        try:
            await asyncio.sleep(0)
            await _breathe(upcoming.begin(_transaction.Transaction(self._keys, has_msetex=has_msetex)))
        finally:
            await sending

    async def _write_large(self, database: Database, plan: Plan, /, *, has_msetex: bool) -> None:
        transaction = _transaction.Transaction(self._keys, has_msetex=has_msetex)
        for scopes in plan.by_guild():
            if transaction.entries > _TRANSACTION_ENTRIES:
                await self._send(database, transaction)
                transaction = _transaction.Transaction(self._keys, has_msetex=has_msetex)
            for scope in scopes:
                await self._add(database, transaction, scope, has_msetex=has_msetex)

        await self._send(database, transaction)

    async def _add(
        self,
        database: Database,
        transaction: _transaction.Transaction,
        scope: _transaction.Scope,
        /,
        *,
        has_msetex: bool,
    ) -> None:
        if scope.size() > _SCOPE_BYTES and scope.kind.channel_of is None:
            if scope.kind.shape is Shape.STRING:
                for part in _parts(scope.puts):
                    ahead = _transaction.Transaction(self._keys, has_msetex=has_msetex)
                    ahead.add(dataclasses.replace(scope, puts=part, drops=[], amends={}))
                    await self._send(database, ahead)
                scope.puts = {}
            elif scope.kind.shape is Shape.GUILD_HASH and scope.changes.cleared:
                transaction.add_staged(scope, await self._stage(database, scope))
                return

        transaction.add(scope)

    async def _stage(self, database: Database, scope: _transaction.Scope, /) -> str:
        staging = f"{self._keys.in_guild(scope.kind.name, scope.guild)}:staging"
        await self._ask(database, [_transaction.pack("UNLINK", staging)])
        for part in _parts(scope.puts):
            store = _transaction.pack("HSET", staging, *(field for pair in part.items() for field in pair))
            await self._ask(database, [store, _transaction.pack("PEXPIRE", staging, _STAGING_LIFETIME)])

        return staging

    async def _send(
        self, database: Database, transaction: _transaction.Transaction, upcoming: Plan | None = None, /
    ) -> None:
        commands, reads = transaction.finish(), [] if upcoming is None else upcoming.reads()
        about = transaction.about
        if not about:
            return

        answers = await database.exchange(commands + reads, len(about) + 2 + len(reads))
        queued, results, found = answers[1 : len(about) + 1], answers[len(about) + 1], answers[len(about) + 2 :]
        if isinstance(results, ReplyError):
            _check(database, [*queued, results])
            refused = [pair for pair in zip(about, queued, strict=True) if isinstance(pair[1], ReplyError)]
            complaints = refused or [("a whole batch", results)]
        else:
            complaints = [
                (what, text) for what, answer in zip(about, results, strict=True) for text in _complaints(answer)
            ]

        _check(database, [*(complaint for _, complaint in complaints), *found])
        for what, complaint in complaints:
            self._statistics.skipped += 1
            _LOGGER.error("Changes of %s cannot be written and are skipped: %s", what, complaint)

        if upcoming is not None:
            upcoming.learn([() if isinstance(answer, ReplyError) else answer for answer in found])

    async def _ask(self, database: Database, commands: list[bytes], /) -> list[typing.Any]:
        answers = await database.exchange(commands, len(commands))
        _check(database, answers)
        return [() if isinstance(answer, ReplyError) else answer for answer in answers]


async def _breathe(steps: collections.Iterator[None], /) -> None:
    """Do what takes long step by step, and let other tasks have their turn in between."""
    until = time.monotonic() + _BREATH_SECONDS
    for _ in steps:
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _BREATH_SECONDS


def _complaints(answer: typing.Any, /) -> list[ReplyError]:
    if isinstance(answer, ReplyError):
        return [answer]

    # A script answers with what went wrong.
    texts = typing.cast("list[bytes]", answer) if isinstance(answer, list) else []
    return [ReplyError(text.decode(errors="replace")) for text in texts]


def _check(database: Database, answers: collections.Iterable[typing.Any], /) -> None:
    for answer in answers:
        if isinstance(answer, ReplyError) and answer.is_temporary:
            raise _as_backend_error(database, answer)


def _parts(puts: dict[str, bytes], /) -> collections.Iterator[dict[str, bytes]]:
    part: dict[str, bytes] = {}
    size = 0
    for entity, data in puts.items():
        part[entity] = data
        size += len(data)
        if size > _PART_BYTES:
            yield part
            part, size = {}, 0

    if part:
        yield part


def _as_backend_error(database: Database, answer: ReplyError, /) -> errors.BackendError:
    error_message = f"{database.name} cannot be written now: {answer}"
    return errors.BackendError(error_message, exception=answer)
