# SPDX-License-Identifier: BSD-3-Clause
"""Everything in one client."""

from __future__ import annotations

__all__ = ["RedisCache"]

from sake import abc

from ._caches.applications import ApplicationCache
from ._caches.channels import GuildChannelCache
from ._caches.channels import ThreadCache
from ._caches.dm_channels import DMChannelCache
from ._caches.emojis import EmojiCache
from ._caches.emojis import StickerCache
from ._caches.guilds import GuildCache
from ._caches.invites import InviteCache
from ._caches.members import MemberCache
from ._caches.messages import MessageCache
from ._caches.presences import PresenceCache
from ._caches.roles import RoleCache
from ._caches.users import UserCache
from ._caches.voices import VoiceStateCache


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
