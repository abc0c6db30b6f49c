# SPDX-License-Identifier: BSD-3-Clause
"""Interfaces of the caches of everything."""

from __future__ import annotations

__all__ = ["Cache", "RefCache"]

import abc

from sake.abc import _applications
from sake.abc import _channels
from sake.abc import _dm_channels
from sake.abc import _emojis
from sake.abc import _guilds
from sake.abc import _invites
from sake.abc import _members
from sake.abc import _messages
from sake.abc import _presences
from sake.abc import _roles
from sake.abc import _users
from sake.abc import _voices


class Cache(
    _applications.ApplicationCache,
    _dm_channels.DMChannelCache,
    _guilds.GuildCache,
    _emojis.EmojiCache,
    _channels.GuildChannelCache,
    _invites.InviteCache,
    _users.MeCache,
    _members.MemberCache,
    _messages.MessageCache,
    _presences.PresenceCache,
    _roles.RoleCache,
    _emojis.StickerCache,
    _channels.ThreadCache,
    _users.UserCache,
    _voices.VoiceStateCache,
    abc.ABC,
):
    """Cache of every kind of entity."""

    __slots__ = ()


class RefCache(
    Cache,
    _applications.ApplicationCache,
    _dm_channels.DMChannelCache,
    _guilds.GuildCache,
    _emojis.RefEmojiCache,
    _channels.RefGuildChannelCache,
    _invites.RefInviteCache,
    _users.MeCache,
    _members.RefMemberCache,
    _messages.RefMessageCache,
    _presences.RefPresenceCache,
    _roles.RefRoleCache,
    _emojis.RefStickerCache,
    _channels.RefThreadCache,
    _users.UserCache,
    _voices.RefVoiceStateCache,
    abc.ABC,
):
    """Cache of every kind of entity which also finds them by what they belong to."""

    __slots__ = ()
