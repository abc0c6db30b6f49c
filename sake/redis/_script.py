# SPDX-License-Identifier: BSD-3-Clause
"""A delta as one server-side script call, packed for the wire. Pure.

One call is atomic as a `MULTI`/`EXEC` is, but costs the client a fifth: there is one reply to read, and the places of
an entity that only the server knows (the channel it was in, the ids that a replacement drops) need no round trip.
"""

from __future__ import annotations

__all__ = ["SHA", "SOURCE", "Script", "pack"]

import hashlib
import typing
from collections import abc as collections

from ._delta import Changes
from ._keys import Keys
from ._kinds import Kind
from ._kinds import Shape

AnyKind = Kind[typing.Any]

SOURCE: typing.Final = """
local args, at, last = ARGV, 1, #ARGV
local call = redis.call
local CHUNK = 4000

local function each(name, key, from, to)
  for first = from, to, CHUNK do
    call(name, key, unpack(args, first, math.min(first + CHUNK - 1, to)))
  end
end

local function each_of(name, key, list)
  for first = 1, #list, CHUNK do
    call(name, key, unpack(list, first, math.min(first + CHUNK - 1, #list)))
  end
end

-- The scope at work: keys of its entities, of its lookup tables, and its guild. '' where the kind has none.
local hash, single, owners, places, channels, guilds, guild

local function leave(ids)
  if owners ~= '' then each_of('HDEL', owners, ids) end
  if places == '' then return end
  for _, id in ipairs(ids) do
    local channel = call('HGET', places, id)
    if channel then call('HDEL', channels .. channel, id) end
  end
  each_of('HDEL', places, ids)
end

local function remove(ids)
  if #ids == 0 then return end
  if hash ~= '' then
    each_of('HDEL', hash, ids)
  else
    for _, id in ipairs(ids) do call('UNLINK', single .. id) end
  end
  leave(ids)
end

local run = {}

function run.scope()
  hash, single, owners, places, channels, guilds, guild = unpack(args, at, at + 6)
  at = at + 7
end

function run.clear()
  if hash == '' or places ~= '' then
    remove(call('HKEYS', hash == '' and places or hash))
  elseif owners ~= '' then
    each_of('HDEL', owners, call('HKEYS', hash))
  end
  if hash ~= '' then call('UNLINK', hash) end
  if guilds ~= '' then call('SREM', guilds, guild) end
end

function run.empty()
  remove(call('HKEYS', channels .. args[at]))
  at = at + 1
end

function run.drop()
  local count = tonumber(args[at])
  local ids = {}
  for i = 1, count do ids[i] = args[at + i] end
  remove(ids)
  at = at + 1 + count
end

function run.place()
  local count = tonumber(args[at])
  for i = at + 1, at + count, 2 do
    local id, channel = args[i], args[i + 1]
    local before = call('HGET', places, id)
    if before and before ~= channel then call('HDEL', channels .. before, id) end
    if channel ~= '' then
      call('HSET', channels .. channel, id, guild)
      call('HSET', places, id, channel)
    elseif before then
      call('HDEL', places, id)
    end
  end
  at = at + 1 + count
end

function run.amend()
  local count = tonumber(args[at])
  for i = at + 1, at + count, 2 do
    if hash == '' then
      call('SET', single .. args[i], args[i + 1], 'XX', 'KEEPTTL')
    elseif call('HEXISTS', hash, args[i]) == 1 then
      call('HSET', hash, args[i], args[i + 1])
    end
  end
  at = at + 1 + count
end

function run.store()
  local lifetime, count = args[at], tonumber(args[at + 1])
  if lifetime == '0' then
    for i = at + 2, at + count, 2 do call('SET', args[i], args[i + 1]) end
  else
    for i = at + 2, at + count, 2 do call('SET', args[i], args[i + 1], 'PX', lifetime) end
  end
  at = at + 2 + count
end

function run.unlink()
  local count = tonumber(args[at])
  for i = at + 1, at + count do call('UNLINK', args[i]) end
  at = at + 1 + count
end

function run.rename()
  if call('EXISTS', args[at]) == 1 then
    call('RENAME', args[at], args[at + 1])
    call('PERSIST', args[at + 1])
  end
  at = at + 2
end

while at <= last do
  local name = args[at]
  at = at + 1
  local special = run[name]
  if special then
    special()
  else
    local key, count = args[at], tonumber(args[at + 1])
    at = at + 2
    each(name, key, at, at + count - 1)
    at = at + count
  end
end
"""

SHA: typing.Final = hashlib.sha1(SOURCE.encode(), usedforsecurity=False).hexdigest()

_Argument = bytes | str | int


def _bulk(argument: _Argument, /) -> bytes:
    data = argument if isinstance(argument, bytes) else str(argument).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def pack(*arguments: _Argument) -> bytes:
    """Return one command as the server reads it."""
    return b"*%d\r\n" % len(arguments) + b"".join(map(_bulk, arguments))


def _pairs(entries: collections.Iterable[tuple[str, bytes]], prefix: str = "", /) -> list[bytes]:
    return [
        b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, len(data), data)
        for name, data in ((f"{prefix}{entity}".encode(), data) for entity, data in entries)
    ]


class Script:
    """The arguments of one call, scope by scope."""

    __slots__ = ("_count", "_guilds", "_keys", "_parts", "size")

    def __init__(self, keys: Keys, /) -> None:
        self._keys = keys
        self._count = 0
        self._parts: list[bytes] = []
        self._guilds: dict[str, list[str]] = {}
        self.size: int = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(
        self,
        kind: AnyKind,
        guild: str,
        changes: Changes,
        puts: dict[str, bytes],
        amends: dict[str, bytes],
        lifetime: int,
        /,
    ) -> None:
        """Add the changes of one scope.

        `puts` and `amends` are what to set, and what to set only where it still exists; `changes` says what goes
        before that. `lifetime` is that of the kind in milliseconds, 0 for none.
        """
        drops = [entity for entity, entry in changes.entries.items() if entry is None] if not changes.cleared else []
        if kind.shape is Shape.SET:
            self._add_marks(self._keys.whole(kind.name), changes, list(puts), drops)
            return

        indexed = kind.in_guild and guild != ""
        found_elsewhere = indexed and (kind.owned or kind.channel_of is not None)
        if amends or changes.cleared or changes.cleared_channels or found_elsewhere:
            self._select(kind, guild)
            self._add_removals(changes, drops)
            self._add_pairs("amend", amends.items())
            self._add_places(kind, changes, puts, amends)
        elif drops:
            self._add_drops(kind, guild, drops)

        if not puts:
            return

        if kind.shape is Shape.STRING:
            self._add_strings(kind, changes, puts, lifetime)
        else:
            self._add_fields(self._hash(kind, guild), puts)

        if indexed:
            self._add_lookups(kind, guild, puts)

    def staged(self, kind: AnyKind, guild: str, staging: str, puts: collections.Iterable[str], /) -> None:
        """Put a hash that was filled beforehand with `puts` in the place of a scope's own."""
        self._push("rename", staging, self._hash(kind, guild))
        self._add_lookups(kind, guild, puts)

    def finish(self) -> bytes:
        """Return the packed call."""
        for kind, guilds in self._guilds.items():
            self._push("SADD", self._keys.guilds(kind), len(guilds), *guilds)

        self._guilds.clear()
        head = b"*%d\r\n" % (self._count + 3) + _bulk("EVALSHA") + _bulk(SHA) + _bulk(0)
        return head + b"".join(self._parts)

    def _hash(self, kind: AnyKind, guild: str, /) -> str:
        return self._keys.in_guild(kind.name, guild) if guild else self._keys.whole(kind.name)

    def _push(self, *arguments: _Argument) -> None:
        packed = b"".join(map(_bulk, arguments))
        self._parts.append(packed)
        self._count += len(arguments)
        self.size += len(packed)

    def _extend(self, pairs: list[bytes], /) -> None:
        self._parts += pairs
        self._count += 2 * len(pairs)
        self.size += sum(map(len, pairs))

    def _select(self, kind: AnyKind, guild: str, /) -> None:
        keys = self._keys
        is_string = kind.shape is Shape.STRING
        indexed = kind.in_guild and guild != ""
        placed = indexed and kind.channel_of is not None
        self._push(
            "scope",
            "" if is_string else self._hash(kind, guild),
            keys.single(kind.name, "") if is_string else "",
            keys.owners(kind.name) if indexed and kind.owned else "",
            keys.channels_in_guild(kind.name, guild) if placed else "",
            keys.in_channel(kind.name, "") if placed else "",
            keys.guilds(kind.name) if indexed else "",
            guild,
        )

    def _add_removals(self, changes: Changes, drops: list[str], /) -> None:
        if changes.cleared:
            self._push("clear")
        for channel in changes.cleared_channels:
            self._push("empty", channel)
        if drops:
            self._push("drop", len(drops), *drops)

    def _add_places(
        self, kind: AnyKind, changes: Changes, puts: collections.Container[str], amends: collections.Container[str], /
    ) -> None:
        if kind.channel_of is None:
            return

        places = [(e, channel or "") for e, channel in changes.channels.items() if e in puts or e in amends]
        if places:
            self._push("place", 2 * len(places), *(part for place in places for part in place))

    def _add_pairs(self, name: str, pairs: collections.Iterable[tuple[str, bytes]], /) -> None:
        if packed := _pairs(pairs):
            self._push(name, 2 * len(packed))
            self._extend(packed)

    def _add_fields(self, key: str, fields: dict[str, bytes], /) -> None:
        packed = _pairs(fields.items())
        self._push("HSET", key, 2 * len(packed))
        self._extend(packed)

    def _add_lookups(self, kind: AnyKind, guild: str, puts: collections.Iterable[str], /) -> None:
        self._guilds.setdefault(kind.name, []).append(guild)
        if kind.owned:
            self._add_fields(self._keys.owners(kind.name), dict.fromkeys(puts, guild.encode()))

    def _add_strings(self, kind: AnyKind, changes: Changes, puts: dict[str, bytes], lifetime: int, /) -> None:
        by_lifetime: dict[int, list[tuple[str, bytes]]] = {}
        if changes.lifetimes:
            for entity, data in puts.items():
                own = changes.lifetimes.get(entity)
                by_lifetime.setdefault(lifetime if own is None else own, []).append((entity, data))
        else:
            by_lifetime[lifetime] = list(puts.items())

        prefix = self._keys.single(kind.name, "")
        for milliseconds, pairs in by_lifetime.items():
            packed = _pairs(pairs, prefix)
            self._push("store", milliseconds, 2 * len(packed))
            self._extend(packed)

    def _add_drops(self, kind: AnyKind, guild: str, drops: list[str], /) -> None:
        if kind.shape is Shape.STRING:
            self._push("unlink", len(drops), *(self._keys.single(kind.name, entity) for entity in drops))
        else:
            self._push("HDEL", self._hash(kind, guild), len(drops), *drops)

    def _add_marks(self, key: str, changes: Changes, puts: list[str], drops: list[str], /) -> None:
        if changes.cleared:
            self._push("unlink", 1, key)
        if drops:
            self._push("SREM", key, len(drops), *drops)
        if puts:
            self._push("SADD", key, len(puts), *puts)
