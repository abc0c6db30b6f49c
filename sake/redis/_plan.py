# SPDX-License-Identifier: BSD-3-Clause
"""What a delta means for one database: what must be read first, and then what is written. Pure."""

from __future__ import annotations

__all__ = ["Plan"]

import logging
import typing
from collections import abc as collections

from . import _transaction
from ._codec import Codec
from ._delta import UNKNOWN
from ._delta import Changes
from ._delta import Patch
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._statistics import Statistics
from ._transaction import Scope
from ._transaction import Transaction

AnyKind = Kind[typing.Any]

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_SMALL: typing.Final = 10_000
"""A plan of at most so many entries is one transaction."""


class Plan:
    """The changes that one delta makes in one database.

    Parameters
    ----------
    index
        Number of the database.
    keys
        Names the keys.
    codec
        Encodes and decodes payloads.
    lifetimes
        Milliseconds that entries of each expiring kind live; 0 for ever.
    statistics
        Counts what cannot be used.
    """

    __slots__ = ("_changes", "_codec", "_keys", "_lifetimes", "_patched", "_statistics", "_stored", "begun", "index")

    def __init__(
        self,
        index: int,
        keys: Keys,
        codec: Codec,
        lifetimes: collections.Mapping[AnyKind, int],
        statistics: Statistics,
    ) -> None:
        self.begun: Transaction | None = None
        """What was packed ahead of time."""
        self._changes: list[tuple[AnyKind, str, Changes]] = []
        self._codec = codec
        self._keys = keys
        self._lifetimes = lifetimes
        self._patched: list[tuple[AnyKind, str, list[str]]] = []
        self._statistics = statistics
        self._stored: dict[tuple[AnyKind, str], bytes] | None = None
        self.index: typing.Final = index

    def add(self, kind: AnyKind, guild: str, changes: Changes, /) -> None:
        """Add the changes of one kind in one guild."""
        self._changes.append((kind, guild, changes))
        if not changes.is_plain:
            found = [e for e, entry in changes.entries.items() if isinstance(entry, Patch) and entry.base is UNKNOWN]
            if found:
                self._patched.append((kind, guild, found))

    @property
    def is_small(self) -> bool:
        """Whether it fits into one transaction."""
        return sum(len(changes.entries) for _, _, changes in self._changes) <= _SMALL

    def reads(self) -> list[bytes]:
        """Return the commands whose answers are to be learnt before writing; none if they were."""
        if self._stored is not None:
            return []

        return [self._read(kind, guild, entities) for kind, guild, entities in self._patched]

    def learn(self, answers: list[collections.Sequence[bytes | None]], /) -> None:
        """Take the answers to `reads`."""
        self._stored = {
            (kind, entity): data
            for (kind, _, entities), values in zip(self._patched, answers, strict=True)
            for entity, data in zip(entities, values, strict=False)
            if data is not None
        }

    def begin(self, transaction: Transaction, /) -> collections.Iterator[None]:
        """Pack what does not depend on what is stored, step by step."""
        self.begun = transaction
        for kind, guild, changes in self._changes:
            if changes.is_plain:
                transaction.add(self._settle(kind, guild, changes))
                yield

    def finish(self, transaction: Transaction, /) -> collections.Iterator[None]:
        """Pack the rest, step by step."""
        for kind, guild, changes in self._changes:
            if not changes.is_plain:
                transaction.add(self._settle(kind, guild, changes))
                yield

    def by_guild(self) -> collections.Iterator[list[Scope]]:
        """Return its scopes, guild by guild."""
        guilds: dict[str, list[tuple[AnyKind, str, Changes]]] = {}
        for kind, guild, changes in self._changes:
            if kind.keyed_by_guild and not changes.cleared:
                for entity in changes.entries:
                    guilds.setdefault(entity, []).append((kind, guild, changes.only(entity)))
            else:
                guilds.setdefault(guild, []).append((kind, guild, changes))

        for group in guilds.values():
            yield [self._settle(*changes) for changes in group]

    def _read(self, kind: AnyKind, guild: str, entities: list[str], /) -> bytes:
        if kind.shape is Shape.STRING:
            return _transaction.pack("MGET", *(self._keys.single(kind.name, entity) for entity in entities))

        key = self._keys.in_guild(kind.name, guild) if guild else self._keys.whole(kind.name)
        return _transaction.pack("HMGET", key, *entities)

    def _settle(self, kind: AnyKind, guild: str, changes: Changes, /) -> Scope:
        lifetime = self._lifetimes.get(kind, 0)
        if changes.is_plain:
            return Scope(kind, guild, changes, lifetime, [], typing.cast("dict[str, bytes]", changes.entries), {})

        scope = Scope(kind, guild, changes, lifetime, [], {}, {})
        for entity, entry in changes.entries.items():
            if isinstance(entry, bytes):
                scope.puts[entity] = entry
            elif isinstance(entry, Patch):
                self._settle_patch(scope, entity, entry)
            elif not changes.cleared:
                scope.drops.append(entity)

        return scope

    def _settle_patch(self, scope: Scope, entity: str, patch: Patch, /) -> None:
        stored = (self._stored or {}).get((scope.kind, entity))
        try:
            if stored is not None and self._is_cleared(scope, entity, stored):
                stored = None
            if isinstance(patch.base, bytes):
                scope.puts[entity] = self._overlay(scope, entity, patch.base, patch)
            elif patch.base is UNKNOWN and stored is not None:
                scope.amends[entity] = self._overlay(scope, entity, stored, patch)
            elif patch.otherwise is not None:
                scope.puts[entity] = self._codec.dumps(dict(patch.otherwise))
        except Exception as exc:  # noqa: BLE001 - one bad entry must not stop its neighbours
            self._statistics.skipped += 1
            where = f" of guild {scope.guild}" if scope.guild else ""
            if isinstance(patch.base, bytes):
                scope.puts[entity] = patch.base
            _LOGGER.error("An update of %s %s%s cannot be used and is skipped: %s", scope.kind.name, entity, where, exc)

    def _is_cleared(self, scope: Scope, entity: str, stored: bytes, /) -> bool:
        channels, channel_of = scope.changes.cleared_channels, scope.kind.channel_of
        if not channels or channel_of is None:
            return False

        return channel_of(self._codec.load(stored, f"{scope.kind.name} {entity}")) in channels

    def _overlay(self, scope: Scope, entity: str, base: bytes, patch: Patch, /) -> bytes:
        return self._codec.dumps({**self._codec.load(base, f"{scope.kind.name} {entity}"), **patch.over})
