# SPDX-License-Identifier: BSD-3-Clause
"""A bot of hikari-lightbulb 3, which asks for a hikari of its own: `nox -s lightbulb` installs it beside the cache."""

from __future__ import annotations

import asyncio
import typing

import hikari
import pytest
from _support import servers

import sake
from sake import testing

lightbulb: typing.Any = pytest.importorskip("lightbulb", reason="hikari-lightbulb asks for a hikari of its own")

_SECONDS: typing.Final = 10.0


class Roles(lightbulb.SlashCommand, name="roles", description="Count the roles."):
    """What a bot's author would write."""

    @lightbulb.invoke
    async def invoke(self, ctx: lightbulb.Context, cache: sake.RedisCache) -> None:
        await ctx.respond(f"{await cache.iter_roles_for_guild(ctx.guild_id).len()} roles")


async def _answer(discord: testing.LoopbackDiscord, path: str) -> typing.Any:
    async with asyncio.timeout(_SECONDS):
        while True:
            for request in discord.requests:
                if request.path == path:
                    return request.body
            await asyncio.sleep(0.005)


async def test_a_command_is_given_the_cache_and_answers_from_it(server: servers.Server) -> None:
    async with testing.LoopbackDiscord() as discord:
        bot = discord.bot()
        cache = sake.RedisCache(server.url, bot, bot.event_manager, database=0, event_managed=True, **server.options)
        client = lightbulb.client_from_app(bot)
        client.di.registry_for(lightbulb.di.Contexts.DEFAULT).register_value(sake.RedisCache, cache)
        bot.subscribe(hikari.StartingEvent, client.start)

        client.register(Roles)
        async with discord.running(bot):
            guild = next(iter(discord.world.guilds.values()))
            interaction = discord.world.payloads.command_interaction(name="roles", guild_id=guild.id)
            await discord.dispatch("INTERACTION_CREATE", interaction)
            path = f"/interactions/{interaction['id']}/{interaction['token']}/callback"
            body = await _answer(discord, path)

    assert body.get("data", body)["content"] == f"{len(guild.roles)} roles"
