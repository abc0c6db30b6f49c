# SPDX-License-Identifier: BSD-3-Clause
"""What events change, as data that can be merged. Pure."""

from __future__ import annotations

__all__ = ["FACT_COST", "NEVER", "Delta", "Departure"]

import dataclasses
import math
import typing
from collections import abc as collections

from .changes import ENTRY_COST
from .changes import SCOPE_COST
from .changes import UNKNOWN
from .changes import UNTOUCHED
from .changes import Changes
from .changes import Entry
from .changes import Lookup
from .changes import Patch
from .changes import size_of
from .kinds import Kind
from .kinds import Shape
from .wire import data_of

AnyKind = Kind[typing.Any]

NEVER: typing.Final = math.inf
"""When the first change of a delta came that has none."""

FACT_COST: typing.Final = 150
"""About what Python spends on a fact."""

_MEASURE_BYTES: typing.Final = 1_048_576
"""A delta that has grown by so much, and to twice its size, is measured anew when another one is added to it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Departure:
    """Which guilds one shard has: whatever is stored of its others was left while nobody looked."""

    shard_id: int
    shard_count: int
    guilds: frozenset[str]

    @property
    def shard(self) -> str:
        """The shard, and of how many it is: `0-1`."""
        return f"{self.shard_id}-{self.shard_count}"

    def covers(self, guild: str, /) -> bool:
        """Return whether this guild would be the shard's but is not among its guilds."""
        return guild not in self.guilds and (int(guild) >> 22) % self.shard_count == self.shard_id


class Delta:
    """What a run of events changes. Later changes of an entity replace earlier ones."""

    __slots__ = (
        "_measured",
        "departures",
        "facts",
        "is_alone",
        "kinds",
        "left",
        "listed",
        "parts",
        "sent",
        "since",
        "size",
        "useless",
    )

    def __init__(self) -> None:
        self._measured: int = 0
        self.departures: list[Departure] = []
        """Applied before everything else; one for each shard at most."""
        self.is_alone: bool = False
        """Whether it is written by itself, since something that was written with it went wrong."""
        self.kinds: dict[AnyKind, dict[str, Changes]] = {}
        """Kind → guild id ("" where the kind has none) → changes."""
        self.facts: dict[str, str] = {}
        """Id → guild id, of what is set here and looked up by its id alone, and of channels that something is in."""
        self.listed: set[str] = set()
        """Ids of guilds that the bot is in, whether anything is set of them or not."""
        self.left: set[str] = set()
        """Ids of guilds that the bot left."""
        self.parts: int = 1
        """How many deltas this one is made of."""
        self.sent: Delta | None = None
        """What was written of this while the rest was not yet."""
        self.size: int = 0
        """About how many bytes of memory this takes."""
        self.since: float = NEVER
        """When the first change came, by the event loop's clock."""
        self.useless: dict[str, None] = {}
        """Ids whose facts are of no use any more, since what they belonged to is gone from Discord."""

    def __bool__(self) -> bool:
        return bool(self.kinds or self.departures or self.left or self.listed)

    def changes(self, kind: AnyKind, guild: str, /) -> Changes:
        """Return the changes of one kind in one guild, to be added to."""
        try:
            return self.kinds[kind][guild]
        except KeyError:
            self.size += SCOPE_COST
            changes = self.kinds.setdefault(kind, {})[guild] = Changes()
            return changes

    def put(
        self, kind: AnyKind, guild: str, entity: str, entry: bytes, channel: str | None, lifetime: int | None, /
    ) -> None:
        """Set one entity; a `lifetime` in milliseconds takes the place of the kind's own, 0 stands for none."""
        try:
            changes = self.kinds[kind][guild]
        except KeyError:
            changes = self.changes(kind, guild)

        changes.entries[entity] = entry
        self.size += len(entry) + ENTRY_COST
        if kind.channel_of is not None:
            changes.channels[entity] = channel
            self._learn(channel, guild)
        if kind.owned:
            self._learn(entity, guild)
        if changes.unpacked:
            changes.unpacked.pop(entity, None)
        if changes.delays:
            changes.delays.pop(entity, None)
        if lifetime is not None:
            changes.lifetimes[entity] = lifetime
        elif changes.lifetimes:
            changes.lifetimes.pop(entity, None)

    def put_all(
        self,
        kind: AnyKind,
        guild: str,
        entries: dict[str, bytes],
        channels: dict[str, str | None] | None,
        alone: bool,
        for_good: bool,
        /,
    ) -> None:
        """Set entities; if `alone`, drop all others of the kind in the guild, which may be gone for good."""
        changes = self.changes(kind, guild)
        if alone:
            changes.clear(for_good=for_good)
        changes.take(entries)
        if channels is not None:
            changes.channels.update(channels)
            for channel in set(channels.values()):
                self._learn(channel, guild)
        self.size += sum(map(len, entries.values())) + ENTRY_COST * len(entries)
        for entity in entries if kind.owned else ():
            self._learn(entity, guild)

    def patch(
        self, kind: AnyKind, guild: str, entity: str, patch: Patch, channel: str | None, lifetime: int | None, /
    ) -> None:
        """Lay fields over one entity; a `lifetime` in milliseconds takes the place of what it has left."""
        changes = self.changes(kind, guild)
        changes.patch(entity, patch)
        self.size += ENTRY_COST + size_of(patch)
        if channel is not None:
            changes.channels[entity] = channel
            self._learn(channel, guild)
        if kind.owned:
            self._learn(entity, guild)
        if lifetime is not None and entity in changes.entries:
            changes.lifetimes[entity] = lifetime
            changes.delays.pop(entity, None)

    def drop(self, kind: AnyKind, guild: str, entity: str, for_good: bool = False, /) -> None:
        """Delete one entity, which may be gone for good."""
        self.changes(kind, guild).drop(entity)
        self.size += ENTRY_COST
        # The oldest channels, and the role that everybody has, share the id of their guild.
        if for_good and kind.owned and entity != guild:
            self.facts.pop(entity, None)
            self.useless[entity] = None

    def clear(self, kind: AnyKind, guild: str, for_good: bool = False, /) -> None:
        """Delete all entities of a kind in a guild, which may be gone for good."""
        self.changes(kind, guild).clear(for_good=for_good)

    def leave(self, guild: str, /) -> None:
        """Take note that the bot left a guild."""
        self.left.add(guild)
        self.listed.discard(guild)
        self.size += ENTRY_COST

    def vacate(self, guild: str, kinds: collections.Iterable[AnyKind], /) -> None:
        """Let everything go that was stored of a guild before: the bot left it, though it may have joined it again."""
        if guild not in self.listed:
            self.leave(guild)
        for kind in kinds:
            self.changes(kind, guild).depart()

    def enlist(self, guilds: collections.Set[str], /) -> None:
        """Take note of guilds that the bot is in, whether anything is set of them or not."""
        self.listed |= guilds
        self.left -= guilds
        self.size += ENTRY_COST * len(guilds)

    def clear_channel(self, kind: AnyKind, guild: str, channel: str, /) -> None:
        """Delete all entities of a kind that are in one channel of a guild."""
        self.changes(kind, guild).clear_channel(channel)
        self.size += ENTRY_COST

    def depart(self, departure: Departure, /) -> None:
        """Remove, before everything else, the guilds that a shard does not have any more."""
        self.listed = {guild for guild in self.listed if not departure.covers(guild)}
        self.enlist(departure.guilds)
        for number, known in enumerate(self.departures):
            if (known.shard_id, known.shard_count) == (departure.shard_id, departure.shard_count):
                # Gone is what it did not have at one time or the other.
                both = known.guilds & departure.guilds
                self.departures[number] = Departure(known.shard_id, known.shard_count, both)
                return

        self.departures.append(departure)
        self.size += ENTRY_COST

    def find(self, kind: AnyKind, guild: str, entity: str, /) -> Entry | Lookup:
        """Return an entity's new bytes or patch, [None][] if it is deleted, or what is known of it."""
        changes = self.kinds.get(kind, {}).get(guild)
        found = UNTOUCHED if changes is None else changes.find(entity)
        if isinstance(found, bytes):
            return data_of(found)

        return UNKNOWN if found is UNTOUCHED and self.departures else found

    def end_of(self, kind: AnyKind, guild: str, entity: str, lifetime: int, /) -> float:
        """Return when an entity that is set here expires, by the event loop's clock; `lifetime` is its kind's."""
        changes = self.kinds.get(kind, {}).get(guild) or Changes()
        entry = changes.entries.get(entity)
        if isinstance(entry, Patch) and entry.base is UNKNOWN and entry.otherwise is None:
            # What it has left, which only the server knows.
            lifetime = 0
        lifetime = changes.lifetimes.get(entity, lifetime)
        return self.since + (lifetime + changes.delays.get(entity, 0)) / 1_000 if lifetime and entry else math.inf

    def touches(self, kind: AnyKind, guild: str | None = None, /) -> bool:
        """Return whether anything of this kind (in this guild) changes, or which guilds there are."""
        if self.listed if guild is None else guild in self.listed:
            return True
        if kind.in_guild and any(guild is None or departure.covers(guild) for departure in self.departures):
            return True

        return kind in self.kinds and (guild is None or guild in self.kinds[kind])

    def then(self, later: Delta, kinds: collections.Iterable[AnyKind], /) -> None:
        """Add the effect of `later`, which came after this. `kinds` are those which know guilds."""
        for departure in later.departures:
            self._depart(departure, kinds)

        delay = int((later.since - self.since) * 1_000) if self and self.since < later.since < math.inf else 0
        for kind, scopes in later.kinds.items():
            for guild, changes in scopes.items():
                self.changes(kind, guild).then(changes, delay if kind.lifetime is not None else 0)

        for known, news in ((self.facts, later.useless), (self.useless, later.facts)):
            for entity in news if known else ():
                known.pop(entity, None)
        self.facts.update(later.facts)
        self.listed = self.listed - later.left | later.listed
        self.left = self.left - later.listed | later.left
        self.parts += later.parts
        self.size += later.size
        self.since = min(self.since, later.since)
        self.useless.update(later.useless)
        if self.size > 2 * self._measured + _MEASURE_BYTES:
            self.measure()

    def whole(self) -> Delta:
        """Return all that this was, also what was written before the rest."""
        if self.sent is None:
            return self

        whole, self.sent = self.sent, None
        whole.since = self.since
        whole.then(self, ())
        return whole

    def left_for_good(self) -> set[str]:
        """Return the ids of the guilds that the bot left and has not come back to."""
        return self.left - self.guilds()

    def guilds(self) -> set[str]:
        """Return the ids of the guilds that the bot is in, or that anything is set of."""
        return self.listed | {
            guild for scopes in self.kinds.values() for guild, changes in scopes.items() if guild and changes.has_puts()
        }

    def spare(self, guilds: collections.Iterable[str], /) -> None:
        """Let guilds be left where they are that a shard has by now."""
        known = frozenset(guilds)
        self.departures = [
            Departure(departure.shard_id, departure.shard_count, departure.guilds | known)
            for departure in self.departures
        ]

    def take(self, is_taken: collections.Callable[[AnyKind, str, str], bool], /, *, departures: bool = False) -> Delta:
        """Move changes into a delta of their own, and return that; also what shards do not have any more, if asked.

        `is_taken` is asked of (kind, guild id, ""), for all that is in a guild, and of (kind, "", entity id).
        """
        taken = Delta()
        if departures:
            taken.departures, self.departures = self.departures, []
        for kind, scopes in self.kinds.items():
            for guild, changes in list(scopes.items()):
                if guild:
                    ids = changes.entries if kind.shape is Shape.SINGLE else ()
                    if is_taken(kind, guild, "") or any(is_taken(kind, "", entity) for entity in ids):
                        taken.kinds.setdefault(kind, {})[guild] = scopes.pop(guild)
                elif found := [entity for entity in changes.entries if is_taken(kind, "", entity)]:
                    taken.kinds.setdefault(kind, {})[guild] = changes.only(found)
                    for entity in found:
                        changes.forget(entity)
                if not (changes.entries or changes.cleared or changes.cleared_channels):
                    scopes.pop(guild, None)

        self.kinds = {kind: scopes for kind, scopes in self.kinds.items() if scopes}
        guilds = {guild for scopes in taken.kinds.values() for guild in scopes}
        taken.facts = {entity: guild for entity, guild in self.facts.items() if guild in guilds}
        taken.left = self.left & guilds
        taken.parts, taken.since = 0, self.since
        taken.measure()
        self.left -= guilds
        self.measure()
        return taken

    def split(self) -> collections.Iterator[Delta]:
        """Cut this into deltas of one kind in one guild each, which are written alone."""
        pieces: list[Delta] = [Delta() for _ in self.departures[:1]]
        for piece in pieces:
            piece.departures = self.departures
        for kind, scopes in self.kinds.items():
            for guild, changes in scopes.items():
                piece = Delta()
                piece.kinds = {kind: {guild: changes}}
                pieces.append(piece)

        for piece in pieces:
            piece.facts, piece.is_alone, piece.parts, piece.since = dict(self.facts), True, 0, self.since
            piece.measure()
        if not pieces:
            pieces.append(Delta())
        pieces[-1].left, pieces[-1].parts, pieces[-1].useless = self.left_for_good(), self.parts, self.useless
        yield from pieces

    def removals(self) -> Delta:
        """Return what only takes away, which a server that is full can still do."""
        delta = Delta()
        for kind, scopes in self.kinds.items():
            for guild, changes in scopes.items():
                if changes.cleared and not changes.entries:
                    delta.clear(kind, guild)
                for entity, entry in () if changes.cleared else changes.entries.items():
                    if entry is None:
                        delta.drop(kind, guild, entity)

        return delta

    def written(self, kind: AnyKind, guild: str, changes: Changes, /) -> None:
        """Forget changes that the server has taken, all or a part of those of one kind in one guild."""
        if self.sent is not None:
            self.sent.changes(kind, guild).then(changes)
        known = self.kinds.get(kind, {}).get(guild)
        if known is None:
            return

        if known is not changes:
            known.cleared_channels -= changes.cleared_channels
            for entity in changes.entries:
                if known.entries.get(entity, UNTOUCHED) is changes.entries[entity]:
                    known.forget(entity)
        if known is changes or not (known.entries or known.cleared or known.cleared_channels):
            del self.kinds[kind][guild]

    def _learn(self, entity: str | None, guild: str, /) -> None:
        if entity is None or not guild:
            return

        self.facts[entity] = guild
        self.size += FACT_COST
        if self.useless:
            self.useless.pop(entity, None)

    def _depart(self, departure: Departure, kinds: collections.Iterable[AnyKind], /) -> None:
        self.depart(departure)
        for kind in kinds:
            for guild in [guild for guild in self.kinds.get(kind, ()) if guild and departure.covers(guild)]:
                self.clear(kind, guild, True)
                self.leave(guild)

    def measure(self) -> None:
        """Set `size` anew, which only grows while changes replace each other."""
        alive = {
            entity for kind, scopes in self.kinds.items() for place in scopes.values() for entity in place.ids(kind)
        }
        self.facts = {entity: guild for entity, guild in self.facts.items() if entity in alive}
        self.size = FACT_COST * (len(self.facts) + len(self.useless)) + ENTRY_COST * len(self.left)
        self.size += ENTRY_COST * (len(self.departures) + len(self.listed))
        for scopes in self.kinds.values():
            for changes in scopes.values():
                self.size += ENTRY_COST * (len(changes.entries) + len(changes.cleared_channels)) + changes.size()
                self.size += SCOPE_COST
        self._measured = self.size

    def count(self) -> int:
        """Return how many changes this holds, without those that are sake's own."""
        return sum(
            len(changes.entries) + len(changes.cleared_channels) + changes.cleared
            for kind, scopes in self.kinds.items()
            if not kind.is_own
            for changes in scopes.values()
        )
