# SPDX-License-Identifier: BSD-3-Clause
"""A Tanjun bot that keeps nothing in its own memory: what its commands need, they find in Redis.

    pip install "sake-cache[tanjun]"
    BOT_TOKEN=... REDIS_URL=redis://localhost python tanjun_bot.py

It needs the privileged intents for members, presences and message content.
"""

from __future__ import annotations

import os

import alluka
import hikari
import tanjun

import sake

component = tanjun.Component(name="example")


@component.with_slash_command
@tanjun.with_member_slash_option("member", "Who to look up.")
@tanjun.as_slash_command("whereis", "Tell in which voice channel somebody is.")
async def whereis(
    ctx: tanjun.abc.SlashContext,
    member: hikari.InteractionMember,
    voice_states: alluka.Injected[sake.abc.VoiceStateCache],
    channels: alluka.Injected[sake.abc.GuildChannelCache],
) -> None:
    found = await voice_states.get_voice_states(member.guild_id, [member.id])
    state = found.get(member.id)
    if state is None or state.channel_id is None:
        await ctx.respond(f"{member.username} is in no voice channel.")
        return

    channel = await channels.get_guild_channel(state.channel_id, guild_id=member.guild_id)
    await ctx.respond(f"{member.username} is in {channel.name}.")


@component.with_slash_command
@tanjun.with_guild_check
@tanjun.with_str_slash_option("role", "Mention or id of the role.", converters=tanjun.conversion.ToRole())
@tanjun.as_slash_command("holders", "Count the members who have a role.")
async def holders(
    ctx: tanjun.abc.SlashContext, role: hikari.Role, cache: alluka.Injected[sake.redis.MemberCache]
) -> None:
    count = 0
    async for member in cache.iter_members_for_guild(role.guild_id):
        count += role.id in member.role_ids

    await ctx.respond(f"{count} members have {role.name}.")


@component.with_slash_command
@tanjun.with_channel_slash_option("channel", "The voice channel.", types=[hikari.GuildVoiceChannel])
@tanjun.as_slash_command("crowd", "Count who is in a voice channel.")
async def crowd(
    ctx: tanjun.abc.SlashContext,
    channel: hikari.InteractionChannel,
    voice_states: alluka.Injected[sake.abc.RefVoiceStateCache],
) -> None:
    count = await voice_states.iter_voice_states_for_channel(channel.id).len()
    await ctx.respond(f"{count} in {channel.name}.")


@component.with_slash_command
@tanjun.with_own_permission_check(hikari.Permissions.MANAGE_CHANNELS)
@tanjun.with_author_permission_check(hikari.Permissions.MANAGE_CHANNELS)
@tanjun.as_slash_command("permitted", "Tell that both you and the bot may manage channels.")
async def permitted(ctx: tanjun.abc.SlashContext) -> None:
    await ctx.respond("Both of us may manage channels.")


@component.with_message_command
@tanjun.with_argument("member", converters=tanjun.conversion.ToMember())
@tanjun.with_parser
@tanjun.as_message_command("roles")
async def roles(
    ctx: tanjun.abc.MessageContext, member: hikari.Member, cache: alluka.Injected[sake.abc.RoleCache]
) -> None:
    found = await cache.get_roles(member.role_ids, guild_id=member.guild_id)
    names = sorted(role.name for role in found.values() if role.id != member.guild_id)
    await ctx.respond(f"{member.username}: {', '.join(names) or 'no roles'}")


@component.with_message_command
@tanjun.with_argument("channel", converters=tanjun.conversion.ToChannel())
@tanjun.with_parser
@tanjun.as_message_command("channel")
async def channel(ctx: tanjun.abc.MessageContext, channel: hikari.PartialChannel) -> None:
    kind = "thread" if isinstance(channel, hikari.GuildThreadChannel) else "channel"
    await ctx.respond(f"{channel.name} is a {kind}.")


@component.with_message_command
@tanjun.with_argument("invite", converters=tanjun.conversion.ToInviteWithMetadata())
@tanjun.with_parser
@tanjun.as_message_command("invite")
async def invite(ctx: tanjun.abc.MessageContext, invite: hikari.InviteWithMetadata) -> None:
    await ctx.respond(f"{invite.code} was used {invite.uses} times.")


@component.with_message_command
@tanjun.with_author_permission_check(
    hikari.Permissions.MANAGE_GUILD, error_message="Only those who may manage the server may do that."
)
@tanjun.as_message_command("settings")
async def settings(ctx: tanjun.abc.MessageContext, guilds: alluka.Injected[sake.abc.GuildCache]) -> None:
    if ctx.guild_id is not None:
        guild = await guilds.get_guild(ctx.guild_id)
        await ctx.respond(f"{guild.name} belongs to <@{guild.owner_id}>.")


@component.with_message_command
@tanjun.with_nsfw_check(error_message="Not here.")
@tanjun.as_message_command("secret")
async def secret(ctx: tanjun.abc.MessageContext) -> None:
    await ctx.respond("Nobody else can read this.")


@component.with_message_command
@tanjun.with_owner_check(error_message="Only the bot's owner may do that.")
@tanjun.as_message_command("stored")
async def stored(ctx: tanjun.abc.MessageContext, cache: alluka.Injected[sake.abc.Cache]) -> None:
    guilds, members = await cache.iter_guilds().len(), await cache.iter_members().len()
    await ctx.respond(f"{guilds} guilds and {members} members are stored.")


async def declare_commands(client: alluka.Injected[tanjun.Client]) -> None:
    # Tanjun 2.17 declares no commands with hikari 2.7: it asks for a field that commands no longer have there.
    application = await client.fetch_rest_application_id()
    builders = [command.build() for command in client.iter_slash_commands(global_only=True)]
    await client.rest.set_application_commands(application, builders)


def add_commands(bot: hikari.GatewayBot, redis_url: str) -> tanjun.Client:
    """Give a bot its commands, and a cache that opens and closes with them."""
    cache = sake.RedisCache(redis_url, bot, bot.event_manager, database=0)
    client = tanjun.Client.from_gateway_bot(bot, mention_prefix=True)
    client.add_component(component.copy()).add_prefix("!")
    client.add_client_callback(tanjun.ClientCallbackNames.STARTED, declare_commands)
    cache.add_to_tanjun(client, tanjun_managed=True)
    return client


def main() -> None:
    bot = hikari.GatewayBot(
        os.environ["BOT_TOKEN"],
        cache_settings=hikari.impl.CacheSettings(components=hikari.api.CacheComponents.NONE),
        intents=hikari.Intents.ALL,
    )
    add_commands(bot, os.environ.get("REDIS_URL", "redis://localhost"))
    bot.run()


if __name__ == "__main__":
    main()
