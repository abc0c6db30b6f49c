# SPDX-License-Identifier: BSD-3-Clause
"""The table of bindings: what Tanjun may ask for, and which methods answer. Nothing else knows of single resources."""

from __future__ import annotations

__all__ = ["ROWS", "Row", "Shape"]

import enum
import typing
from collections import abc as collections

import hikari

from sake import abc

from ._asker import Asker

Knows = collections.Callable[[Asker, typing.Any, "hikari.Snowflake | None"], collections.Awaitable[bool]]


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


# The methods of a resource are named, not held, so that a row is one line and works for every class that implements the
# interface. A name that is wrong cannot be found by a type checker; the tests ask every alias of every row.
class Row(typing.NamedTuple):
    """One resource: for which models it is registered and which methods of its interface answer."""

    interface: type[typing.Any]
    shape: Shape
    models: tuple[type[typing.Any], ...]
    get: str
    iter_all: str = ""
    iter_for_guild: str = ""
    keys: tuple[typing.Any, ...] = (hikari.Snowflakeish,)
    knows: Knows = Asker.as_told
    """What makes "not found" final where the resource is trusted."""

    is_trusted: bool = False
    """Whether the resource is trusted unless told otherwise."""

    has_everyone: bool = False
    """Whether each guild has an entry with the guild's own id, without which the others are not all there are."""


ROWS: typing.Final[tuple[Row, ...]] = (
    Row(abc.MeCache, Shape.SINGLE, (hikari.OwnUser,), "get_me"),
    Row(abc.ApplicationCache, Shape.SINGLE, (hikari.Application,), "fetch_application"),
    Row(abc.ApplicationCache, Shape.SINGLE, (hikari.AuthorizationApplication,), "fetch_authorization_application"),
    Row(
        abc.EmojiCache,
        Shape.OWNED,
        (hikari.KnownCustomEmoji,),
        "get_emoji",
        "iter_emojis",
        "iter_emojis_for_guild",
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(
        abc.GuildCache,
        Shape.GLOBAL,
        (hikari.Guild, hikari.GatewayGuild),
        "get_guild",
        "iter_guilds",
        knows=Asker.knows_guild,
        is_trusted=True,
    ),
    Row(
        abc.GuildChannelCache,
        Shape.OWNED,
        (hikari.PermissibleGuildChannel,),
        "get_guild_channel",
        "iter_guild_channels",
        "iter_guild_channels_for_guild",
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(
        abc.ThreadCache,
        Shape.OWNED,
        (hikari.GuildThreadChannel,),
        "get_thread",
        "iter_threads",
        "iter_threads_for_guild",
        knows=Asker.knows_entities,
    ),
    Row(abc.DMChannelCache, Shape.GLOBAL, (hikari.DMChannel,), "get_dm_channel", "iter_dm_channels"),
    Row(
        abc.InviteCache,
        Shape.GLOBAL,
        (hikari.Invite, hikari.InviteWithMetadata),
        "get_invite",
        "iter_invites",
        keys=(str, hikari.Snowflakeish),
    ),
    Row(
        abc.MemberCache,
        Shape.BOUND,
        (hikari.Member,),
        "get_member",
        "iter_members",
        "iter_members_for_guild",
        knows=Asker.knows_members,
        is_trusted=True,
    ),
    Row(abc.MessageCache, Shape.GLOBAL, (hikari.Message,), "get_message", "iter_messages"),
    Row(
        abc.PresenceCache,
        Shape.BOUND,
        (hikari.MemberPresence,),
        "get_presence",
        "iter_presences",
        "iter_presences_for_guild",
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(
        abc.RoleCache,
        Shape.OWNED,
        (hikari.Role,),
        "get_role",
        "iter_roles",
        "iter_roles_for_guild",
        knows=Asker.knows_entities,
        is_trusted=True,
        has_everyone=True,
    ),
    Row(
        abc.StickerCache,
        Shape.OWNED,
        (hikari.GuildSticker,),
        "get_sticker",
        "iter_stickers",
        "iter_stickers_for_guild",
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
    Row(abc.UserCache, Shape.GLOBAL, (hikari.User,), "get_user", "iter_users", knows=Asker.knows_users),
    Row(
        abc.VoiceStateCache,
        Shape.BOUND,
        (hikari.VoiceState,),
        "get_voice_state",
        "iter_voice_states",
        "iter_voice_states_for_guild",
        knows=Asker.knows_entities,
        is_trusted=True,
    ),
)
