# SPDX-License-Identifier: BSD-3-Clause
"""Every key that sake writes, and the databases they go to. Pure."""

from __future__ import annotations

__all__ = ["Keys", "ResourceIndex", "check_namespace"]

import enum
import re
import typing
from collections import abc as collections

_LONGEST_NAMESPACE: typing.Final = 64
_NAMESPACE: typing.Final = re.compile(r"[A-Za-z0-9_.-]+")


class ResourceIndex(enum.IntEnum):
    """The Redis database each resource uses unless it is overridden.

    See [sake.redis.ResourceClient.with_index_override][] to move one resource, and the `database` parameter of
    [sake.redis.ResourceClient][] to keep all of them together. All are below 16, the number of databases a
    server has unless it was configured otherwise.
    """

    EMOJI = 0
    GUILD = 1
    CHANNEL = 2
    INVITE = 3
    MEMBER = 4
    PRESENCE = 5
    ROLE = 6
    USER = 7
    VOICE_STATE = 8
    REFERENCE = 9
    """Kept for compatibility: nothing is stored here, since lookup tables live beside the entities they find."""
    MESSAGE = 10
    THREAD = 11
    STICKER = 12
    APPLICATION = 13
    DM_CHANNEL = 14


def check_namespace(namespace: str | None, kinds: collections.Collection[str], /) -> str | None:
    """Return a namespace that is safe as the beginning of every key.

    Parameters
    ----------
    namespace
        What was given.
    kinds
        The names of all kinds of entities.

    Raises
    ------
    ValueError
        If it is empty, longer than 64 characters, has a character other than ASCII letters, digits, `_`, `.` and `-`,
        or keys without a namespace begin like that too.
    """
    if namespace is None:
        return None

    error_message = ""
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):  # pyright: ignore[reportUnnecessaryIsInstance]
        error_message = f"must be made of A-Z, a-z, 0-9, '_', '.' and '-', not {namespace!r:.100}"
    elif len(namespace) > _LONGEST_NAMESPACE:
        error_message = f"must have at most {_LONGEST_NAMESPACE} characters, not {len(namespace)}"
    elif namespace.removesuffix("-channel") in kinds:
        error_message = f"must not be {namespace!r}: keys of caches without a namespace begin with '{namespace}:' too"
    if error_message:
        error_message = f"namespace {error_message}"
        raise ValueError(error_message)

    return namespace


class Keys:
    """Names the keys of one namespace.

    `kind` is the name of a kind of entity ("role"), `guild`, `channel` and `entity` are ids as text. Keys that
    belong to one guild carry it as a hash tag, so that a cluster keeps them in one slot.
    """

    __slots__ = ("prefix",)

    def __init__(self, namespace: str | None = None, /) -> None:
        self.prefix: typing.Final[str] = f"{namespace}:" if namespace else ""

    def in_guild(self, kind: str, guild: str, /) -> str:
        """`HASH {<guild>}:<kind>`: entity id → payload, all of one kind in one guild."""
        return f"{self.prefix}{{{guild}}}:{kind}"

    def channels_in_guild(self, kind: str, guild: str, /) -> str:
        """`HASH {<guild>}:<kind>-channel`: entity id → id of the channel it is in, for the kinds found by channel."""
        return f"{self.prefix}{{{guild}}}:{kind}-channel"

    def in_channel(self, kind: str, channel: str, /) -> str:
        """`HASH <kind>-channel:<channel>`: entity id → guild id, the entities of one kind in one channel."""
        return f"{self.prefix}{kind}-channel:{channel}"

    def owners(self, kind: str, /) -> str:
        """`HASH <kind>-guild`: entity id → guild id, for kinds that are looked up by their id alone."""
        return f"{self.prefix}{kind}-guild"

    def guilds(self, kind: str, /) -> str:
        """`SET <kind>-guilds`: ids of the guilds that have, or had, entities of this kind."""
        return f"{self.prefix}{kind}-guilds"

    def single(self, kind: str, entity: str, /) -> str:
        """`STRING <kind>:<entity>`: one payload with a lifetime of its own."""
        return f"{self.prefix}{kind}:{entity}"

    def whole(self, kind: str, /) -> str:
        """`HASH <kind>` or `SET <kind>`: all entities (or marked ids) of a kind that belongs to no guild."""
        return f"{self.prefix}{kind}"
