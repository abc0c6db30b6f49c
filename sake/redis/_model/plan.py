# SPDX-License-Identifier: BSD-3-Clause
"""What deltas mean for one database: step by step, what is read and what is sent. Pure."""

from __future__ import annotations

__all__ = ["Ask", "Place", "Plan", "Send", "Share", "Step"]

import contextlib
import dataclasses
import itertools
import typing
from collections import abc as collections

from . import wire
from .changes import UNKNOWN
from .changes import UNTOUCHED
from .changes import Changes
from .changes import Patch
from .delta import Delta
from .kinds import Kind
from .kinds import Shape
from .setup import Setup
from .transaction import Packed
from .transaction import Scope
from .transaction import Transaction
from .wire import Parcel

AnyKind = Kind[typing.Any]

Place = tuple[AnyKind, str, Changes]
"""Kind, guild id ("" where there is none), and what changes there."""

_PART_BYTES: typing.Final = 262_144
"""What is sent ahead of a transaction is sent in parts of about this size."""

_READ_ENTRIES: typing.Final = 10_000
"""How many entries are asked for by one command."""

_SMALL: typing.Final = 10_000
"""Changes of at most so many entries are one transaction."""

_SMALL_BYTES: typing.Final = 8_388_608
"""The same for the bytes that a delta takes."""

_STAGED_BYTES: typing.Final = 2_097_152
"""A list of one kind in one guild that takes more than this is sent ahead of the transaction that puts it in place."""

_STAGING_LIFETIME: typing.Final = 600_000
"""Milliseconds after which the server drops a staging key whose writer died."""

_TRANSACTION_BYTES: typing.Final = 1_048_576
"""What is too large for one transaction, after an outage say, is cut between guilds at about so many bytes."""

_TRANSACTION_ENTRIES: typing.Final = 2_000
"""The same for the number of entries."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """A step: send these commands, each to the place of its key, and tell the plan what is answered."""

    commands: list[Parcel]


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """A step: send these commands and transactions."""

    packed: list[Packed]
    done: list[tuple[Delta, Scope]] = dataclasses.field(default_factory=list[tuple[Delta, Scope]])
    """What need not be sent again after that if the rest fails."""


Step = Ask | Send | None
"""What is to be done next; [None][] to let others have their turn."""

Steps = collections.Generator[Step, list[typing.Any], None]


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
    setup
        How the client is set up.
    token
        Ends the names of staging keys: another writer must not write into the same ones.
    """

    __slots__ = (
        "_codec",
        "_keys",
        "_patched",
        "_setup",
        "_tables",
        "_token",
        "is_small",
        "problems",
        "settled",
        "shares",
    )

    def __init__(self, setup: Setup, token: str, /) -> None:
        self._codec = setup.codec
        self._keys = setup.keys
        self._patched: dict[tuple[AnyKind, str], dict[str, bytes | None]] = {}
        """Kind and guild id → what is stored of the entities that are patched, as far as it is known."""
        self._setup = setup
        self._tables: dict[tuple[AnyKind, str], dict[str, str]] = {}
        """Kind and guild id → id → channel, of strings that go with their guild or channel."""
        self._token = token
        self.is_small: bool = True
        """Whether each share fits into one transaction."""
        self.problems: typing.Final[list[str]] = []
        """What cannot be written, and why: to be told."""
        self.settled: typing.Final[dict[tuple[AnyKind, str], list[Scope]]] = {}
        """Kind and guild id → what its changes come to, once they are settled."""
        self.shares: typing.Final[list[Share]] = []
        """What each delta changes, in the order in which they came."""

    def add(self, share: Share, /) -> None:
        """Add what the next delta changes."""
        self.shares.append(share)
        if share.delta.size > _SMALL_BYTES or sum(len(changes.entries) for _, _, changes in share.places) > _SMALL:
            self.is_small = False
        for kind, guild, changes in share.places:
            entries = changes.entries
            patches = entries.items() if changes.unpacked else ()
            unknown = [entity for entity, entry in patches if isinstance(entry, Patch) and entry.base is UNKNOWN]
            if unknown:
                self._patched.setdefault((kind, guild), {}).update(dict.fromkeys(unknown))
            if kind.shape is Shape.SINGLE and guild and (changes.cleared or changes.cleared_channels):
                self._tables[kind, guild] = {}

    def steps(self, before: Plan | None, /, *, has_msetex: bool) -> Steps:
        """Yield what is to be done, and take what is answered.

        What `before` writes, if that is on its way, may come before or after what is read here.
        """
        if reads := self._reads():
            self._learn((yield Ask(reads)), before)
        if self.is_small:
            packed: list[Packed] = []
            for share in self.shares:
                transaction = Transaction(self._keys, has_msetex=has_msetex)
                for place in share.places:
                    transaction.add(self._settle(place, share))
                    yield None
                packed += transaction.finish()
                yield None
            yield Send(packed)
        else:
            for share in self.shares:
                yield from self._large_steps(share, has_msetex=has_msetex)

    def _large_steps(self, share: Share, /, *, has_msetex: bool) -> Steps:
        large = _LargeWrite(share.delta, Transaction(self._keys, has_msetex=has_msetex))
        for group in _by_guild(share):
            following: list[collections.Iterator[Place]] = []
            for place in group:
                pieces = _pieces(place)
                yield from self._add_large(large, self._settle(next(pieces), share))
                following.append(pieces)
            if large.is_full:
                yield large.send()
                large = _LargeWrite(share.delta, Transaction(self._keys, has_msetex=has_msetex))
            for place in itertools.chain.from_iterable(following):
                yield from self._add_large(large, self._settle(place, share))
                if large.is_full:
                    yield large.send()
                    large = _LargeWrite(share.delta, Transaction(self._keys, has_msetex=has_msetex))

        yield large.send()

    def _add_large(self, large: _LargeWrite, scope: Scope, /) -> Steps:
        size, kind = scope.size(), scope.kind
        is_list = kind.shape is Shape.GUILD_BOUND and kind.channel_of is None and scope.changes.cleared
        if size > _STAGED_BYTES and is_list:
            staging = f"{self._keys.in_guild(kind.name, scope.guild)}:staging:{self._token}"
            yield from self._stage(staging, scope)
            large.transaction.add_staged(scope, staging)
        else:
            large.transaction.add(scope)
            large.size += size
        large.scopes.append(scope)
        yield None

    def _stage(self, staging: str, scope: Scope, /) -> Steps:
        yield Ask([wire.parcel(self._keys, "UNLINK", staging)])
        for part in _parts(scope.puts):
            store = Parcel(self._keys.slot_of(staging), wire.pack("HSET", staging, entries=part))
            yield Ask([store, wire.parcel(self._keys, "PEXPIRE", staging, _STAGING_LIFETIME)])

    def _reads(self) -> list[Parcel]:
        """Return the commands whose answers are to be learnt before anything is settled."""
        reads = [
            read
            for (kind, guild), entities in self._patched.items()
            for group in _groups(entities)
            for read in self._read(kind, guild, group)
        ]
        for kind, guild in self._tables:
            reads.append(wire.parcel(self._keys, "HGETALL", self._keys.channels_in_guild(kind.name, guild)))
        return reads

    def _read(self, kind: AnyKind, guild: str, entities: list[str], /) -> list[Parcel]:
        keys = self._keys
        if kind.shape is Shape.GUILD_BOUND:
            return [wire.parcel(keys, "HMGET", keys.in_guild(kind.name, guild), *entities)]

        singles = (keys.single(kind.name, entity) for entity in entities)
        return [wire.parcel(keys, "MGET", *group) for _, group in keys.by_slot(singles)]

    def _learn(self, answers: list[typing.Any], before: Plan | None, /) -> None:
        """Take the answers to what was read."""
        given = iter(answers)
        for (kind, guild), entities in self._patched.items():
            for group in list(_groups(entities)):
                reads = len(self._read(kind, guild, group))
                values = itertools.chain.from_iterable(itertools.islice(given, reads))
                entities.update(zip(group, values, strict=False))
            for scope in () if before is None else before.settled.get((kind, guild), ()):
                self._follow(scope, entities)
        for (kind, guild), table in self._tables.items():
            found = iter([data.decode("ascii", "replace") for data in next(given)])
            table.update(zip(found, found, strict=False))
            for scope in () if before is None else before.settled.get((kind, guild), ()):
                _place(scope, table)

    def _settle(self, place: Place, share: Share, /) -> Scope:
        """Return what changes come to, now that all is known of what they depend on."""
        kind, guild, changes = place
        patched = self._patched.get((kind, guild))
        table = self._tables.get((kind, guild))
        for entity in () if table is None else _taken(changes, table):
            # It is elsewhere: if that fails or is forgotten, the table does not tell of it any more.
            if entity not in changes.entries:
                changes.drop(entity)
        puts = typing.cast("dict[str, bytes]", dict(changes.entries) if changes.unpacked else changes.entries)
        is_left = guild in share.delta.left
        scope = Scope(kind, guild, changes, self._setup.lifetimes.get(kind, 0), {}, [], puts, {}, is_left)
        for entity in changes.unpacked:
            del puts[entity]
            entry = changes.entries[entity]
            if isinstance(entry, Patch):
                self._settle_patch(scope, entity, entry, (patched or {}).get(entity))
            elif not changes.cleared or kind.shape is Shape.SINGLE:
                scope.drops.append(entity)

        if table is not None:
            _place(scope, table)
        if kind.lifetime is not None:
            scope.date(share.elapsed)
        if patched is not None:
            self._follow(scope, patched)
        self.settled.setdefault((kind, guild), []).append(scope)
        return scope

    def _follow(self, scope: Scope, patched: dict[str, bytes | None], /) -> None:
        """Take what a scope makes of patched entities for stored: what comes after it builds on that."""
        changes = scope.changes
        concerns_all = changes.cleared or changes.cleared_channels
        for entity in list(patched) if concerns_all else patched.keys() & changes.entries.keys():
            written = scope.puts.get(entity, scope.amends.get(entity))
            stored = patched[entity]
            if written is not None:
                patched[entity] = wire.data_of(written)
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
            self._setup.statistics.skipped += 1
            where = f" of guild {scope.guild}" if scope.guild else ""
            if isinstance(patch.base, bytes):
                scope.puts[entity] = self._setup.packer.pack_data(scope.kind, entity, patch.base)
            self.problems.append(f"An update of {scope.kind.name} {entity}{where} cannot be used and is skipped: {exc}")

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
            return self._setup.packer.pack_data(scope.kind, entity, parts[0])

        return self._setup.packer.pack(scope.kind, entity, self._codec.overlay(parts, f"{scope.kind.name} {entity}"))


class _LargeWrite:
    """The next of the transactions in which a large delta is written."""

    __slots__ = ("_delta", "scopes", "size", "transaction")

    def __init__(self, delta: Delta, transaction: Transaction, /) -> None:
        self._delta = delta
        self.scopes: list[Scope] = []
        self.size = 0
        self.transaction = transaction

    @property
    def is_full(self) -> bool:
        """Whether it is to be sent."""
        return self.transaction.entries > _TRANSACTION_ENTRIES or self.size > _TRANSACTION_BYTES

    def send(self) -> Send:
        """Return the step that sends it."""
        return Send(self.transaction.finish(), [(self._delta, scope) for scope in self.scopes])


def _by_guild(share: Share, /) -> collections.Iterator[list[Place]]:
    """Return what changes, guild by guild."""
    guilds: dict[str, list[Place]] = {}
    for place in share.places:
        guilds.setdefault(place[1], []).append(place)

    yield from guilds.values()


def _pieces(place: Place, /) -> collections.Iterator[Place]:
    kind, guild, changes = place
    for piece in changes.pieces():
        yield kind, guild, piece


def _parts(puts: dict[str, bytes], /) -> collections.Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for entry in puts.values():
        part.append(entry)
        size += len(entry)
        if size > _PART_BYTES:
            yield part
            part, size = [], 0

    if part:
        yield part


def _groups(entities: collections.Iterable[str], /) -> collections.Iterator[list[str]]:
    remaining = iter(entities)
    while group := list(itertools.islice(remaining, _READ_ENTRIES)):
        yield group


def _taken(changes: Changes, table: collections.Mapping[str, str], /) -> list[str]:
    """Return the ids in a table that go with their guild or channel."""
    return [entity for entity, channel in table.items() if changes.cleared or channel in changes.cleared_channels]


def _place(scope: Scope, table: dict[str, str], /) -> None:
    """Take what a scope makes of a table of channels for stored."""
    changes = scope.changes
    for entity in _taken(changes, table):
        del table[entity]
    for entity in changes.entries:
        table.pop(entity, None)
        if entity in scope.puts and (channel := changes.channels.get(entity)) is not None:
            table[entity] = channel
