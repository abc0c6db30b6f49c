# SPDX-License-Identifier: BSD-3-Clause
"""Which writer has a shard: of two processes with the same shard the one that heard READY later.

Each says so under one key when it hears READY, and reads there with every batch whether another one has since.
"""

from __future__ import annotations

__all__ = ["Claims", "digest"]

import hashlib
import typing
from collections import abc as collections

from . import wire
from .keys import Keys
from .replies import ReplyError
from .wire import Parcel

_LATE: typing.Final = b"!"
"""Follows the claim of a writer to whom an earlier one has something to say: it wrote when nobody expected it to."""


def digest(session_id: str, /) -> str:
    """Return what a gateway session is called here: whoever reads it cannot resume the session."""
    return hashlib.blake2b(session_id.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


class Claims:
    """The shards that one client hears, and who has them.

    Parameters
    ----------
    keys
        Names the keys.
    writer
        What tells this client from others.
    """

    __slots__ = ("_before", "_claimed", "_key", "_known", "_slot", "_writer", "late", "lost", "rivals")

    def __init__(self, keys: Keys, writer: str, /) -> None:
        self._before: dict[str, bytes] = {}
        """Shard → the session by which this client had it before."""
        self._claimed: dict[str, bytes] = {}
        """Shard → the session by which it is claimed, as long as that is not said."""
        self._key = keys.writers()
        self._known: dict[str, bytes | None] = {}
        """Shard → the session that has it. It is unknown where the client was opened after READY."""
        self._slot = keys.slot_of(self._key)
        self._writer = writer
        self.late: bool = False
        """Whether an earlier writer wrote something after it was believed to have gone."""
        self.lost: typing.Final[dict[str, bytes]] = {}
        """Shard → the session of a later writer, of those that this client is to write no more."""
        self.rivals: typing.Final[set[str]] = set()
        """Shards that another writer had when they were claimed: it may be writing still."""

    def claim(self, shard: str, session: str, /) -> None:
        """Take a shard, whoever had it: its session has just begun."""
        if before := self._known.get(shard):
            self._before[shard] = before
        self._claimed[shard] = self._known[shard] = session.encode()
        self.lost.pop(shard, None)

    def watch(self, shard: str, /) -> None:
        """Take note of a shard whose session began before the client was opened."""
        self._known.setdefault(shard, None)

    def ask(self) -> tuple[Parcel, collections.Callable[[object], None]] | None:
        """Return what claims shards and asks who has the others, if there are any, and who hears the answers."""
        if not self._known:
            return None

        shards, claimed = tuple(self._known), dict(self._claimed)
        asking, replies = wire.pack("HMGET", self._key, *shards), 1
        if claimed:
            fields = [part for shard, said in claimed.items() for part in (shard, said, self._own(shard), said)]
            asking, replies = asking + wire.pack("HSET", self._key, *fields), 2
        return Parcel(self._slot, asking, replies), lambda answers: self._hear(shards, claimed, answers)

    def _hear(self, shards: tuple[str, ...], claimed: dict[str, bytes], answers: object, /) -> None:
        # What cannot be asked is asked with the next batch.
        if not isinstance(answers, list):
            return
        stored, *others = typing.cast("list[object]", answers)
        if any(isinstance(answer, ReplyError) for answer in (stored, *others)):
            return

        for shard, session in zip(shards, typing.cast("list[bytes | None]", stored), strict=True):
            if shard in claimed:
                if self._claimed.get(shard) == claimed[shard]:
                    del self._claimed[shard]
                if session is not None and session != self._before.get(shard):
                    # It may be this client's own where the question was sent twice.
                    self.rivals.add(shard)
            elif shard in self._known and shard not in self._claimed:
                self._compare(shard, session)

    def _compare(self, shard: str, session: bytes | None, /) -> None:
        own = self._known[shard]
        if own is None:
            self._known[shard] = session
        elif session is None:
            # The server has forgotten it.
            self._claimed[shard] = own
        elif session == own + _LATE:
            self.late, self._claimed[shard] = True, own
        elif session.removesuffix(_LATE) != own.removesuffix(_LATE):
            self.lost[shard] = session
            del self._known[shard]

    def take_rivals(self) -> set[str]:
        """Return the shards that another writer had when they were claimed, and forget them."""
        rivals = set(self.rivals)
        self.rivals.clear()
        return rivals

    def take_lost(self) -> dict[str, bytes]:
        """Return the shards that another writer has by now, and forget them."""
        lost = dict(self.lost)
        self.lost.clear()
        return lost

    @property
    def has_any(self) -> bool:
        """Whether this client writes any shard."""
        return bool(self._known)

    def farewell(self, shards: collections.Iterable[str], /) -> Parcel | None:
        """Return what says that this client writes these shards no more: one reply, the number of them."""
        fields = [self._own(shard) for shard in shards]
        return Parcel(self._slot, wire.pack("HDEL", self._key, *fields), 1) if fields else None

    def warning(self, lost: collections.Mapping[str, bytes], /) -> Parcel:
        """Return what tells later writers that this one wrote after they had stopped waiting for it: one reply."""
        fields = [part for shard, session in lost.items() for part in (shard, session.removesuffix(_LATE) + _LATE)]
        return Parcel(self._slot, wire.pack("HSET", self._key, *fields), 1)

    def all(self) -> list[str]:
        """Return the shards that this client writes."""
        return [*self._known]

    def look(self) -> Parcel:
        """Return what asks for everything that writers have said: one reply."""
        return Parcel(self._slot, wire.pack("HGETALL", self._key), 1)

    def earlier(self, shard: str, said: collections.Sequence[bytes], /) -> list[bytes]:
        """Return the fields, of all that was said, of those who had a shard before and have not said that they left."""
        own, start = self._known.get(shard), f"{shard}:".encode()
        pairs = zip(said[::2], said[1::2], strict=True)
        return [field for field, session in pairs if field.startswith(start) and session != own]

    def has_writer(self, shard: str, said: collections.Sequence[bytes], /) -> bool:
        """Return whether, of all that was said, the writer who has a shard has not said that it left."""
        told = dict(zip(said[::2], said[1::2], strict=True))
        owner = told.get(shard.encode(), b"").removesuffix(_LATE)
        start = f"{shard}:".encode()
        return any(field.startswith(start) and session == owner for field, session in told.items())

    def dismissal(self, fields: collections.Sequence[bytes], /) -> Parcel:
        """Return what says that nobody waits for earlier writers any more: one reply."""
        return Parcel(self._slot, wire.pack("HDEL", self._key, *fields), 1)

    def _own(self, shard: str, /) -> str:
        return f"{shard}:{self._writer}"
