# SPDX-License-Identifier: BSD-3-Clause
"""What happens to one entity of each kind, event by event, and what is there to be read after each."""

from __future__ import annotations

import typing
from collections import abc as collections

import hikari

import sake
import sake.redis
from _support import gateway
from _support import samples
from sake import testing

Payload = dict[str, typing.Any]


class Step(typing.NamedTuple):
    """An event, the typed event that hikari makes of it, and what is there to be read in its listeners."""

    name: str
    payload: Payload
    typed: type[hikari.Event]
    expected: object


class Story(typing.NamedTuple):
    """What happens to one entity, and two ways to look at it: by its id, and among all."""

    get: collections.Callable[[sake.redis.RedisCache], collections.Awaitable[object]]
    among: collections.Callable[[sake.redis.RedisCache], collections.Awaitable[list[object]]]
    steps: list[Step]


GONE = "gone"


async def _one(call: collections.Awaitable[typing.Any], attribute: str) -> object:
    try:
        return getattr(await call, attribute)
    except sake.EntryNotFound:
        return GONE


async def _all(iterator: collections.AsyncIterator[typing.Any], attribute: str) -> list[object]:
    return [getattr(found, attribute) async for found in iterator]


def _story(
    kind: str,
    arguments: tuple[typing.Any, ...],
    attribute: str,
    iterator: str,
    scope: tuple[int, ...],
    steps: list[Step],
) -> Story:
    return Story(
        lambda cache: _one(getattr(cache, f"get_{kind}")(*arguments), attribute),
        lambda cache: _all(getattr(cache, iterator)(*scope), attribute),
        steps,
    )


def _stories() -> dict[str, Story]:
    make = testing.Payloads(seed=2)
    in_guild = {"guild_id": samples.GUILD}
    guild = int(samples.GUILD)
    role = make.role(id="1", name="a")
    channel = make.channel(id="2", name="a", **in_guild)
    thread = make.thread(id="3", name="a", parent_id="2", **in_guild)
    emoji, sticker = make.emoji(id="4", name="a"), make.sticker(id="5", name="a", **in_guild)
    member = make.member(user=make.user(id="6", username="a"), nick="a", **in_guild)
    renamed = {**member, "nick": "b", "user": {**member["user"], "username": "b"}}
    presence = make.presence(user_id="6", status="online", **in_guild)
    state = make.voice_state(user_id="6", channel_id="7", member=member, **in_guild)
    message = make.message(id="8", content="a", **in_guild)
    invite = make.invite(code="abc", uses=0, **in_guild)
    record = samples.guild(0, 4)
    me = make.own_user(id=str(gateway.OWN_ID), username="a")

    def update(record: Payload) -> Payload:
        return {
            name: value
            for name, value in record.items()
            if name
            not in {
                "members",
                "channels",
                "threads",
                "presences",
                "voice_states",
                "joined_at",
                "large",
                "member_count",
                "unavailable",
            }
        }

    return {
        "role": _story(
            "role",
            (1,),
            "name",
            "iter_roles_for_guild",
            (guild,),
            [
                Step("GUILD_ROLE_CREATE", {**in_guild, "role": role}, hikari.RoleCreateEvent, "a"),
                Step("GUILD_ROLE_UPDATE", {**in_guild, "role": {**role, "name": "b"}}, hikari.RoleUpdateEvent, "b"),
                Step("GUILD_ROLE_DELETE", {**in_guild, "role_id": "1"}, hikari.RoleDeleteEvent, GONE),
            ],
        ),
        "channel": _story(
            "guild_channel",
            (2,),
            "name",
            "iter_guild_channels",
            (),
            [
                Step("CHANNEL_CREATE", channel, hikari.GuildChannelCreateEvent, "a"),
                Step("CHANNEL_UPDATE", {**channel, "name": "b"}, hikari.GuildChannelUpdateEvent, "b"),
                Step("CHANNEL_DELETE", channel, hikari.GuildChannelDeleteEvent, GONE),
            ],
        ),
        "thread": _story(
            "thread",
            (3,),
            "name",
            "iter_threads_for_channel",
            (2,),
            [
                Step("THREAD_CREATE", {**thread, "newly_created": True}, hikari.GuildThreadCreateEvent, "a"),
                Step("THREAD_UPDATE", {**thread, "name": "b"}, hikari.GuildThreadUpdateEvent, "b"),
                Step(
                    "THREAD_DELETE",
                    {"id": "3", "parent_id": "2", "type": 11, **in_guild},
                    hikari.GuildThreadDeleteEvent,
                    GONE,
                ),
            ],
        ),
        "emoji": _story(
            "emoji",
            (4,),
            "name",
            "iter_emojis",
            (),
            [
                Step("GUILD_EMOJIS_UPDATE", {**in_guild, "emojis": [emoji]}, hikari.EmojisUpdateEvent, "a"),
                Step(
                    "GUILD_EMOJIS_UPDATE",
                    {**in_guild, "emojis": [{**emoji, "name": "b"}]},
                    hikari.EmojisUpdateEvent,
                    "b",
                ),
                Step("GUILD_EMOJIS_UPDATE", {**in_guild, "emojis": []}, hikari.EmojisUpdateEvent, GONE),
            ],
        ),
        "sticker": _story(
            "sticker",
            (5,),
            "name",
            "iter_stickers_for_guild",
            (guild,),
            [
                Step("GUILD_STICKERS_UPDATE", {**in_guild, "stickers": [sticker]}, hikari.StickersUpdateEvent, "a"),
                Step(
                    "GUILD_STICKERS_UPDATE",
                    {**in_guild, "stickers": [{**sticker, "name": "b"}]},
                    hikari.StickersUpdateEvent,
                    "b",
                ),
                Step("GUILD_STICKERS_UPDATE", {**in_guild, "stickers": []}, hikari.StickersUpdateEvent, GONE),
            ],
        ),
        "member": _story(
            "member",
            (guild, 6),
            "nickname",
            "iter_members",
            (),
            [
                Step("GUILD_MEMBER_ADD", member, hikari.MemberCreateEvent, "a"),
                Step("GUILD_MEMBER_UPDATE", renamed, hikari.MemberUpdateEvent, "b"),
                Step("GUILD_MEMBER_REMOVE", {**in_guild, "user": member["user"]}, hikari.MemberDeleteEvent, GONE),
            ],
        ),
        "user": _story(
            "user",
            (6,),
            "username",
            "iter_users",
            (),
            [
                Step("GUILD_MEMBER_ADD", member, hikari.MemberCreateEvent, "a"),
                Step("GUILD_MEMBER_UPDATE", renamed, hikari.MemberUpdateEvent, "b"),
            ],
        ),
        "presence": _story(
            "presence",
            (guild, 6),
            "visible_status",
            "iter_presences_for_guild",
            (guild,),
            [
                Step("PRESENCE_UPDATE", presence, hikari.PresenceUpdateEvent, hikari.Status.ONLINE),
                Step("PRESENCE_UPDATE", {**presence, "status": "idle"}, hikari.PresenceUpdateEvent, hikari.Status.IDLE),
                Step("PRESENCE_UPDATE", {**presence, "status": "offline"}, hikari.PresenceUpdateEvent, GONE),
            ],
        ),
        "voice state": _story(
            "voice_state",
            (guild, 6),
            "channel_id",
            "iter_voice_states",
            (),
            [
                Step("VOICE_STATE_UPDATE", state, hikari.VoiceStateUpdateEvent, 7),
                Step("VOICE_STATE_UPDATE", {**state, "channel_id": "8"}, hikari.VoiceStateUpdateEvent, 8),
                Step("VOICE_STATE_UPDATE", {**state, "channel_id": None}, hikari.VoiceStateUpdateEvent, GONE),
            ],
        ),
        "voice state in its channel": _story(
            "voice_state",
            (guild, 6),
            "channel_id",
            "iter_voice_states_for_channel",
            (7,),
            [
                Step("VOICE_STATE_UPDATE", state, hikari.VoiceStateUpdateEvent, 7),
                Step("VOICE_STATE_UPDATE", {**state, "self_mute": True}, hikari.VoiceStateUpdateEvent, 7),
                Step("VOICE_STATE_UPDATE", {**state, "channel_id": None}, hikari.VoiceStateUpdateEvent, GONE),
            ],
        ),
        "message": _story(
            "message",
            (8,),
            "content",
            "iter_messages",
            (),
            [
                Step("MESSAGE_CREATE", message, hikari.GuildMessageCreateEvent, "a"),
                Step("MESSAGE_UPDATE", {**message, "content": "b"}, hikari.GuildMessageUpdateEvent, "b"),
                Step(
                    "MESSAGE_DELETE",
                    {"id": "8", "channel_id": message["channel_id"], **in_guild},
                    hikari.GuildMessageDeleteEvent,
                    GONE,
                ),
            ],
        ),
        "message in bulk": _story(
            "message",
            (8,),
            "content",
            "iter_messages",
            (),
            [
                Step("MESSAGE_CREATE", message, hikari.GuildMessageCreateEvent, "a"),
                Step(
                    "MESSAGE_DELETE_BULK",
                    {"ids": ["8"], "channel_id": message["channel_id"], **in_guild},
                    hikari.GuildBulkMessageDeleteEvent,
                    GONE,
                ),
            ],
        ),
        "invite": _story(
            "invite",
            ("abc",),
            "uses",
            "iter_invites",
            (),
            [
                Step("INVITE_CREATE", invite, hikari.InviteCreateEvent, 0),
                Step("INVITE_CREATE", {**invite, "uses": 5}, hikari.InviteCreateEvent, 5),
                Step(
                    "INVITE_DELETE",
                    {"code": "abc", "channel_id": invite["channel_id"], **in_guild},
                    hikari.InviteDeleteEvent,
                    GONE,
                ),
            ],
        ),
        "guild": _story(
            "guild",
            (guild,),
            "name",
            "iter_guilds",
            (),
            [
                Step("GUILD_CREATE", record, hikari.GuildAvailableEvent, "guild 0"),
                Step("GUILD_UPDATE", {**update(record), "name": "b"}, hikari.GuildUpdateEvent, "b"),
                Step("GUILD_DELETE", {"id": samples.GUILD}, hikari.GuildLeaveEvent, GONE),
            ],
        ),
        "role of a guild": _story(
            "role",
            (1,),
            "name",
            "iter_roles",
            (),
            [
                Step("GUILD_CREATE", {**record, "roles": [{**role, "name": "a"}]}, hikari.GuildAvailableEvent, "a"),
                Step(
                    "GUILD_UPDATE", {**update(record), "roles": [{**role, "name": "b"}]}, hikari.GuildUpdateEvent, "b"
                ),
                Step("GUILD_DELETE", {"id": samples.GUILD}, hikari.GuildLeaveEvent, GONE),
            ],
        ),
        "own user": Story(
            lambda cache: _one(cache.get_me(), "username"),
            lambda cache: _all(cache.iter_users(), "username"),
            [
                Step("USER_UPDATE", me, hikari.OwnUserUpdateEvent, "a"),
                Step("USER_UPDATE", {**me, "username": "b"}, hikari.OwnUserUpdateEvent, "b"),
            ],
        ),
    }


STORIES = _stories()
