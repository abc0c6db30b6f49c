# SPDX-License-Identifier: BSD-3-Clause
"""What a bot gets to see, by the intents it has declared."""

from __future__ import annotations

__all__ = ["fit_guild", "is_wanted"]

import typing
from collections import abc as collections

import hikari

from .._payloads.source import Payload

_Mapping: typing.TypeAlias = collections.Mapping[str, typing.Any]

_GUILD: typing.Final[dict[hikari.Intents, str]] = {
    hikari.Intents.GUILDS: (
        "GUILD_CREATE GUILD_UPDATE GUILD_DELETE GUILD_ROLE_CREATE GUILD_ROLE_UPDATE GUILD_ROLE_DELETE CHANNEL_CREATE "
        "CHANNEL_UPDATE CHANNEL_DELETE CHANNEL_PINS_UPDATE THREAD_CREATE THREAD_UPDATE THREAD_DELETE THREAD_LIST_SYNC "
        "THREAD_MEMBER_UPDATE STAGE_INSTANCE_CREATE STAGE_INSTANCE_UPDATE STAGE_INSTANCE_DELETE"
    ),
    hikari.Intents.GUILD_MEMBERS: "GUILD_MEMBER_ADD GUILD_MEMBER_UPDATE GUILD_MEMBER_REMOVE THREAD_MEMBERS_UPDATE",
    hikari.Intents.GUILD_MODERATION: "GUILD_BAN_ADD GUILD_BAN_REMOVE GUILD_AUDIT_LOG_ENTRY_CREATE",
    hikari.Intents.GUILD_EMOJIS: (
        "GUILD_EMOJIS_UPDATE GUILD_STICKERS_UPDATE GUILD_SOUNDBOARD_SOUND_CREATE GUILD_SOUNDBOARD_SOUND_UPDATE "
        "GUILD_SOUNDBOARD_SOUND_DELETE GUILD_SOUNDBOARD_SOUNDS_UPDATE"
    ),
    hikari.Intents.GUILD_INTEGRATIONS: (
        "GUILD_INTEGRATIONS_UPDATE INTEGRATION_CREATE INTEGRATION_UPDATE INTEGRATION_DELETE"
    ),
    hikari.Intents.GUILD_WEBHOOKS: "WEBHOOKS_UPDATE",
    hikari.Intents.GUILD_INVITES: "INVITE_CREATE INVITE_DELETE",
    hikari.Intents.GUILD_VOICE_STATES: "VOICE_STATE_UPDATE VOICE_CHANNEL_STATUS_UPDATE VOICE_CHANNEL_START_TIME_UPDATE",
    hikari.Intents.GUILD_PRESENCES: "PRESENCE_UPDATE",
    hikari.Intents.GUILD_MESSAGES: "MESSAGE_CREATE MESSAGE_UPDATE MESSAGE_DELETE MESSAGE_DELETE_BULK",
    hikari.Intents.GUILD_MESSAGE_REACTIONS: (
        "MESSAGE_REACTION_ADD MESSAGE_REACTION_REMOVE MESSAGE_REACTION_REMOVE_ALL MESSAGE_REACTION_REMOVE_EMOJI"
    ),
    hikari.Intents.GUILD_MESSAGE_TYPING: "TYPING_START",
    hikari.Intents.GUILD_SCHEDULED_EVENTS: (
        "GUILD_SCHEDULED_EVENT_CREATE GUILD_SCHEDULED_EVENT_UPDATE GUILD_SCHEDULED_EVENT_DELETE "
        "GUILD_SCHEDULED_EVENT_USER_ADD GUILD_SCHEDULED_EVENT_USER_REMOVE"
    ),
    hikari.Intents.AUTO_MODERATION_CONFIGURATION: (
        "AUTO_MODERATION_RULE_CREATE AUTO_MODERATION_RULE_UPDATE AUTO_MODERATION_RULE_DELETE"
    ),
    hikari.Intents.AUTO_MODERATION_EXECUTION: "AUTO_MODERATION_ACTION_EXECUTION",
    hikari.Intents.GUILD_MESSAGE_POLLS: "MESSAGE_POLL_VOTE_ADD MESSAGE_POLL_VOTE_REMOVE",
}
_DIRECT: typing.Final[dict[hikari.Intents, hikari.Intents]] = {
    hikari.Intents.GUILD_MESSAGES: hikari.Intents.DM_MESSAGES,
    hikari.Intents.GUILD_MESSAGE_REACTIONS: hikari.Intents.DM_MESSAGE_REACTIONS,
    hikari.Intents.GUILD_MESSAGE_TYPING: hikari.Intents.DM_MESSAGE_TYPING,
    hikari.Intents.GUILD_MESSAGE_POLLS: hikari.Intents.DIRECT_MESSAGE_POLLS,
}
_IN_GUILD: typing.Final = {name: int(intent) for intent, names in _GUILD.items() for name in names.split()}
_IN_DIRECT: typing.Final = {
    name: int(_DIRECT.get(intent, hikari.Intents.NONE)) for intent, names in _GUILD.items() for name in names.split()
}
_PRESENCES: typing.Final = int(hikari.Intents.GUILD_PRESENCES)


def is_wanted(name: str, payload: _Mapping, intents: int, own_id: str, /) -> bool:
    """Tell whether a bot gets an event.

    Parameters
    ----------
    name
        The event's name.
    payload
        Its payload.
    intents
        What the bot has declared.
    own_id
        The bot's user id: it always hears of changes to its own members.

    Returns
    -------
    bool
        True if an intent that covers the event is declared, or no intent is needed.
    """
    table = _IN_DIRECT if "guild_id" not in payload and name not in _NAMED_BY_ID else _IN_GUILD
    needed = table.get(name, 0)
    if not needed or needed & intents:
        return True

    return name == "GUILD_MEMBER_UPDATE" and payload["user"]["id"] == own_id


_NAMED_BY_ID: typing.Final = frozenset(("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE"))


def fit_guild(payload: _Mapping, intents: int, large_threshold: int, own_id: str, /) -> _Mapping:
    """Leave out of a GUILD_CREATE what a bot does not get.

    Parameters
    ----------
    payload
        The payload with all members and presences; it is not changed.
    intents
        What the bot has declared. Without GUILD_PRESENCES there are no presences, and only the bot and who is in voice
        are members.
    large_threshold
        In a guild with more members than this, who is offline and not in voice is left out.
    own_id
        The bot's user id.

    Returns
    -------
    collections.abc.Mapping[str, object]
        The payload as it is if nothing has to go, else a copy.
    """
    if payload.get("unavailable") or "members" not in payload:
        return payload

    sees_presences = bool(intents & _PRESENCES)
    large = len(payload["members"]) > large_threshold
    if sees_presences and not large:
        return payload if payload.get("large") is False else {**payload, "large": False}

    presences: list[Payload] = payload["presences"] if sees_presences else []
    shown = {own_id, *(presence["user"]["id"] for presence in presences)}
    shown.update(state["user_id"] for state in payload["voice_states"])
    members = [member for member in payload["members"] if member["user"]["id"] in shown]
    return {**payload, "large": large, "members": members, "presences": presences}
