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

from ._cache import RedisCache
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
from ._client.client import ResourceClient
from ._model.expiry import DEFAULT_EXPIRE
from ._model.expiry import DEFAULT_FAST_EXPIRE
from ._model.expiry import DEFAULT_INVITE_EXPIRE
from ._model.expiry import DEFAULT_SLOW_EXPIRE
from ._model.keys import ResourceIndex
from ._model.statistics import Statistics

for _name in __all__:
    _public = globals()[_name]
    if isinstance(_public, type):
        _public.__module__ = __name__
