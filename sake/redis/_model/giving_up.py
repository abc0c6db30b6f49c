# SPDX-License-Identifier: BSD-3-Clause
"""What is given up of changes that take too much memory. Pure."""

from __future__ import annotations

__all__ = ["give_up"]

import typing
from collections import abc as collections

from .changes import ENTRY_COST
from .changes import Patch
from .changes import size_of
from .delta import FACT_COST
from .delta import Delta
from .kinds import LISTS
from .kinds import MEMBERS
from .kinds import STALE_GUILDS
from .kinds import Kind
from .wire import mark

AnyKind = Kind[typing.Any]


def give_up(delta: Delta, size: int, kinds: collections.Container[AnyKind], /) -> tuple[int, set[str]]:
    """Give up the oldest changes, until at most `size` bytes are left; return how many, and of which guilds.

    What is set in a guild is given up whole, lists with all that they replace, so that the older ones stay. Such a
    guild is marked as stale, where `kinds` know of that, and its member list is not called complete any more.
    Deletions are given up last, since they take little and leave something wrong behind.
    """
    delta.measure()
    if delta.size > size:
        # They do no harm.
        delta.size -= FACT_COST * len(delta.useless)
        delta.useless.clear()

    given_up, guilds, without_members = 0, set[str](), set[str]()
    for guild in dict.fromkeys(guild for scopes in delta.kinds.values() for guild in scopes if guild):
        for kind in [kind for kind in delta.kinds if not kind.is_mark] if delta.size > size else ():
            if count := _give_up_scope(delta, kind, guild):
                given_up += count
                guilds.add(guild)
                without_members |= {guild} if kind is MEMBERS else set()

    for is_deletion in (False, True):
        for kind, guild, entity in _entries(delta, is_deletion=is_deletion):
            if delta.size <= size:
                break
            _give_up_entry(delta, kind, guild, entity)
            given_up += 1
            guilds |= {guild} if guild else set()

    _mark(delta, guilds, without_members, kinds)
    return given_up, guilds


def _mark(delta: Delta, guilds: set[str], without_members: set[str], kinds: collections.Container[AnyKind], /) -> None:
    for guild in guilds if STALE_GUILDS in kinds else ():
        delta.put(STALE_GUILDS, guild, guild, mark(guild), None, None)
    for kind in LISTS:
        # Whether members are all there is not told by what else was given up.
        for guild in without_members if kind is MEMBERS else guilds:
            if LISTS[kind] in kinds:
                delta.drop(LISTS[kind], guild, guild)


def _give_up_scope(delta: Delta, kind: AnyKind, guild: str, /) -> int:
    changes = delta.kinds[kind].get(guild)
    given_up = [] if changes is None else [entity for entity, entry in changes.entries.items() if entry is not None]
    for entity in given_up:
        _give_up_entry(delta, kind, guild, entity)
    if changes is not None and given_up and changes.cleared:
        # The list that was to take its place is gone: the older one stays.
        changes.cleared = False
        if not changes.entries:
            del delta.kinds[kind][guild]

    return len(given_up)


def _entries(delta: Delta, *, is_deletion: bool) -> list[tuple[AnyKind, str, str]]:
    return [
        (kind, guild, entity)
        for kind, scopes in delta.kinds.items()
        if not kind.is_mark
        for guild, changes in scopes.items()
        for entity, entry in changes.entries.items()
        if (entry is None) == is_deletion and (is_deletion or not guild)
    ]


def _give_up_entry(delta: Delta, kind: AnyKind, guild: str, entity: str, /) -> None:
    changes = delta.kinds[kind][guild]
    entry = changes.forget(entity)
    delta.size -= ENTRY_COST + size_of(entry)
    if kind.owned and delta.facts.pop(entity, None) is not None:
        delta.size -= FACT_COST
    if isinstance(entry, Patch) and not guild:
        # What is stored is not true any more: rather nothing than that.
        changes.drop(entity)
        delta.size += ENTRY_COST
