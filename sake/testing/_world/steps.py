# SPDX-License-Identifier: BSD-3-Clause
"""What something that can happen in a world looks like."""

from __future__ import annotations

__all__ = ["Draw", "Event", "Step"]

import typing
from collections import abc as collections

from .._payloads.source import Payload

if typing.TYPE_CHECKING:
    from .guild import WorldGuild
    from .world import World

Event: typing.TypeAlias = tuple[str, Payload]
"""The name of a gateway event and its payload."""

Draw: typing.TypeAlias = "collections.Callable[[World, WorldGuild], Event | None]"
"""Applies something to the truth and returns the event, or `None` when the guild has nothing that it can happen to."""


class Step(typing.NamedTuple):
    """Something that can happen in a guild."""

    weight: float
    """How often it happens by default, in relation to the others."""
    draw: Draw
    """Lets it happen."""
