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

from ._adapters import Adapter
from ._adapters import Global
from ._adapters import InGuild
from ._adapters import Single
from ._adapters import Users
from ._asker import Asker
from ._asker import Knowledge
from ._manager import Manager
from ._table import ROWS
from ._table import Row
from ._table import Shape


def add_to_tanjun(
    cache: abc.Resource,
    client: tanjun.abc.Client,
    /,
    *,
    trust_get_for: collections.Collection[type[object]] | None,
    tanjun_managed: bool,
    knowledge: Knowledge,
) -> None:
    """Register the cache as async caches, and let the client manage it if it should.

    `knowledge` tells what is known beyond what is stored.
    """
    rows = [row for row in ROWS if isinstance(cache, row.interface)]
    trusted = _trusted(rows, trust_get_for)
    manager = Manager(cache, client)
    asker = Asker(cache, knowledge, manager.settle if tanjun_managed else _be_settled)
    adapters = {alias: adapter for row in rows for alias, adapter in _adapters(asker, row, trusted=row in trusted)}
    if manager.is_attached or any(_is_of(cache, client.get_type_dependency(alias, default=None)) for alias in adapters):
        error_message = f"This {type(cache).__name__} has been added to this Tanjun client already"
        raise ValueError(error_message)

    for alias, adapter in adapters.items():
        client.set_type_dependency(alias, adapter)

    if tanjun_managed:
        manager.attach()


async def _be_settled() -> None:
    """Open nothing: whoever made the cache does that."""


def _is_of(cache: abc.Resource, adapter: object, /) -> bool:
    return isinstance(adapter, Adapter) and adapter.cache is cache


def _trusted(rows: list[Row], named: collections.Collection[type[object]] | None, /) -> list[Row]:
    if named is None:
        return [row for row in rows if row.is_trusted]

    if not _are_interfaces(named):
        error_message = (
            f"trust_get_for must be a collection of interfaces of resources, such as sake.abc.RoleCache, not {named!r}"
        )
        raise TypeError(error_message)

    return [row for row in rows if any(issubclass(interface, row.interface) for interface in named)]


def _are_interfaces(named: object, /) -> bool:
    if not isinstance(named, collections.Collection):
        return False

    interfaces = tuple(row.interface for row in ROWS)
    names = typing.cast("collections.Collection[object]", named)
    return all(isinstance(name, type) and issubclass(name, interfaces) for name in names)


def _adapters(
    asker: Asker, row: Row, /, *, trusted: bool
) -> collections.Iterator[tuple[type[typing.Any], Adapter[typing.Any]]]:
    by_key = Users if row.interface is abc.UserCache else Global[typing.Any, typing.Any]
    for model in row.models:
        if row.shape is Shape.SINGLE:
            yield _alias(dependencies.SingleStoreCache, model), Single[typing.Any](asker, row, trusted=trusted)

        if row.shape in (Shape.GLOBAL, Shape.OWNED):
            for key in row.keys:
                yield _alias(dependencies.AsyncCache, key, model), by_key(asker, row, trusted=trusted)

        if row.shape in (Shape.OWNED, Shape.BOUND):
            in_guild = InGuild[typing.Any](asker, row, trusted=trusted)
            yield _alias(dependencies.GuildBoundCache, hikari.Snowflakeish, model), in_guild


def _alias(generic: typing.Any, /, *arguments: object) -> type[typing.Any]:
    # An alias made while running is beyond what type checkers follow.
    alias: type[typing.Any] = generic[arguments]
    return alias
