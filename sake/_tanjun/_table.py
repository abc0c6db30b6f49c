# SPDX-License-Identifier: BSD-3-Clause
"""The table of bindings: what Tanjun may ask for, and which methods answer. Nothing else knows of single resources."""

from __future__ import annotations

__all__ = ["ROWS", "Row", "Shape"]

import enum
import typing
from collections import abc as collections

import hikari

from sake import _names
from sake import abc

from ._asker import Asker

Knows = collections.Callable[[Asker, str, typing.Any, "hikari.Snowflake | None"], collections.Awaitable[bool]]


class Shape(enum.Enum):
    """How the entries of a resource are asked for."""

    SINGLE = enum.auto()
    """There is one."""

    GLOBAL = enum.auto()
    """By a key."""

    OWNED = enum.auto()
    """By an id, and by an id in a guild."""

    BOUND = enum.auto()
    """By an id in a guild only."""


# The methods of a resource are named, not held, so that a row works for every class that implements the interface. A
# name that is wrong cannot be found by a type checker; the tests ask every alias of every row.
class Row(typing.NamedTuple):
    """One resource: for which models it is registered and which methods of its interface answer."""

    interface: type[typing.Any]
    shape: Shape
    models: tuple[type[typing.Any], ...]
    name: _names.Name
    get: str = ""
    """The method that returns one of them, if it is not called after them."""

    keys: tuple[typing.Any, ...] = (hikari.Snowflakeish,)
    knows: Knows = Asker.as_told
    """What makes "not found" final where the resource is trusted."""

    is_trusted: bool = False
    """Whether the resource is trusted unless told otherwise."""

    has_everyone: bool = False
    """Whether each guild has an entry with the guild's own id, without which the others are not all there are."""


ROWS: typing.Final[tuple[Row, ...]] = (
    Row(abc.MeCache, Shape.SINGLE, (hikari.OwnUser,), _names.ME),
    Row(abc.ApplicationCache, Shape.SINGLE, (hikari.Application,), _names.APPLICATION, get="fetch_application"),
    Row(
        abc.ApplicationCache,
        Shape.SINGLE,
        (hikari.AuthorizationApplication,),
        _names.AUTHORIZATION,
        get="fetch_authorization_application",
    ),
    Row(
        abc.EmojiCache,
        Shape.OWNED,
        (hikari.KnownCustomEmoji,),
        _names.EMOJI,
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(
        abc.GuildCache,
        Shape.GLOBAL,
        (hikari.Guild, hikari.GatewayGuild),
        _names.GUILD,
        knows=Asker.knows_guild,
        is_trusted=True,
    ),
    Row(
        abc.GuildChannelCache,
        Shape.OWNED,
        (hikari.PermissibleGuildChannel,),
        _names.CHANNEL,
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(abc.ThreadCache, Shape.OWNED, (hikari.GuildThreadChannel,), _names.THREAD, knows=Asker.knows_entities),
    Row(abc.DMChannelCache, Shape.GLOBAL, (hikari.DMChannel,), _names.DM_CHANNEL),
    Row(
        abc.InviteCache,
        Shape.GLOBAL,
        (hikari.Invite, hikari.InviteWithMetadata),
        _names.INVITE,
        keys=(str, hikari.Snowflakeish),
    ),
    Row(abc.MemberCache, Shape.BOUND, (hikari.Member,), _names.MEMBER, knows=Asker.knows_entities, is_trusted=True),
    Row(abc.MessageCache, Shape.GLOBAL, (hikari.Message,), _names.MESSAGE),
    Row(
        abc.PresenceCache,
        Shape.BOUND,
        (hikari.MemberPresence,),
        _names.PRESENCE,
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(
        abc.RoleCache,
        Shape.OWNED,
        (hikari.Role,),
        _names.ROLE,
        knows=Asker.knows_entities,
        is_trusted=True,
        has_everyone=True,
    ),
    Row(
        abc.StickerCache,
        Shape.OWNED,
        (hikari.GuildSticker,),
        _names.STICKER,
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(abc.UserCache, Shape.GLOBAL, (hikari.User,), _names.USER, knows=Asker.knows_users),
    Row(
        abc.VoiceStateCache,
        Shape.BOUND,
        (hikari.VoiceState,),
        _names.VOICE_STATE,
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
)
