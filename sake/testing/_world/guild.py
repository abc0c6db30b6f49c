# SPDX-License-Identifier: BSD-3-Clause
"""One guild of a world, as it truly is."""

from __future__ import annotations

__all__ = ["Deck", "WorldGuild"]

import typing
from collections import abc as collections

import hikari

from .._payloads.source import Payload
from .._payloads.source import Source

_TEXT_TYPES: typing.Final = frozenset((int(hikari.ChannelType.GUILD_TEXT), int(hikari.ChannelType.GUILD_NEWS)))
_VOICE_TYPES: typing.Final = frozenset((int(hikari.ChannelType.GUILD_VOICE), int(hikari.ChannelType.GUILD_STAGE)))
_THREAD_PARENT_TYPES: typing.Final = _TEXT_TYPES | {int(hikari.ChannelType.GUILD_FORUM)}


class Deck:
    """Draws random keys of a dict in constant time.

    Keys are added here when they are added to the dict. Removing them from the dict is enough: a drawn key that is
    gone is thrown away.

    Parameters
    ----------
    table
        The dict whose keys are drawn.
    source
        Where the randomness comes from.
    """

    __slots__ = ("_keys", "_source", "_table")

    def __init__(self, table: collections.Mapping[str, object], source: Source, /) -> None:
        self._table = table
        self._source = source
        self._keys = list(table)

    def add(self, key: str, /) -> None:
        """Let a key be drawn from now on.

        Parameters
        ----------
        key
            A key of the dict.
        """
        self._keys.append(key)

    def draw(self) -> str | None:
        """Draw a key.

        Returns
        -------
        str | None
            A key of the dict, or `None` when the dict is empty.
        """
        keys = self._keys
        while keys:
            index = int(self._source.random.random() * len(keys))
            if (key := keys[index]) in self._table:
                return key

            keys[index] = keys[-1]
            keys.pop()

        return None


class WorldGuild:
    """One guild of a [sake.testing.World][], as it truly is.

    The dicts map ids (for `invites` codes, for `members`, `presences` and `voice_states` user ids) to payloads. A
    payload is never changed in place, only replaced, so a reference to it stays what it was. Like the children of
    GUILD_CREATE, payloads have no `guild_id` (but stickers, invites, messages, stage instances, scheduled events and
    sounds, which the gateway sends with one), and voice states have no `member`.

    Parameters
    ----------
    record
        What the guild says of itself, with `joined_at`, `large` and `member_count` as GUILD_CREATE sent them last.
    source
        Where randomness comes from.
    """

    __slots__ = (
        "available",
        "channels",
        "emojis",
        "id",
        "invites",
        "member_deck",
        "members",
        "message_deck",
        "messages",
        "presences",
        "record",
        "roles",
        "scheduled_events",
        "soundboard_sounds",
        "stage_instances",
        "stickers",
        "threads",
        "voice_states",
    )

    def __init__(self, record: Payload, source: Source, /) -> None:
        self.id: str = record["id"]
        """The guild's id."""
        self.record: Payload = record
        """The guild's own fields."""
        self.available: bool = True
        """False during an outage."""
        self.roles: dict[str, Payload] = {}
        """Roles by id."""
        self.channels: dict[str, Payload] = {}
        """Channels by id, without threads."""
        self.threads: dict[str, Payload] = {}
        """Active threads by id. A thread that the bot is in has a `member`."""
        self.emojis: dict[str, Payload] = {}
        """Custom emojis by id."""
        self.stickers: dict[str, Payload] = {}
        """Stickers by id."""
        self.members: dict[str, Payload] = {}
        """Members by user id."""
        self.presences: dict[str, Payload] = {}
        """Presences by user id; who is offline has none."""
        self.voice_states: dict[str, Payload] = {}
        """Voice states by user id."""
        self.invites: dict[str, Payload] = {}
        """Invites by code that the gateway has told of."""
        self.messages: dict[str, Payload] = {}
        """Messages by id that the gateway has told of and that still exist."""
        self.stage_instances: dict[str, Payload] = {}
        """Live stages by id."""
        self.scheduled_events: dict[str, Payload] = {}
        """Scheduled events by id."""
        self.soundboard_sounds: dict[str, Payload] = {}
        """Soundboard sounds by id."""
        self.member_deck: Deck = Deck(self.members, source)
        """Draws random members."""
        self.message_deck: Deck = Deck(self.messages, source)
        """Draws random messages."""

    @property
    def owner_id(self) -> str:
        """Id of the user who owns the guild."""
        return typing.cast("str", self.record["owner_id"])

    @property
    def text_channel_ids(self) -> list[str]:
        """Ids of the text and news channels."""
        return self._ids_of(_TEXT_TYPES)

    @property
    def voice_channel_ids(self) -> list[str]:
        """Ids of the voice and stage channels."""
        return self._ids_of(_VOICE_TYPES)

    @property
    def thread_parent_ids(self) -> list[str]:
        """Ids of the channels that can have threads."""
        return self._ids_of(_THREAD_PARENT_TYPES)

    @property
    def category_ids(self) -> list[str]:
        """Ids of the categories."""
        return self._ids_of(frozenset((int(hikari.ChannelType.GUILD_CATEGORY),)))

    def _ids_of(self, types: frozenset[int], /) -> list[str]:
        return [id_ for id_, channel in self.channels.items() if channel["type"] in types]

    def complete(self, payload: collections.Mapping[str, typing.Any], /) -> Payload:
        """Add the guild's id to the payload of something in it.

        Parameters
        ----------
        payload
            A payload out of one of the dicts; it is not changed.

        Returns
        -------
        dict
            A copy with `guild_id`, which hikari's entity factory builds a model from.
        """
        return {**payload, "guild_id": self.id}

    def put_member(self, member: Payload, /) -> None:
        """Add or replace a member.

        Parameters
        ----------
        member
            A whole member without `guild_id`.
        """
        user_id: str = member["user"]["id"]
        if user_id not in self.members:
            self.member_deck.add(user_id)

        self.members[user_id] = member

    def put_message(self, message: Payload, /) -> None:
        """Add or replace a message.

        Parameters
        ----------
        message
            A whole message.
        """
        message_id: str = message["id"]
        if message_id not in self.messages:
            self.message_deck.add(message_id)

        self.messages[message_id] = message

    def drop_member(self, user_id: str, /) -> None:
        """Remove a member, with presence and voice state.

        Parameters
        ----------
        user_id
            Whose membership ends; nothing happens when there is none.
        """
        for table in (self.members, self.presences, self.voice_states):
            table.pop(user_id, None)

    def drop_channel(self, channel_id: str, /) -> None:
        """Remove a channel with its threads, invites, voice states, live stages and messages.

        Parameters
        ----------
        channel_id
            The channel; nothing happens when there is none.
        """
        for thread_id in [id_ for id_, thread in self.threads.items() if thread["parent_id"] == channel_id]:
            self.drop_thread(thread_id)

        self.channels.pop(channel_id, None)
        for table in (self.invites, self.voice_states, self.stage_instances, self.messages):
            _drop_where(table, channel_id)

    def drop_thread(self, thread_id: str, /) -> None:
        """Remove a thread with its messages.

        Parameters
        ----------
        thread_id
            The thread; nothing happens when there is none.
        """
        self.threads.pop(thread_id, None)
        _drop_where(self.messages, thread_id)


def _drop_where(table: dict[str, Payload], channel_id: str, /) -> None:
    for key in [key for key, payload in table.items() if payload["channel_id"] == channel_id]:
        del table[key]
