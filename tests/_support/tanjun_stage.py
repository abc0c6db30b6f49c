# SPDX-License-Identifier: BSD-3-Clause
"""A Tanjun client on a bot that is connected to a loopback Discord, and what a test does with them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import typing
from collections import abc as collections

import hikari
import tanjun
from hikari import impl

import sake
from _support import servers
from sake import testing

Payload = dict[str, typing.Any]

_SECONDS: typing.Final = 10.0


def uncached(discord: testing.LoopbackDiscord) -> hikari.GatewayBot:
    """Make a bot that caches nothing itself."""
    return discord.bot(
        auto_chunk_members=False, cache_settings=impl.CacheSettings(components=hikari.api.CacheComponents.NONE)
    )


@dataclasses.dataclass
class Stage:
    """What is on it: one guild is looked at, in which `author` writes into `channel_id`."""

    discord: testing.LoopbackDiscord
    bot: hikari.GatewayBot
    cache: sake.RedisCache
    client: tanjun.Client
    contexts: asyncio.Queue[tanjun.abc.MessageContext] = dataclasses.field(default_factory=asyncio.Queue)

    @property
    def guild(self) -> testing.WorldGuild:
        return next(iter(self.discord.world.guilds.values()))

    async def write(self, content: str, *, channel: str | None = None, author: str | None = None) -> Payload:
        """Let a member write a message into a channel; the first text channel and the guild's owner unless told."""
        guild = self.guild
        member = guild.members[author or guild.owner_id]
        message = self.discord.world.payloads.message(
            guild_id=guild.id, channel_id=channel or guild.text_channel_ids[0], member=member, content=content
        )
        await self.discord.dispatch("MESSAGE_CREATE", message)
        return message

    async def context(self, *, channel: str | None = None, author: str | None = None) -> tanjun.abc.MessageContext:
        """Let a member use a command, and return its context."""
        await self.write("!context", channel=channel, author=author)
        async with asyncio.timeout(_SECONDS):
            return await self.contexts.get()

    async def answer(self, path_end: str, /) -> str:
        """Wait for a request to a path with this end, and return the content of what it carried."""
        async with asyncio.timeout(_SECONDS):
            while True:
                for request in list(self.discord.requests):
                    if request.method == "POST" and request.path.endswith(path_end):
                        self.discord.requests.remove(request)
                        body = request.body.get("data", request.body)
                        return typing.cast("str", body["content"])

                await asyncio.sleep(0.005)

    async def declared(self) -> set[str]:
        """Wait until global commands are declared, and return their names."""
        path = f"/applications/{self.discord.world.me['id']}/commands"
        async with asyncio.timeout(_SECONDS):
            while True:
                for request in self.discord.requests:
                    if (request.method, request.path) == ("PUT", path):
                        return {command["name"] for command in request.body}

                await asyncio.sleep(0.005)

    async def use(self, content: str, /, *, channel: str | None = None, author: str | None = None) -> str:
        """Let a member write a message command, and return the answer."""
        message = await self.write(content, channel=channel, author=author)
        return await self.answer(f"/channels/{message['channel_id']}/messages")

    async def interact(self, name: str, /, *, author: str | None = None, **options: typing.Any) -> str:
        """Let a member use a slash command, and return the answer."""
        interaction = self.interaction(name, author=author, **options)
        await self.discord.dispatch("INTERACTION_CREATE", interaction)
        return await self.answer(f"/interactions/{interaction['id']}/{interaction['token']}/callback")

    def interaction(self, name: str, /, *, author: str | None = None, **options: typing.Any) -> Payload:
        """Build the payload of a slash command; `resolved` and `permissions` are no options."""
        guild = self.guild
        member = guild.members[author or guild.owner_id]
        resolved, permissions = options.pop("resolved", None), options.pop("permissions", None)
        interaction = self.discord.world.payloads.command_interaction(
            name=name,
            guild_id=guild.id,
            channel_id=guild.text_channel_ids[0],
            member=member,
            options=[{"name": key, "type": type_, "value": value} for key, (type_, value) in options.items()],
        )
        if resolved:
            interaction["data"]["resolved"] = resolved
        if permissions is not None:
            interaction["member"]["permissions"] = permissions["author"]
            interaction["app_permissions"] = permissions["own"]

        return interaction


@contextlib.asynccontextmanager
async def running(
    discord: testing.LoopbackDiscord,
    server: servers.Server,
    /,
    *,
    trust_get_for: typing.Any = None,
    **options: typing.Any,
) -> collections.AsyncIterator[Stage]:
    """Run a bot with a cache of everything and a Tanjun client, which open and close together."""
    bot = uncached(discord)
    cache = sake.RedisCache(server.url, bot, bot.event_manager, **server.options)
    client = tanjun.Client.from_gateway_bot(bot, **options).add_prefix("!")
    cache.add_to_tanjun(client, trust_get_for=trust_get_for, tanjun_managed=True)
    stage = Stage(discord, bot, cache, client)

    @tanjun.as_message_command("context")
    async def give_context(ctx: tanjun.abc.MessageContext) -> None:
        stage.contexts.put_nowait(ctx)

    client.add_component(tanjun.Component(name="stage").add_message_command(give_context))
    async with discord.running(bot):
        await cache.flush()
        yield stage
