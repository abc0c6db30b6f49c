# SPDX-License-Identifier: BSD-3-Clause
"""What bots should not receive, and callers should not ask: none of it may cost a neighbour anything."""

from __future__ import annotations

import random
import typing
from collections import abc as collections

from simulation import events as events_

Payload = dict[str, typing.Any]

IDS: typing.Final = (
    "\ud800",
    "abc",
    "",
    "1" * 5_000,
    "１２３",  # noqa: RUF001 - digits that are no decimal ASCII
    "-5",
    "12:34",
    "1 2",
    None,
    [],
)
TEXTS: typing.Final = ("\ud800", "a\udfffb", "\x00", "﷽", "{1}", "\r\n")


def event(number: int, stream: events_.Stream) -> events_.Event:
    """Make an event that cannot be used."""
    chance = random.Random(number)
    here, bad = {"guild_id": events_.TOWER}, chance.choice(IDS)
    role = stream.by_hand("role", 150, chance.choice(TEXTS[:2]))
    member = stream.by_hand("member", 150, "x")
    message = {**stream.by_hand("message", 150, "x"), "guild_id": events_.TOWER}
    choices: collections.Sequence[tuple[str, Payload]] = (
        ("GUILD_ROLE_CREATE", {**here, "role": {**role, "id": bad, "name": "x"}}),
        ("GUILD_ROLE_CREATE", {**here, "role": role}),
        ("GUILD_ROLE_UPDATE", {"guild_id": bad, "role": {**role, "name": "x"}}),
        ("GUILD_ROLE_DELETE", {**here, "role_id": bad}),
        ("GUILD_ROLE_DELETE", {**here}),
        ("GUILD_MEMBER_ADD", {**here, **{name: value for name, value in member.items() if name != "user"}}),
        ("GUILD_MEMBER_ADD", {**here, **member, "user": {**member["user"], "id": bad}}),
        ("GUILD_MEMBER_REMOVE", {"guild_id": bad, "user": member["user"]}),
        ("MESSAGE_CREATE", {**message, "id": bad}),
        ("MESSAGE_UPDATE", {**here, "id": bad, "content": "x"}),
        ("GUILD_DELETE", {"id": bad}),
        ("GUILD_CREATE", {**stream._empty(events_.TOWER), "id": bad}),
        ("GUILD_EMOJIS_UPDATE", {"guild_id": bad, "emojis": []}),
        ("PRESENCE_UPDATE", {**here, "user": {"id": bad}, "status": "online"}),
        ("INVITE_CREATE", {**here, "code": "\ud800", "channel_id": "1", "created_at": "2020", "max_age": 0}),
        ("THREAD_CREATE", {**here, "id": str(int(events_.TOWER) | 77), "type": 11}),
        ("CHANNEL_DELETE", {"guild_id": bad, "id": bad, "type": 0}),
    )
    name, payload = chance.choice(choices)
    return name, payload, events_.shard_of(events_.TOWER)


def lookups(number: int) -> tuple[str, tuple[typing.Any, ...]]:
    """Return the name and the arguments of a call with something that is no id."""
    chance = random.Random(number)
    bad = chance.choice(("\ud800", "abc", "", "1" * 5_000, -5, 2**70, 1.5, None))
    return chance.choice(
        (
            ("get_role", (bad,)),
            ("get_member", (bad, 1)),
            ("get_member", (1, bad)),
            ("get_message", (bad,)),
            ("get_guild", (bad,)),
            ("get_invite", (chance.choice(("\ud800", "", "x:abc", "é")),)),
            ("delete_role", (bad,)),
            ("get_user", (bad,)),
        )
    )
