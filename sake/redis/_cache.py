# SPDX-License-Identifier: BSD-3-Clause
"""Everything in one client."""

from __future__ import annotations

__all__ = ["RedisCache"]

from sake import abc

from ._applications import ApplicationCache
from ._channels import GuildChannelCache
from ._channels import ThreadCache
from ._dm_channels import DMChannelCache
from ._emojis import EmojiCache
from ._emojis import StickerCache
from ._guilds import GuildCache
from ._invites import InviteCache
from ._members import MemberCache
from ._messages import MessageCache
from ._presences import PresenceCache
from ._roles import RoleCache
from ._users import UserCache
from ._voices import VoiceStateCache


class RedisCache(
    ApplicationCache,
    DMChannelCache,
    GuildCache,
    EmojiCache,
    GuildChannelCache,
    InviteCache,
    MemberCache,
    MessageCache,
    PresenceCache,
    RoleCache,
    StickerCache,
    ThreadCache,
    UserCache,
    VoiceStateCache,
    abc.Cache,
):
    """Redis implementation of [sake.abc.Cache][]: caches every kind of entity."""

    __slots__ = ()
