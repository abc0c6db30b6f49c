# SPDX-License-Identifier: BSD-3-Clause
"""What each kind of entity is called: in keys, in payloads, in methods, in sentences.

Names and nothing else, so that what verifies a cache can share them with it. Pure.
"""

from __future__ import annotations

__all__ = [
    "APPLICATION",
    "AUTHORIZATION",
    "CHANNEL",
    "DM_CHANNEL",
    "EMOJI",
    "GUILD",
    "INVITE",
    "IN_GUILDS",
    "LISTS",
    "ME",
    "MEMBER",
    "MESSAGE",
    "NAMES",
    "PRESENCE",
    "ROLE",
    "STICKER",
    "THREAD",
    "USER",
    "VOICE_STATE",
    "Name",
]

import dataclasses
import typing


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """What the entities of one kind are called."""

    kind: str
    """In keys, and in `sake.redis` everywhere."""

    stem: str = ""
    """In methods, if not as in keys."""

    @property
    def words(self) -> str:
        """What one of them is called in a sentence."""
        return self.kind.replace("_", " ")

    @property
    def plural(self) -> str:
        """What several of them are called in a sentence."""
        return f"{self.words}s"

    @property
    def list(self) -> str:
        """What the list of them is called in the payload of a guild."""
        return f"{self.kind}s"

    @property
    def get(self) -> str:
        """The method that returns one of them."""
        return f"get_{self.stem or self.kind}"

    @property
    def iter_all(self) -> str:
        """The method that iterates over all of them."""
        return f"iter_{self.stem or self.kind}s"

    @property
    def iter_for_guild(self) -> str:
        """The method that iterates over those of a guild."""
        return f"{self.iter_all}_for_guild"

    @property
    def clear_for_guild(self) -> str:
        """The method that removes those of a guild."""
        return f"clear_{self.stem or self.kind}s_for_guild"


APPLICATION: typing.Final = Name("application")
AUTHORIZATION: typing.Final = Name("authorization")
CHANNEL: typing.Final = Name("channel", "guild_channel")
DM_CHANNEL: typing.Final = Name("dm_channel")
EMOJI: typing.Final = Name("emoji")
GUILD: typing.Final = Name("guild")
INVITE: typing.Final = Name("invite")
ME: typing.Final = Name("me")
MEMBER: typing.Final = Name("member")
MESSAGE: typing.Final = Name("message")
PRESENCE: typing.Final = Name("presence")
ROLE: typing.Final = Name("role")
STICKER: typing.Final = Name("sticker")
THREAD: typing.Final = Name("thread")
USER: typing.Final = Name("user")
VOICE_STATE: typing.Final = Name("voice_state")

IN_GUILDS: typing.Final = (CHANNEL, EMOJI, MEMBER, PRESENCE, ROLE, STICKER, THREAD, VOICE_STATE)
"""The kinds that a guild, when it is received, has lists of."""

LISTS: typing.Final = tuple(name.list for name in IN_GUILDS)
"""What those lists are called."""

NAMES: typing.Final = (*IN_GUILDS, APPLICATION, AUTHORIZATION, DM_CHANNEL, GUILD, INVITE, ME, MESSAGE, USER)
"""All kinds."""
