# SPDX-License-Identifier: BSD-3-Clause
"""What events change, as data that can be merged. Pure."""

from __future__ import annotations

__all__ = ["UNKNOWN", "UNTOUCHED", "Changes", "Delta", "Departure", "Lookup", "Patch"]

import dataclasses
import enum
import typing
from collections import abc as collections

from ._codec import Payload
from ._kinds import Kind
from ._wire import Packer
from ._wire import bulk
from ._wire import data_of

AnyKind = Kind[typing.Any]

_Payloads = collections.Mapping[str, dict[str, typing.Any]]

_ENTRY_COST: typing.Final = 200
"""About what Python spends on an entry besides its bytes: its id, its slots in two dictionaries."""

_MARK: typing.Final = bulk(b"") + bulk(b"")
"""The entry of a kind without payloads."""

_PATCH_COST: typing.Final = 4_000
"""About what a partial payload takes while it waits as Python objects."""


class Lookup(enum.Enum):
    """What a delta says of an entity that it does not hold itself."""

    UNTOUCHED = enum.auto()
    """Nothing: the stored state counts."""

    UNKNOWN = enum.auto()
    """It changes it, but only the server can tell into what."""


UNTOUCHED: typing.Final = Lookup.UNTOUCHED
UNKNOWN: typing.Final = Lookup.UNKNOWN


@dataclasses.dataclass(frozen=True, slots=True)
class Patch:
    """Fields to lay over a payload that exists, and what to store when there is none."""

    over: Payload
    otherwise: Payload | None = None
    base: bytes | Lookup | None = UNKNOWN
    """The payload to lay them over, [None][] where there is none; read before writing where it is not known."""

    def then(self, later: Patch, /) -> Patch:
        """Return the patch that has the effect of this one followed by `later`."""
        otherwise = later.otherwise if self.otherwise is None else {**self.otherwise, **later.over}
        return Patch({**self.over, **later.over}, otherwise, self.base)


@dataclasses.dataclass(frozen=True, slots=True)
class Departure:
    """Which guilds one shard has: whatever is stored of its others was left while nobody looked."""

    shard_id: int
    shard_count: int
    guilds: frozenset[str]

    def covers(self, guild: str, /) -> bool:
        """Return whether this guild would be the shard's but is not among its guilds."""
        return guild not in self.guilds and (int(guild) >> 22) % self.shard_count == self.shard_id


class Changes:
    """What changes among the entities of one kind in one guild (or among all, where the kind has no guilds).

    The order of effect is: `cleared`, then `cleared_channels`, then `entries`.
    """

    __slots__ = ("channels", "cleared", "cleared_channels", "entries", "is_plain", "lifetimes")

    def __init__(self) -> None:
        self.cleared: bool = False
        self.cleared_channels: set[str] = set()
        self.entries: dict[str, bytes | Patch | None] = {}
        """Entity id → packed entry, patch, or [None][] where the entity is deleted."""
        self.is_plain: bool = True
        """Whether all entries are packed: nothing is deleted or patched."""
        self.channels: dict[str, str | None] = {}
        self.lifetimes: dict[str, int] = {}

    def find(self, entity: str, /) -> bytes | Patch | Lookup | None:
        """Return the entity's new entry or patch, [None][] if it is deleted, or what is known of it."""
        found = self.entries.get(entity, UNTOUCHED)
        if found is not UNTOUCHED:
            return found

        if self.cleared:
            return None

        return UNKNOWN if self.cleared_channels else UNTOUCHED

    def only(self, entity: str, /) -> Changes:
        """Return what this says of one entity."""
        alone = Changes()
        alone.entries[entity] = self.entries[entity]
        alone.is_plain = self.is_plain
        return alone

    def clear(self) -> None:
        """Forget all that was said before: everything stored goes."""
        self.cleared = True
        self.cleared_channels.clear()
        self.entries.clear()
        self.channels.clear()
        self.lifetimes.clear()

    def clear_channel(self, channel: str, /) -> None:
        """Drop the entities that are in a channel."""
        for entity in [entity for entity, place in self.channels.items() if place == channel]:
            self.drop(entity)

        if not self.cleared:
            self.cleared_channels.add(channel)

    def drop(self, entity: str, /) -> None:
        """Drop one entity."""
        self.is_plain = False
        self.entries[entity] = None
        self.channels.pop(entity, None)
        self.lifetimes.pop(entity, None)

    def patch(self, entity: str, patch: Patch, /) -> None:
        """Lay fields over one entity."""
        self.is_plain = False
        before = self.find(entity)
        if isinstance(before, Patch):
            self.entries[entity] = before.then(patch)
        elif isinstance(before, bytes):
            self.entries[entity] = dataclasses.replace(patch, base=data_of(before))
        elif before is not None:
            self.entries[entity] = patch
        elif patch.otherwise is not None:
            self.entries[entity] = dataclasses.replace(patch, base=None)

    def depart(self) -> None:
        """Let everything stored be gone before the first of these changes."""
        self.cleared = True
        for entity, entry in self.entries.items():
            if isinstance(entry, Patch) and entry.base is UNKNOWN:
                self.entries[entity] = dataclasses.replace(entry, base=None)

    def depart_one(self, entity: str, /) -> None:
        """Let one stored entity be gone before the first of these changes."""
        entry = self.entries.get(entity, UNTOUCHED)
        if not isinstance(entry, Patch):
            if entry is UNTOUCHED:
                self.drop(entity)
        elif entry.base is UNKNOWN and entry.otherwise is None:
            self.drop(entity)
        elif entry.base is UNKNOWN:
            self.entries[entity] = dataclasses.replace(entry, base=None)

    def then(self, later: Changes, /) -> None:
        """Add the effect of `later`, which came after this."""
        if later.cleared:
            self.clear()

        for channel in later.cleared_channels:
            self.clear_channel(channel)

        for entity, entry in later.entries.items():
            if entry is None:
                self.drop(entity)
            elif isinstance(entry, Patch) and entry.base is UNKNOWN:
                self.patch(entity, entry)
            else:
                self.drop(entity)
                self.entries[entity] = entry
                self.is_plain = False

        self.channels.update(later.channels)
        self.lifetimes.update(later.lifetimes)


class Delta:
    """What a run of events changes. Later changes of an entity replace earlier ones.

    Parameters
    ----------
    packer
        Packs entries.
    """

    __slots__ = ("_pack", "_pack_all", "departures", "kinds", "owners", "parts", "since", "size")

    def __init__(self, packer: Packer, /) -> None:
        self._pack = packer.pack
        self._pack_all = packer.pack_all
        self.departures: list[Departure] = []
        """Applied before everything else."""
        self.kinds: dict[AnyKind, dict[str, Changes]] = {}
        """Kind → guild id ("" where the kind has none) → changes."""
        self.owners: dict[tuple[AnyKind, str], str] = {}
        """(kind, entity id) → guild id, of the entities of owned kinds that are set here."""
        self.parts: int = 1
        """How many deltas this one is made of."""
        self.size: int = 0
        """About how many bytes of memory this takes."""
        self.since: float = 0.0
        """When the first change came, by the event loop's clock."""

    def __bool__(self) -> bool:
        return bool(self.kinds or self.departures)

    def changes(self, kind: AnyKind, guild: str, /) -> Changes:
        """Return the changes of one kind in one guild, to be added to."""
        try:
            return self.kinds[kind][guild]
        except KeyError:
            self.size += _ENTRY_COST
            changes = self.kinds.setdefault(kind, {})[guild] = Changes()
            return changes

    def put(
        self, kind: AnyKind, guild: str, entity: str, payload: dict[str, typing.Any], lifetime: int | None = None, /
    ) -> None:
        """Set one entity; a `lifetime` in milliseconds takes the place of the kind's own, 0 stands for none."""
        entry = self._pack(kind, entity, payload)
        try:
            changes = self.kinds[kind][guild]
        except KeyError:
            changes = self.changes(kind, guild)

        changes.entries[entity] = entry
        self.size += len(entry) + _ENTRY_COST
        if kind.channel_of is not None:
            changes.channels[entity] = kind.channel_of(payload)
        if kind.owned:
            self.owners[kind, entity] = guild
        if lifetime is not None:
            changes.lifetimes[entity] = lifetime
        elif changes.lifetimes:
            changes.lifetimes.pop(entity, None)

    def put_all(self, kind: AnyKind, guild: str, payloads: _Payloads, /, *, alone: bool = False) -> None:
        """Set these entities, by id; if `alone`, drop all others of the kind in the guild."""
        entries = self._pack_all(kind, payloads)
        channels: dict[str, str | None] = {}
        if kind.channel_of is not None:
            channels = {entity: kind.channel_of(payload) for entity, payload in payloads.items()}

        changes = self.changes(kind, guild)
        if alone:
            changes.clear()
        changes.entries.update(entries)
        changes.channels.update(channels)
        for entity in entries if changes.lifetimes else ():
            changes.lifetimes.pop(entity, None)
        self.size += sum(map(len, entries.values())) + _ENTRY_COST * len(entries)
        if kind.owned:
            self.owners.update({(kind, entity): guild for entity in entries})

    def replace(self, kind: AnyKind, guild: str, payloads: _Payloads, /) -> None:
        """Set these entities, by id, and drop all others of the kind in the guild."""
        self.put_all(kind, guild, payloads, alone=True)

    def patch(self, kind: AnyKind, guild: str, entity: str, over: Payload, otherwise: Payload | None = None, /) -> None:
        """Lay the fields of `over` over one entity; where there is none, set `otherwise` or leave it so."""
        changes = self.changes(kind, guild)
        changes.patch(entity, Patch(over, otherwise))
        self.size += _PATCH_COST
        if kind.channel_of is not None and otherwise is not None:
            changes.channels[entity] = kind.channel_of(otherwise)
        if kind.owned:
            self.owners[kind, entity] = guild

    def drop(self, kind: AnyKind, guild: str, entity: str, /) -> None:
        """Delete one entity."""
        self.changes(kind, guild).drop(entity)
        self.size += _ENTRY_COST

    def mark(self, kind: AnyKind, entity: str, /) -> None:
        """Put an id into the set of a kind without payloads; `drop` takes it out."""
        self.changes(kind, "").entries[entity] = _MARK
        self.size += _ENTRY_COST

    def clear(self, kind: AnyKind, guild: str, /) -> None:
        """Delete all entities of a kind in a guild."""
        self.changes(kind, guild).clear()

    def clear_channel(self, kind: AnyKind, guild: str, channel: str, /) -> None:
        """Delete all entities of a kind that are in one channel of a guild."""
        self.changes(kind, guild).clear_channel(channel)
        self.size += _ENTRY_COST

    def forget_guild(self, kind: AnyKind, guild: str, /) -> None:
        """Delete what a kind holds of a guild that the bot left."""
        if kind.in_guild:
            self.clear(kind, guild)
        else:
            self.drop(kind, "", guild)

    def find(self, kind: AnyKind, guild: str, entity: str, /) -> bytes | Patch | Lookup | None:
        """Return an entity's new bytes or patch, [None][] if it is deleted, or what is known of it."""
        changes = self.kinds.get(kind, {}).get(guild)
        found = UNTOUCHED if changes is None else changes.find(entity)
        if isinstance(found, bytes):
            return data_of(found)

        return UNKNOWN if found is UNTOUCHED and self.departures else found

    def touches(self, kind: AnyKind, guild: str | None = None, /) -> bool:
        """Return whether anything of this kind (in this guild) changes."""
        if self.departures:
            return True

        return kind in self.kinds and (guild is None or guild in self.kinds[kind])

    def then(self, later: Delta, kinds: collections.Iterable[AnyKind], /) -> None:
        """Add the effect of `later`, which came after this. `kinds` are those which know guilds."""
        for departure in later.departures:
            self._depart(departure, kinds)

        for kind, scopes in later.kinds.items():
            for guild, changes in scopes.items():
                self.changes(kind, guild).then(changes)

        self.owners.update(later.owners)
        self.parts += later.parts
        self.size += later.size

    def _depart(self, departure: Departure, kinds: collections.Iterable[AnyKind], /) -> None:
        self.departures.append(departure)
        for kind in kinds:
            if kind.in_guild:
                for guild in [guild for guild in self.kinds.get(kind, ()) if guild and departure.covers(guild)]:
                    self.clear(kind, guild)
            elif kind.keyed_by_guild and (changes := self.kinds.get(kind, {}).get("")):
                for entity in [entity for entity in changes.entries if departure.covers(entity)]:
                    changes.drop(entity)

    def measure(self) -> None:
        """Set `size` anew, which only grows while changes replace each other."""
        size = 0
        for scopes in self.kinds.values():
            for changes in scopes.values():
                size += _ENTRY_COST * (1 + len(changes.entries) + len(changes.cleared_channels))
                size += sum(map(_size_of, changes.entries.values()))

        self.size = size

    def count(self) -> int:
        """Return how many changes this holds."""
        return sum(
            len(changes.entries) + len(changes.cleared_channels) + changes.cleared
            for scopes in self.kinds.values()
            for changes in scopes.values()
        )

    def shrink(self, size: int, /) -> int:
        """Give up the oldest entries, until at most `size` bytes are left; return how many that were.

        Deletions are given up last, since they take little and leave something wrong behind.
        """
        dropped = 0
        for is_deletion in (False, True):
            for scopes in self.kinds.values():
                for changes in scopes.values():
                    for entity in [e for e, entry in changes.entries.items() if (entry is None) == is_deletion]:
                        if self.size <= size:
                            return dropped
                        self.size -= _ENTRY_COST + _size_of(changes.entries.pop(entity))
                        dropped += 1

        return dropped


def _size_of(entry: bytes | Patch | None, /) -> int:
    if isinstance(entry, Patch):
        return _PATCH_COST + (len(entry.base) if isinstance(entry.base, bytes) else 0)

    return len(entry or b"")
