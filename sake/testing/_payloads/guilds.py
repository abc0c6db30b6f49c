# SPDX-License-Identifier: BSD-3-Clause
"""Builders for guilds and what belongs to a guild as a whole."""

from __future__ import annotations

__all__ = ["GuildPayloads"]

import typing
from collections import abc as collections

import hikari

from .channels import ChannelPayloads
from .people import PeoplePayloads
from .source import Payload

_EVERYONE_PERMISSIONS: typing.Final = "1071698660929"
_CHILDREN: typing.Final = (
    "roles",
    "channels",
    "threads",
    "emojis",
    "stickers",
    "members",
    "presences",
    "voice_states",
    "stage_instances",
    "guild_scheduled_events",
    "soundboard_sounds",
)


class GuildPayloads(PeoplePayloads, ChannelPayloads):
    """The part of `Payloads` that builds guilds."""

    __slots__ = ()

    def role(self, **overrides: typing.Any) -> Payload:
        """Build a role.

        Parameters
        ----------
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole role; the gateway sends `guild_id` beside a role, never in it.
        """
        color = self.random.getrandbits(24)
        return {
            "id": self.snowflake(within_days=1_000),
            "name": self.word(),
            "color": color,
            "colors": {"primary_color": color, "secondary_color": None, "tertiary_color": None},
            "hoist": self.chance(0.2),
            "icon": None,
            "unicode_emoji": None,
            "position": self.whole(1, 200),
            "permissions": str(self.random.getrandbits(30)),
            "managed": False,
            "mentionable": self.chance(0.3),
            "flags": 0,
            **overrides,
        }

    def everyone_role(self, guild_id: str, /, **overrides: typing.Any) -> Payload:
        """Build the @everyone role, whose id is the guild's.

        Parameters
        ----------
        guild_id
            The guild.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole role.
        """
        role = self.role(id=guild_id, name="@everyone", color=0, hoist=False, position=0, mentionable=False)
        colors = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
        return {**role, "colors": colors, "permissions": _EVERYONE_PERMISSIONS, **overrides}

    def emoji(self, *, user: collections.Mapping[str, typing.Any] | None = None, **overrides: typing.Any) -> Payload:
        """Build a custom emoji.

        Parameters
        ----------
        user
            Who uploaded it; a new user when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole emoji, without `guild_id`.
        """
        return {
            "id": self.snowflake(within_days=1_000),
            "name": self.word().replace("-", "_"),
            "roles": [],
            "user": user if user is not None else self.user(),
            "require_colons": True,
            "managed": False,
            "animated": self.chance(0.2),
            "available": True,
            **overrides,
        }

    def sticker(
        self,
        *,
        guild_id: str | None = None,
        user: collections.Mapping[str, typing.Any] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build a guild sticker.

        Parameters
        ----------
        guild_id
            The guild, which the gateway does put into stickers; a new id when not given.
        user
            Who uploaded it; without one the sticker has no `user`.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole sticker.
        """
        sticker: Payload = {
            "id": self.snowflake(within_days=1_000),
            "name": self.word(),
            "description": self.sentence()[:100],
            "tags": "wave",
            "type": 2,
            "format_type": 1,
            "available": True,
            "guild_id": self._id(guild_id, within_days=1_500),
        }
        if user is not None:
            sticker["user"] = user

        return {**sticker, **overrides}

    def stage_instance(
        self, *, guild_id: str | None = None, channel_id: str | None = None, **overrides: typing.Any
    ) -> Payload:
        """Build a live stage.

        Parameters
        ----------
        guild_id
            The guild; a new id when not given.
        channel_id
            The stage channel; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole stage instance.
        """
        return {
            "id": self.snowflake(),
            "guild_id": self._id(guild_id, within_days=1_500),
            "channel_id": self._id(channel_id, within_days=1_000),
            "topic": self.sentence()[:100],
            "privacy_level": 2,
            "discoverable_disabled": True,
            "guild_scheduled_event_id": None,
            **overrides,
        }

    def scheduled_event(
        self, *, guild_id: str | None = None, channel_id: str | None = None, **overrides: typing.Any
    ) -> Payload:
        """Build a scheduled event.

        Parameters
        ----------
        guild_id
            The guild; a new id when not given.
        channel_id
            The voice channel it will be in. Without one the event is somewhere else in the world.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole scheduled event.
        """
        elsewhere = channel_id is None
        return {
            "id": self.snowflake(),
            "guild_id": self._id(guild_id, within_days=1_500),
            "channel_id": channel_id,
            "creator_id": self.snowflake(within_days=2_500),
            "name": self.word(),
            "description": self.sentence(),
            "scheduled_start_time": "2035-05-01T18:00:00+00:00",
            "scheduled_end_time": "2035-05-01T20:00:00+00:00" if elsewhere else None,
            "privacy_level": 2,
            "status": 1,
            "entity_type": int(hikari.ScheduledEventType.EXTERNAL if elsewhere else hikari.ScheduledEventType.VOICE),
            "entity_id": None,
            "entity_metadata": {"location": "the harbor"} if elsewhere else None,
            "user_count": self.whole(0, 40),
            "image": None,
            "recurrence_rule": None,
            **overrides,
        }

    def soundboard_sound(self, *, guild_id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build a soundboard sound.

        Parameters
        ----------
        guild_id
            The guild; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole sound.
        """
        return {
            "sound_id": self.snowflake(within_days=500),
            "guild_id": self._id(guild_id, within_days=1_500),
            "name": self.word(),
            "volume": 1.0,
            "emoji_id": None,
            "emoji_name": "🦆",
            "available": True,
            **overrides,
        }

    def integration(self, *, guild_id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build an integration, as INTEGRATION_CREATE carries it.

        Parameters
        ----------
        guild_id
            The guild; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            The integration of another bot.
        """
        bot = self.user(bot=True)
        return {
            "id": self.snowflake(within_days=500),
            "guild_id": self._id(guild_id, within_days=1_500),
            "name": bot["username"],
            "type": "discord",
            "enabled": True,
            "account": {"id": bot["id"], "name": bot["username"]},
            "application": {
                "id": bot["id"],
                "name": bot["username"],
                "icon": None,
                "description": self.sentence(),
                "bot": bot,
            },
            **overrides,
        }

    def guild_fields(self, *, id: str | None = None, owner_id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build what a guild says of itself, without anything that it contains.

        Parameters
        ----------
        id
            The guild's id; a new one when not given.
        owner_id
            Who owns it; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            The fields that GUILD_CREATE and GUILD_UPDATE have in common.
        """
        return {
            "id": self._id(id, within_days=1_500),
            "name": self.word(),
            "icon": self.digest() if self.chance(0.8) else None,
            "description": None,
            "splash": None,
            "discovery_splash": None,
            "banner": None,
            "home_header": None,
            "owner_id": self._id(owner_id, within_days=2_500),
            "application_id": None,
            "afk_channel_id": None,
            "afk_timeout": 300,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "widget_enabled": False,
            "widget_channel_id": None,
            "verification_level": self.whole(0, 4),
            "default_message_notifications": 1,
            "explicit_content_filter": 2,
            "mfa_level": 0,
            "vanity_url_code": None,
            "premium_tier": self.whole(0, 3),
            "premium_subscription_count": self.whole(0, 30),
            "premium_progress_bar_enabled": False,
            "preferred_locale": "en-US",
            "rules_channel_id": None,
            "public_updates_channel_id": None,
            "safety_alerts_channel_id": None,
            "hub_type": None,
            "nsfw": False,
            "nsfw_level": 0,
            "max_members": 500_000,
            "max_presences": None,
            "max_video_channel_users": 25,
            "max_stage_video_channel_users": 50,
            "incidents_data": None,
            "features": ["COMMUNITY", "NEWS"] if self.chance(0.4) else [],
            **overrides,
        }

    def guild(
        self,
        *,
        members: collections.Sequence[collections.Mapping[str, typing.Any]] | None = None,
        **overrides: typing.Any,
    ) -> Payload:
        """Build a guild, as GUILD_CREATE carries it.

        Parameters
        ----------
        members
            Its members, of which the first owns the guild; only an owner when not given.
        **overrides
            Keys to set on the result, for instance a list of `channels`. Delete `unavailable` from the result to get
            what the bot receives when it joins.

        Returns
        -------
        dict
            A whole guild, with all of its lists; by default some roles, a category, a text and a voice channel, an
            emoji, a sticker, and nothing in the other lists.
        """
        members = members if members is not None else [self.member()]
        owner = members[0]["user"] if members else self.user()
        fields = self.guild_fields(owner_id=owner["id"], **{k: overrides[k] for k in ("id",) if k in overrides})
        category = self.channel(type=hikari.ChannelType.GUILD_CATEGORY)
        children: dict[str, list[typing.Any]] = {name: [] for name in _CHILDREN}
        children["roles"] = [self.everyone_role(fields["id"]), self.role(), self.role()]
        children["channels"] = [
            category,
            self.channel(parent_id=category["id"]),
            self.channel(type=hikari.ChannelType.GUILD_VOICE, parent_id=category["id"]),
        ]
        children["emojis"] = [self.emoji(user=owner)]
        children["stickers"] = [self.sticker(guild_id=fields["id"], user=owner)]
        children["members"] = list(members)
        return {
            **fields,
            "joined_at": self.timestamp(within_days=300),
            "large": False,
            "unavailable": False,
            "member_count": len(members),
            **children,
            **overrides,
        }

    def unavailable_guild(self, *, id: str | None = None) -> Payload:
        """Build the stub of a guild that READY lists, and GUILD_DELETE carries in an outage.

        Parameters
        ----------
        id
            The guild's id; a new one when not given.

        Returns
        -------
        dict
            An id, and that the guild is unavailable.
        """
        return {"id": self._id(id, within_days=1_500), "unavailable": True}
