# SPDX-License-Identifier: BSD-3-Clause
"""Builders for channels, threads and invites."""

from __future__ import annotations

__all__ = ["ChannelPayloads"]

import datetime
import typing
from collections import abc as collections

import hikari

from .source import Payload
from .source import Source

_VOICE_TYPES: typing.Final = frozenset((hikari.ChannelType.GUILD_VOICE, hikari.ChannelType.GUILD_STAGE))
_FORUM_TYPES: typing.Final = frozenset((hikari.ChannelType.GUILD_FORUM, hikari.ChannelType.GUILD_MEDIA))
_CODE_CHARACTERS: typing.Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
_VIEW_AND_SEND: typing.Final = "3072"


class ChannelPayloads(Source):
    """The part of `Payloads` that builds channels, threads and invites."""

    __slots__ = ()

    def channel(
        self,
        *,
        type: hikari.ChannelType | int = hikari.ChannelType.GUILD_TEXT,
        role_ids: collections.Sequence[str] = (),
        **overrides: typing.Any,
    ) -> Payload:
        """Build a guild channel, as GUILD_CREATE lists it: without `guild_id`.

        Parameters
        ----------
        type
            What kind of channel: category, text, news, voice, stage, forum or media. Any other number gives a bare
            channel of that type, for testing what happens with kinds that nobody knows yet.
        role_ids
            Roles which get a permission overwrite each.
        **overrides
            Keys to set on the result; `guild_id` makes it what CHANNEL_CREATE carries.

        Returns
        -------
        dict
            A whole channel.
        """
        channel: Payload = {
            "id": self.snowflake(within_days=1_000),
            "type": int(type),
            "name": self.word(),
            "position": 0,
            "flags": 0,
            "parent_id": None,
            "permission_overwrites": [self.overwrite(id=role_id) for role_id in role_ids],
        }
        if type in _VOICE_TYPES:
            channel |= self._voice_fields()
        elif type in _FORUM_TYPES:
            channel |= self._forum_fields()
        elif type != hikari.ChannelType.GUILD_CATEGORY:
            channel |= self._text_fields()

        return {**channel, **overrides}

    def _text_fields(self) -> Payload:
        return {
            "topic": self.sentence() if self.chance(0.5) else None,
            "nsfw": False,
            "rate_limit_per_user": 0,
            "last_message_id": self.snowflake(within_days=7),
            "last_pin_timestamp": None,
        }

    def _voice_fields(self) -> Payload:
        return {
            "bitrate": 64_000,
            "user_limit": 0,
            "rtc_region": None,
            "nsfw": False,
            "rate_limit_per_user": 0,
            "last_message_id": None,
        }

    def _forum_fields(self) -> Payload:
        return {
            "topic": self.sentence(),
            "nsfw": False,
            "rate_limit_per_user": 0,
            "default_auto_archive_duration": 1_440,
            "default_thread_rate_limit_per_user": 0,
            "default_sort_order": None,
            "default_forum_layout": 0,
            "default_reaction_emoji": {"emoji_id": None, "emoji_name": "⭐"},
            "available_tags": [
                {
                    "id": self.snowflake(within_days=900),
                    "name": name,
                    "moderated": False,
                    "emoji_id": None,
                    "emoji_name": "❓",
                }
                for name in ("question", "solved")
            ],
            "last_message_id": None,
            "template": "",
        }

    def overwrite(self, *, id: str | None = None, **overrides: typing.Any) -> Payload:
        """Build a permission overwrite of a role.

        Parameters
        ----------
        id
            The role; a new id when not given.
        **overrides
            Keys to set on the result; `type=1` makes it the overwrite of a member.

        Returns
        -------
        dict
            An overwrite that denies what members see and send.
        """
        role_id = self._id(id, within_days=900)
        return {"id": role_id, "type": 0, "allow": "0", "deny": _VIEW_AND_SEND, **overrides}

    def thread(
        self,
        *,
        type: hikari.ChannelType | int = hikari.ChannelType.GUILD_PUBLIC_THREAD,
        parent_id: str | None = None,
        owner_id: str | None = None,
        joined: bool = False,
        **overrides: typing.Any,
    ) -> Payload:
        """Build a thread, as GUILD_CREATE lists it: without `guild_id`.

        Parameters
        ----------
        type
            Public, private or news thread.
        parent_id
            The channel it belongs to; a new id when not given.
        owner_id
            Who opened it; a new id when not given.
        joined
            Whether the bot is in it, which adds the bot's own `member`. That has no ids, as in GUILD_CREATE.
        **overrides
            Keys to set on the result; `guild_id` makes it what THREAD_UPDATE carries.

        Returns
        -------
        dict
            A whole thread.
        """
        opened_at = self.timestamp(within_days=20)
        thread: Payload = {
            "id": self.snowflake(within_days=20),
            "type": int(type),
            "name": self.word(),
            "parent_id": self._id(parent_id, within_days=900),
            "owner_id": self._id(owner_id, within_days=2_500),
            "last_message_id": self.snowflake(within_days=7),
            "last_pin_timestamp": None,
            "rate_limit_per_user": 0,
            "message_count": self.whole(1, 200),
            "total_message_sent": self.whole(200, 400),
            "member_count": self.whole(1, 50),
            "flags": 0,
            "thread_metadata": {
                "archived": False,
                "archive_timestamp": opened_at,
                "auto_archive_duration": 1_440,
                "locked": False,
                "create_timestamp": opened_at,
            },
        }
        if type == hikari.ChannelType.GUILD_PRIVATE_THREAD:
            thread["thread_metadata"]["invitable"] = True

        if joined:
            thread["member"] = {"join_timestamp": opened_at, "flags": 1, "mute_config": None, "muted": False}

        return {**thread, **overrides}

    def thread_member(
        self, *, thread_id: str | None = None, user_id: str | None = None, **overrides: typing.Any
    ) -> Payload:
        """Build the membership of somebody in a thread.

        Parameters
        ----------
        thread_id
            The thread; a new id when not given.
        user_id
            The user; a new id when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A thread member with both ids, as THREAD_LIST_SYNC and THREAD_MEMBERS_UPDATE carry it.
        """
        return {
            "id": self._id(thread_id, within_days=20),
            "user_id": self._id(user_id, within_days=2_500),
            "join_timestamp": self.timestamp(within_days=10),
            "flags": 1,
            **overrides,
        }

    def dm_channel(
        self, *, recipient: collections.Mapping[str, typing.Any] | None = None, **overrides: typing.Any
    ) -> Payload:
        """Build a direct message channel.

        Parameters
        ----------
        recipient
            The user on the other side, as a user payload. Any user payload will do; a made-up one when not given.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            A whole DM channel.
        """
        if recipient is None:
            recipient = {
                "id": self.snowflake(within_days=2_500),
                "username": self.word().replace("-", "_"),
                "global_name": None,
                "discriminator": "0",
                "avatar": None,
                "public_flags": 0,
            }

        return {
            "id": self.snowflake(within_days=300),
            "type": int(hikari.ChannelType.DM),
            "last_message_id": None,
            "flags": 0,
            "recipients": [recipient],
            **overrides,
        }

    def invite(
        self,
        *,
        guild_id: str | None = None,
        channel_id: str | None = None,
        inviter: collections.Mapping[str, typing.Any] | None = None,
        max_age: int = 604_800,
        **overrides: typing.Any,
    ) -> Payload:
        """Build an invite, as INVITE_CREATE carries it.

        Parameters
        ----------
        guild_id
            The guild; a new id when not given.
        channel_id
            The channel; a new id when not given.
        inviter
            The user who made it; without one the invite has no `inviter`.
        max_age
            Seconds until it expires; `0` means never.
        **overrides
            Keys to set on the result.

        Returns
        -------
        dict
            An invite with metadata, created now.
        """
        created_at = self.moment()
        expires_at = created_at + datetime.timedelta(seconds=max_age)
        invite: Payload = {
            "code": "".join(self.pick(_CODE_CHARACTERS) for _ in range(10)),
            "type": 0,
            "guild_id": self._id(guild_id, within_days=1_500),
            "channel_id": self._id(channel_id, within_days=1_000),
            "created_at": created_at.isoformat(timespec="microseconds"),
            "expires_at": expires_at.isoformat(timespec="microseconds") if max_age else None,
            "max_age": max_age,
            "max_uses": self.pick((0, 1, 10)),
            "uses": 0,
            "temporary": False,
            "flags": 0,
        }
        if inviter is not None:
            invite["inviter"] = inviter

        return {**invite, **overrides}
