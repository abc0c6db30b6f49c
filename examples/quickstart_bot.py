# SPDX-License-Identifier: BSD-3-Clause
import os

import hikari

import sake

bot = hikari.GatewayBot(os.environ["BOT_TOKEN"])
cache = sake.RedisCache("embedded://", bot, bot.event_manager, database=0, event_managed=True)


@bot.listen()
async def answer(event: hikari.GuildMessageCreateEvent) -> None:
    if event.is_human and event.content:  # by default Discord only shows bots the content of what mentions them
        roles = await cache.iter_roles_for_guild(event.guild_id).len()
        talking = await cache.iter_voice_states_for_guild(event.guild_id).len()
        await event.message.respond(f"This server has {roles} roles, and {talking} people are in voice.")


bot.run()
