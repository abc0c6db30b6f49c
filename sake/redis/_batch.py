# SPDX-License-Identifier: BSD-3-Clause
"""One delta on its way to the server: what must be read first, what is sent, what the server says to it."""

from __future__ import annotations

__all__ = ["BatchWriter"]

import asyncio
import dataclasses
import itertools
import logging
import typing
from collections import abc as collections

from sake import errors

from . import _script
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

_SCRIPT_BYTES: typing.Final = 2_097_152
"""A script that is larger is sent, and the next guild goes into a new one."""

_BREATH_BYTES: typing.Final = 262_144
"""After packing about so much, other tasks get their turn."""

_STAGING_LIFETIME: typing.Final = 600_000
"""Milliseconds after which the server drops a staging key whose writer died."""

@dataclasses.dataclass(slots=True)
class _Scope:
    kind: AnyKind
    guild: str
    changes: Changes
    puts: dict[str, bytes]
    amends: dict[str, bytes]


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
                command = _script.pack("SMEMBERS", self._keys.guilds(kind.name))
            elif kind.keyed_by_guild:
                command = _script.pack("SMEMBERS" if kind.shape is Shape.SET else "HKEYS", self._keys.whole(kind.name))
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
        guilds: dict[str, list[_Scope]] = {}
        for kind, guild, changes in scopes:
            guilds.setdefault(guild, []).append(self._settle(kind, guild, changes, stored))

        script, sent, breath = _script.Script(self._keys), list[_Scope](), 0
        for group in guilds.values():
            if script.size > _SCRIPT_BYTES:
                await self._send(database, script, sent)
                script, sent, breath = _script.Script(self._keys), [], 0

            for scope in group:
                await self._add(database, script, scope)
                sent.append(scope)
                if script.size > breath + _BREATH_BYTES:
                    breath = script.size
                    await asyncio.sleep(0)

        await self._send(database, script, sent)

    async def _read_patched(
        self, database: Database, scopes: list[tuple[AnyKind, str, Changes]], /
    ) -> dict[tuple[AnyKind, str], bytes]:
        wanted: list[tuple[AnyKind, list[str]]] = []
        commands: list[bytes] = []
        for kind, guild, changes in scopes:
            entities = [e for e, entry in changes.entries.items() if isinstance(entry, Patch) and entry.base is UNKNOWN]
            if entities and kind.shape is Shape.STRING:
                commands.append(_script.pack("MGET", *(self._keys.single(kind.name, entity) for entity in entities)))
            elif entities:
                key = self._keys.in_guild(kind.name, guild) if guild else self._keys.whole(kind.name)
                commands.append(_script.pack("HMGET", key, *entities))
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
    ) -> _Scope:
        scope = _Scope(kind, guild, changes, {}, {})
        for entity, entry in changes.entries.items():
            if isinstance(entry, bytes):
                scope.puts[entity] = entry
            elif isinstance(entry, Patch):
                try:
                    self._settle_patch(scope, entity, entry, stored.get((kind, entity)))
                except Exception as exc:
                    self._skip(kind, guild, [entity], exc)

        return scope

    def _settle_patch(self, scope: _Scope, entity: str, patch: Patch, stored: bytes | None, /) -> None:
        if isinstance(patch.base, bytes):
            scope.puts[entity] = self._overlay(scope, entity, patch.base, patch)
        elif patch.base is UNKNOWN and stored is not None:
            scope.amends[entity] = self._overlay(scope, entity, stored, patch)
        elif patch.otherwise is not None:
            scope.puts[entity] = self._codec.dumps(dict(patch.otherwise))

    def _overlay(self, scope: _Scope, entity: str, base: bytes, patch: Patch, /) -> bytes:
        return self._codec.dumps({**self._codec.load(base, f"{scope.kind.name} {entity}"), **patch.over})

    async def _add(self, database: Database, script: _script.Script, scope: _Scope, /) -> None:
        kind, changes, puts = scope.kind, scope.changes, scope.puts
        lifetime = self._lifetimes.get(kind, 0)
        is_large = len(puts) > 1 and sum(map(len, puts.values())) > _SCRIPT_BYTES
        if is_large and kind.shape is Shape.STRING and not kind.in_guild:
            for part in _parts(puts):
                ahead = _script.Script(self._keys)
                ahead.add(kind, scope.guild, changes, part, {}, lifetime)
                await self._call(database, ahead.finish())
            puts = {}
        elif is_large and kind.shape is Shape.GUILD_HASH and changes.cleared and kind.channel_of is None:
            await self._stage(database, script, scope)
            return

        script.add(kind, scope.guild, changes, puts, scope.amends, lifetime)

    async def _stage(self, database: Database, script: _script.Script, scope: _Scope, /) -> None:
        staging = f"{self._keys.in_guild(scope.kind.name, scope.guild)}:staging"
        await self._ask(database, _script.pack("UNLINK", staging), 1)
        for part in _parts(scope.puts):
            fields = [field for pair in part.items() for field in pair]
            commands = _script.pack("HSET", staging, *fields) + _script.pack("PEXPIRE", staging, _STAGING_LIFETIME)
            await self._ask(database, commands, 2)
            await asyncio.sleep(0)

        script.add(scope.kind, scope.guild, scope.changes, {}, {}, 0)
        script.staged(scope.kind, scope.guild, staging, scope.puts)

    async def _send(self, database: Database, script: _script.Script, scopes: list[_Scope], /) -> None:
        if not script:
            return

        try:
            await self._call(database, script.finish())
        except ReplyError as exc:
            if len(scopes) == 1:
                self._skip(scopes[0].kind, scopes[0].guild, list(scopes[0].changes.entries), exc)
                return

            for scope in scopes:
                alone = _script.Script(self._keys)
                await self._add(database, alone, scope)
                await self._send(database, alone, [scope])

    async def _call(self, database: Database, call: bytes, /) -> None:
        (answer,) = await database.exchange([call], 1)
        if isinstance(answer, ReplyError) and answer.is_unknown_script:
            load = _script.pack("SCRIPT", "LOAD", _script.SOURCE)
            _, answer = await database.exchange([load, call], 2)
        if isinstance(answer, ReplyError):
            raise _as_backend_error(database, answer) if answer.is_temporary else answer

    async def _ask(self, database: Database, commands: bytes, replies: int, /) -> list[typing.Any]:
        answers = await database.exchange(commands, replies)
        for answer in answers:
            if isinstance(answer, ReplyError) and answer.is_temporary:
                raise _as_backend_error(database, answer)

        return [() if isinstance(answer, ReplyError) else answer for answer in answers]

    def _skip(self, kind: AnyKind, guild: str, entities: list[str], exc: Exception, /) -> None:
        self._statistics.skipped += max(len(entities), 1)
        names = ", ".join(entities[:3]) + (" …" if len(entities) > 3 else "")
        where = f" of guild {guild}" if guild else ""
        _LOGGER.error("Changes of %s %s%s cannot be written and are skipped: %s", kind.name, names, where, exc)


def _parts(puts: dict[str, bytes], /) -> collections.Iterator[dict[str, bytes]]:
    part: dict[str, bytes] = {}
    size = 0
    for entity, data in puts.items():
        part[entity] = data
        size += len(data)
        if size > _BREATH_BYTES:
            yield part
            part, size = {}, 0

    if part:
        yield part


def _as_backend_error(database: Database, answer: ReplyError, /) -> errors.BackendError:
    error_message = f"{database.name} cannot be written now: {answer}"
    return errors.BackendError(error_message, exception=answer)
