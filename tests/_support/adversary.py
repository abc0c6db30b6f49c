# SPDX-License-Identifier: BSD-3-Clause
"""Streams that a bot could receive in theory: few ids, so that everything collides with everything.

An event is made of a number and of the messages so far. Other numbers always give a valid stream too, which
lets hypothesis shrink one.
"""

from __future__ import annotations

import random
import typing

import hikari

from _support import gateway
from _support import streams
from sake import _names
from sake import testing

Payload = dict[str, typing.Any]
Event = tuple[str, Payload, gateway.Shard]

SHARDS: typing.Final = (gateway.Shard(0, 2), gateway.Shard(1, 2))

_GUILDS: typing.Final = 3
_NAMES: typing.Final = ("amber", "birch", "cedar", "dune")
_WHEN: typing.Final = "2026-01-01T00:00:0{}.000000+00:00"
_CHANNEL_TYPES: typing.Final = (
    hikari.ChannelType.GUILD_TEXT,
    hikari.ChannelType.GUILD_VOICE,
    hikari.ChannelType.GUILD_CATEGORY,
    hikari.ChannelType.GUILD_FORUM,
    streams.UNKNOWN_TYPE,
)


def _id(guild: int, kind: int, number: int) -> str:
    return str(((guild + 1_000) << 22) | (kind << 8) | (number + 1))


GUILD_IDS: typing.Final = tuple(_id(guild, 0, 0) for guild in range(_GUILDS))
"""Of the guilds, two belong to the first shard and one to the second."""


class Adversary:
    """Draws events."""

    def __init__(self) -> None:
        builder = testing.Payloads(seed=3)
        self._messages: dict[str, Payload] = {}
        self._own_user = builder.own_user(id=str(gateway.OWN_ID))
        self._users = [builder.user(id=_id(900, 0, number)) for number in range(4)]
        self._member = {**builder.member(), "premium_since": None}
        self._role = builder.role()
        self._emoji = builder.emoji()
        self._sticker = builder.sticker()
        self._presence = builder.presence()
        self._voice_state = builder.voice_state()
        self._channels = {int(kind): builder.channel(type=kind) for kind in _CHANNEL_TYPES}
        self._thread = builder.thread()
        self._thread_member = builder.thread_member(user_id=str(gateway.OWN_ID))
        self._invite = builder.invite()
        self._message = builder.message()
        self._embed = builder.embed()
        self._attachment = builder.attachment()
        self._buttons = builder.button_row()
        self._reaction = builder.reaction()
        self._guild = builder.guild(members=[])
        self._random = random.Random()
        self._draws = [draw for draw, weight in _WEIGHTS.items() for _ in range(weight)]

    def event(self, number: int, /) -> Event:
        """Draw the event of a number; that of 0 has no effect."""
        if not number:
            return "RESUMED", {"_trace": []}, SHARDS[0]

        self._random.seed(number)
        draw = self._pick(self._draws)
        guild = self._below(_GUILDS)
        name, payload = draw(self, guild)
        shard = SHARDS[(int(GUILD_IDS[guild]) >> 22) % 2]
        return name, payload, shard

    def _below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def _pick(self, options: typing.Sequence[typing.Any]) -> typing.Any:
        return options[self._below(len(options))]

    def _some(self, build: typing.Callable[[int, int], Payload], guild: int, limit: int) -> list[Payload]:
        return [build(guild, number) for number in range(limit) if self._random.random() < 0.5]

    def _name(self) -> str:
        return f"{self._pick(_NAMES)}-{self._below(10)}"

    def _when(self) -> str:
        return _WHEN.format(self._below(10))

    def _build_user(self, number: int) -> Payload:
        return {**self._users[number], "global_name": self._pick((None, *_NAMES))}

    def _build_member(self, _: int, number: int) -> Payload:
        role = _id(0, 1, self._below(3))
        nick = self._pick((None, *_NAMES))
        return {**self._member, "user": self._build_user(number), "nick": nick, "roles": self._pick(([], [role]))}

    def _build_role(self, guild: int, number: int) -> Payload:
        return {**self._role, "id": _id(guild, 1, number), "name": self._name(), "position": self._below(5)}

    def _build_emoji(self, guild: int, number: int) -> Payload:
        return {**self._emoji, "id": _id(guild, 2, number), "name": self._name(), "user": self._build_user(0)}

    def _build_sticker(self, guild: int, number: int) -> Payload:
        ids = {"id": _id(guild, 3, number), "guild_id": GUILD_IDS[guild]}
        return {**self._sticker, **ids, "name": self._name(), "description": self._pick((None, "words"))}

    def _build_presence(self, _: int, number: int) -> Payload:
        status = self._pick(("online", "idle", "dnd", "offline"))
        return {**self._presence, "user": {"id": self._users[number]["id"]}, "status": status}

    def _build_channel(self, guild: int, number: int) -> Payload:
        kind = int(_CHANNEL_TYPES[min(number, 3)]) if self._below(8) else streams.UNKNOWN_TYPE
        return {**self._channels[kind], "id": _id(guild, 4, number), "name": self._name()}

    def _build_thread(self, guild: int, number: int) -> Payload:
        # A thread never moves to another channel.
        parent = _id(guild, 4, (0, 3, 0)[number])
        thread = {**self._thread, "id": _id(guild, 5, number), "parent_id": parent, "name": self._name()}
        return {**thread, "member_count": self._below(50)}

    def _build_joined_thread(self, guild: int, number: int) -> Payload:
        thread = self._build_thread(guild, number)
        if self._below(2):
            thread["member"] = {"join_timestamp": self._when(), "flags": self._below(4)}

        return thread

    def _build_voice_state(self, guild: int, number: int) -> Payload:
        place = {"user_id": self._users[number]["id"], "channel_id": _id(guild, 4, self._below(4))}
        return {**self._voice_state, **place, "self_mute": bool(self._below(2))}

    def _build_own_thread_member(self, guild: int, number: int) -> Payload:
        member = {"id": _id(guild, 5, number), "join_timestamp": self._when(), "flags": self._below(4)}
        return {**self._thread_member, **member}

    def _build_message(self, guild: int, number: int) -> Payload:
        place = {"id": _id(guild, 6, number), "channel_id": _id(guild, 4, 0), "guild_id": GUILD_IDS[guild]}
        member = self._build_member(guild, number)
        message = {**self._message, **place, "author": member.pop("user"), "content": self._name(), "member": member}
        if self._below(2):
            message["mentions"] = [self._build_user(self._below(4))]
        if number and not self._below(3):
            # A reply only ever answers a message with a smaller id, or hikari's cache would never come to an end.
            other = self._messages.get(_id(guild, 6, self._below(number)))
            kept = {"guild_id", "member", "referenced_message"}
            message["referenced_message"] = other and {key: value for key, value in other.items() if key not in kept}

        return message

    def _guild_create(self, guild: int) -> tuple[str, Payload]:
        here = GUILD_IDS[guild]
        if not self._below(6):
            return "GUILD_CREATE", {"id": here, "unavailable": True}

        lists: dict[str, list[Payload]] = {
            "channels": self._some(self._build_channel, guild, 4),
            "emojis": self._some(self._build_emoji, guild, 2),
            "members": self._some(self._build_member, guild, 4),
            "presences": self._some(self._build_presence, guild, 4),
            "roles": self._some(self._build_role, guild, 3),
            "stickers": self._some(self._build_sticker, guild, 2),
            "threads": self._some(self._build_joined_thread, guild, 3),
            "voice_states": self._some(self._build_voice_state, guild, 4),
        }
        payload = {**self._guild, "id": here, "name": self._name(), "member_count": self._below(9), **lists}
        if not self._below(3):
            payload[self._pick(_names.LISTS)] = []
        if not self._below(3):
            del payload[self._pick(_names.LISTS)]
        if not self._below(3):
            del payload["unavailable"]

        return "GUILD_CREATE", payload

    def _guild_update(self, guild: int) -> tuple[str, Payload]:
        payload = streams.guild_update(self._guild, id=GUILD_IDS[guild], name=self._name())
        for name, build in (
            ("emojis", self._build_emoji),
            ("roles", self._build_role),
            ("stickers", self._build_sticker),
        ):
            payload[name] = self._some(build, guild, 2)
            if not self._below(4):
                del payload[name]

        return "GUILD_UPDATE", payload

    def _guild_delete(self, guild: int) -> tuple[str, Payload]:
        outage = {} if self._below(2) else {"unavailable": True}
        return "GUILD_DELETE", {"id": GUILD_IDS[guild], **outage}

    def _ready(self, guild: int) -> tuple[str, Payload]:
        shard = SHARDS[(int(GUILD_IDS[guild]) >> 22) % 2]
        own = [here for here in GUILD_IDS if (int(here) >> 22) % 2 == shard.id]
        listed = [here for here in own if self._below(3)]
        user = {**self._own_user, "username": self._name()}
        return "READY", streams.ready(user, listed, shard=(shard.id, 2))

    def _user_update(self, _: int) -> tuple[str, Payload]:
        return "USER_UPDATE", {**self._own_user, "username": self._name()}

    def _role(self, guild: int) -> tuple[str, Payload]:
        name = self._pick(("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE"))
        return name, {"guild_id": GUILD_IDS[guild], "role": self._build_role(guild, self._below(3))}

    def _role_delete(self, guild: int) -> tuple[str, Payload]:
        return "GUILD_ROLE_DELETE", {"guild_id": GUILD_IDS[guild], "role_id": _id(guild, 1, self._below(3))}

    def _emojis(self, guild: int) -> tuple[str, Payload]:
        emojis = self._some(self._build_emoji, guild, 2)
        return "GUILD_EMOJIS_UPDATE", {"guild_id": GUILD_IDS[guild], "emojis": emojis}

    def _stickers(self, guild: int) -> tuple[str, Payload]:
        stickers = self._some(self._build_sticker, guild, 2)
        return "GUILD_STICKERS_UPDATE", {"guild_id": GUILD_IDS[guild], "stickers": stickers}

    def _member_set(self, guild: int) -> tuple[str, Payload]:
        name = self._pick(("GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE"))
        return name, {**self._build_member(guild, self._below(4)), "guild_id": GUILD_IDS[guild]}

    def _member_remove(self, guild: int) -> tuple[str, Payload]:
        return "GUILD_MEMBER_REMOVE", {"guild_id": GUILD_IDS[guild], "user": self._build_user(self._below(4))}

    def _chunk(self, guild: int) -> tuple[str, Payload]:
        members = self._some(self._build_member, guild, 4)
        count = 1 + self._below(2)
        payload = {
            "guild_id": GUILD_IDS[guild],
            "members": members,
            "chunk_index": self._below(count),
            "chunk_count": count,
        }
        if self._below(2):
            payload["presences"] = self._some(self._build_presence, guild, 4)

        return "GUILD_MEMBERS_CHUNK", payload

    def _presence_update(self, guild: int) -> tuple[str, Payload]:
        presence = self._build_presence(guild, self._below(4))
        return "PRESENCE_UPDATE", {**presence, "guild_id": GUILD_IDS[guild]}

    def _voice_state_update(self, guild: int) -> tuple[str, Payload]:
        number = self._below(4)
        state = {**self._build_voice_state(guild, number), "guild_id": GUILD_IDS[guild]}
        if not self._below(3):
            state["channel_id"] = None
        if self._below(4):
            state["member"] = self._build_member(guild, number)

        return "VOICE_STATE_UPDATE", state

    def _channel(self, guild: int) -> tuple[str, Payload]:
        name = self._pick(("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"))
        return name, {**self._build_channel(guild, self._below(4)), "guild_id": GUILD_IDS[guild]}

    def _pins(self, guild: int) -> tuple[str, Payload]:
        channel = self._pick((_id(guild, 4, self._below(4)), _id(guild, 5, self._below(3))))
        pinned = self._pick((None, self._when()))
        return "CHANNEL_PINS_UPDATE", {
            "guild_id": GUILD_IDS[guild],
            "channel_id": channel,
            "last_pin_timestamp": pinned,
        }

    def _thread_set(self, guild: int) -> tuple[str, Payload]:
        number = self._below(3)
        thread = {**self._build_thread(guild, number), "guild_id": GUILD_IDS[guild]}
        if self._below(2):
            return "THREAD_UPDATE", thread
        if self._below(2):
            thread["member"] = self._build_own_thread_member(guild, number)

        return "THREAD_CREATE", thread

    def _thread_gone(self, guild: int) -> tuple[str, Payload]:
        thread = {"id": _id(guild, 5, self._below(3)), "guild_id": GUILD_IDS[guild]}
        if self._below(2):
            return "THREAD_DELETE", {**thread, "parent_id": _id(guild, 4, 0), "type": 11}

        removed = self._pick((str(gateway.OWN_ID), self._users[0]["id"]))
        return "THREAD_MEMBERS_UPDATE", {**thread, "member_count": 4, "removed_member_ids": [removed]}

    def _own_thread_member(self, guild: int) -> tuple[str, Payload]:
        member = self._build_own_thread_member(guild, self._below(3))
        return "THREAD_MEMBER_UPDATE", {**member, "guild_id": GUILD_IDS[guild]}

    def _thread_sync(self, guild: int) -> tuple[str, Payload]:
        threads = self._some(self._build_thread, guild, 3)
        members = self._some(self._build_own_thread_member, guild, 3)
        payload: Payload = {"guild_id": GUILD_IDS[guild], "threads": threads, "members": members}
        if self._below(2):
            payload["channel_ids"] = [_id(guild, 4, number) for number in range(4) if self._below(2)]

        return "THREAD_LIST_SYNC", payload

    def _invite_create(self, guild: int) -> tuple[str, Payload]:
        place = {"guild_id": GUILD_IDS[guild], "channel_id": _id(guild, 4, self._below(4))}
        invite = {**self._invite, **place, "code": f"code-{guild}{self._below(3)}", "uses": self._below(9)}
        if not self._below(4):
            invite["created_at"] = "2020-01-01T00:00:00.000000+00:00"
        if not self._below(4):
            invite["max_age"] = 0
        if self._below(2):
            invite["inviter"] = self._build_user(self._below(4))

        return "INVITE_CREATE", invite

    def _invite_delete(self, guild: int) -> tuple[str, Payload]:
        place = {"guild_id": GUILD_IDS[guild], "channel_id": _id(guild, 4, self._below(4))}
        return "INVITE_DELETE", {**place, "code": f"code-{guild}{self._below(3)}"}

    def _message_create(self, guild: int) -> tuple[str, Payload]:
        message = self._build_message(guild, self._below(4))
        self._messages[message["id"]] = message
        return "MESSAGE_CREATE", message

    def _message_update(self, guild: int) -> tuple[str, Payload]:
        place = {"id": _id(guild, 6, self._below(4)), "channel_id": _id(guild, 4, 0), "guild_id": GUILD_IDS[guild]}
        changes = {
            "attachments": self._pick(([], [self._attachment])),
            "components": self._pick(([], [self._buttons])),
            "content": self._name(),
            "edited_timestamp": self._when(),
            "embeds": self._pick(([], [self._embed])),
            "flags": self._below(8),
            "mention_everyone": bool(self._below(2)),
            "mention_roles": self._pick(([], [_id(guild, 1, 0)])),
            "mentions": self._pick(([], [self._build_user(self._below(4))])),
            "pinned": bool(self._below(2)),
            "reactions": self._pick(([], [self._reaction])),
        }
        update = {**place, **{name: value for name, value in changes.items() if self._below(2)}}
        if update["id"] in self._messages:
            self._messages[update["id"]] = {**self._messages[update["id"]], **update}

        return "MESSAGE_UPDATE", update

    def _message_delete(self, guild: int) -> tuple[str, Payload]:
        place = {"channel_id": _id(guild, 4, 0), "guild_id": GUILD_IDS[guild]}
        ids = [_id(guild, 6, number) for number in range(4) if self._below(2)]
        if self._below(2) and ids:
            return "MESSAGE_DELETE_BULK", {**place, "ids": ids}

        return "MESSAGE_DELETE", {**place, "id": _id(guild, 6, self._below(4))}

    def _interaction(self, guild: int) -> tuple[str, Payload]:
        member = self._build_member(guild, self._below(4))
        return "TYPING_START", {
            "channel_id": _id(guild, 4, 0),
            "guild_id": GUILD_IDS[guild],
            "user_id": member["user"]["id"],
            "timestamp": 1_700_000_000,
            "member": member,
        }


_WEIGHTS: typing.Final = {
    Adversary._channel: 5,
    Adversary._chunk: 3,
    Adversary._emojis: 2,
    Adversary._guild_create: 5,
    Adversary._guild_delete: 2,
    Adversary._guild_update: 3,
    Adversary._interaction: 1,
    Adversary._invite_create: 4,
    Adversary._invite_delete: 2,
    Adversary._member_remove: 3,
    Adversary._member_set: 5,
    Adversary._message_create: 6,
    Adversary._message_delete: 3,
    Adversary._message_update: 6,
    Adversary._own_thread_member: 2,
    Adversary._pins: 3,
    Adversary._presence_update: 6,
    Adversary._ready: 1,
    Adversary._role: 4,
    Adversary._role_delete: 2,
    Adversary._stickers: 2,
    Adversary._thread_gone: 3,
    Adversary._thread_set: 5,
    Adversary._thread_sync: 2,
    Adversary._user_update: 1,
    Adversary._voice_state_update: 7,
}
"""How often each kind of event is drawn."""


def every_id() -> dict[str, list[typing.Any]]:
    """Return the ids that a stream can have, by the names of the kinds in `_support.snapshots`."""
    users = [int(_id(900, 0, number)) for number in range(4)]
    found: dict[str, list[typing.Any]] = {"invites": [], "messages": []}
    for guild, guild_id in enumerate(GUILD_IDS):
        here = int(guild_id)
        for name, kind, limit in (
            ("roles", 1, 3),
            ("emojis", 2, 2),
            ("stickers", 3, 2),
            ("channels", 4, 4),
            ("threads", 5, 3),
        ):
            found.setdefault(name, []).extend((here, int(_id(guild, kind, number))) for number in range(limit))
        for name in ("members", "presences", "voice states"):
            found.setdefault(name, []).extend((here, user) for user in users)
        found["messages"] += [int(_id(guild, 6, number)) for number in range(4)]
        found["invites"] += [f"code-{guild}{number}" for number in range(3)]

    return found
