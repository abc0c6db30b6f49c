# SPDX-License-Identifier: BSD-3-Clause
"""What Tanjun asks an async cache for, answered by a client of sake.

Tanjun looks caches up by exact alias. It takes "does not exist" as the last word, but asks REST after a miss. So
whatever is uncertain is a miss.
"""

from __future__ import annotations

__all__ = ["add_to_tanjun"]

import typing
from collections import abc as collections

import hikari

from sake import abc

try:
    import tanjun
    from tanjun import dependencies
except ImportError as exc:
    _MISSING = 'Tanjun is not installed. It comes with the extra: pip install "sake-cache[tanjun]"'
    raise ImportError(_MISSING) from exc

from ._adapters import Global
from ._adapters import InGuild
from ._adapters import Single
from ._adapters import Users
from ._asker import Asker
from ._asker import LookForUser
from ._manager import Manager
from ._table import ROWS
from ._table import Row
from ._table import Shape

if typing.TYPE_CHECKING:
    from sake.redis import ResourceClient


def add_to_tanjun(
    cache: ResourceClient,
    client: tanjun.abc.Client,
    /,
    *,
    trust_get_for: collections.Collection[type[abc.Resource]] | None,
    tanjun_managed: bool,
    look_for_user: LookForUser,
) -> None:
    """Do what [sake.redis.ResourceClient.add_to_tanjun][] is documented to do.

    `look_for_user` finds a user among the stored members.
    """
    _check_trusted(trust_get_for)
    manager = Manager(cache, client)
    asker = Asker(cache, look_for_user, manager.settle if tanjun_managed else _be_settled)
    for row in ROWS:
        if isinstance(cache, row.interface):
            _register(client, asker, row, trusted=_is_trusted(cache, row, trust_get_for))

    cache.add_to_alluka(client.injector)
    if tanjun_managed:
        manager.attach()


async def _be_settled() -> None:
    """Open nothing: whoever made the cache does that."""


def _check_trusted(trusted: collections.Collection[type[abc.Resource]] | None, /) -> None:
    interfaces = tuple(row.interface for row in ROWS)
    for interface in trusted or ():
        if not issubclass(interface, interfaces):
            error_message = (
                f"trust_get_for must name interfaces of resources, such as sake.abc.RoleCache, not {interface!r}"
            )
            raise TypeError(error_message)


def _is_trusted(cache: ResourceClient, row: Row, trusted: collections.Collection[type[abc.Resource]] | None, /) -> bool:
    if trusted is not None:
        return any(issubclass(interface, row.interface) for interface in trusted)

    return row.is_trusted or (row.interface is abc.UserCache and isinstance(cache, abc.MemberCache))


def _register(client: tanjun.abc.Client, asker: Asker, row: Row, /, *, trusted: bool) -> None:
    by_key = Users if row.interface is abc.UserCache else Global[typing.Any, typing.Any]
    for model in row.models:
        if row.shape is Shape.SINGLE:
            single = Single[typing.Any](asker, row, trusted=trusted)
            client.set_type_dependency(_alias(dependencies.SingleStoreCache, model), single)

        if row.shape in (Shape.GLOBAL, Shape.OWNED):
            for key in row.keys:
                adapter = by_key(asker, row, trusted=trusted)
                client.set_type_dependency(_alias(dependencies.AsyncCache, key, model), adapter)

        if row.shape in (Shape.OWNED, Shape.BOUND):
            in_guild = InGuild[typing.Any](asker, row, trusted=trusted)
            alias = _alias(dependencies.GuildBoundCache, hikari.Snowflakeish, model)
            client.set_type_dependency(alias, in_guild)


def _alias(generic: typing.Any, /, *arguments: object) -> type[typing.Any]:
    # An alias made while running is beyond what type checkers follow.
    alias: type[typing.Any] = generic[arguments]
    return alias
