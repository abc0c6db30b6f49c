# SPDX-License-Identifier: BSD-3-Clause
"""A distributed entity cache on Redis for Discord bots written with hikari.

[sake.RedisCache][] is filled from a bot's gateway events and read from any process. The interfaces it implements are
in [sake.abc][], the classes it is made of in [sake.redis][], and everything it raises in [sake.errors][].
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "CannotDelete",
    "ClosedClient",
    "DiscordError",
    "EntryNotFound",
    "InvalidDataFound",
    "RedisCache",
    "SakeException",
    "__version__",
    "abc",
    "errors",
    "redis",
]

from sake import abc
from sake import errors
from sake import redis
from sake._about import __version__
from sake.errors import BackendError
from sake.errors import CannotDelete
from sake.errors import ClosedClient
from sake.errors import DiscordError
from sake.errors import EntryNotFound
from sake.errors import InvalidDataFound
from sake.errors import SakeException
from sake.redis import RedisCache
