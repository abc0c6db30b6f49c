# SPDX-License-Identifier: BSD-3-Clause
"""Events as no Discord would send them, each made of a sound one and all of them of one seed."""

from __future__ import annotations

import math
import random
import typing
from collections import abc as collections

from _support import gateway
from _support import streams
from sake import testing

Value = typing.Any
Event = tuple[str, Value]

NUMBERS: typing.Final[tuple[Value, ...]] = (
    *(0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**20, 10**30, -(10**30), 10**5_000),
    *(1.5, -0.0, 1e308, 1e-320, math.inf, -math.inf, math.nan),
)
TEXTS: typing.Final[tuple[Value, ...]] = (
    *("", " ", "0", "-1", "+5", "007", "1 2", "12\n", "1e3", "0x10", "1.0", "\u0661\u0662", "\uff11\uff12", "\u00b2"),
    *("9" * 20, "9" * 21, "9" * 5_000, "null", "true", "None", "NaN", "2026-13-45T99:99:99", "0001-01-01T00:00:00Z"),
    *("abc", "x:abc", "guild", "me", "own", "*", "?", "[a]", "{1}", "}:role", "{}", "role-guilds", "..", "/", "\\"),
    *("\x00", "a\r\n$5\r\nhello", "\x7f", "\u2028", "e\u0301", "\U0001f600", "\ufeff1", "\ufffe", "\udcff", "\ud800"),
)
PLACES_ONLY: typing.Final[tuple[Value, ...]] = (None, True, False, [], {}, [None], [[]], [{}], {"": ""}, {"id": None})
NAMES: typing.Final = ("", "guild_create", "GUILD_CREATE ", "\u00dcN\u00cf", "__CLASS__", "\ud800", "X" * 1_000)
"""Names that no event has."""

_DEPTHS: typing.Final = (60, 300, 3_000)
_LARGE: typing.Final = 20_000
_OWN_SHARD: typing.Final = [0, 2]
_SURROGATES: typing.Final = range(0xD800, 0xE000)


def nested(depth: int, leaf: Value = None, /) -> Value:
    """Return lists and objects in each other."""
    for level in range(depth):
        leaf = [leaf] if level % 2 else {"id": leaf}

    return leaf


class Oddities:
    """Draws odd events: types swapped, fields missing, ids odd, garbage within, numbers huge, texts empty.

    None of them names the shard 1 of 2, so that what came through that one has to stay.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._sound = streams.HandWritten(testing.Payloads(seed=11)).events

    def events(self, count: int, /) -> list[Event]:
        """Draw so many."""
        return [self.event() for _ in range(count)]

    def event(self) -> Event:
        """Draw one. It is an object whatever is in it: hikari passes nothing else on."""
        name, payload = self._random.choice(self._sound)
        if self._chance(0.02):
            return self._random.choice(NAMES), payload

        for _ in range(self._random.choice((1, 1, 1, 2, 5))):
            payload = self._spoil_object(payload, 0.3) if payload else payload

        if name == "READY" and "shard" in payload:
            payload = {**payload, "shard": _OWN_SHARD}

        return name, payload

    def text(self) -> str:
        """Draw a text that has at least one half of a character that takes two."""
        letters = [self._random.choice("a \u00e9\u2603\U0001f600") for _ in range(self._random.randrange(6))]
        letters += [chr(self._random.choice(_SURROGATES)) for _ in range(self._random.choice((1, 1, 2)))]
        self._random.shuffle(letters)
        return "".join(letters)

    def spoil_text(self, value: Value, text: str, /) -> Value:
        """Put a text in the place of one that is somewhere within a value."""
        places = list(_texts(value))
        return _put(value, self._random.choice(places), text)

    def sample(self, count: int, most: int, /) -> list[int]:
        """Draw up to so many places of a list."""
        return sorted(self._random.sample(range(count), min(count, self._random.randint(1, most))))

    def _chance(self, part: float) -> bool:
        return self._random.random() < part

    def _spoil(self, value: Value, here: float) -> Value:
        if isinstance(value, dict) and value:
            return self._spoil_object(value, here)

        if isinstance(value, list) and value:
            return self._spoil_list(value, here)

        return self._value()

    def _spoil_object(self, value: dict[str, Value], here: float) -> dict[str, Value]:
        # Ids decide where an entity goes, so that they are spoiled as often as all the rest.
        ids = [key for key in value if "id" in key or key == "code"]
        key = self._random.choice(ids if ids and self._chance(0.4) else list(value))
        if not self._chance(here):
            return {**value, key: self._spoil(value[key], here)}

        match self._random.randrange(5):
            case 0:
                return {name: field for name, field in value.items() if name != key}
            case 1:
                return {**value, self._random.choice(TEXTS): value[key]}
            case 2:
                return {**value, key: value}
            case 3:
                return {**value, key: value[self._random.choice(list(value))]}
            case _:
                return {**value, key: self._value()}

    def _spoil_list(self, value: list[Value], here: float) -> Value:
        place = self._random.randrange(len(value))
        if not self._chance(here):
            return [*value[:place], self._spoil(value[place], here), *value[place + 1 :]]

        match self._random.randrange(4):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return [*value, *value[place:]]
            case 2:
                return {str(number): entry for number, entry in enumerate(value)}
            case _:
                return [*value[:place], self._value(), *value[place + 1 :]]

    def _value(self) -> Value:
        draw = self._random.random()
        if draw < 0.35:
            return self._random.choice(TEXTS)
        if draw < 0.6:
            return self._random.choice(NUMBERS)
        if draw < 0.9:
            return self._random.choice(PLACES_ONLY)
        if draw < 0.94:
            return nested(self._random.choice(_DEPTHS))
        if draw < 0.96:
            return "x" * _LARGE
        return self._random.choice(self._sound)[1]


def _texts(value: Value, path: tuple[Value, ...] = ()) -> collections.Iterator[tuple[Value, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, field in value.items():
            yield from _texts(field, (*path, key))
    elif isinstance(value, list):
        for place, entry in enumerate(value):
            yield from _texts(entry, (*path, place))


def _put(value: Value, path: tuple[Value, ...], leaf: Value) -> Value:
    if not path:
        return leaf

    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _put(value[path[0]], path[1:], leaf)
    return copy


class Neighbours:
    """Sound events of one guild, and what must be found of them."""

    SHARD: typing.Final = gateway.Shard(1, 2)
    GUILD: typing.Final = str((987_654_321_001 << 22) | 7)
    _FIRST: typing.Final = (987_654_400_000 << 22) | 1

    def __init__(self) -> None:
        self._make = testing.Payloads(seed=13)
        self._count = 0
        self._channel = str(self._FIRST - 1)

    def event(self) -> tuple[str, str, Event]:
        """Make the next one: the kind and the id of what it stores, and the event."""
        self._count += 1
        make, id_ = self._make, str(self._FIRST + self._count)
        here = {"guild_id": self.GUILD}
        match self._count % 7:
            case 0:
                return "member", id_, ("GUILD_MEMBER_ADD", {**make.member(user=make.user(id=id_)), **here})
            case 1:
                return "role", id_, ("GUILD_ROLE_CREATE", {**here, "role": make.role(id=id_)})
            case 2:
                return "message", id_, ("MESSAGE_CREATE", make.message(id=id_, channel_id=self._channel, **here))
            case 3:
                return "channel", id_, ("CHANNEL_CREATE", {**make.channel(id=id_), **here})
            case 4:
                return "thread", id_, ("THREAD_CREATE", {**make.thread(id=id_, parent_id=self._channel), **here})
            case 5:
                return "invite", id_, ("INVITE_CREATE", make.invite(code=id_, channel_id=self._channel, **here))
            case _:
                return "presence", id_, ("PRESENCE_UPDATE", {**make.presence(user_id=id_, status="idle"), **here})
