# SPDX-License-Identifier: BSD-3-Clause
"""What is true in a world, and the small changes that events are made of."""

from __future__ import annotations

__all__ = ["WorldState"]

import collections
import typing

import hikari

from .._payloads.payloads import Payloads
from .._payloads.source import Payload
from .guild import WorldGuild

if typing.TYPE_CHECKING:
    import datetime

_ACTIVITIES: typing.Final = 200
_DIRECT_CHANNELS: typing.Final = 5
_GUILD_ONLY_AFTER_JOIN: typing.Final = frozenset(("joined_at", "large", "member_count"))


class WorldState:
    """The part of `World` that holds the truth.

    Parameters
    ----------
    seed
        Seed of everything random.
    shard_count
        Number of shards that are assumed when none is given.
    large_threshold
        A guild with more members than this is `large`.
    now
        The instant the clock starts at; the present when not given.
    """

    __slots__ = (
        "_activities",
        "_homes",
        "direct_channels",
        "direct_messages",
        "guilds",
        "large_threshold",
        "me",
        "payloads",
        "shard_count",
        "users",
    )

    def __init__(self, *, seed: int, shard_count: int, large_threshold: int, now: datetime.datetime | None) -> None:
        self.payloads: Payloads = Payloads(seed, now=now)
        """Builds the world's payloads; use it for more, so that ids stay unique."""
        self.shard_count: int = shard_count
        """Number of shards that are assumed when none is given."""
        self.large_threshold: int = large_threshold
        """A guild with more members than this is `large`."""
        self.me: Payload = self.payloads.own_user()
        """The bot's own user, as READY carries it."""
        self.users: dict[str, Payload] = {}
        """Everybody who was ever seen, by id, as seen last."""
        self.guilds: dict[str, WorldGuild] = {}
        """The guilds that the bot is in, by id."""
        self._homes: collections.Counter[str] = collections.Counter()
        self._activities = [self.payloads.activity() for _ in range(_ACTIVITIES)]
        own_keys = ("id", "username", "global_name", "discriminator", "avatar", "public_flags", "bot")
        self.users[self.me["id"]] = {key: self.me[key] for key in own_keys}
        channels = (self.payloads.dm_channel(recipient=self.new_user()) for _ in range(_DIRECT_CHANNELS))
        self.direct_channels: dict[str, Payload] = {channel["id"]: channel for channel in channels}
        """Direct message channels by id."""
        self.direct_messages: dict[str, Payload] = {}
        """Direct messages by id that the gateway has told of."""

    def guild_create(self, guild_id: str, /) -> Payload:
        """Build a guild's GUILD_CREATE, as it follows READY.

        Parameters
        ----------
        guild_id
            The guild.

        Returns
        -------
        dict
            The guild with all of its members and presences. From now on the guild's `record` holds the payload's
            `member_count` and `large`, as a cache does. In an outage it is only the stub of an unavailable guild.

        Raises
        ------
        KeyError
            If the bot is in no such guild.
        """
        guild = self.guilds[guild_id]
        if not guild.available:
            return self.payloads.unavailable_guild(id=guild_id)

        count = len(guild.members)
        guild.record = {**guild.record, "member_count": count, "large": count > self.large_threshold}
        return {
            **guild.record,
            "unavailable": False,
            "roles": list(guild.roles.values()),
            "channels": list(guild.channels.values()),
            "threads": list(guild.threads.values()),
            "emojis": list(guild.emojis.values()),
            "stickers": list(guild.stickers.values()),
            "members": list(guild.members.values()),
            "presences": list(guild.presences.values()),
            "voice_states": list(guild.voice_states.values()),
            "stage_instances": list(guild.stage_instances.values()),
            "guild_scheduled_events": list(guild.scheduled_events.values()),
            "soundboard_sounds": list(guild.soundboard_sounds.values()),
        }

    def guild_update(self, guild_id: str, /) -> Payload:
        """Build a guild's GUILD_UPDATE, which is also what REST sends.

        Parameters
        ----------
        guild_id
            The guild.

        Returns
        -------
        dict
            The guild's fields with roles, emojis and stickers.

        Raises
        ------
        KeyError
            If the bot is in no such guild.
        """
        guild = self.guilds[guild_id]
        return {
            **{key: value for key, value in guild.record.items() if key not in _GUILD_ONLY_AFTER_JOIN},
            "roles": list(guild.roles.values()),
            "emojis": list(guild.emojis.values()),
            "stickers": list(guild.stickers.values()),
        }

    def new_user(self) -> Payload:
        """Let somebody be born.

        Returns
        -------
        dict
            A user, whom the world knows from now on.
        """
        user = self.payloads.user()
        self.users[user["id"]] = user
        return user

    def rename(self, user_id: str, /) -> Payload:
        """Give a user another name.

        Parameters
        ----------
        user_id
            The user.

        Returns
        -------
        dict
            The user with a new `global_name`.
        """
        name = self.payloads.word().replace("-", " ").title()
        user = self.users[user_id] = {**self.users[user_id], "global_name": name}
        return user

    def is_only_in(self, user_id: str, guild: WorldGuild, /) -> bool:
        """Tell whether a user's record can change without any other guild having to tell of it.

        Parameters
        ----------
        user_id
            The user.
        guild
            A guild the user is in.

        Returns
        -------
        bool
            True for users who are in no other guild, and neither own the guild nor are the bot.
        """
        return self._homes[user_id] == 1 and user_id not in {guild.owner_id, self.me["id"]}

    def settle_in(self, guild: WorldGuild, member: Payload, /) -> None:
        """Let somebody join a guild.

        Parameters
        ----------
        guild
            The guild.
        member
            The member, of a user whom the world knows.
        """
        self._homes[member["user"]["id"]] += 1
        guild.put_member(member)

    def remove_someone(self, guild: WorldGuild, /) -> Payload | None:
        """Let a random member leave a guild.

        Parameters
        ----------
        guild
            The guild.

        Returns
        -------
        dict | None
            The user, or `None` when chance fell on the owner or the bot.
        """
        user_id = guild.member_deck.draw()
        if user_id is None or user_id in {guild.owner_id, self.me["id"]}:
            return None

        self._homes[user_id] -= 1
        guild.drop_member(user_id)
        return self.users[user_id]

    def draw_presence(self, user_id: str, /) -> Payload:
        """Let somebody be online.

        Parameters
        ----------
        user_id
            The user.

        Returns
        -------
        dict
            A presence with an activity or none.
        """
        activities = [self.payloads.pick(self._activities)] if self.payloads.chance(0.6) else []
        return self.payloads.presence(user_id=user_id, activities=activities)

    def draw_thread(self, guild: WorldGuild, parent_id: str, /, **overrides: typing.Any) -> Payload:
        """Let somebody open a thread.

        Parameters
        ----------
        guild
            The guild.
        parent_id
            The channel.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A thread of a type that the channel can have. The bot is in some of them.
        """
        parent_type = guild.channels[parent_id]["type"]
        type_ = hikari.ChannelType.GUILD_PUBLIC_THREAD
        if parent_type == hikari.ChannelType.GUILD_NEWS:
            type_ = hikari.ChannelType.GUILD_NEWS_THREAD
        elif parent_type == hikari.ChannelType.GUILD_TEXT and self.payloads.chance(0.3):
            type_ = hikari.ChannelType.GUILD_PRIVATE_THREAD

        return self.payloads.thread(
            type=type_,
            parent_id=parent_id,
            owner_id=guild.member_deck.draw(),
            joined=self.payloads.chance(0.3),
            **overrides,
        )

    def write_direct_message(self) -> Payload:
        """Let somebody write to the bot.

        Returns
        -------
        dict
            The message.
        """
        channel = self.payloads.pick(list(self.direct_channels.values()))
        author = self.users[channel["recipients"][0]["id"]]
        message = self.payloads.message(channel_id=channel["id"], author=author)
        self.direct_messages[message["id"]] = message
        return message
