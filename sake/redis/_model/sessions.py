# SPDX-License-Identifier: BSD-3-Clause
"""Sessions: the stretches of time in which a bot hears of all that happens in the guilds of a shard. Pure."""

from __future__ import annotations

__all__ = ["SHARDS", "Session", "Token", "shard_of"]

import dataclasses
import secrets
import time
import typing

from .codec import Payload

SHARDS: typing.Final = "shards"
"""What is stored beside the sessions: how many shards there are."""

_SEPARATOR: typing.Final = ":"


def shard_of(guild: str, count: int, /) -> str:
    """Return the shard that a guild belongs to, of so many."""
    return f"{(int(guild) >> 22) % count}-{count}"


@dataclasses.dataclass(slots=True)
class Session:
    """One session, as the process that has it knows it."""

    shard: str
    """Id and number of shards: `0-1`."""
    intents: int
    """What the bot is told of."""
    guilds: set[str]
    """Ids of the guilds that it hears of, or will."""
    is_whole: bool
    """Whether it began with READY, which names all guilds."""
    gateway: str | None = None
    """What the gateway calls it, in short; nothing where READY was not heard."""
    nonce: str = dataclasses.field(default_factory=lambda: secrets.token_hex(6))
    ready: int = dataclasses.field(default_factory=lambda: int(time.time()))
    """When it began, in seconds since 1970."""

    @property
    def token(self) -> bytes:
        """What the marks of guilds carry that it has received."""
        return f"{self.shard}{_SEPARATOR}{self.nonce}".encode()

    def anew(self, *, is_whole: bool) -> Session:
        """Return a session that begins now and hears what this one hears, but has received nothing yet."""
        return Session(self.shard, self.intents, self.guilds, is_whole, self.gateway)

    def as_payload(self) -> dict[str, typing.Any]:
        """Return what is stored of it."""
        return {
            "token": self.token.decode(),
            "intents": self.intents,
            "guilds": len(self.guilds),
            "is_whole": self.is_whole,
            "ready": self.ready,
        }


class Token(typing.NamedTuple):
    """What a mark says."""

    shard: str
    text: str

    @classmethod
    def of(cls, data: bytes | None, /) -> Token | None:
        """Return the token that a mark carries, if it has one."""
        text = (data or b"").decode("ascii", "replace")
        shard, separator, _ = text.partition(_SEPARATOR)
        return cls(shard, text) if separator else None

    def is_of(self, stored: Payload | None, /) -> bool:
        """Return whether a stored session is the one that gave this token."""
        return stored is not None and stored.get("token") == self.text
