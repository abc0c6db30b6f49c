# SPDX-License-Identifier: BSD-3-Clause
"""A Discord on this machine to test bots with, and realistic payloads."""

from __future__ import annotations

__all__ = ["Command", "LoopbackDiscord", "Payloads", "Request", "World", "WorldGuild"]

from ._discord import LoopbackDiscord
from ._gateway.gateway import Command
from ._payloads.payloads import Payloads
from ._rest.rest import Request
from ._world.guild import WorldGuild
from ._world.world import World

for _public in (Command, LoopbackDiscord, Payloads, Request, World, WorldGuild):
    _public.__module__ = __name__

del _public
