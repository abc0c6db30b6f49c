# SPDX-License-Identifier: BSD-3-Clause
"""What changes that are not written yet make of what is stored."""

from __future__ import annotations

__all__ = ["Layer", "Overlay"]

import contextlib
import typing
from collections import abc as collections

from sake import errors

from .._model.changes import UNKNOWN
from .._model.changes import UNTOUCHED
from .._model.changes import Changes
from .._model.changes import Entry
from .._model.changes import Lookup
from .._model.changes import Patch
from .._model.codec import Codec
from .._model.codec import Payload
from .._model.codec import nested
from .._model.delta import Delta
from .._model.kinds import Kind
from .._model.wire import data_of
from .writer import Writer

AnyKind = Kind[typing.Any]


class Layer(typing.NamedTuple):
    """What one delta says of an entity."""

    delta: Delta
    guild: str
    changes: Changes | None
    entry: Entry | Lookup
    """What becomes of the entity itself, or UNTOUCHED where it is at most concerned as one of its guild."""


class Overlay:
    """Lays unwritten changes over what is stored.

    Parameters
    ----------
    writer
        Knows the changes.
    codec
        Decodes and encodes payloads.
    """

    __slots__ = ("_codec", "_writer")

    def __init__(self, writer: Writer, codec: Codec, /) -> None:
        self._codec = codec
        self._writer = writer

    def find(self, kind: AnyKind, guild: str, entity: str, /) -> bytes | Lookup | None:
        """Return an entity's bytes, [None][] if it is deleted, or what is known where changes alone do not tell."""
        found: Entry | Lookup = UNKNOWN
        if guild or not kind.in_guild:
            found = self._writer.find(kind, guild, entity)
        if found is not UNKNOWN and not isinstance(found, Patch):
            return found

        layers = self.layers(kind, guild, entity)
        for number in reversed(range(len(layers))):
            if self._is_decisive(kind, guild, layers[number]):
                return self.lay(kind, guild, entity, None, layers[number:])

        return UNKNOWN if layers else UNTOUCHED

    def guilds(self, kind: AnyKind, /) -> set[str]:
        """Return the guilds in which unwritten changes concern a kind."""
        return {guild for delta in self._writer.unwritten() for guild in delta.kinds.get(kind, ()) if guild}

    def has_guild(self, guild: str, /) -> bool:
        """Return whether unwritten changes say that the bot is in a guild."""
        return any(guild in delta.listed for delta in self._writer.unwritten())

    def entities(self, kind: AnyKind, /) -> set[str]:
        """Return the ids of entities of a kind that unwritten changes concern."""
        places = (changes for delta in self._writer.unwritten() for changes in delta.kinds.get(kind, {}).values())
        return {entity for changes in places for entity in changes.entries}

    def has(self, kind: AnyKind, entity: str, /, *, is_stored: bool) -> bool:
        """Return whether an entity of a kind without guilds exists."""
        return self.lay(kind, "", entity, b"" if is_stored else None, self.layers(kind, "", entity)) is not None

    def layers(self, kind: AnyKind, guild: str, entity: str, /) -> list[Layer]:
        """Return what unwritten changes say of an entity, the oldest first."""
        is_anywhere = kind.in_guild and not guild
        found: list[Layer] = []
        for delta in self._writer.unwritten():
            places = delta.kinds.get(kind, {})
            if not is_anywhere:
                places = {guild: places[guild]} if guild in places else {}
            for place, changes in places.items():
                entry = changes.entries.get(entity, UNTOUCHED)
                if entry is not UNTOUCHED or changes.cleared or changes.cleared_channels:
                    found.append(Layer(delta, place, changes, entry))
            if delta.departures and kind.in_guild:
                found.append(Layer(delta, guild, None, UNTOUCHED))

        return found[::-1]

    def lay(
        self, kind: AnyKind, guild: str, entity: str, stored: bytes | None, layers: collections.Iterable[Layer], /
    ) -> bytes | None:
        """Return the bytes of an entity, or [None][], after the changes in some layers."""
        for layer in layers:
            if stored is not None and self._takes(kind, guild, layer, stored):
                stored = None
            if layer.entry is not UNTOUCHED:
                stored = self._after(kind, entity, layer, stored)

        return stored

    def _is_decisive(self, kind: AnyKind, guild: str, layer: Layer, /) -> bool:
        """Return whether it does not matter what was there before."""
        if layer.changes is None:
            return self._departs(layer, guild)
        if layer.entry is UNTOUCHED:
            return layer.changes.cleared and (guild != "" or not kind.in_guild)

        return not isinstance(layer.entry, Patch) or layer.entry.base is not UNKNOWN

    def _takes(self, kind: AnyKind, guild: str, layer: Layer, stored: bytes, /) -> bool:
        """Return whether what is stored of an entity goes with its guild or channel."""
        is_anywhere = kind.in_guild and not guild
        payload: Payload = {}
        if is_anywhere or (layer.changes and layer.changes.cleared_channels):
            # What cannot be read is in no channel, and is reported by whoever needs it.
            with contextlib.suppress(errors.InvalidDataFound):
                payload = self._codec.load(stored, kind.name)
        if is_anywhere:
            guild = _guild_of(payload)
        if layer.changes is None:
            return self._departs(layer, guild)
        if layer.guild != guild:
            return False

        return layer.changes.cleared or _is_in(kind, payload, layer.changes.cleared_channels)

    def _departs(self, layer: Layer, guild: str, /) -> bool:
        return guild.isdecimal() and any(departure.covers(guild) for departure in layer.delta.departures)

    def _after(self, kind: AnyKind, entity: str, layer: Layer, stored: bytes | None, /) -> bytes | None:
        entry = layer.entry
        if entry is None or self._writer.is_over(layer.delta, kind, layer.guild, entity):
            return None
        if not isinstance(entry, Patch):
            return data_of(typing.cast("bytes", entry))

        base = stored if isinstance(entry.base, Lookup) else entry.base
        parts = entry.otherwise if base is None else (base, *entry.overs)
        # What cannot be merged is reported, and left out, when it is written.
        with contextlib.suppress(Exception):
            return None if parts is None else self._codec.dumps(self._codec.overlay(parts, f"{kind.name} {entity}"))

        return base


def _guild_of(payload: Payload, /) -> str:
    with contextlib.suppress(Exception):
        return str(payload.get("guild_id") or nested(payload, "guild").get("id") or "")

    return ""


def _is_in(kind: AnyKind, payload: Payload, channels: collections.Set[str], /) -> bool:
    with contextlib.suppress(Exception):
        return kind.channel_of is not None and kind.channel_of(payload) in channels

    return False
