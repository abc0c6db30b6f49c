# SPDX-License-Identifier: BSD-3-Clause
"""What something that can happen in a world looks like."""

from __future__ import annotations

__all__ = ["Draw", "Event", "Step"]

import typing
from collections import abc as collections

from sake.testing import _source

if typing.TYPE_CHECKING:
    from sake.testing import _world
    from sake.testing import _world_guild

Event: typing.TypeAlias = tuple[str, _source.Payload]
"""The name of a gateway event and its payload."""

Draw: typing.TypeAlias = "collections.Callable[[_world.World, _world_guild.WorldGuild], Event | None]"
"""Applies something to the truth and returns the event, or `None` when the guild has nothing that it can happen to."""


class Step(typing.NamedTuple):
    """Something that can happen in a guild."""

    weight: float
    """How often it happens by default, in relation to the others."""
    draw: Draw
    """Lets it happen."""
