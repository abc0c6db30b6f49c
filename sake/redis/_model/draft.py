# SPDX-License-Identifier: BSD-3-Clause
"""What one event changes, described aside until it is whole. Pure."""

from __future__ import annotations

__all__ = ["Draft"]

import typing
from collections import abc as collections

from .changes import Patch
from .codec import Payload
from .delta import Delta
from .delta import Departure
from .ids import MOST_DIGITS
from .ids import is_code
from .kinds import GUILDS
from .kinds import LISTS
from .kinds import Kind
from .kinds import Shape
from .sessions import Session
from .wire import Packer
from .wire import mark

AnyKind = Kind[typing.Any]

_Payloads = collections.Mapping[str, dict[str, typing.Any]]
_Packed = tuple[dict[str, bytes], dict[str, str | None] | None]
"""Entries, and the channels of those kinds that are found by channel."""

_PUT: typing.Final = Delta.put

_MOST_GUILDS: typing.Final = 10_000
"""How many ids of guilds are remembered as sound."""

_MOST_BYTES: typing.Final = 4_194_304
"""An entity that takes more is refused: to send it would keep everything else waiting."""


class Draft:
    """Takes what an event changes, checks and encodes it, and hands it to a delta when the event is described whole.

    A method that raises leaves nothing behind, since whoever describes then throws the draft away. In lists, an entry
    that cannot be used is left out and named in `refused`.

    Parameters
    ----------
    packer
        Packs entries.
    is_event
        Whether Discord says it: what is deleted then is gone for good.
    """

    __slots__ = ("_guilds", "_is_event", "_packer", "acts", "has_departures", "refused", "session", "steps")

    def __init__(self, packer: Packer, /, *, is_event: bool = True) -> None:
        self._is_event = is_event
        self._guilds: set[str] = set()
        """Some of the ids of guilds that were found to be ids."""
        self._packer = packer
        self.acts: collections.Sequence[collections.Callable[[], None]] = ()
        """What is to be done when this is added to a delta."""
        self.has_departures: bool = False
        """Whether a delta of its own has to begin with this."""
        self.refused: collections.Sequence[str] = ()
        """What was left out, and why."""
        self.session: Session | None = None
        """The session that the event belongs to, which lists are complete from then on."""
        self.steps: list[tuple[collections.Callable[..., None], tuple[typing.Any, ...]]] = []
        """Methods of a delta, and their arguments."""

    def apply(self, delta: Delta, /) -> None:
        """Add what was described to a delta, and be ready for the next event."""
        for method, arguments in self.steps:
            method(delta, *arguments)
        self.steps.clear()

    def reset(self) -> None:
        """Throw away what was described."""
        self.acts = self.refused = ()
        self.has_departures = False
        self.steps.clear()

    def put(
        self, kind: AnyKind, guild: str, entity: str, payload: dict[str, typing.Any], lifetime: int | None = None, /
    ) -> None:
        """Set one entity; a `lifetime` in milliseconds takes the place of the kind's own, 0 stands for none.

        Raises
        ------
        ValueError
            If an id is none, or the payload is too large.
        """
        if guild not in self._guilds and (guild or kind.shape is Shape.GUILD_BOUND):
            self._check_guild(kind, guild)
        if not kind.numeric:
            _check_entity(kind, entity)
        entry = self._packer.pack(kind, entity, payload)
        if len(entry) > _MOST_BYTES:
            raise _too_large(kind, entity, len(entry))
        channel = None if kind.channel_of is None else _channel(kind, payload)
        self.steps.append((_PUT, (kind, guild, entity, entry, channel, lifetime)))

    def put_all(self, kind: AnyKind, guild: str, payloads: _Payloads, /, *, alone: bool = False) -> int:
        """Set these entities, by id; if `alone`, drop all others of the kind in the guild. Return how many were taken.

        Raises
        ------
        ValueError
            If the guild's id is none.
        """
        self._check_guild(kind, guild)
        try:
            entries, channels = self._pack_all(kind, payloads)
        except Exception:  # noqa: BLE001 - which entry is at fault is found out one by one
            entries, channels = self._pack_each(kind, payloads)

        # A list of which nothing can be used is no reason to give up the one that is stored.
        if entries or (alone and not payloads):
            self.steps.append((Delta.put_all, (kind, guild, entries, channels, alone, self._is_event)))
            if alone:
                self.mark_list(kind, guild)
        return len(entries)

    def replace(self, kind: AnyKind, guild: str, payloads: _Payloads, /) -> int:
        """Set these entities, by id, and drop all others of the kind in the guild; as `put_all` does."""
        return self.put_all(kind, guild, payloads, alone=True)

    def put_list(
        self,
        kind: AnyKind,
        guild: str,
        entities: collections.Iterable[dict[str, typing.Any]],
        /,
        *,
        alone: bool = False,
    ) -> int:
        """Set the entities of a list; as `put_all` does."""
        entities = list(entities)
        try:
            found = _by_id(kind, entities)
        except Exception:  # noqa: BLE001 - which entity is at fault is found out one by one
            found = self._by_id_each(kind, entities)

        return self.put_all(kind, guild, found, alone=alone) if found or not entities else 0

    def replace_list(self, kind: AnyKind, guild: str, entities: collections.Iterable[dict[str, typing.Any]], /) -> int:
        """Set the entities of a list, and drop all others of the kind in the guild; as `put_all` does."""
        return self.put_list(kind, guild, entities, alone=True)

    def patch(
        self,
        kind: AnyKind,
        guild: str,
        entity: str,
        over: Payload,
        otherwise: Payload | None = None,
        lifetime: int | None = None,
        /,
    ) -> None:
        """Lay the fields of `over` over one entity; where there is none, set `otherwise` or leave it so.

        A `lifetime` in milliseconds, 0 for none, takes the place of the time that the entity has left.

        Raises
        ------
        ValueError
            If an id is none, or the payload is too large.
        """
        self._check_guild(kind, guild)
        _check_entity(kind, entity)
        overs = (self._encode(kind, entity, over),)
        instead = None
        if otherwise is not None:
            instead = overs if otherwise is over else (self._encode(kind, entity, otherwise),)
        channel = None if kind.channel_of is None or otherwise is None else _channel(kind, otherwise)
        patch = Patch(overs, instead)
        self.steps.append((Delta.patch, (kind, guild, entity, patch, channel, lifetime)))

    def patch_all(self, kind: AnyKind, guild: str, payloads: _Payloads, lifetime: int | None = None, /) -> None:
        """Lay each payload over its entity, or set it where there is none; what cannot be used is left out."""
        for entity, payload in payloads.items():
            try:
                self.patch(kind, guild, entity, payload, payload, lifetime)
            except Exception as exc:  # noqa: BLE001 - one bad entry must not cost its neighbours
                self.refuse(f"{kind.name} {entity!r}", exc)

    def drop(self, kind: AnyKind, guild: str, entity: str, /) -> None:
        """Delete one entity.

        Raises
        ------
        ValueError
            If an id is none.
        """
        self._check_guild(kind, guild)
        _check_entity(kind, entity)
        self.steps.append((Delta.drop, (kind, guild, entity, self._is_event)))
        if not self._is_event:
            # It may exist all the same.
            self.mark_list(kind, guild)

    def mark(self, kind: AnyKind, guild: str, /) -> None:
        """Say that something is true of a guild; `unmark` takes it back.

        Raises
        ------
        ValueError
            If the id is none.
        """
        self._check_guild(kind, guild)
        token = self.session.token if self.session else b""
        self.steps.append((_PUT, (kind, guild, guild, mark(guild, token), None, None)))

    def unmark(self, kind: AnyKind, guild: str, /) -> None:
        """Say that something is not true of a guild.

        Raises
        ------
        ValueError
            If the id is none.
        """
        self.drop(kind, guild, guild)

    def clear(self, kind: AnyKind, guild: str, /) -> None:
        """Delete all entities of a kind in a guild.

        Raises
        ------
        ValueError
            If the guild's id is none.
        """
        self._check_guild(kind, guild)
        self.steps.append((Delta.clear, (kind, guild, self._is_event)))
        if not self._is_event:
            self.mark_list(kind, guild)

    def clear_channel(self, kind: AnyKind, guild: str, channel: str, /) -> None:
        """Delete all entities of a kind that are in one channel of a guild.

        Raises
        ------
        ValueError
            If an id is none.
        """
        self._check_guild(kind, guild)
        _check_snowflake(kind, "channel", channel)
        self.steps.append((Delta.clear_channel, (kind, guild, channel)))

    def leave(self, kinds: collections.Iterable[AnyKind], guild: str, /) -> None:
        """Delete what these kinds hold of a guild that the bot left.

        Raises
        ------
        ValueError
            If the guild's id is none.
        """
        for kind in kinds:
            if kind.in_guild:
                self.clear(kind, guild)
        self.steps.append((Delta.leave, (guild,)))

    def enlist(self, guilds: collections.Set[str], /) -> None:
        """Say that the bot is in these guilds, whether anything is stored of them or not.

        Raises
        ------
        ValueError
            If an id is none.
        """
        for guild in guilds:
            _check_snowflake(GUILDS, "guild", guild)
        self.steps.append((Delta.enlist, (guilds,)))

    def depart(self, departure: Departure, /) -> None:
        """Remove, before everything else, the guilds that a shard does not have any more."""
        self.has_departures = True
        self.steps.append((Delta.depart, (departure,)))

    def also(self, act: collections.Callable[[], None], /) -> None:
        """Do something that changes nothing stored, if the event is described whole."""
        self.acts = (*self.acts, act)

    def refuse(self, what: str, exc: Exception, /) -> None:
        """Take note of something that is left out of a list."""
        self.refused = (*self.refused, f"{what} ({type(exc).__name__}: {exc})")

    def forget_lists(self, kinds: collections.Iterable[AnyKind], guild: str, /) -> None:
        """Say that nothing of a guild is known to be complete any more.

        Raises
        ------
        ValueError
            If the guild's id is none.
        """
        for kind in kinds:
            if kind in LISTS:
                self.unmark(LISTS[kind], guild)

    def mark_list(self, kind: AnyKind, guild: str, /) -> None:
        """Say whether all of a kind in a guild is stored from now on, and who says so."""
        if kind not in LISTS:
            return

        session = self.session if self._is_event else None
        if session is not None and not kind.intents & ~session.intents:
            self.mark(LISTS[kind], guild)
        else:
            self.steps.append((Delta.drop, (LISTS[kind], guild, guild)))

    def _by_id_each(self, kind: AnyKind, entities: list[dict[str, typing.Any]], /) -> dict[str, dict[str, typing.Any]]:
        found: dict[str, dict[str, typing.Any]] = {}
        for entity in entities:
            try:
                found |= _by_id(kind, [entity])
            except Exception as exc:  # noqa: BLE001 - one bad entity must not cost its neighbours
                self.refuse(f"{kind.name} without an id", exc)

        return found

    def _check_guild(self, kind: AnyKind, guild: str, /) -> None:
        if guild in self._guilds:
            return

        if guild or kind.shape is Shape.GUILD_BOUND:
            _check_snowflake(kind, "guild", guild)
        if guild:
            if len(self._guilds) >= _MOST_GUILDS:
                self._guilds.clear()
            self._guilds.add(guild)

    def _encode(self, kind: AnyKind, entity: str, payload: Payload, /) -> bytes:
        # A copy, as orjson's own bytes keep the 4 KiB they were written into for as long as they live.
        return bytes(memoryview(_bounded(kind, entity, self._packer.dumps(dict(payload)))))

    def _pack_all(self, kind: AnyKind, payloads: _Payloads, /) -> _Packed:
        _check_all(kind, payloads)
        entries = self._packer.pack_all(kind, payloads)
        if sum(map(len, entries.values())) > _MOST_BYTES:
            for entity, entry in entries.items():
                _bounded(kind, entity, entry)
        if kind.channel_of is None:
            return entries, None

        return entries, {entity: _channel(kind, payload) for entity, payload in payloads.items()}

    def _pack_each(self, kind: AnyKind, payloads: _Payloads, /) -> _Packed:
        entries: dict[str, bytes] = {}
        channels: dict[str, str | None] = {}
        for entity, payload in payloads.items():
            try:
                packed, placed = self._pack_all(kind, {entity: payload})
            except Exception as exc:  # noqa: BLE001 - one bad entry must not cost its neighbours
                self.refuse(f"{kind.name} {entity!r}", exc)
            else:
                entries |= packed
                channels |= placed or {}

        return entries, None if kind.channel_of is None else channels


def _bounded(kind: AnyKind, entity: str, data: bytes, /) -> bytes:
    if len(data) > _MOST_BYTES:
        raise _too_large(kind, entity, len(data))

    return data


def _by_id(kind: AnyKind, entities: list[dict[str, typing.Any]], /) -> dict[str, dict[str, typing.Any]]:
    first, *rest = kind.id_path
    if rest:
        (second,) = rest
        return {str(entity[first][second]): entity for entity in entities}

    return {str(entity[first]): entity for entity in entities}


def _channel(kind: AnyKind, payload: Payload, /) -> str | None:
    channel = kind.channel_of and kind.channel_of(payload)
    if channel is not None:
        _check_snowflake(kind, "channel", channel)
    return channel


def _check_entity(kind: AnyKind, entity: str, /) -> None:
    if kind.numeric:
        _check_snowflake(kind, "id", entity)
    elif not is_code(entity):
        raise _bad(kind, "id", entity)


def _check_all(kind: AnyKind, entities: collections.Iterable[str], /) -> None:
    together = "".join(entities)
    are_digits = kind.numeric and together.isdigit() and together.isascii() and all(entities)
    if not are_digits or max(map(len, entities)) > MOST_DIGITS:
        for entity in entities:
            _check_entity(kind, entity)


def _check_snowflake(kind: AnyKind, name: str, text: str, /) -> None:
    # A quarter of what a regular expression takes, and done for all that is stored.
    if not (text.isdigit() and text.isascii() and len(text) <= MOST_DIGITS):
        raise _bad(kind, name, text)


def _too_large(kind: AnyKind, entity: str, size: int, /) -> ValueError:
    return ValueError(f"{kind.name} {entity} takes {size} bytes, more than the {_MOST_BYTES} that are stored")


def _bad(kind: AnyKind, name: str, text: str, /) -> ValueError:
    return ValueError(f"{text[:64]!r} cannot be the {name} of {kind.name} entries")
