# SPDX-License-Identifier: BSD-3-Clause
"""What goes over the wire: commands and entries as the server reads them. Pure."""

from __future__ import annotations

__all__ = ["Argument", "Packer", "Parcel", "bulk", "data_of", "mark", "name_of", "pack", "parcel", "value_of"]

import typing
from collections import abc as collections

from .ids import MOST_DIGITS
from .keys import Keys
from .kinds import Kind
from .kinds import Shape

AnyKind = Kind[typing.Any]

Argument = bytes | str | int

_END: typing.Final = b"\r\n"


class _Sizes(dict[int, bytes]):
    """How an argument of so many bytes begins. To format the number takes longer than all else done for an entry."""

    def __missing__(self, size: int, /) -> bytes:
        begin = b"$%d\r\n" % size
        if len(self) < _REMEMBERED_SIZES:
            self[size] = begin
        return begin


_REMEMBERED_SIZES: typing.Final = 8_192
_SIZES: typing.Final = _Sizes()


def _entry(name: bytes, data: bytes, /) -> bytes:
    # Copies the encoded bytes, too: orjson's own keep the 4 KiB they were written into for as long as they live.
    return b"".join((_SIZES[len(name)], name, _END, _SIZES[len(data)], data, _END))


def bulk(argument: Argument, /) -> bytes:
    """Return one argument of a command."""
    if isinstance(argument, str):
        argument = argument.encode()
    elif isinstance(argument, int):
        argument = b"%d" % argument

    return _SIZES[len(argument)] + argument + _END


def pack(*arguments: Argument, entries: collections.Collection[bytes] = ()) -> bytes:
    """Return one command, whose last arguments are those of packed entries."""
    count = len(arguments) + 2 * len(entries)
    return b"".join((b"*%d\r\n" % count, *map(bulk, arguments), *entries))


def name_of(entry: bytes, /) -> bytes:
    """Return the first of an entry's two arguments, packed: its field, or its key."""
    end = entry.index(b"\r")
    return entry[: end + 4 + int(entry[1:end])]


def value_of(entry: bytes, /) -> bytes:
    """Return the second of an entry's two arguments, packed."""
    end = entry.index(b"\r")
    return entry[end + 4 + int(entry[1:end]) :]


def data_of(entry: bytes, /) -> bytes:
    """Return the second of an entry's two arguments: its payload."""
    end = entry.index(b"\r")
    return entry[entry.index(b"\n", end + 4 + int(entry[1:end])) + 1 : -2]


def mark(guild: str, token: bytes = b"", /) -> bytes:
    """Return the entry of a mark: a guild's id, and the token of the session that says so."""
    return bulk(guild) + bulk(token)


class Parcel(typing.NamedTuple):
    """Commands that go to one place, packed."""

    slot: int
    """Which place that is: see [Keys][sake.redis._model.keys.Keys]."""
    data: bytes
    replies: int = 1


def parcel(keys: Keys, command: str, key: str, *arguments: Argument) -> Parcel:
    """Return one command about a key."""
    return Parcel(keys.slot_of(key), pack(command, key, *arguments))


class Packer:
    """Packs entries: two arguments each, which are field and value of a hash, or key and value where it is a string.

    That is done once, when an entry is described. What it is then written with is joined from these.

    Parameters
    ----------
    keys
        Names the keys.
    dumps
        Encodes payloads.
    """

    __slots__ = ("_prefixes", "dumps")

    def __init__(self, keys: Keys, dumps: collections.Callable[[dict[str, typing.Any]], bytes], /) -> None:
        self.dumps: typing.Final = dumps
        self._prefixes: dict[AnyKind, bytes] = _Prefixes(keys)

    def pack(self, kind: AnyKind, entity: str, payload: dict[str, typing.Any], /) -> bytes:
        """Return the entry of a payload.

        Raises
        ------
        ValueError
            If the kind's ids are snowflakes and this is none.
        """
        name = entity.encode()
        # Of bytes, digits are those of ASCII.
        if kind.numeric and not (name.isdigit() and len(name) <= MOST_DIGITS):
            error_message = f"{entity[:64]!r} cannot be the id of {kind.name} entries"
            raise ValueError(error_message)

        return _entry(self._prefixes[kind] + name, self.dumps(payload))

    def pack_all(self, kind: AnyKind, payloads: collections.Mapping[str, dict[str, typing.Any]], /) -> dict[str, bytes]:
        """Return the entries of payloads by id."""
        prefix, dumps = self._prefixes[kind], self.dumps
        sizes, end, join = _SIZES, _END, b"".join
        # As `_entry` does, without a call for each.
        return {
            entity: join((sizes[len(name)], name, end, sizes[len(data)], data, end))
            for entity, payload in payloads.items()
            for name in (prefix + entity.encode(),)
            for data in (dumps(payload),)
        }

    def pack_data(self, kind: AnyKind, entity: str, data: bytes, /) -> bytes:
        """Return the entry of an encoded payload."""
        return _entry(self._prefixes[kind] + entity.encode(), data)


class _Prefixes(dict[AnyKind, bytes]):
    """What goes before the id in the names of a kind's entries."""

    def __init__(self, keys: Keys, /) -> None:
        super().__init__()
        self._keys = keys

    def __missing__(self, kind: AnyKind, /) -> bytes:
        prefix = self[kind] = self._keys.single(kind.name, "").encode() if kind.shape is Shape.SINGLE else b""
        return prefix
