# SPDX-License-Identifier: BSD-3-Clause
"""What changes among the entities of one kind in one guild. Pure."""

from __future__ import annotations

__all__ = ["ENTRY_COST", "SCOPE_COST", "UNKNOWN", "UNTOUCHED", "Changes", "Entry", "Lookup", "Patch", "size_of"]

import enum
import typing
from collections import abc as collections

from .kinds import Kind
from .wire import data_of

ENTRY_COST: typing.Final = 200
"""About what Python spends on an entry besides its bytes: its id, its slots in two dictionaries."""

SCOPE_COST: typing.Final = 700
"""About what Python spends on what changes of a kind in a guild besides the entries: its dictionaries."""

_FEW: typing.Final = 250
"""Milliseconds by which a lifetime may count from too early where many changes become one."""

_PIECE_ENTRIES: typing.Final = 2_000
"""Changes of more entries than that are cut into pieces where they need not become visible together."""

_PIECE_BYTES: typing.Final = 1_048_576
"""The same for the bytes of their entries."""


class Lookup(enum.Enum):
    """What is known of an entity that no change holds itself."""

    UNTOUCHED = enum.auto()
    """Nothing: the stored state counts."""

    UNKNOWN = enum.auto()
    """It is changed, but only the server can tell into what."""


UNTOUCHED: typing.Final = Lookup.UNTOUCHED
UNKNOWN: typing.Final = Lookup.UNKNOWN


class Patch(typing.NamedTuple):
    """Fields to lay over a payload that exists, and what to store when there is none. All of it encoded."""

    overs: tuple[bytes, ...]
    """Partial payloads, laid over one after the other."""
    otherwise: tuple[bytes, ...] | None = None
    """What the entity is made of where there is none, likewise."""
    base: bytes | Lookup | None = UNKNOWN
    """The payload to lay them over, [None][] where there is none; read before writing where it is not known."""

    def then(self, later: Patch, /) -> Patch:
        """Return the patch that has the effect of this one followed by `later`."""
        otherwise = later.otherwise if self.otherwise is None else self.otherwise + later.overs
        return Patch(self.overs + later.overs, otherwise, self.base)


Entry = bytes | Patch | None
"""A packed entry, a patch, or [None][] where the entity is deleted."""


def size_of(entry: Entry, /) -> int:
    """Return about how many bytes an entry takes besides what every entry does."""
    if not isinstance(entry, Patch):
        return len(entry or b"")

    parts = entry.overs
    if entry.otherwise is not None and entry.otherwise is not entry.overs:
        parts += entry.otherwise
    return sum(map(len, parts)) + ENTRY_COST * len(parts) + (len(entry.base) if isinstance(entry.base, bytes) else 0)


class Changes:
    """What changes among the entities of one kind in one guild (or among all, where the kind has no guilds).

    The order of effect is: `cleared`, then `cleared_channels`, then `entries`.
    """

    __slots__ = ("channels", "cleared", "cleared_channels", "delays", "entries", "for_good", "lifetimes", "unpacked")

    def __init__(self) -> None:
        self.cleared: bool = False
        self.for_good: bool = False
        """Whether what is cleared is gone from Discord as well, so that nothing needs to know its guild any more."""
        self.cleared_channels: set[str] = set()
        self.entries: dict[str, Entry] = {}
        """Entity id → what becomes of it."""
        self.channels: dict[str, str | None] = {}
        self.lifetimes: dict[str, int] = {}
        """Entity id → milliseconds that it lives, 0 for ever, where that is not what the kind's live."""
        self.unpacked: dict[str, None] = {}
        """The ids of those entries that are deleted or patched, in order."""
        self.delays: dict[str, int] = {}
        """Entity id → milliseconds from the delta's first change until this one, where it makes a difference."""

    def find(self, entity: str, /) -> Entry | Lookup:
        """Return the entity's new entry or patch, [None][] if it is deleted, or what is known of it."""
        found = self.entries.get(entity, UNTOUCHED)
        if found is not UNTOUCHED:
            return found

        if self.cleared:
            return None

        return UNKNOWN if self.cleared_channels else UNTOUCHED

    def only(self, entities: collections.Iterable[str], /) -> Changes:
        """Return what this says of some entities that it has entries of."""
        part = Changes()
        part.entries = {entity: self.entries[entity] for entity in entities}
        for name in ("channels", "delays", "lifetimes", "unpacked"):
            whole = getattr(self, name)
            if whole:
                setattr(part, name, {entity: whole[entity] for entity in part.entries if entity in whole})

        return part

    def pieces(self) -> collections.Iterator[Changes]:
        """Cut this into changes that are written one after the other, where it is large and need not be atomic."""
        if self.cleared or (len(self.entries) <= _PIECE_ENTRIES and self.size() <= _PIECE_BYTES):
            yield self
            return

        if self.cleared_channels:
            first = Changes()
            first.cleared_channels = self.cleared_channels
            yield first

        piece: list[str] = []
        size = 0
        # What is written meanwhile is forgotten.
        for entity, entry in list(self.entries.items()):
            piece.append(entity)
            size += size_of(entry)
            if len(piece) >= _PIECE_ENTRIES or size > _PIECE_BYTES:
                yield self.only(piece)
                piece, size = [], 0

        if piece:
            yield self.only(piece)

    def has_puts(self) -> bool:
        """Return whether anything is set."""
        return len(self.entries) > len(self.unpacked) or any(self.entries[entity] for entity in self.unpacked)

    def ids(self, kind: Kind[typing.Any], /) -> collections.Iterator[str]:
        """Return the ids by which what is set is looked up alone: its own, and those of channels."""
        if kind.owned:
            yield from (entity for entity, entry in self.entries.items() if entry is not None)
        if kind.channel_of is not None:
            yield from (channel for channel in self.channels.values() if channel is not None)

    def size(self) -> int:
        """Return about how many bytes the entries take."""
        return sum(map(size_of, self.entries.values()))

    def clear(self, *, for_good: bool = False) -> None:
        """Forget all that was said before: everything stored goes."""
        self.cleared = True
        self.for_good = self.for_good or for_good
        self.cleared_channels.clear()
        self.entries.clear()
        self.channels.clear()
        self.delays.clear()
        self.lifetimes.clear()
        self.unpacked.clear()

    def clear_channel(self, channel: str, /) -> None:
        """Drop the entities that are in a channel."""
        for entity in [entity for entity, place in self.channels.items() if place == channel]:
            self.drop(entity)

        if not self.cleared:
            self.cleared_channels.add(channel)

    def take(self, entries: collections.Mapping[str, Entry], /) -> None:
        """Set entities, which live as long as their kind's do."""
        self.entries.update(entries)
        known: dict[str, typing.Any]
        for known in (self.delays, self.lifetimes, self.unpacked):
            for entity in entries if known else ():
                known.pop(entity, None)

    def drop(self, entity: str, /) -> None:
        """Drop one entity."""
        self.unpacked[entity] = None
        self.entries[entity] = None
        self.channels.pop(entity, None)
        self.delays.pop(entity, None)
        self.lifetimes.pop(entity, None)

    def patch(self, entity: str, patch: Patch, /) -> None:
        """Lay fields over one entity."""
        before = self.find(entity)
        if isinstance(before, Patch):
            self.entries[entity] = before.then(patch)
        elif isinstance(before, bytes):
            self.entries[entity] = patch._replace(base=data_of(before))
        elif before is not None:
            self.entries[entity] = patch
        elif patch.otherwise is not None:
            self.entries[entity] = patch._replace(base=None)
        if entity in self.entries:
            self.unpacked[entity] = None

    def forget(self, entity: str, /) -> Entry:
        """Say nothing of one entity any more, and return what was said."""
        known: dict[str, typing.Any]
        for known in (self.channels, self.delays, self.lifetimes, self.unpacked):
            known.pop(entity, None)
        return self.entries.pop(entity)

    def depart(self) -> None:
        """Let everything stored be gone before the first of these changes."""
        self.cleared = self.for_good = True
        for entity in self.unpacked:
            entry = self.entries[entity]
            if isinstance(entry, Patch) and entry.base is UNKNOWN:
                self.entries[entity] = entry._replace(base=None)

    def then(self, later: Changes, delay: int = 0, /) -> None:
        """Add the effect of `later`, which came after this, by `delay` milliseconds where lifetimes are concerned."""
        if later.cleared:
            self.clear(for_good=later.for_good)

        for channel in later.cleared_channels:
            self.clear_channel(channel)

        self._add_entries(later)

        self.channels.update(later.channels)
        self.lifetimes.update(later.lifetimes)
        if delay or later.delays:
            self._add_delays(later, delay)

    def _add_entries(self, later: Changes, /) -> None:
        is_dated = self.channels or self.delays or self.lifetimes
        if not is_dated and not any(isinstance(later.entries[entity], Patch) for entity in later.unpacked):
            if len(later.unpacked) == len(later.entries):
                self.entries.update(later.entries)
            else:
                self.take(later.entries)
            self.unpacked.update(later.unpacked)
            return

        for entity, entry in later.entries.items():
            if entry is None:
                self.drop(entity)
            elif isinstance(entry, Patch) and entry.base is UNKNOWN:
                self.patch(entity, entry)
            else:
                self.drop(entity)
                self.entries[entity] = entry
                if isinstance(entry, bytes):
                    del self.unpacked[entity]

    def _add_delays(self, later: Changes, delay: int, /) -> None:
        for entity, entry in later.entries.items():
            if entity in later.lifetimes or isinstance(entry, bytes):
                whole = later.delays.get(entity, 0) + delay
                if whole >= (1 if entity in later.lifetimes else _FEW):
                    self.delays[entity] = whole
