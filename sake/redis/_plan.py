# SPDX-License-Identifier: BSD-3-Clause
"""What deltas mean for one database: what must be read first, and then what is written. Pure."""

from __future__ import annotations

__all__ = ["Place", "Plan", "Share"]

import contextlib
import dataclasses
import itertools
import logging
import typing
from collections import abc as collections

from . import _wire
from ._changes import UNKNOWN
from ._changes import UNTOUCHED
from ._changes import Changes
from ._changes import Patch
from ._codec import Codec
from ._delta import Delta
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._statistics import Statistics
from ._transaction import Packed
from ._transaction import Scope
from ._transaction import Transaction
from ._wire import Packer

AnyKind = Kind[typing.Any]

Place = tuple[AnyKind, str, Changes]
"""Kind, guild id ("" where there is none), and what changes there."""

_LOGGER: typing.Final = logging.getLogger("sake.redis")

_SMALL: typing.Final = 10_000
"""Changes of at most so many entries are one transaction."""

_SMALL_BYTES: typing.Final = 8_388_608
"""The same for the bytes that a delta takes."""

_READ_ENTRIES: typing.Final = 10_000
"""How many entries are asked for by one command."""


@dataclasses.dataclass(slots=True)
class Share:
    """What one delta changes in one database."""

    delta: Delta
    elapsed: int
    """Milliseconds since the delta's first change, by which lifetimes are shorter when they are written."""
    places: list[Place] = dataclasses.field(default_factory=list[Place])


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
        if share.delta.size > _SMALL_BYTES or sum(len(changes.entries) for _, _, changes in share.places) > _SMALL:
            self.is_small = False
        for kind, guild, changes in share.places:
            entries = changes.entries
            patched = [entity for entity in changes.unpacked if isinstance(entries[entity], Patch)]
            unknown = [entity for entity in patched if typing.cast("Patch", entries[entity]).base is UNKNOWN]
            if unknown:
                self._patched.setdefault((kind, guild), {}).update(dict.fromkeys(unknown))

    def reads(self) -> list[bytes]:
        """Return the commands whose answers are to be learnt before anything is packed."""
        return [
            self._read(kind, guild, group)
            for (kind, guild), entities in self._patched.items()
            for group in _groups(entities)
        ]

    def learn(self, answers: list[collections.Sequence[bytes | None]], before: Plan | None, /) -> None:
        """Take the answers to `reads`. What `before` writes may have come before or after they were given."""
        given = iter(answers)
        for place, entities in self._patched.items():
            for group in list(_groups(entities)):
                entities.update(zip(group, next(given), strict=False))
            for scope in () if before is None else before.settled.get(place, ()):
                self._follow(scope, entities)

    def pack(self, *, has_msetex: bool) -> collections.Iterator[None]:
        """Pack the shares, each as a transaction, step by step."""
        for share in self.shares:
            transaction = Transaction(self._keys, has_msetex=has_msetex)
            for place in share.places:
                scope = self.settle(place, share.elapsed)
                self.settled.setdefault(place[:2], []).append(scope)
                transaction.add(scope)
                yield

            self.packed.append(transaction.finish())
            yield

    def by_guild(self, share: Share, /) -> collections.Iterator[list[Place]]:
        """Return what changes, guild by guild."""
        guilds: dict[str, list[Place]] = {}
        for kind, guild, changes in share.places:
            if kind.keyed_by_guild and not changes.cleared:
                for entity in changes.entries:
                    guilds.setdefault(entity, []).append((kind, guild, changes.only([entity])))
            else:
                guilds.setdefault(guild, []).append((kind, guild, changes))

        yield from guilds.values()

    def settle(self, place: Place, elapsed: int, /) -> Scope:
        """Return what changes come to, now that all is known of what they depend on."""
        kind, guild, changes = place
        patched = self._patched.get((kind, guild))
        puts = typing.cast("dict[str, bytes]", dict(changes.entries) if changes.unpacked else changes.entries)
        scope = Scope(kind, guild, changes, self._lifetimes.get(kind, 0), {}, [], puts, {})
        for entity in changes.unpacked:
            del puts[entity]
            entry = changes.entries[entity]
            if isinstance(entry, Patch):
                self._settle_patch(scope, entity, entry, (patched or {}).get(entity))
            elif not changes.cleared:
                scope.drops.append(entity)

        if kind.lifetime is not None:
            scope.date(elapsed)
        if patched is not None:
            self._follow(scope, patched)
        return scope

    def _read(self, kind: AnyKind, guild: str, entities: list[str], /) -> bytes:
        if kind.shape is Shape.STRING:
            return _wire.pack("MGET", *(self._keys.single(kind.name, entity) for entity in entities))

        key = self._keys.in_guild(kind.name, guild) if guild else self._keys.whole(kind.name)
        return _wire.pack("HMGET", key, *entities)

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
        if self._is_cleared(scope, entity, stored):
            stored = None
        try:
            if isinstance(patch.base, bytes):
                scope.puts[entity] = self._overlay(scope, entity, (patch.base, *patch.overs))
            elif patch.base is UNKNOWN and stored is not None:
                scope.amends[entity] = self._overlay(scope, entity, (stored, *patch.overs))
            elif patch.otherwise is not None:
                scope.puts[entity] = self._overlay(scope, entity, patch.otherwise)
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

    def _overlay(self, scope: Scope, entity: str, parts: tuple[bytes, ...], /) -> bytes:
        if len(parts) == 1:
            return self._packer.pack_data(scope.kind, entity, parts[0])

        return self._packer.pack(scope.kind, entity, self._codec.overlay(parts, f"{scope.kind.name} {entity}"))


def _groups(entities: collections.Iterable[str], /) -> collections.Iterator[list[str]]:
    remaining = iter(entities)
    while group := list(itertools.islice(remaining, _READ_ENTRIES)):
        yield group
