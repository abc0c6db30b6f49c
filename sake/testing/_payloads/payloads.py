# SPDX-License-Identifier: BSD-3-Clause
"""Builders for every payload of the gateway."""

from __future__ import annotations

__all__ = ["Payloads"]

from .apps import ApplicationPayloads
from .guilds import GuildPayloads


class Payloads(GuildPayloads, ApplicationPayloads):
    """Builds realistic, complete payloads as Discord's gateway sends them.

    Every method returns a new `dict` which JSON can express. Ids are strings and unique within one builder. Keyword
    arguments that a method does not name are set on the result as they are, so any key can be overridden or added.

    ```py
    payloads = sake.testing.Payloads(seed=7)
    guild = payloads.guild()
    member = payloads.member(roles=[guild["roles"][1]["id"]], nick="Ann", guild_id=guild["id"])
    await discord.dispatch("GUILD_CREATE", guild)
    await discord.dispatch("GUILD_MEMBER_ADD", member)
    ```

    Parameters
    ----------
    seed
        Two builders with the same seed and the same `now` build the same payloads, if asked for the same in the same
        order.
    now
        The instant the builder's clock starts at, from which ids and timestamps are drawn. Defaults to the present.
    """

    __slots__ = ()
