# SPDX-License-Identifier: BSD-3-Clause
"""A delta as one `MULTI`/`EXEC`, packed for the wire. Pure.

The client pays for every reply it reads, and the server for every value that Lua copies. So what has many fields
goes in commands of its own, and one script in the same transaction does all the rest: what has few fields, and what
depends on what is stored (the channel an entity was in, the ids that a replacement drops).
"""

from __future__ import annotations

__all__ = ["Packed", "Scope", "Transaction"]

import dataclasses
import itertools
import typing
from collections import abc as collections

from ._changes import Changes
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape
from ._script import SOURCE
from ._wire import Argument
from ._wire import bulk
from ._wire import name_of
from ._wire import pack

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


Packed = tuple[list[bytes], list[Scope | str]]
"""The packed commands of a transaction, from `MULTI` to `EXEC`, and what each of those in between is about."""

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

    def add_entries(self, entries: collections.Collection[bytes], /) -> None:
        self.parts += entries
        self.count += 2 * len(entries)

    def extend(self, other: _Command, /) -> None:
        self.parts += other.parts
        self.count += other.count

    def finish(self) -> list[bytes]:
        return [b"*%d\r\n" % self.count, *self.parts]


class Transaction:
    """The changes of many scopes, to be written at once.

    The order of effect is that of [Changes][sake.redis._delta.Changes]: first what goes, by the script and by plain
    commands, then what is set.
    """

    __slots__ = (
        "_checks",
        "_commands",
        "_guilds",
        "_has_msetex",
        "_keys",
        "_owners",
        "_script",
        "_strings",
        "entries",
    )

    def __init__(self, keys: Keys, /, *, has_msetex: bool) -> None:
        self._checks: list[Argument] = []
        self._commands: list[_Command] = []
        self._has_msetex = has_msetex
        self._guilds: dict[str, list[str]] = {}
        self._keys = keys
        self._owners: dict[str, _Command] = {}
        self._script = _Command("removals and lookups")
        self._strings: dict[int, list[bytes]] = {}
        self.entries: int = 0
        """How many entries were added, and scopes."""

    def add(self, scope: Scope, /) -> None:
        """Add the changes of one scope."""
        kind = scope.kind
        self.entries += 1 + len(scope.puts) + len(scope.amends) + len(scope.drops)
        if kind.shape is Shape.SET:
            self._add_marks(scope)
            return

        indexed = kind.in_guild and scope.guild != ""
        if indexed and (kind.owned or kind.channel_of is not None or scope.changes.cleared):
            self._add_scripted(scope)
        elif scope.changes.cleared:
            self._script.add("unlink", self._hash(scope))
        elif scope.drops:
            self._add_drops(scope)

        if scope.amends:
            self._add_amends(scope)
        if not scope.puts:
            return

        if kind.shape is Shape.STRING:
            self._add_strings(scope)
        elif len(scope.puts) < _MANY and (indexed or not scope.changes.cleared):
            self._script.add("put", self._hash(scope), 2 * len(scope.puts))
            self._script.add_entries(scope.puts.values())
        else:
            self._command(scope, "HSET", self._hash(scope)).add_entries(scope.puts.values())
        if indexed:
            self._add_lookups(scope)

    def add_staged(self, scope: Scope, staging: str, /) -> None:
        """Put a hash that was filled beforehand in the place of a scope's own, if it still is whole by then."""
        self.entries += 1
        self._checks += ("check", staging, len(scope.puts))
        self._add_scripted(scope)
        self._script.add("rename", staging, self._hash(scope))
        self._add_lookups(scope)

    def finish(self) -> Packed:
        """Return what was added."""
        commands = [*self._commands, *self._owners.values()]
        for kind, guilds in self._guilds.items():
            self._script.add("mark", self._keys.guilds(kind), len(guilds), *guilds)

        if self._script.count:
            script = _Command(self._script.about, "EVAL", SOURCE, 0, *self._checks)
            script.extend(self._script)
            commands.insert(0, script)
        for lifetime, entries in self._strings.items():
            commands += self._finish_strings(lifetime, entries)

        packed = [_MULTI, *itertools.chain.from_iterable(command.finish() for command in commands), _EXEC]
        return packed, [command.about for command in commands]

    def _finish_strings(self, lifetime: int, entries: list[bytes], /) -> list[_Command]:
        about = "entries with a lifetime"
        if lifetime and self._has_msetex:
            command = _Command(about, "MSETEX", len(entries))
            command.add_entries(entries)
            command.add("PX", lifetime)
            return [command]

        command = _Command(about, "MSET")
        command.add_entries(entries)
        if not lifetime:
            return [command]

        expire = _Command(about, "EVAL", SOURCE, 0, "expire", lifetime, len(entries))
        expire.parts += map(name_of, entries)
        expire.count += len(entries)
        return [command, expire]

    def _hash(self, scope: Scope, /) -> str:
        name, guild = scope.kind.name, scope.guild
        return self._keys.in_guild(name, guild) if guild else self._keys.whole(name)

    def _command(self, scope: Scope, *arguments: Argument) -> _Command:
        command = _Command(scope, *arguments)
        self._commands.append(command)
        return command

    def _add_scripted(self, scope: Scope, /) -> None:
        steps: list[Argument] = []
        if scope.changes.cleared:
            steps.append("clear")
        for channel in scope.changes.cleared_channels:
            steps += ("empty", channel)
        if scope.drops:
            steps += ("drop", len(scope.drops), *scope.drops)
        if scope.kind.channel_of is not None:
            channels = scope.changes.channels.items()
            for step, entries in (("place", scope.puts), ("move", scope.amends)):
                if places := [(entity, channel or "") for entity, channel in channels if entity in entries]:
                    steps += (step, 2 * len(places), *itertools.chain.from_iterable(places))

        if steps:
            self._script.add("scope", *self._names(scope), *steps)

    def _names(self, scope: Scope, /) -> tuple[str, ...]:
        kind, keys = scope.kind, self._keys
        is_string, is_placed = kind.shape is Shape.STRING, kind.channel_of is not None
        return (
            "" if is_string else self._hash(scope),
            keys.single(kind.name, "") if is_string else "",
            keys.owners(kind.name) if kind.owned else "",
            keys.channels_in_guild(kind.name, scope.guild) if is_placed else "",
            keys.in_channel(kind.name, "") if is_placed else "",
            keys.guilds(kind.name),
            scope.guild,
        )

    def _add_drops(self, scope: Scope, /) -> None:
        if scope.kind.shape is Shape.STRING:
            self._command(scope, "UNLINK", *(self._keys.single(scope.kind.name, entity) for entity in scope.drops))
        elif len(scope.drops) < _MANY:
            self._script.add("delete", self._hash(scope), len(scope.drops), *scope.drops)
        else:
            self._command(scope, "HDEL", self._hash(scope), *scope.drops)

    def _add_amends(self, scope: Scope, /) -> None:
        if scope.kind.shape is not Shape.STRING:
            self._script.add("amend", self._hash(scope), 2 * len(scope.amends))
            self._script.add_entries(scope.amends.values())
            return

        dated = scope.amends.keys() & scope.lifetimes.keys()
        for entity in dated:
            self._script.add("reset", scope.lifetimes[entity], 2)
            self._script.add_entries([scope.amends[entity]])
        if renewed := [entry for entity, entry in scope.amends.items() if entity not in dated]:
            self._script.add("renew", 2 * len(renewed))
            self._script.add_entries(renewed)

    def _add_strings(self, scope: Scope, /) -> None:
        lifetimes = scope.lifetimes
        if not lifetimes:
            self._strings.setdefault(scope.lifetime, []).extend(scope.puts.values())
            return

        usual = [entry for entity, entry in scope.puts.items() if entity not in lifetimes]
        if usual:
            self._strings.setdefault(scope.lifetime, []).extend(usual)
        for entity in lifetimes.keys() & scope.puts.keys():
            self._strings.setdefault(lifetimes[entity], []).append(scope.puts[entity])

    def _add_lookups(self, scope: Scope, /) -> None:
        name = scope.kind.name
        self._guilds.setdefault(name, []).append(scope.guild)
        if scope.kind.owned:
            if name not in self._owners:
                self._owners[name] = _Command(f"guilds of {name} entries", "HSET", self._keys.owners(name))
            guild = bulk(scope.guild)
            self._owners[name].add_entries([bulk(entity) + guild for entity in scope.puts])

    def _add_marks(self, scope: Scope, /) -> None:
        key = self._keys.whole(scope.kind.name)
        if scope.changes.cleared:
            self._script.add("unlink", key)
        if scope.drops:
            self._script.add("unmark", key, len(scope.drops), *scope.drops)
        if scope.puts:
            self._script.add("mark", key, len(scope.puts), *scope.puts)
