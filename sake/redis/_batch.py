# SPDX-License-Identifier: BSD-3-Clause
"""One delta on its way to the server: what must be read first, what is sent, what the server says to it."""

from __future__ import annotations

__all__ = ["BatchWriter"]

import asyncio
import dataclasses
import itertools
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
from ._delta import UNKNOWN
from ._delta import Changes
from ._delta import Delta
from ._delta import Patch
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._statistics import Statistics

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_TRANSACTION_ENTRIES: typing.Final = 10_000
"""A transaction of more entries is sent, and the next guild goes into a new one: after an outage, say."""

_SCOPE_BYTES: typing.Final = 2_097_152
"""The entries of one kind in one guild that take more than this are sent ahead of the transaction."""

_PART_BYTES: typing.Final = 262_144
"""What does not fit into a transaction is sent ahead of it in parts of about this size."""

_BREATH_SECONDS: typing.Final = 0.002
"""After packing for so long, other tasks get their turn."""

_STAGING_LIFETIME: typing.Final = 600_000
"""Milliseconds after which the server drops a staging key whose writer died."""

class BatchWriter:
    """Writes one delta at a time; see [Writer][sake.redis._writer.Writer] for the parameters."""

    __slots__ = ("_codec", "_connections", "_keys", "_layout", "_lifetimes", "_statistics")

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
        self._statistics = statistics

    async def write(self, delta: Delta, /) -> None:
        """Write a delta. It may be written again after a failure.

        Raises
        ------
        sake.errors.BackendError
            If the server is away or says that it cannot write now.
        """
        if delta.departures:
            await self._depart(delta)

        databases: dict[int, list[tuple[AnyKind, str, Changes]]] = {}
        for kind, guilds in delta.kinds.items():
            scopes = databases.setdefault(self._layout[kind], [])
            scopes.extend((kind, guild, changes) for guild, changes in guilds.items())

        if len(databases) == 1:
            ((index, scopes),) = databases.items()
            await self._write_database(index, scopes)
            return

        results = await asyncio.gather(*itertools.starmap(self._write_database, databases.items()), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def _depart(self, delta: Delta, /) -> None:
        for kind, index in self._layout.items():
            if kind.in_guild:
                command = _transaction.pack("SMEMBERS", self._keys.guilds(kind.name))
            elif kind.keyed_by_guild:
                command = _transaction.pack("SMEMBERS" if kind.shape is Shape.SET else "HKEYS", self._keys.whole(kind.name))
            else:
                continue

            (stored,) = await self._ask(self._connections.database(index), command, 1)
            for guild in map(bytes.decode, stored):
                if any(departure.covers(guild) for departure in delta.departures):
                    if kind.in_guild:
                        delta.changes(kind, guild).depart()
                    else:
                        delta.changes(kind, "").entries.setdefault(guild, None)

        delta.departures.clear()

    async def _write_database(self, index: int, scopes: list[tuple[AnyKind, str, Changes]], /) -> None:
        database = self._connections.database(index)
        stored = await self._read_patched(database, scopes)
        guilds: dict[str, list[_transaction.Scope]] = {}
        for kind, guild, changes in scopes:
            guilds.setdefault(guild, []).append(self._settle(kind, guild, changes, stored))

        has_msetex = await database.has_msetex()
        transaction, breath = _transaction.Transaction(self._keys, has_msetex=has_msetex), time.monotonic()
        for group in guilds.values():
            if transaction.entries > _TRANSACTION_ENTRIES:
                await self._send(database, transaction)
                transaction = _transaction.Transaction(self._keys, has_msetex=has_msetex)

            for scope in group:
                await self._add(database, transaction, scope)
                if time.monotonic() > breath + _BREATH_SECONDS:
                    await asyncio.sleep(0)
                    breath = time.monotonic()

        await self._send(database, transaction)

    async def _read_patched(
        self, database: Database, scopes: list[tuple[AnyKind, str, Changes]], /
    ) -> dict[tuple[AnyKind, str], bytes]:
        wanted: list[tuple[AnyKind, list[str]]] = []
        commands: list[bytes] = []
        for kind, guild, changes in scopes:
            if changes.is_plain:
                continue

            entities = [e for e, entry in changes.entries.items() if isinstance(entry, Patch) and entry.base is UNKNOWN]
            if entities and kind.shape is Shape.STRING:
                commands.append(_transaction.pack("MGET", *(self._keys.single(kind.name, entity) for entity in entities)))
            elif entities:
                key = self._keys.in_guild(kind.name, guild) if guild else self._keys.whole(kind.name)
                commands.append(_transaction.pack("HMGET", key, *entities))
            if entities:
                wanted.append((kind, entities))

        if not commands:
            return {}

        answers = await self._ask(database, b"".join(commands), len(commands))
        return {
            (kind, entity): data
            for (kind, entities), values in zip(wanted, answers, strict=True)
            for entity, data in zip(entities, values, strict=False)
            if data is not None
        }

    def _settle(
        self, kind: AnyKind, guild: str, changes: Changes, stored: dict[tuple[AnyKind, str], bytes], /
    ) -> _transaction.Scope:
        lifetime = self._lifetimes.get(kind, 0)
        if changes.is_plain:
            entries = typing.cast("dict[str, bytes]", changes.entries)
            return _transaction.Scope(kind, guild, changes, lifetime, [], entries, {})

        scope = _transaction.Scope(kind, guild, changes, lifetime, [], {}, {})
        for entity, entry in changes.entries.items():
            if isinstance(entry, bytes):
                scope.puts[entity] = entry
            elif entry is None:
                scope.drops.append(entity)
            else:
                try:
                    self._settle_patch(scope, entity, entry, stored.get((kind, entity)))
                except Exception as exc:
                    self._skip(f"{kind.name} {entity}" + (f" of guild {guild}" if guild else ""), exc)

        if changes.cleared:
            scope.drops.clear()

        return scope

    def _settle_patch(self, scope: _transaction.Scope, entity: str, patch: Patch, stored: bytes | None, /) -> None:
        if isinstance(patch.base, bytes):
            scope.puts[entity] = self._overlay(scope, entity, patch.base, patch)
        elif patch.base is UNKNOWN and stored is not None:
            scope.amends[entity] = self._overlay(scope, entity, stored, patch)
        elif patch.otherwise is not None:
            scope.puts[entity] = self._codec.dumps(dict(patch.otherwise))

    def _overlay(self, scope: _transaction.Scope, entity: str, base: bytes, patch: Patch, /) -> bytes:
        return self._codec.dumps({**self._codec.load(base, f"{scope.kind.name} {entity}"), **patch.over})

    async def _add(self, database: Database, transaction: _transaction.Transaction, scope: _transaction.Scope, /) -> None:
        if len(scope.puts) > 1_000 and scope.size() > _SCOPE_BYTES and scope.kind.channel_of is None:
            if scope.kind.shape is Shape.STRING:
                await self._send_ahead(database, scope)
                scope.puts = {}
            elif scope.kind.shape is Shape.GUILD_HASH and scope.changes.cleared:
                transaction.add_staged(scope, await self._stage(database, scope))
                return

        transaction.add(scope)

    async def _send_ahead(self, database: Database, scope: _transaction.Scope, /) -> None:
        has_msetex = await database.has_msetex()
        for part in _parts(scope.puts):
            ahead = _transaction.Transaction(self._keys, has_msetex=has_msetex)
            ahead.add(dataclasses.replace(scope, puts=part, drops=[], amends={}))
            await self._send(database, ahead)

    async def _stage(self, database: Database, scope: _transaction.Scope, /) -> str:
        staging = f"{self._keys.in_guild(scope.kind.name, scope.guild)}:staging"
        await self._ask(database, _transaction.pack("UNLINK", staging), 1)
        for part in _parts(scope.puts):
            fields = itertools.chain.from_iterable(part.items())
            commands = _transaction.pack("HSET", staging, *fields)
            commands += _transaction.pack("PEXPIRE", staging, _STAGING_LIFETIME)
            await self._ask(database, commands, 2)
            await asyncio.sleep(0)

        return staging

    async def _send(self, database: Database, transaction: _transaction.Transaction, /) -> None:
        commands = transaction.finish()
        about = transaction.about
        if not about:
            return

        *queued, results = await database.exchange(commands, len(about) + 2)
        for answer in (*queued, *(results if isinstance(results, list) else (results,))):
            if isinstance(answer, ReplyError) and answer.is_temporary:
                raise _as_backend_error(database, answer)

        if isinstance(results, ReplyError):
            refused = [pair for pair in zip(about, queued[1:], strict=True) if isinstance(pair[1], ReplyError)]
            for what, answer in refused or [("a whole batch", results)]:
                self._skip(str(what), answer)
            return

        for what, answer in zip(about, results, strict=True):
            if isinstance(answer, ReplyError):
                self._skip(str(what), answer)

    async def _ask(self, database: Database, commands: bytes, replies: int, /) -> list[typing.Any]:
        answers = await database.exchange(commands, replies)
        for answer in answers:
            if isinstance(answer, ReplyError) and answer.is_temporary:
                raise _as_backend_error(database, answer)

        return [() if isinstance(answer, ReplyError) else answer for answer in answers]

    def _skip(self, label: str, exc: Exception, /) -> None:
        self._statistics.skipped += 1
        _LOGGER.error("Changes of %s cannot be written and are skipped: %s", label, exc)


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
