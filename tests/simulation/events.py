# SPDX-License-Identifier: BSD-3-Clause
"""What bots receive: the adversary's events, and guilds of which every state can be told from every other.

* **Square** is only ever sent whole. Each entity in it carries the number of that time, and how many of its kind there
  were: half a guild can be seen from any two of them.
* **Tower** has beacons: a few entities that change all the time, each time with a number of its own. Whoever reads one
  knows how old the answer is.
* **Crowd** is larger than what is sent of it, so its members are asked for, in chunks.
* **Hand** is never sent: it is written by hand.
"""

from __future__ import annotations

import random
import typing
from collections import abc as collections

import orjson
from _support import adversary
from _support import gateway
from _support import streams

from sake import _names
from sake import testing

Payload = dict[str, typing.Any]
Event = tuple[str, Payload, gateway.Shard]
Beacon = tuple[str, str]
"""A kind, and an id."""

SQUARE, TOWER, CROWD, HAND = (str(number << 22) for number in (5_000, 5_002, 5_004, 5_006))
SPECIAL: typing.Final = (SQUARE, TOWER, CROWD, HAND)
CHUNK: typing.Final = 4
"""How many members a chunk has."""

QUERY: typing.Final = 3
"""How many members answer a query at most."""

SQUARE_LISTS: typing.Final = _names.LISTS


def _id(guild: str, place: int, number: int) -> str:
    return str(int(guild) | (place << 8) | (number + 1))


BEACONS: typing.Final[tuple[Beacon, ...]] = (
    *(("role", _id(TOWER, 1, number)) for number in range(2)),
    *(("member", _id(TOWER, 2, number)) for number in range(2)),
    *(("message", _id(TOWER, 6, number)) for number in range(3)),
)
CROWD_MEMBERS: typing.Final = tuple(_id(CROWD, 2, number) for number in range(12))


class Stream:
    """Makes the events of one story. What it makes depends on what it made before only where that is said."""

    def __init__(self) -> None:
        builder = testing.Payloads(seed=7)
        self._adversary = adversary.Adversary()
        self._builder = builder
        self._guild = builder.guild(members=[])
        self._channel = builder.channel()
        self._emoji = builder.emoji()
        self._member = {**builder.member(), "premium_since": None, "roles": []}
        self._message = builder.message()
        self._embed = builder.embed()
        self._presence = builder.presence()
        self._role = builder.role()
        self._sticker = builder.sticker()
        self._thread = builder.thread()
        self._user = builder.user()
        self._voice_state = builder.voice_state()
        self._own_user = builder.own_user(id=str(gateway.OWN_ID))
        self.generation = 0
        """How often something that carries a number was made."""
        self.crowd: set[str] = set(CROWD_MEMBERS[:9])
        """Who is in the crowd."""

    def adversary(self, number: int) -> Event:
        """Draw an event that may be anything."""
        name, payload, shard = self._adversary.event(number)
        if name == "READY":
            own = [guild for guild in SPECIAL if (int(guild) >> 22) % 2 == shard.id]
            payload["guilds"] += [{"id": guild, "unavailable": True} for guild in own]
        return name, payload, shard

    def heal(self) -> collections.Iterator[Event]:
        """Send every guild whole, as after a new start."""
        drawn = self._adversary
        for number, guild in enumerate(adversary.GUILD_IDS):
            drawn._random.seed(number)
            lists = {
                "channels": [drawn._build_channel(number, place) for place in range(4)],
                "emojis": [drawn._build_emoji(number, place) for place in range(2)],
                "members": [drawn._build_member(number, place) for place in range(4)],
                "presences": [],
                "roles": [drawn._build_role(number, place) for place in range(3)],
                "stickers": [drawn._build_sticker(number, place) for place in range(2)],
                "threads": [drawn._build_joined_thread(number, place) for place in range(3)],
                "voice_states": [drawn._build_voice_state(number, place) for place in range(4)],
            }
            yield "GUILD_CREATE", {**drawn._guild, "id": guild, "member_count": 4, **lists}, shard_of(guild)
        yield self.square(0)
        yield "GUILD_CREATE", self._empty(TOWER), shard_of(TOWER)
        everybody = {"members": list(map(self._crowd_member, sorted(self.crowd))), "member_count": len(self.crowd)}
        yield "GUILD_CREATE", {**self._empty(CROWD), **everybody}, shard_of(CROWD)

    def ready(self) -> collections.Iterator[Event]:
        """Say for each shard which guilds it has."""
        for shard in adversary.SHARDS:
            own = [guild for guild in (*adversary.GUILD_IDS, *SPECIAL) if (int(guild) >> 22) % 2 == shard.id]
            yield "READY", streams.ready(self._own_user, own, shard=(shard.id, 2)), shard

    def square(self, number: int, *, weight: int = 0) -> Event:
        """Send the square whole: `weight` is how many bytes each member takes besides."""
        chance = random.Random(number)
        lists: dict[str, list[Payload]] = {}
        sizes = {name: 1 + chance.randrange(5) for name in SQUARE_LISTS}
        if weight:
            sizes["members"] = 90
        self.generation += 1
        for place, name in enumerate(SQUARE_LISTS):
            stamp = f"sq.{self.generation}.{sizes[name]}"
            lists[name] = [self._in_square(name, place, each, stamp, weight) for each in range(sizes[name])]
        counted = {"member_count": sizes["members"], "unavailable": False, "name": f"sq.{self.generation}.1"}
        return "GUILD_CREATE", {**self._guild, "id": SQUARE, **counted, **lists}, shard_of(SQUARE)

    def _in_square(self, name: str, place: int, number: int, stamp: str, weight: int) -> Payload:
        own, user = {"id": _id(SQUARE, place, number), "name": stamp}, _id(SQUARE, 20, number)
        if name == "members":
            member = {**self._member, "user": {**self._user, "id": user}, "nick": stamp}
            return {**member, "pad": "x" * weight} if weight else member
        if name == "presences":
            activity = {"name": stamp, "type": 0, "created_at": 1}
            return {**self._presence, "user": {"id": user}, "status": "online", "activities": [activity]}
        if name == "voice_states":
            return {**self._voice_state, "user_id": user, "channel_id": _id(SQUARE, 0, 0), "session_id": stamp}
        templates = {
            "channels": self._channel,
            "emojis": self._emoji,
            "roles": self._role,
            "stickers": {**self._sticker, "guild_id": SQUARE},
            "threads": {**self._thread, "parent_id": _id(SQUARE, 0, 0)},
        }
        return {**templates[name], **own}

    def _empty(self, guild: str) -> Payload:
        lists: dict[str, list[Payload]] = {name: [] for name in SQUARE_LISTS}
        return {**self._guild, "id": guild, "member_count": 0, "unavailable": False, **lists}

    def beacon(self, place: int, act: str) -> tuple[Event, Beacon, str | None]:
        """Set, change or delete a beacon; what it shows from then on is returned too."""
        beacon = kind, entity = BEACONS[place]
        self.generation += 1
        stamp = f"b.{self.generation}"
        here = {"guild_id": TOWER}
        if kind == "role":
            if act == "delete":
                return self._to_tower("GUILD_ROLE_DELETE", {**here, "role_id": entity}), beacon, None
            role = {**self._role, "id": entity, "name": stamp}
            return self._to_tower("GUILD_ROLE_UPDATE", {**here, "role": role}), beacon, stamp
        if kind == "member":
            user = {**self._user, "id": entity}
            if act == "delete":
                return self._to_tower("GUILD_MEMBER_REMOVE", {**here, "user": user}), beacon, None
            member = {**self._member, **here, "user": user, "nick": stamp}
            return self._to_tower("GUILD_MEMBER_UPDATE", member), beacon, stamp

        place_of = {**here, "id": entity, "channel_id": _id(TOWER, 4, 0)}
        if act == "delete":
            return self._to_tower("MESSAGE_DELETE", place_of), beacon, None
        embeds: list[Payload] = [dict(self._embed)]
        if act == "change":
            return self._to_tower("MESSAGE_UPDATE", {**place_of, "content": stamp, "embeds": embeds}), beacon, stamp
        message = {**self._message, **place_of, "content": stamp, "embeds": embeds}
        return self._to_tower("MESSAGE_CREATE", message), beacon, stamp

    def crowd_event(self, act: str, number: int) -> Event:
        """Make an event of the crowd: it is created, comes in chunks, is asked for in part, or changes."""
        here, everybody = {"guild_id": CROWD}, sorted(self.crowd)
        if act == "create":
            sent = [self._crowd_member(user) for user in everybody[:1]]
            payload = {**self._empty(CROWD), "member_count": len(everybody), "members": sent}
            return "GUILD_CREATE", payload, shard_of(CROWD)
        if act == "chunk":
            # Who is in which part does not depend on who joins or leaves between them.
            count = -(-len(CROWD_MEMBERS) // CHUNK)
            index = number % count
            members = [user for user in CROWD_MEMBERS[index * CHUNK : (index + 1) * CHUNK] if user in self.crowd]
        elif act == "query":
            index, count, members = 0, 1, everybody[: 1 + number % QUERY]
        else:
            user = CROWD_MEMBERS[number % len(CROWD_MEMBERS)]
            member = {**self._crowd_member(user), **here}
            if user in self.crowd:
                self.crowd.discard(user)
                return self._to_crowd("GUILD_MEMBER_REMOVE", {**here, "user": member["user"]})
            self.crowd.add(user)
            return self._to_crowd("GUILD_MEMBER_ADD", member)

        chunk = {"members": list(map(self._crowd_member, members)), "chunk_index": index, "chunk_count": count}
        return self._to_crowd("GUILD_MEMBERS_CHUNK", {**here, **chunk})

    def nothing(self, number: int) -> Event:
        """Make an event that changes nothing in most caches."""
        channel, here = {"channel_id": _id(TOWER, 4, 200)}, {"guild_id": TOWER}
        name, payload = (
            ("TYPING_START", {**channel, "user_id": _id(TOWER, 2, 200), "timestamp": 1_700_000_000}),
            ("THREAD_MEMBERS_UPDATE", {**here, "id": _id(TOWER, 5, 200), "member_count": 3}),
            ("CHANNEL_PINS_UPDATE", {**channel, **here, "last_pin_timestamp": None}),
            ("MESSAGE_DELETE", {**channel, **here, "id": _id(TOWER, 6, 200)}),
        )[number % 4]
        return name, payload, shard_of(TOWER)

    def by_hand(self, kind: str, number: int, stamp: str) -> Payload:
        """Build what is stored by hand."""
        entity = _id(HAND, 1, number)
        if kind == "role":
            return {**self._role, "id": entity, "name": stamp}
        if kind == "member":
            return {**self._member, "user": {**self._user, "id": entity}, "nick": stamp}
        return {**self._message, "id": entity, "channel_id": _id(HAND, 4, 0), "guild_id": HAND, "content": stamp}

    def _crowd_member(self, user: str) -> Payload:
        return {**self._member, "user": {**self._user, "id": user}}

    @staticmethod
    def _to_tower(name: str, payload: Payload) -> Event:
        return name, payload, shard_of(TOWER)

    @staticmethod
    def _to_crowd(name: str, payload: Payload) -> Event:
        return name, payload, shard_of(CROWD)


def shard_of(guild: str) -> gateway.Shard:
    """Return the shard that a guild's events come through."""
    return adversary.SHARDS[(int(guild) >> 22) % 2]


def copy_of(payload: Payload) -> Payload:
    """Return what another bot receives of an event."""
    try:
        return typing.cast("Payload", orjson.loads(orjson.dumps(payload)))
    except TypeError:
        return dict(payload)


def spoil(payload: Payload) -> None:
    """Change a payload in depth, as a careless listener does after the fact."""
    for value in list(payload.values()):
        if isinstance(value, list):
            value.append(dict(value[0]) if value and isinstance(value[0], dict) else "spoilt")
        elif isinstance(value, dict):
            value["spoilt"] = True
