# SPDX-License-Identifier: BSD-3-Clause
"""Whether all members of a guild have come. Pure."""

from __future__ import annotations

__all__ = ["Chunk", "MemberLists"]

import dataclasses
import math
import secrets
import typing

from .codec import Payload

_MOST_ANSWERS: typing.Final = 1_000
"""So many answers are followed at a time: some never come whole, since the connection was lost between their parts."""

_MOST_MEMBERS_OF_A_QUERY: typing.Final = 100
"""A request by name or by ids is answered with at most so many, so a longer answer is the whole list."""


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the answer to a request for members."""

    guild: str
    nonce: str
    index: int
    count: int
    """Of how many parts the answer is made."""
    members: float
    """How many members came with it; not a number where some of them cannot be used."""

    @classmethod
    def of(cls, payload: Payload, taken: int, /) -> Chunk | None:
        """Return the part that a payload is, of which so many members were taken, if it can be one."""
        index, count = payload.get("chunk_index"), payload.get("chunk_count")
        if not isinstance(index, int) or not isinstance(count, int) or not 0 <= index < count:
            return None

        members = taken if taken == len(payload["members"]) else math.nan
        return cls(str(payload["guild_id"]), str(payload.get("nonce") or ""), index, count, members)

    @property
    def answer(self) -> tuple[str, str, int]:
        """What the parts of one answer have in common. Not all who ask say a nonce."""
        return self.guild, self.nonce, self.count


@dataclasses.dataclass(slots=True)
class _Answer:
    indexes: set[int] = dataclasses.field(default_factory=set[int])
    members: float = 0

    def add(self, chunk: Chunk, /) -> None:
        if chunk.index not in self.indexes:
            self.indexes.add(chunk.index)
            self.members += chunk.members


class MemberLists:
    """Follows what comes of the member lists of guilds, as long as they are not complete."""

    __slots__ = ("_answers", "_counts", "_nonces")

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, int], _Answer] = {}
        """Answers of which some parts have come; those of which the last one came longest ago first."""
        self._counts: dict[str, int] = {}
        """Guild id → how many members it has."""
        self._nonces: dict[str, str] = {}
        """Guild id → what the answer to our own request will be known by."""

    def expect(self, guild: str, count: int | None, /) -> None:
        """Take note that a guild came without all its members, of which there are so many."""
        self.forget(guild)
        if count is not None:
            self._counts[guild] = count

    def forget(self, guild: str, /) -> None:
        """Wait for nothing any more: the guild is gone, or its list is complete or begins anew."""
        self._counts.pop(guild, None)
        self._nonces.pop(guild, None)
        for answer in [answer for answer in self._answers if answer[0] == guild]:
            del self._answers[answer]

    def count(self, guild: str, change: int, /) -> None:
        """Take note of a member who joined or left."""
        if guild in self._counts:
            self._counts[guild] += change

    def request(self, guild: str, /) -> str:
        """Return the nonce for a request for all members of a guild."""
        nonce = self._nonces[guild] = f"sake-{secrets.token_hex(8)}"
        return nonce

    def is_ours(self, guild: str, nonce: object, /) -> bool:
        """Return whether a request for the members of a guild is our last one."""
        return bool(nonce) and nonce == self._nonces.get(guild)

    def completes(self, chunk: Chunk, /) -> bool:
        """Return whether a part makes the list of its guild complete."""
        before = self._answers.get(chunk.answer, _Answer())
        if len(before.indexes) + (chunk.index not in before.indexes) < chunk.count:
            return False

        members = before.members + chunk.members
        if self.is_ours(chunk.guild, chunk.nonce):
            return members >= 0

        return members > _MOST_MEMBERS_OF_A_QUERY or members >= self._counts.get(chunk.guild, math.inf)

    def add(self, chunk: Chunk, /) -> None:
        """Take note of a part that has come."""
        if self.completes(chunk):
            self.forget(chunk.guild)
            return

        answer = self._answers.pop(chunk.answer, None) or _Answer()
        answer.add(chunk)
        if len(answer.indexes) < chunk.count:
            self._answers[chunk.answer] = answer
        if len(self._answers) > _MOST_ANSWERS:
            del self._answers[next(iter(self._answers))]
