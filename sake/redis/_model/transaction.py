# SPDX-License-Identifier: BSD-3-Clause
"""What changes together, packed for the wire. Pure.

The client pays for every reply it reads, and the server for every value that Lua copies. So what has many fields
goes in commands of its own, and one script in the same transaction does all the rest: what has few fields, and what
depends on what is stored (the ids that a replacement drops, the channel an entity is in).
"""

from __future__ import annotations

__all__ = ["Packed", "Scope", "Transaction"]

import dataclasses
import itertools
import typing
from collections import abc as collections

from .changes import Changes
from .keys import Keys
from .kinds import CHANNELS
from .kinds import Kind
from .kinds import Shape
from .script import SOURCE
from .wire import Argument
from .wire import Parcel
from .wire import bulk
from .wire import name_of
from .wire import pack
from .wire import value_of

AnyKind = Kind[typing.Any]

_NAMED: typing.Final = 3
"""How many entities an error names."""


@dataclasses.dataclass(slots=True)
class Scope:
    """The changes of one kind in one guild (or in none), settled: what goes, what is set, what is set if it exists."""

    kind: AnyKind
    guild: str
    changes: Changes
    lifetime: int
    """Milliseconds that entries of the kind live from now on; 0 for ever."""
    lifetimes: dict[str, int]
    """Entity id → the same, where it is not what the kind's live."""
    drops: list[str]
    puts: dict[str, bytes]
    """Entity id → packed entry."""
    amends: dict[str, bytes]
    """The same."""
    is_left: bool = False
    """Whether the bot left the guild."""

    @property
    def is_told(self) -> bool:
        """Whether the ids that go are to be told, since nothing needs to know their guild any more.

        Of channels that is so when the guild goes: until then something else may be in them.
        """
        return self.changes.for_good and self.kind.owned and (self.is_left or self.kind is not CHANNELS)

    def size(self) -> int:
        """Return how many bytes the entries take."""
        return sum(map(len, self.puts.values())) + sum(map(len, self.amends.values()))

    def date(self, elapsed: int, /) -> None:
        """Count lifetimes from the change, which was `elapsed` milliseconds ago: what is over by now is dropped."""
        own, delays, kinds_own = self.changes.lifetimes, self.changes.delays, self.lifetime
        for entity in {**own, **delays} if own or delays else ():
            lifetime = own.get(entity, kinds_own)
            if entity not in self.amends or entity in own:
                self.lifetimes[entity] = lifetime and max(lifetime + delays.get(entity, 0) - elapsed, -1)
        if kinds_own:
            self.lifetime = max(kinds_own - elapsed, -1)
        if self.lifetime < 0 or min(self.lifetimes.values(), default=0) < 0:
            self._drop_expired()

    def _drop_expired(self) -> None:
        self.puts, puts = {}, self.puts
        for entity, entry in puts.items():
            if self.lifetimes.get(entity, self.lifetime) < 0:
                self.drops.append(entity)
            else:
                self.puts[entity] = entry
        for entity in [entity for entity in self.amends if self.lifetimes.get(entity, 0) < 0]:
            del self.amends[entity]
            self.drops.append(entity)

    def __str__(self) -> str:
        names = list(itertools.islice(self.changes.entries, _NAMED + 1))
        listed = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
        return f"{self.kind.name} {listed}" + (f" of guild {self.guild}" if self.guild else "")


@dataclasses.dataclass(frozen=True, slots=True)
class Packed:
    """Commands for one place, packed."""

    slot: int
    """Which place that is."""

    data: bytes
    """The commands."""

    about: list[Scope | str]
    """What each of the commands is about."""

    is_transaction: bool
    """Whether they are to be executed at once, between `MULTI` and `EXEC`."""

    @property
    def parcel(self) -> Parcel:
        """What is sent."""
        if not self.is_transaction:
            return Parcel(self.slot, self.data, len(self.about))

        return Parcel(self.slot, b"".join((_MULTI, self.data, _EXEC)), len(self.about) + 2)


_MULTI: typing.Final = pack("MULTI")
_EXEC: typing.Final = pack("EXEC")
_MANY: typing.Final = 16
"""How many fields make a command of its own cheaper than a step of the script."""


class _Command:
    """Arguments of a command, or of a script, that is being put together."""

    __slots__ = ("about", "count", "parts")

    def __init__(self, about: Scope | str, *arguments: Argument) -> None:
        self.about = about
        self.count = len(arguments)
        self.parts: list[bytes] = [*map(bulk, arguments)]

    def add(self, *arguments: Argument) -> None:
        self.parts += map(bulk, arguments)
        self.count += len(arguments)

    def add_packed(self, parts: collections.Collection[bytes], count: int, /) -> None:
        self.parts += parts
        self.count += count

    def finish(self) -> list[bytes]:
        return [b"*%d\r\n" % self.count, *self.parts]


class _Place:
    """What changes in one place, at once."""

    __slots__ = ("_checks", "_commands", "_keys", "_numbers", "_script", "_strings")

    def __init__(self) -> None:
        self._checks: list[Argument] = []
        self._commands: list[_Command] = []
        self._keys: list[bytes] = []
        """The keys that the script touches, packed."""
        self._numbers: dict[str, int] = {}
        """The numbers that some of them have there."""
        self._script = _Command("")
        self._strings: dict[int, list[bytes]] = {}
        """Entries of strings by their lifetimes."""

    def command(self, about: Scope | str, *arguments: Argument) -> _Command:
        command = _Command(about, *arguments)
        self._commands.append(command)
        return command

    def check(self, key: str, length: int, /) -> None:
        self._checks += ("check", self._number(key), length)

    def step(self, name: str, *keys: str, then: collections.Iterable[Argument] = ()) -> _Command:
        """Begin a step of the script. A key may be empty where there is none."""
        self._script.add(name, *(self._number(key) if key else 0 for key in keys), *then)
        return self._script

    def put(self, key: str, entries: collections.Collection[bytes], /) -> None:
        self.step("put", key, then=(2 * len(entries),)).add_packed(entries, 2 * len(entries))

    def strings(self, lifetime: int, entries: collections.Iterable[bytes], /) -> None:
        self._strings.setdefault(lifetime, []).extend(entries)

    def finish(self, slot: int, /, *, has_msetex: bool) -> Packed:
        commands: list[_Command] = []
        for lifetime, entries in self._strings.items():
            commands.append(self._set_strings(lifetime, entries, has_msetex=has_msetex))
        if self._script.count:
            script = _Command("removals and lookups", "EVAL", SOURCE, len(self._keys))
            script.add_packed(self._keys, len(self._keys))
            script.add(*self._checks)
            script.add_packed(self._script.parts, self._script.count)
            commands.append(script)
        commands += self._commands

        data = b"".join(itertools.chain.from_iterable(command.finish() for command in commands))
        return Packed(slot, data, [command.about for command in commands], len(commands) > 1)

    def _number(self, key: str, /) -> int:
        if key not in self._numbers:
            self._keys.append(bulk(key))
            self._numbers[key] = len(self._keys)
        return self._numbers[key]

    def _set_strings(self, lifetime: int, entries: list[bytes], /, *, has_msetex: bool) -> _Command:
        about = "entries with a lifetime" if lifetime else "entries without a lifetime"
        if lifetime and (has_msetex or len(entries) == 1):
            command = _Command(about, "MSETEX", len(entries)) if len(entries) > 1 else _Command(about, "SET")
            command.add_packed(entries, 2 * len(entries))
            command.add("PX", lifetime)
            return command

        command = _Command(about, "MSET")
        command.add_packed(entries, 2 * len(entries))
        if lifetime:
            # One key after the other, some perhaps twice: a step names the first of them, and how many there are.
            self._script.add("expire", len(self._keys) + 1, len(entries), lifetime)
            self._keys += map(name_of, entries)
        return command


class Transaction:
    """The changes of many scopes, to be written at once as far as they are in one place.

    The order of effect is that of [Changes][sake.redis._model.changes.Changes]: first what goes, by the script and by
    plain commands, then what is set.

    Parameters
    ----------
    keys
        Names the keys, and tells in which place each is.
    has_msetex
        Whether the server can set many strings with one lifetime.
    """

    __slots__ = ("_has_msetex", "_keys", "_places", "entries")

    def __init__(self, keys: Keys, /, *, has_msetex: bool = False) -> None:
        self._has_msetex = has_msetex
        self._keys = keys
        self._places: dict[int, _Place] = {}
        self.entries: int = 0
        """How many entries were added, and scopes."""

    def add(self, scope: Scope, /) -> None:
        """Add the changes of one scope."""
        self.entries += 1 + len(scope.puts) + len(scope.amends) + len(scope.drops)
        if scope.kind.shape is Shape.SINGLE:
            self._add_strings(scope)
            return

        place, key = self._at(self._hash(scope)), self._hash(scope)
        self._add_removals(place, scope, key)
        if scope.amends:
            place.step("amend", key, then=(2 * len(scope.amends),)).add_packed(
                scope.amends.values(), 2 * len(scope.amends)
            )
        if scope.puts and len(scope.puts) < _MANY:
            place.put(key, scope.puts.values())
        elif scope.puts:
            place.command(scope, "HSET", key).add_packed(scope.puts.values(), 2 * len(scope.puts))
        self._add_channels(place, scope, key)

    def add_staged(self, scope: Scope, staging: str, /) -> None:
        """Put a hash that was filled beforehand in the place of a scope's own, if it still is whole by then."""
        self.entries += 1
        key = self._hash(scope)
        place = self._at(key)
        place.check(staging, len(scope.puts))
        self._add_removals(place, scope, key)
        place.step("rename", staging, key)

    def list_guilds(self, guilds: collections.Collection[str], /) -> None:
        """List guilds as having something."""
        if guilds:
            self._at(self._keys.guilds()).command("the list of guilds", "SADD", self._keys.guilds(), *guilds)

    def unlist_guilds(self, guilds: collections.Collection[str], /) -> None:
        """Take guilds from that list."""
        if guilds:
            self._at(self._keys.guilds()).command("the list of guilds", "SREM", self._keys.guilds(), *guilds)

    def put_facts(self, facts: collections.Mapping[str, str], /) -> None:
        """Say which guilds ids belong to."""
        buckets: dict[str, list[bytes]] = {}
        for entity, guild in facts.items():
            buckets.setdefault(self._keys.guild_of(entity), []).append(bulk(entity) + bulk(guild))
        for key, entries in buckets.items():
            self._at(key).put(key, entries)

    def drop_facts(self, entities: collections.Iterable[str], /) -> None:
        """Forget which guilds ids belong to."""
        buckets: dict[str, list[str]] = {}
        for entity in entities:
            buckets.setdefault(self._keys.guild_of(entity), []).append(entity)
        for key, ids in buckets.items():
            self._at(key).step("drop", key, "", then=(len(ids), *ids))

    def finish(self) -> list[Packed]:
        """Return what was added, for each place."""
        places = self._places.items()
        return [packed for slot, place in places if (packed := place.finish(slot, has_msetex=self._has_msetex)).about]

    def _at(self, key: str, /) -> _Place:
        slot = self._keys.slot_of(key)
        try:
            return self._places[slot]
        except KeyError:
            return self._places.setdefault(slot, _Place())

    def _hash(self, scope: Scope, /) -> str:
        return self._keys.in_guild(scope.kind.name, scope.guild)

    def _channels(self, scope: Scope, /) -> str:
        if scope.kind.channel_of is None or not scope.guild:
            return ""

        return self._keys.channels_in_guild(scope.kind.name, scope.guild)

    def _add_removals(self, place: _Place, scope: Scope, key: str, /) -> None:
        """Add what goes of a list (`key`), of its table of channels, or of both."""
        changes, channels = scope.changes, self._channels(scope)
        if changes.cleared:
            # Which channels another process wrote facts of is known only from here.
            place.step("clear", key, channels, then=(int(scope.is_told), int(scope.is_left and bool(channels))))
        for channel in changes.cleared_channels:
            place.step("empty", key, channels, then=(channel,))
        if len(scope.drops) >= _MANY and not channels:
            place.command(scope, "HDEL", key, *scope.drops)
        elif scope.drops:
            place.step("drop", key, channels, then=(len(scope.drops), *scope.drops))

    def _add_channels(self, place: _Place, scope: Scope, key: str, /) -> None:
        """Add the channels that entities are in. Where `key` is a list, what is amended may not be there any more."""
        places = self._channels(scope)
        if not places:
            return

        channels = scope.changes.channels.items()
        found = [(entity, channel) for entity, channel in channels if entity in scope.puts]
        if put := [bulk(entity) + bulk(channel) for entity, channel in found if channel is not None]:
            place.put(places, put)
        if dropped := [entity for entity, channel in found if channel is None]:
            place.step("drop", places, "", then=(len(dropped), *dropped))
        if moved := [(entity, channel or "") for entity, channel in channels if entity in scope.amends]:
            place.step("place", key, places, then=(2 * len(moved), *itertools.chain.from_iterable(moved)))

    def _add_strings(self, scope: Scope, /) -> None:
        kind, keys, lifetimes = scope.kind, self._keys, scope.lifetimes
        if scope.guild and kind.channel_of is not None:
            place = self._at(keys.channels_in_guild(kind.name, scope.guild))
            self._add_removals(place, scope, "")
            self._add_channels(place, scope, "")
        for slot, drops in self._by_slot(scope, scope.drops).items():
            self._place(slot).command(scope, "UNLINK", *(keys.single(kind.name, entity) for entity in drops))
        for slot, puts in self._by_slot(scope, scope.puts).items():
            for lifetime, entities in _by_lifetime(puts, lifetimes, scope.lifetime).items():
                self._place(slot).strings(lifetime, map(scope.puts.__getitem__, entities))
        for entity, entry in scope.amends.items():
            key = keys.single(kind.name, entity)
            if entity in lifetimes:
                self._at(key).step("reset", key).add_packed([value_of(entry), bulk(lifetimes[entity])], 2)
            else:
                self._at(key).step("renew", key).add_packed([value_of(entry)], 1)

    def _place(self, slot: int, /) -> _Place:
        return self._places.setdefault(slot, _Place())

    def _by_slot(
        self, scope: Scope, entities: collections.Collection[str], /
    ) -> dict[int, collections.Collection[str]]:
        """Return ids by the places of their strings."""
        keys = self._keys
        if not entities:
            return {}
        if keys.is_one_place:
            return {keys.slot_of(""): entities}

        found: dict[int, list[str]] = {}
        for entity in entities:
            found.setdefault(keys.slot_of(keys.single(scope.kind.name, entity)), []).append(entity)
        return dict(found)


def _by_lifetime(
    entities: collections.Collection[str], lifetimes: collections.Mapping[str, int], usual: int, /
) -> dict[int, collections.Collection[str]]:
    if not lifetimes:
        return {usual: entities}

    found: dict[int, list[str]] = {}
    for entity in entities:
        found.setdefault(lifetimes.get(entity, usual), []).append(entity)
    return dict(found)
