# SPDX-License-Identifier: BSD-3-Clause
"""The interfaces of the caches.

A bot which is written against these does not depend on the backend that holds its entities. Each kind of entity has an
interface whose methods find entities by their id. The `Ref` interfaces add methods which find them by what they belong
to, such as the guild or the channel. [sake.abc.Cache][] and [sake.abc.RefCache][] are all of them together.

Methods that read one entity raise [sake.errors.EntryNotFound][] if it is not stored. Methods that read several leave
out what is not stored, and methods that remove entities do nothing about it.
"""

from __future__ import annotations

__all__ = [
    "ApplicationCache",
    "Cache",
    "CacheIterator",
    "DMChannelCache",
    "EmojiCache",
    "ExpireT",
    "GuildCache",
    "GuildChannelCache",
    "InviteCache",
    "MeCache",
    "MemberCache",
    "MessageCache",
    "PresenceCache",
    "RefCache",
    "RefEmojiCache",
    "RefGuildCache",
    "RefGuildChannelCache",
    "RefInviteCache",
    "RefMeCache",
    "RefMemberCache",
    "RefMessageCache",
    "RefPresenceCache",
    "RefRoleCache",
    "RefStickerCache",
    "RefThreadCache",
    "RefUserCache",
    "RefVoiceStateCache",
    "Resource",
    "RoleCache",
    "StickerCache",
    "ThreadCache",
    "UserCache",
    "VoiceStateCache",
]

from sake.abc._applications import ApplicationCache
from sake.abc._base import CacheIterator
from sake.abc._base import ExpireT
from sake.abc._base import Resource
from sake.abc._cache import Cache
from sake.abc._cache import RefCache
from sake.abc._channels import GuildChannelCache
from sake.abc._channels import RefGuildChannelCache
from sake.abc._channels import RefThreadCache
from sake.abc._channels import ThreadCache
from sake.abc._dm_channels import DMChannelCache
from sake.abc._emojis import EmojiCache
from sake.abc._emojis import RefEmojiCache
from sake.abc._emojis import RefStickerCache
from sake.abc._emojis import StickerCache
from sake.abc._guilds import GuildCache
from sake.abc._guilds import RefGuildCache
from sake.abc._invites import InviteCache
from sake.abc._invites import RefInviteCache
from sake.abc._members import MemberCache
from sake.abc._members import RefMemberCache
from sake.abc._messages import MessageCache
from sake.abc._messages import RefMessageCache
from sake.abc._presences import PresenceCache
from sake.abc._presences import RefPresenceCache
from sake.abc._roles import RefRoleCache
from sake.abc._roles import RoleCache
from sake.abc._users import MeCache
from sake.abc._users import RefMeCache
from sake.abc._users import RefUserCache
from sake.abc._users import UserCache
from sake.abc._voices import RefVoiceStateCache
from sake.abc._voices import VoiceStateCache

for _name in __all__:
    _public = globals()[_name]
    if isinstance(_public, type):
        _public.__module__ = __name__
