# SPDX-License-Identifier: BSD-3-Clause
"""Which guilds there are, and which guild an id belongs to: what the server is known to have of it. Pure."""

from __future__ import annotations

__all__ = ["Facts"]

import itertools
import typing
from collections import abc as collections

from . import ids
from .delta import Delta
from .keys import Keys
from .transaction import Packed
from .transaction import Transaction

_MOST: typing.Final = 100_000
"""How many facts a process remembers: about 20 MB, and as many again of which it is not known that they are stored."""


_IsAway = collections.Callable[[int], bool]
"""Returns whether the place of a slot cannot be reached."""


class Facts:
    """What the server is known to hold about the guilds of ids.

    Discord never moves an id from one guild to another. So what is known once stays known, and what is written once
    need not be written again, until a write fails or the server may have forgotten.

    Parameters
    ----------
    keys
        Names the keys.
    """

    __slots__ = ("_guilds", "_keys", "_known", "_new", "_once_known", "_unlisted", "_useless", "age")

    def __init__(self, keys: Keys, /) -> None:
        self._guilds: set[str] = set()
        """Ids of guilds that are listed."""
        self._keys = keys
        self._known: dict[str, str] = {}
        self._new: dict[str, str] = {}
        """Facts that are to be written."""
        self._once_known: dict[str, str] = {}
        """What is still true, but may not be stored any more."""
        self._unlisted: set[str] = set()
        """Ids of guilds that are to be listed."""
        self.age: int = 0
        """Is another number after something was forgotten."""
        self._useless: tuple[set[str], set[str]] = set(), set()
        """Ids whose facts are to be removed, and guilds that are not to be listed any more."""

    def find(self, entity: str, /) -> str | None:
        """Return the guild that an id belongs to, if that is known."""
        return self._known.get(entity) or self._new.get(entity) or self._once_known.get(entity)

    @property
    def _all(self) -> tuple[dict[str, str], ...]:
        return self._known, self._new, self._once_known

    def learn(self, entity: str, guild: str, /) -> None:
        """Take note of a fact that the server has."""
        if len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[entity] = guild
        self._once_known.pop(entity, None)

    def forget(self) -> None:
        """Take nothing for stored any more."""
        self.age += 1
        self._guilds.clear()
        self._once_known |= self._known
        self._known.clear()
        for entity in list(itertools.islice(self._once_known, max(len(self._once_known) - _MOST, 0))):
            del self._once_known[entity]

    @property
    def is_waiting(self) -> bool:
        """Whether something is to be written that belongs to places which were away."""
        return bool(self._new or self._unlisted or any(self._useless))

    def write(
        self, deltas: collections.Iterable[Delta], is_away: _IsAway, /
    ) -> tuple[list[Packed], collections.Callable[[], None]]:
        """Return what has to be written before some deltas are, and what to call when that is done.

        What goes to a place that is away waits for the next time.
        """
        unlisted = self._unlisted
        for delta in deltas:
            # Now, since what is large is forgotten piece by piece as it is written.
            delta.left = delta.left_for_good()
            self._new |= {entity: guild for entity, guild in delta.facts.items() if self._known.get(entity) != guild}
            for kind, scopes in delta.kinds.items():
                if kind.in_guild:
                    unlisted |= {guild for guild in scopes.keys() - self._guilds if guild and scopes[guild].has_puts()}
            unlisted |= delta.listed - self._guilds
        # What is written of a guild has to be found when the bot left it.
        unlisted |= set(self._new.values()) - self._guilds

        slot_of = self._keys.slot_of
        facts = {e: guild for e, guild in self._new.items() if not is_away(slot_of(self._keys.guild_of(e)))}
        guilds: set[str] = set() if is_away(slot_of(self._keys.guilds())) else set(unlisted)

        def written() -> None:
            self._guilds |= guilds
            self._unlisted -= guilds
            for entity, guild in facts.items():
                self.learn(entity, guild)
                self._new.pop(entity, None)

        if not facts and not guilds:
            return [], written

        transaction = Transaction(self._keys)
        transaction.list_guilds(guilds)
        transaction.put_facts(facts)
        return transaction.finish(), written

    def discard(self, deltas: collections.Iterable[Delta], gone: collections.Iterable[str], /) -> None:
        """Take note of what is not needed any more now that some deltas are written, and some ids gone with them."""
        useless, guilds = self._useless
        useless |= set(filter(ids.is_snowflake, gone))
        for delta in deltas:
            # A guild's own id may be that of its oldest channel, and is that of the role that everybody has.
            useless.difference_update(delta.facts, delta.facts.values(), *delta.kinds.values())
            useless.update(delta.useless)
            guilds -= delta.guilds()
            guilds |= delta.left
        if guilds:
            useless |= guilds
            useless |= {entity for known in self._all for entity, guild in known.items() if guild in guilds}
        self._guilds -= guilds
        self._unlisted -= guilds
        self.age += bool(useless)
        for entity in useless:
            for known in self._all:
                known.pop(entity, None)

    def remove(self, is_away: _IsAway, /) -> tuple[list[Packed], collections.Callable[[], None]]:
        """Return what removes all that is not needed any more, and what to call when that is done."""
        slot_of = self._keys.slot_of
        ids = {entity for entity in self._useless[0] if not is_away(slot_of(self._keys.guild_of(entity)))}
        guilds: set[str] = set() if is_away(slot_of(self._keys.guilds())) else set(self._useless[1])

        def removed() -> None:
            self._useless[0].difference_update(ids)
            self._useless[1].difference_update(guilds)

        if not ids and not guilds:
            return [], removed

        transaction = Transaction(self._keys)
        transaction.drop_facts(ids)
        transaction.unlist_guilds(guilds)
        return transaction.finish(), removed
