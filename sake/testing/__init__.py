# SPDX-License-Identifier: BSD-3-Clause
"""A Discord on this machine to test bots with, and realistic payloads."""

from __future__ import annotations

__all__ = ["Command", "LoopbackDiscord", "Payloads", "Request", "World", "WorldGuild"]

from sake.testing._discord import LoopbackDiscord
from sake.testing._gateway import Command
from sake.testing._payloads import Payloads
from sake.testing._rest import Request
from sake.testing._world import World
from sake.testing._world_guild import WorldGuild

for _public in (Command, LoopbackDiscord, Payloads, Request, World, WorldGuild):
    _public.__module__ = __name__

del _public
