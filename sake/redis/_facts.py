# SPDX-License-Identifier: BSD-3-Clause
"""Which guilds there are, and which guild an id belongs to: what the server is known to have of it. Pure."""

from __future__ import annotations

__all__ = ["Facts"]

import typing
from collections import abc as collections

from . import _ids
from ._delta import Delta
from ._keys import Keys
from ._transaction import Packed
from ._transaction import Transaction

_MOST: typing.Final = 100_000
"""How many facts a process remembers: about 20 MB."""


class Facts:
    """What the server is known to hold about the guilds of ids.

    Discord never moves an id from one guild to another. So what is known once stays known, and what is written once
    need not be written again, until a write fails or the server may have forgotten.

    Parameters
    ----------
    keys
        Names the keys.
    """

    __slots__ = ("_guilds", "_keys", "_known", "_useless", "age")

    def __init__(self, keys: Keys, /) -> None:
        self._guilds: set[str] = set()
        """Ids of guilds that are listed."""
        self._keys = keys
        self._known: dict[str, str] = {}
        self.age: int = 0
        """Is another number after something was forgotten."""
        self._useless: tuple[set[str], set[str]] = set(), set()
        """Ids whose facts are to be removed, and guilds that are not to be listed any more."""

    def find(self, entity: str, /) -> str | None:
        """Return the guild that an id belongs to, if that is known."""
        return self._known.get(entity)

    def learn(self, entity: str, guild: str, /) -> None:
        """Take note of a fact that the server has."""
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[entity] = guild

    def forget(self) -> None:
        """Take nothing for known any more."""
        self.age += 1
        self._guilds.clear()
        self._known.clear()

    def write(self, deltas: collections.Iterable[Delta], /) -> tuple[list[Packed], collections.Callable[[], None]]:
        """Return what has to be written before some deltas are, and what to call when that is done."""
        facts: dict[str, str] = {}
        guilds: set[str] = set()
        for delta in deltas:
            facts |= {entity: guild for entity, guild in delta.facts.items() if self._known.get(entity) != guild}
            for kind, scopes in delta.kinds.items():
                if kind.in_guild:
                    guilds |= {guild for guild in scopes.keys() - self._guilds if guild and scopes[guild].has_puts()}

        def written() -> None:
            self._guilds |= guilds
            for entity, guild in facts.items():
                self.learn(entity, guild)

        if not facts and not guilds:
            return [], written

        transaction = Transaction(self._keys)
        transaction.list_guilds(guilds)
        transaction.put_facts(facts)
        return transaction.finish(), written

    def discard(self, deltas: collections.Iterable[Delta], gone: collections.Iterable[str], /) -> None:
        """Take note of what is not needed any more now that some deltas are written, and some ids gone with them."""
        ids, guilds = self._useless
        ids |= set(filter(_ids.is_snowflake, gone))
        for delta in deltas:
            ids.difference_update(delta.facts, *delta.kinds.values())
            ids.update(delta.useless)
        left: set[str] = set()
        for delta in deltas:
            left |= delta.left_for_good()
        if left:
            ids |= left
            ids |= {entity for entity, guild in self._known.items() if guild in left}
            guilds |= left
        self._guilds -= guilds
        self.age += bool(ids)
        for entity in ids:
            self._known.pop(entity, None)

    def remove(self) -> list[Packed]:
        """Return what removes all that is not needed any more."""
        ids, guilds = self._useless
        if not ids and not guilds:
            return []

        transaction = Transaction(self._keys)
        transaction.drop_facts(ids)
        transaction.unlist_guilds(guilds)
        return transaction.finish()

    def removed(self) -> None:
        """Take note that that was done."""
        self._useless = set(), set()
