# SPDX-License-Identifier: BSD-3-Clause
"""Changes drawn at random, and what they come to: plain dictionaries that one change after another is applied to."""

from __future__ import annotations

import copy
import dataclasses
import typing
from collections import abc as collections

import hypothesis
import orjson
from hypothesis import strategies

from sake.redis._model import changes as _changes
from sake.redis._model import delta as _delta
from sake.redis._model import draft as _draft
from sake.redis._model import keys as _keys
from sake.redis._model import kinds as _kinds
from sake.redis._model import wire as _wire

Payload = dict[str, typing.Any]
Kind = _kinds.Kind[typing.Any]
Entry = tuple[Payload, int | None]
"""A payload, and the lifetime it was given: milliseconds, 0 for none, [None][] for the kind's own."""

SETTINGS: typing.Final = hypothesis.settings(deadline=None, max_examples=50)

PACKER: typing.Final = _wire.Packer(_keys.Keys(), orjson.dumps)
SHARD_COUNT: typing.Final = 2
GUILDS: typing.Final = tuple(str(number << 22) for number in (1, 2, 3))
CHANNELS: typing.Final = {guild: tuple(f"9{guild}{number}" for number in (1, 2)) for guild in GUILDS}

OF_GUILDS: typing.Final = (
    _kinds.MEMBERS,
    _kinds.ROLES,
    _kinds.THREADS,
    _kinds.VOICE_STATES,
    _kinds.INVITES,
)
OF_CHANNELS: typing.Final = (_kinds.THREADS, _kinds.VOICE_STATES, _kinds.INVITES)
ABOUT_GUILDS: typing.Final = (_kinds.GUILDS, _kinds.UNAVAILABLE_GUILDS)
IN_GUILDS: typing.Final = (*OF_GUILDS, *ABOUT_GUILDS)
KINDS: typing.Final = (*IN_GUILDS, _kinds.MESSAGES)
PATCHED: typing.Final = (_kinds.ROLES, _kinds.THREADS, _kinds.MEMBERS, _kinds.GUILDS, _kinds.MESSAGES)


class Model:
    """What a server holds, as dictionaries: kind and guild → entity → entry."""

    def __init__(self) -> None:
        self.entries: dict[tuple[Kind, str], dict[str, Entry]] = {}
        self.facts: dict[str, str] = {}
        """Id → guild, of all that was set, and not deleted since."""
        self.here: set[str] = set()
        """Guilds that a shard said it has, and that the bot has not left since."""
        self.listed: set[str] = set()
        """Guilds that may be listed: they had something since the bot left them."""

    def copy(self) -> Model:
        return copy.deepcopy(self, {id(kind): kind for kind in KINDS})

    def of(self, kind: Kind, guild: str, /) -> dict[str, Entry]:
        return self.entries.setdefault((kind, guild), {})

    def payload(self, kind: Kind, guild: str, entity: str, /) -> Payload | None:
        entry = self.of(kind, guild).get(entity)
        return None if entry is None else entry[0]

    def payloads(self) -> dict[tuple[Kind, str], dict[str, Payload]]:
        return {
            scope: {entity: payload for entity, (payload, _) in found.items()}
            for scope, found in self.entries.items()
            if found
        }

    def needed_facts(self) -> dict[str, str]:
        """Return the guilds of the ids that somebody may look for: of what is stored, and of channels it is in."""
        found: dict[str, str] = {}
        for (kind, guild), payloads in self.payloads().items():
            if kind.owned:
                found |= dict.fromkeys(payloads, guild)
            if kind.channel_of is not None and guild:
                places = map(kind.channel_of, payloads.values())
                found |= {place: guild for place in places if place is not None}
        return found

    def possible_facts(self) -> dict[str, str]:
        """Return the guilds of those ids of which they may be known: nothing is of a guild that was left for good."""
        return {entity: guild for entity, guild in self.facts.items() if guild in self.listed}

    def set(self, kind: Kind, guild: str, entity: str, payload: Payload, lifetime: int | None = None, /) -> None:
        self.of(kind, guild)[entity] = (payload, lifetime)
        self.learn(kind, guild, entity, payload)

    def learn(self, kind: Kind, guild: str, entity: str, payload: Payload | None, /) -> None:
        if not guild:
            return

        self.listed.add(guild)
        if kind.owned:
            self.facts[entity] = guild
        place = None if kind.channel_of is None or payload is None else kind.channel_of(payload)
        if place is not None:
            self.facts[place] = guild

    def drop(self, kind: Kind, guild: str, entity: str, /) -> None:
        self.of(kind, guild).pop(entity, None)
        if kind.owned:
            self.facts.pop(entity, None)

    def patch(self, kind: Kind, guild: str, entity: str, over: Payload, otherwise: Payload | None, /) -> None:
        self.learn(kind, guild, entity, otherwise)
        before = self.of(kind, guild).get(entity)
        if before is not None:
            self.of(kind, guild)[entity] = ({**before[0], **over}, before[1])
        elif otherwise is not None:
            self.set(kind, guild, entity, otherwise)

    def clear(self, kind: Kind, guild: str, /) -> None:
        self.of(kind, guild).clear()

    def leave(self, guild: str, /) -> None:
        for kind in IN_GUILDS:
            self.clear(kind, guild)
        self.here.discard(guild)
        self.listed.discard(guild)

    def clear_channel(self, kind: Kind, guild: str, channel: str, /) -> None:
        assert kind.channel_of is not None
        found = self.of(kind, guild)
        for entity in [entity for entity, (payload, _) in found.items() if kind.channel_of(payload) == channel]:
            del found[entity]

    def depart(self, departure: _delta.Departure, /) -> None:
        for guild in filter(departure.covers, GUILDS):
            self.leave(guild)
        self.here |= departure.guilds
        self.listed |= departure.guilds


@dataclasses.dataclass(frozen=True)
class Change:
    """One thing that an event says, to a model and to a delta."""

    kind: Kind
    guild: str

    def happen(self, model: Model) -> None:
        raise NotImplementedError

    def describe(self, draft: _draft.Draft) -> None:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Put(Change):
    entity: str
    payload: Payload
    lifetime: int | None = None

    def happen(self, model: Model) -> None:
        model.set(self.kind, self.guild, self.entity, self.payload, self.lifetime)

    def describe(self, draft: _draft.Draft) -> None:
        draft.put(self.kind, self.guild, self.entity, self.payload, self.lifetime)


@dataclasses.dataclass(frozen=True)
class Mark(Change):
    def happen(self, model: Model) -> None:
        model.set(self.kind, self.guild, self.guild, {})

    def describe(self, draft: _draft.Draft) -> None:
        draft.mark(self.kind, self.guild)


@dataclasses.dataclass(frozen=True)
class Drop(Change):
    entity: str

    def happen(self, model: Model) -> None:
        model.drop(self.kind, self.guild, self.entity)

    def describe(self, draft: _draft.Draft) -> None:
        draft.drop(self.kind, self.guild, self.entity)


@dataclasses.dataclass(frozen=True)
class Lay(Change):
    entity: str
    over: Payload
    otherwise: Payload | None

    def happen(self, model: Model) -> None:
        model.patch(self.kind, self.guild, self.entity, self.over, self.otherwise)

    def describe(self, draft: _draft.Draft) -> None:
        draft.patch(self.kind, self.guild, self.entity, self.over, self.otherwise)


@dataclasses.dataclass(frozen=True)
class Replace(Change):
    payloads: dict[str, Payload]

    def happen(self, model: Model) -> None:
        model.clear(self.kind, self.guild)
        for entity, payload in self.payloads.items():
            model.set(self.kind, self.guild, entity, payload)

    def describe(self, draft: _draft.Draft) -> None:
        draft.replace(self.kind, self.guild, self.payloads)


@dataclasses.dataclass(frozen=True)
class Clear(Change):
    def happen(self, model: Model) -> None:
        model.clear(self.kind, self.guild)

    def describe(self, draft: _draft.Draft) -> None:
        draft.clear(self.kind, self.guild)


@dataclasses.dataclass(frozen=True)
class ClearChannel(Change):
    channel: str

    def happen(self, model: Model) -> None:
        model.clear_channel(self.kind, self.guild, self.channel)

    def describe(self, draft: _draft.Draft) -> None:
        draft.clear_channel(self.kind, self.guild, self.channel)


@dataclasses.dataclass(frozen=True)
class Leave(Change):
    """The bot left a guild."""

    def happen(self, model: Model) -> None:
        model.leave(self.guild)

    def describe(self, draft: _draft.Draft) -> None:
        draft.leave(KINDS, self.guild)


@dataclasses.dataclass(frozen=True)
class Depart(Change):
    """A shard says which guilds it has. Only a new delta can be told."""

    departure: _delta.Departure

    def happen(self, model: Model) -> None:
        model.depart(self.departure)

    def describe(self, draft: _draft.Draft) -> None:
        draft.depart(self.departure)


def apply(delta: _delta.Delta, model: Model, /) -> None:
    """Do to a model what a delta says, by its description and nothing else."""
    for departure in delta.departures:
        model.depart(departure)

    for kind, scopes in delta.kinds.items():
        for guild, changes in scopes.items():
            if changes.cleared:
                model.clear(kind, guild)
            for channel in changes.cleared_channels:
                model.clear_channel(kind, guild, channel)
            for entity, entry in changes.entries.items():
                _apply_entry(model, kind, guild, entity, entry, changes.lifetimes.get(entity))


def _apply_entry(
    model: Model, kind: Kind, guild: str, entity: str, entry: _changes.Entry, lifetime: int | None, /
) -> None:
    if entry is None:
        model.drop(kind, guild, entity)
    elif isinstance(entry, bytes):
        model.set(kind, guild, entity, read(_wire.data_of(entry)), lifetime)
    elif entry.base is _changes.UNKNOWN:
        model.patch(kind, guild, entity, laid(entry.overs), None if entry.otherwise is None else laid(entry.otherwise))
    elif isinstance(entry.base, bytes):
        model.set(kind, guild, entity, laid((entry.base, *entry.overs)), lifetime)
    elif entry.otherwise is not None:
        model.set(kind, guild, entity, laid(entry.otherwise))


def read(data: bytes, /) -> Payload:
    """Decode what a delta says of an entity; a mark holds nothing."""
    return orjson.loads(data) if data else {}


def laid(parts: collections.Iterable[bytes], /) -> Payload:
    """Lay encoded payloads over each other."""
    whole: Payload = {}
    for part in parts:
        whole.update(orjson.loads(part))

    return whole


class Described:
    """A delta that takes what drafts do, each at once."""

    def __init__(self) -> None:
        self.delta = _delta.Delta()

    def __bool__(self) -> bool:
        return bool(self.delta)

    def __getattr__(self, name: str) -> typing.Any:
        if not hasattr(_draft.Draft, name):
            return getattr(self.delta, name)

        def describe(*arguments: typing.Any, **options: typing.Any) -> typing.Any:
            draft = _draft.Draft(PACKER)
            answer = getattr(draft, name)(*arguments, **options)
            draft.apply(self.delta)
            return answer

        return describe


def new() -> Described:
    """Make an empty delta, which takes what drafts do."""
    return Described()


def describe(changes: collections.Iterable[Change], /) -> list[_delta.Delta]:
    """Describe changes as a writer's events do: a shard that says which guilds it has begins a new delta."""
    deltas = [_delta.Delta()]
    for change in changes:
        if isinstance(change, Depart) and deltas[-1]:
            deltas.append(_delta.Delta())
        draft = _draft.Draft(PACKER)
        change.describe(draft)
        draft.apply(deltas[-1])

    return deltas


def entities_of(kind: Kind, guild: str, /) -> tuple[str, ...]:
    """Return the ids that entities of a kind may have: an id is never in two guilds where it is found by itself."""
    if kind.one_per_guild:
        return (guild,)
    if kind.owned or kind is _kinds.INVITES:
        return tuple(f"{IN_GUILDS.index(kind) + 1}{GUILDS.index(guild) + 1}{number}" for number in range(4))

    return ("100", "101", "102", "103")


def scopes() -> list[tuple[Kind, str]]:
    """Return every kind in every guild, and with "" the kind that has no guilds."""
    return [*((kind, guild) for kind in IN_GUILDS for guild in GUILDS), (_kinds.MESSAGES, "")]


_FIELDS: typing.Final = strategies.dictionaries(
    strategies.sampled_from(["a", "b", "c"]), strategies.integers(0, 9) | strategies.just([]), max_size=3
)
_LIFETIMES: typing.Final = strategies.sampled_from([None, None, 0, 50_000])


@strategies.composite
def _payloads(draw: strategies.DrawFn, kind: Kind, guild: str, entity: str) -> Payload:
    payload: Payload = {"id": entity, **draw(_FIELDS)}
    if kind is _kinds.THREADS:
        # A thread stays in its channel for as long as it lives.
        payload["parent_id"] = CHANNELS[guild][int(entity) % 2]
    elif kind is _kinds.VOICE_STATES:
        payload["channel_id"] = draw(strategies.sampled_from(CHANNELS[guild]))
    elif kind is _kinds.INVITES:
        # An invite without a channel has no guild either.
        payload["channel_id"] = draw(strategies.sampled_from(CHANNELS[guild])) if guild else None

    return payload


@strategies.composite
def _sets(draw: strategies.DrawFn, kind: Kind, guild: str) -> Change:
    entity = draw(strategies.sampled_from(entities_of(kind, guild)))
    if kind is _kinds.UNAVAILABLE_GUILDS:
        return Mark(kind, guild)

    lifetime = None if kind.lifetime is None else draw(_LIFETIMES)
    return Put(kind, guild, entity, draw(_payloads(kind, guild, entity)), lifetime)


@strategies.composite
def _lays(draw: strategies.DrawFn, kind: Kind, guild: str) -> Change:
    entity = draw(strategies.sampled_from(entities_of(kind, guild)))
    if draw(strategies.booleans()):
        return Lay(kind, guild, entity, draw(_FIELDS), None)

    payload = draw(_payloads(kind, guild, entity))
    return Lay(kind, guild, entity, payload, payload)


@strategies.composite
def _replaces(draw: strategies.DrawFn, kind: Kind, guild: str) -> Change:
    ids = draw(strategies.sets(strategies.sampled_from(entities_of(kind, guild))))
    return Replace(kind, guild, {entity: draw(_payloads(kind, guild, entity)) for entity in sorted(ids)})


@strategies.composite
def _departs(draw: strategies.DrawFn) -> Change:
    guilds = frozenset(draw(strategies.sets(strategies.sampled_from(GUILDS))))
    shard_id = draw(strategies.integers(0, SHARD_COUNT - 1))
    return Depart(_kinds.GUILDS, "", _delta.Departure(shard_id, SHARD_COUNT, guilds))


@strategies.composite
def changes(draw: strategies.DrawFn, among: list[tuple[Kind, str]], *, departures: bool = True) -> Change:
    """Draw one change to some of the kinds and guilds."""
    if departures and draw(strategies.integers(0, 14)) == 0:
        return draw(_departs())

    kind, guild = draw(strategies.sampled_from(among))
    options = [_sets(kind, guild), _sets(kind, guild)]
    entity = strategies.sampled_from(entities_of(kind, guild))
    options.append(entity.map(lambda drawn: Drop(kind, guild, drawn)))
    if kind in PATCHED:
        options += [_lays(kind, guild)] * 2
    if kind.in_guild:
        options += [strategies.just(Clear(kind, guild)), strategies.just(Leave(kind, guild))]
    if kind in OF_GUILDS and kind is not _kinds.INVITES:
        options.append(_replaces(kind, guild))
    if kind in OF_CHANNELS:
        options.append(strategies.sampled_from(CHANNELS[guild]).map(lambda drawn: ClearChannel(kind, guild, drawn)))

    return draw(strategies.one_of(options))


@strategies.composite
def several_streams(draw: strategies.DrawFn, count: int, *, departures: bool = True) -> list[list[Change]]:
    """Draw several runs of changes, of which most concern the same few entities, in the order in which they happen."""
    kinds = draw(strategies.sets(strategies.sampled_from(KINDS), min_size=1, max_size=2))
    guilds = draw(strategies.sets(strategies.sampled_from(GUILDS), min_size=1, max_size=2))
    among = [(kind, guild) for kind, guild in scopes() if kind in kinds and guild in {"", *guilds}]
    stream = strategies.lists(changes(among, departures=departures), max_size=15)
    return [draw(stream) for _ in range(count)]


def streams(*, departures: bool = True) -> strategies.SearchStrategy[list[Change]]:
    """Draw changes in the order in which they happen."""
    return several_streams(1, departures=departures).map(lambda drawn: drawn[0])
