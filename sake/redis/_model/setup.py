# SPDX-License-Identifier: BSD-3-Clause
"""What all parts of an open client are handed."""

from __future__ import annotations

__all__ = ["Setup"]

import dataclasses
import typing
from collections import abc as collections

from .codec import Codec
from .keys import Keys
from .kinds import Kind
from .statistics import Statistics
from .wire import Packer

AnyKind = Kind[typing.Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a client is set up."""

    backlog_limit: int
    """Bytes of memory, about, that unwritten changes may take."""

    codec: Codec
    """Encodes and decodes payloads."""

    keys: Keys
    """Names the keys."""

    layout: collections.Mapping[AnyKind, int]
    """The database of each kind that the client has."""

    lifetimes: collections.Mapping[AnyKind, int]
    """Milliseconds that entries of each expiring kind live; 0 for ever. May change while the client is open."""

    packer: Packer
    """Packs entries."""

    read_timeout: float
    """Seconds that a read may take."""

    reference: int
    """The database where guilds are listed, and the guilds of what is looked up by its id alone."""

    statistics: Statistics
    """Is kept up to date."""

    @property
    def databases(self) -> set[int]:
        """The databases that the client uses."""
        return {*self.layout.values(), *([self.reference] if self.knows_guilds else ())}

    @property
    def knows_guilds(self) -> bool:
        """Whether anything that it stores belongs to guilds."""
        return any(kind.in_guild for kind in self.layout)
