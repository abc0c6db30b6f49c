# SPDX-License-Identifier: BSD-3-Clause
"""What deltas mean for one database: what must be read first, and then what is written. Pure."""

from __future__ import annotations

__all__ = ["Plan", "Share"]

import contextlib
import logging
import typing
from collections import abc as collections

from . import _wire
from ._codec import Codec
from ._delta import UNKNOWN
from ._delta import UNTOUCHED
from ._delta import Changes
from ._delta import Patch
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._statistics import Statistics
from ._transaction import Packed
from ._transaction import Scope
from ._transaction import Transaction
from ._wire import Packer

AnyKind = Kind[typing.Any]

Share = list[tuple[AnyKind, str, Changes]]
"""What one delta changes in one database: kind, guild id, changes."""

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_SMALL: typing.Final = 10_000
"""Changes of at most so many entries are one transaction."""


class Plan:
    """The changes that some deltas make in one database.

    Parameters
    ----------
    keys
        Names the keys.
    codec
        Decodes payloads.
    packer
        Packs entries.
    lifetimes
        Milliseconds that entries of each expiring kind live; 0 for ever.
    statistics
        Counts what cannot be used.
    """

    __slots__ = (
        "_codec",
        "_keys",
        "_lifetimes",
        "_packer",
        "_patched",
        "_statistics",
        "is_small",
        "packed",
        "settled",
        "shares",
    )

    def __init__(
        self,
        keys: Keys,
        codec: Codec,
        packer: Packer,
        lifetimes: collections.Mapping[AnyKind, int],
        statistics: Statistics,
    ) -> None:
        self._codec = codec
        self._keys = keys
        self._lifetimes = lifetimes
        self._packer = packer
        self._patched: dict[tuple[AnyKind, str], dict[str, bytes | None]] = {}
        """Kind and guild id → what is stored of the entities that are patched, as far as it is known."""
        self._statistics = statistics
        self.is_small: bool = True
        """Whether each share fits into one transaction."""
        self.packed: typing.Final[list[Packed]] = []
        """The transaction of each share, after `pack`."""
        self.settled: typing.Final[dict[tuple[AnyKind, str], list[Scope]]] = {}
        """Kind and guild id → what its changes come to, after `pack`."""
        self.shares: typing.Final[list[Share]] = []
        """What each delta changes, in the order in which they came."""

    def add(self, share: Share, /) -> None:
        """Add what the next delta changes."""
        self.shares.append(share)
        if sum(len(changes.entries) for _, _, changes in share) > _SMALL:
            self.is_small = False
        for kind, guild, changes in share:
            if not changes.is_plain:
                found = [
                    e for e, entry in changes.entries.items() if isinstance(entry, Patch) and entry.base is UNKNOWN
                ]
                if found:
                    self._patched.setdefault((kind, guild), {}).update(dict.fromkeys(found))

    def reads(self) -> list[bytes]:
        """Return the commands whose answers are to be learnt before anything is packed."""
        return [self._read(kind, guild, list(entities)) for (kind, guild), entities in self._patched.items()]

    def learn(self, answers: list[collections.Sequence[bytes | None]], before: Plan | None, /) -> None:
        """Take the answers to `reads`. What `before` writes may have come before or after they were given."""
        for (place, entities), values in zip(self._patched.items(), answers, strict=True):
            entities.update(zip(entities, values, strict=False))
            for scope in () if before is None else before.settled.get(place, ()):
                self._follow(scope, entities)

    def pack(self, *, has_msetex: bool) -> collections.Iterator[None]:
        """Pack the shares, each as a transaction, step by step."""
        for share in self.shares:
            transaction = Transaction(self._keys, has_msetex=has_msetex)
            for kind, guild, changes in share:
                scope = self._settle(kind, guild, changes)
                self.settled.setdefault((kind, guild), []).append(scope)
                transaction.add(scope)
                yield

            self.packed.append(transaction.finish())
            yield

    def by_guild(self, share: Share, /) -> collections.Iterator[list[Scope]]:
        """Return the scopes of a share, guild by guild."""
        guilds: dict[str, Share] = {}
        for kind, guild, changes in share:
            if kind.keyed_by_guild and not changes.cleared:
                for entity in changes.entries:
                    guilds.setdefault(entity, []).append((kind, guild, changes.only(entity)))
            else:
                guilds.setdefault(guild, []).append((kind, guild, changes))

        for group in guilds.values():
            yield [self._settle(*changes) for changes in group]

    def _read(self, kind: AnyKind, guild: str, entities: list[str], /) -> bytes:
        if kind.shape is Shape.STRING:
            return _wire.pack("MGET", *(self._keys.single(kind.name, entity) for entity in entities))

        key = self._keys.in_guild(kind.name, guild) if guild else self._keys.whole(kind.name)
        return _wire.pack("HMGET", key, *entities)

    def _settle(self, kind: AnyKind, guild: str, changes: Changes, /) -> Scope:
        lifetime = self._lifetimes.get(kind, 0)
        patched = self._patched.get((kind, guild))
        if changes.is_plain:
            scope = Scope(kind, guild, changes, lifetime, [], typing.cast("dict[str, bytes]", changes.entries), {})
        else:
            scope = Scope(kind, guild, changes, lifetime, [], {}, {})
            for entity, entry in changes.entries.items():
                if isinstance(entry, bytes):
                    scope.puts[entity] = entry
                elif isinstance(entry, Patch):
                    self._settle_patch(scope, entity, entry, (patched or {}).get(entity))
                elif not changes.cleared:
                    scope.drops.append(entity)

        if patched is not None:
            self._follow(scope, patched)
        return scope

    def _follow(self, scope: Scope, patched: dict[str, bytes | None], /) -> None:
        """Take what a scope makes of patched entities for stored: what comes after it builds on that."""
        changes = scope.changes
        concerns_all = changes.cleared or changes.cleared_channels
        for entity in list(patched) if concerns_all else patched.keys() & changes.entries.keys():
            written = scope.puts.get(entity, scope.amends.get(entity))
            stored = patched[entity]
            if written is not None:
                patched[entity] = _wire.data_of(written)
            elif changes.entries.get(entity, UNTOUCHED) is None or self._is_cleared(scope, entity, stored):
                patched[entity] = None

    def _settle_patch(self, scope: Scope, entity: str, patch: Patch, stored: bytes | None, /) -> None:
        try:
            if self._is_cleared(scope, entity, stored):
                stored = None
            if isinstance(patch.base, bytes):
                scope.puts[entity] = self._overlay(scope, entity, patch.base, patch)
            elif patch.base is UNKNOWN and stored is not None:
                scope.amends[entity] = self._overlay(scope, entity, stored, patch)
            elif patch.otherwise is not None:
                scope.puts[entity] = self._packer.pack(scope.kind, entity, dict(patch.otherwise))
        except Exception as exc:  # noqa: BLE001 - one bad entry must not stop its neighbours
            self._statistics.skipped += 1
            where = f" of guild {scope.guild}" if scope.guild else ""
            if isinstance(patch.base, bytes):
                scope.puts[entity] = self._packer.pack_data(scope.kind, entity, patch.base)
            _LOGGER.error("An update of %s %s%s cannot be used and is skipped: %s", scope.kind.name, entity, where, exc)

    def _is_cleared(self, scope: Scope, entity: str, stored: bytes | None, /) -> bool:
        channels, channel_of = scope.changes.cleared_channels, scope.kind.channel_of
        if scope.changes.cleared or stored is None or not channels or channel_of is None:
            return scope.changes.cleared

        # What cannot be read is reported by whoever needs it.
        with contextlib.suppress(Exception):
            return channel_of(self._codec.load(stored, f"{scope.kind.name} {entity}")) in channels

        return False

    def _overlay(self, scope: Scope, entity: str, base: bytes, patch: Patch, /) -> bytes:
        whole = {**self._codec.load(base, f"{scope.kind.name} {entity}"), **patch.over}
        return self._packer.pack(scope.kind, entity, whole)
