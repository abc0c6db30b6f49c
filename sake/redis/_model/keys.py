# SPDX-License-Identifier: BSD-3-Clause
"""Every key that sake writes, and the databases they go to. Pure."""

from __future__ import annotations

__all__ = ["Keys", "ResourceIndex", "check_namespace"]

import enum
import itertools
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
    """Where guilds are listed, and the guilds of what is looked up by its id alone."""
    MESSAGE = 10
    THREAD = 11
    STICKER = 12
    APPLICATION = 13
    DM_CHANNEL = 14


def check_namespace(namespace: str, /) -> str:
    """Return a namespace that is safe as the beginning of every key.

    Raises
    ------
    ValueError
        If it is empty, longer than 64 characters, or has a character other than ASCII letters, digits, `_`, `.` and
        `-`.
    """
    error_message = ""
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):  # pyright: ignore[reportUnnecessaryIsInstance]
        error_message = f"must be made of A-Z, a-z, 0-9, '_', '.' and '-', not {namespace!r:.100}"
    elif len(namespace) > _LONGEST_NAMESPACE:
        error_message = f"must have at most {_LONGEST_NAMESPACE} characters, not {len(namespace)}"
    if error_message:
        error_message = f"namespace {error_message}"
        raise ValueError(error_message)

    return namespace


def _in_one_place(_: str, /) -> int:
    return 0


class Keys:
    """Names the keys of one namespace.

    `kind` is the name of a kind of entity ("role"), `guild` and `entity` are ids as text. Keys that belong to one guild
    carry it as a hash tag, so that a cluster keeps them in one slot.

    Parameters
    ----------
    namespace
        Begins every key.
    slot_of
        Returns in which place a key is. What is in one place can be changed at once; a single server is one.
    """

    __slots__ = ("is_one_place", "prefix", "slot_of")

    def __init__(self, namespace: str = "sake", /, *, slot_of: collections.Callable[[str], int] | None = None) -> None:
        self.is_one_place: typing.Final = slot_of is None
        self.prefix: typing.Final[str] = f"{namespace}:"
        self.slot_of: typing.Final = slot_of or _in_one_place

    def by_slot(self, keys: collections.Iterable[str], /) -> collections.Iterator[tuple[int, list[str]]]:
        """Return keys in their order, those next to each other together as long as they are in the same place."""
        if self.is_one_place:
            yield self.slot_of(""), list(keys)
            return

        for slot, group in itertools.groupby(keys, self.slot_of):
            yield slot, list(group)

    def in_guild(self, kind: str, guild: str, /) -> str:
        """`HASH {<guild>}:<kind>`: entity id → payload, all of one kind in one guild."""
        return f"{self.prefix}{{{guild}}}:{kind}"

    def channels_in_guild(self, kind: str, guild: str, /) -> str:
        """`HASH {<guild>}:<kind>-channel`: entity id → id of the channel it is in, for the kinds found by channel."""
        return f"{self.prefix}{{{guild}}}:{kind}-channel"

    def single(self, kind: str, entity: str, /) -> str:
        """`STRING <kind>:<entity>`: one payload, which may have a lifetime of its own."""
        return f"{self.prefix}{kind}:{entity}"

    def guilds(self) -> str:
        """`SET guilds`: ids of the guilds that have, or had, anything here."""
        return f"{self.prefix}guilds"

    def guild_of(self, entity: str, /) -> str:
        """`HASH guild-of:<bucket>`: id → guild, of entities that are looked up by their id alone.

        There are 65,536 buckets, so that each stays small enough to be stored as a plain list of numbers.
        """
        return f"{self.prefix}guild-of:{(int(entity) >> 22) & 0xFFFF}"

    def epoch(self, writer: str, tag: str, /) -> str:
        """`STRING epoch:<writer>` or `STRING {<tag>}:epoch:<writer>`: the number of the last batch of a writer."""
        return f"{self.prefix}{{{tag}}}:epoch:{writer}" if tag else f"{self.prefix}epoch:{writer}"

    def writers(self) -> str:
        """`HASH writers`: shard → the session that has it; `<shard>:<writer>` → the session by which one writes it."""
        return f"{self.prefix}writers"

    def meta(self) -> str:
        """`STRING meta`: which layout this is, and how values are encoded."""
        return f"{self.prefix}meta"
