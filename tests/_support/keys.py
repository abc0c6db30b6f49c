# SPDX-License-Identifier: BSD-3-Clause
"""The names of keys, written down by hand: what is to be found on a server, whatever sake takes it to be."""

from __future__ import annotations

import re
import typing

NAMESPACE: typing.Final = "sake"

_OWN: typing.Final = re.compile(
    r"(?P<namespace>[A-Za-z0-9_.-]+):(?:"
    r"\{(?P<guild>\d{1,20})\}:(?P<in_guild>[a-z_-]+)"
    r"|(?P<bucket>guild-of):\d{1,5}"
    r"|\{\d{1,5}\}:(?P<in_slot>epoch):[0-9a-f]{8}"
    r"|(?P<single>(?!(?:guild-of|guilds|meta):)[a-z_-]+):(?P<entity>[A-Za-z0-9_-]{1,64})"
    r"|(?P<only>guilds|meta|writers)"
    r")"
)


def in_guild(kind: str, guild: str | int, /, namespace: str = NAMESPACE) -> str:
    """Name the hash of all that a guild has of a kind, by id."""
    return f"{namespace}:{{{guild}}}:{kind}"


def channels(kind: str, guild: str | int, /, namespace: str = NAMESPACE) -> str:
    """Name the hash that says in which channel of a guild each entity of a kind is."""
    return f"{namespace}:{{{guild}}}:{kind}-channel"


def single(kind: str, entity: str | int, /, namespace: str = NAMESPACE) -> str:
    """Name the string of one entity."""
    return f"{namespace}:{kind}:{entity}"


def guilds(namespace: str = NAMESPACE) -> str:
    """Name the set of all guilds that have something."""
    return f"{namespace}:guilds"


def guild_of(entity: str | int, /, namespace: str = NAMESPACE) -> str:
    """Name the hash that says which guild an id belongs to."""
    return f"{namespace}:guild-of:{(int(entity) >> 22) % 65_536}"


def meta(namespace: str = NAMESPACE) -> str:
    """Name the string that says how things are stored."""
    return f"{namespace}:meta"


def use_of(key: str | bytes, /) -> str:
    """Return what a key is for, without its namespace and ids: "role", "thread-channel", "guild-of" or "user", say.

    It is "" where sake has no such key.
    """
    found = _OWN.fullmatch(key.decode("latin-1") if isinstance(key, bytes) else key)
    return (
        ""
        if found is None
        else found["in_slot"] or found["in_guild"] or found["bucket"] or found["single"] or found["only"]
    )


def is_of_sake_itself(key: str | bytes, /) -> bool:
    """Return whether a key says nothing of what Discord has, but how and by whom things are stored."""
    return use_of(key) in {"epoch", "meta", "session", "writers"}


def outlasts(key: str | bytes, /) -> bool:
    """Return whether a key may stay when everything is cleared, for as long as a bot runs and has its guilds."""
    return is_of_sake_itself(key) or use_of(key) in {"guilds", "guild-of"}
