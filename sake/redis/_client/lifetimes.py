# SPDX-License-Identifier: BSD-3-Clause
"""How long a client keeps what expires."""

from __future__ import annotations

__all__ = ["Lifetimes"]

import typing
from collections import abc as collections

import hikari

from sake import abc

from .._model.expiry import DEFAULT_SLOW_EXPIRE
from .._model.expiry import to_milliseconds
from .._model.kinds import Kind

AnyKind = Kind[typing.Any]


class Lifetimes:
    """How long entries of each kind live: as was set for the kind, else as for all of them, else as usual.

    Parameters
    ----------
    config
        Has what was set, and is written to.
    default
        What all kinds have that nothing was set for.

    Raises
    ------
    ValueError
        If `default` is not positive.
    TypeError
        If it is neither seconds, a time delta nor [None][].
    """

    __slots__ = ("_default", "_known", "config")

    def __init__(
        self, config: collections.MutableMapping[str, typing.Any], default: abc.ExpireT | hikari.UndefinedType, /
    ) -> None:
        self._default = default if default is hikari.UNDEFINED else to_milliseconds(default, "default_expire")
        self._known: dict[AnyKind, int] = {}
        self.config: typing.Final = config

    @property
    def default(self) -> int | None:
        """Milliseconds that entries without a lifetime of their own are kept, if that is not for ever."""
        return DEFAULT_SLOW_EXPIRE if isinstance(self._default, hikari.UndefinedType) else self._default

    def of(self, kinds: collections.Iterable[AnyKind], /) -> collections.Mapping[AnyKind, int]:
        """Return the milliseconds that entries of these kinds live, 0 for ever; what is set later changes them."""
        self._known.update({kind: self._find(kind) for kind in kinds if kind.lifetime is not None})
        return self._known

    def set(self, kind: AnyKind, expire: abc.ExpireT, /) -> None:
        """Set how long entries of a kind live; [None][] unsets it.

        Raises
        ------
        ValueError
            If it is not positive.
        TypeError
            If it is neither seconds, a time delta nor [None][].
        """
        name = f"expire_{kind.name}"
        if expire is None:
            self.config.pop(name, None)
        else:
            self.config[name] = to_milliseconds(expire, "expire") or 0

        self._known[kind] = self._find(kind)

    def _find(self, kind: AnyKind, /) -> int:
        own = self.config.get(f"expire_{kind.name}")
        if own is None:
            own = kind.lifetime if isinstance(self._default, hikari.UndefinedType) else self._default

        return own or 0
