# SPDX-License-Identifier: BSD-3-Clause
"""The caches on Redis (or Valkey).

[sake.redis.RedisCache][] caches everything. To cache less, mix the classes that are wanted:

```python
class Cache(sake.redis.MemberCache, sake.redis.UserCache): ...
```
"""

from __future__ import annotations

__all__ = [
    "DEFAULT_EXPIRE",
    "DEFAULT_FAST_EXPIRE",
    "DEFAULT_INVITE_EXPIRE",
    "DEFAULT_SLOW_EXPIRE",
    "ApplicationCache",
    "DMChannelCache",
    "EmojiCache",
    "GuildCache",
    "GuildChannelCache",
    "InviteCache",
    "MemberCache",
    "MessageCache",
    "PresenceCache",
    "RedisCache",
    "ResourceClient",
    "ResourceIndex",
    "RoleCache",
    "Statistics",
    "StickerCache",
    "ThreadCache",
    "UserCache",
    "VoiceStateCache",
]

from sake import _predecessor as _predecessor

from ._applications import ApplicationCache
from ._cache import RedisCache
from ._channels import GuildChannelCache
from ._channels import ThreadCache
from ._client import ResourceClient
from ._dm_channels import DMChannelCache
from ._emojis import EmojiCache
from ._emojis import StickerCache
from ._expiry import DEFAULT_EXPIRE
from ._expiry import DEFAULT_FAST_EXPIRE
from ._expiry import DEFAULT_INVITE_EXPIRE
from ._expiry import DEFAULT_SLOW_EXPIRE
from ._guilds import GuildCache
from ._invites import InviteCache
from ._keys import ResourceIndex
from ._members import MemberCache
from ._messages import MessageCache
from ._presences import PresenceCache
from ._roles import RoleCache
from ._statistics import Statistics
from ._users import UserCache
from ._voices import VoiceStateCache

for _name in __all__:
    _public = globals()[_name]
    if isinstance(_public, type):
        _public.__module__ = __name__
