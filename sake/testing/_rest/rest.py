# SPDX-License-Identifier: BSD-3-Clause
"""The REST side: what every request goes through, and the answers that need no knowledge of messages."""

from __future__ import annotations

__all__ = ["Refusal", "Request", "Rest"]

import dataclasses
import hashlib
import math
import time
import typing
from collections import abc as collections

import orjson
from aiohttp import web

from .._gateway.chunks import is_called
from .._payloads.source import Payload
from . import forms

if typing.TYPE_CHECKING:
    from .._world.guild import WorldGuild
    from .._world.world import World

_Handler: typing.TypeAlias = "collections.Callable[[web.Request], collections.Awaitable[web.StreamResponse]]"

PREFIX: typing.Final = "/api/v10"
_IDS: typing.Final = frozenset(("application", "channel", "guild", "id", "interaction", "message", "user"))
_LIMITED: typing.Final = 429
_MAX_MEMBERS: typing.Final = 1_000
_MAX_QUERY: typing.Final = 100
_ORIGINAL: typing.Final = "@original"
_SESSION_STARTS: typing.Final = 1_000


class Request(typing.NamedTuple):
    """A request that a bot has made."""

    method: str
    """The HTTP method."""
    path: str
    """The path, without the API's prefix."""
    body: typing.Any
    """The JSON document it carried, or `None`. Of a form it is the part named `payload_json`."""
    query: collections.Mapping[str, str]
    """The parameters of the URL."""


@dataclasses.dataclass(slots=True)
class Refusal:
    """How requests are refused."""

    status: int
    """The HTTP status."""
    times: int | None
    """How many more requests are refused, if not all."""
    retry_after: float
    """Seconds that a rate limit lasts."""
    scope: str
    """Whom a rate limit is for: `user`, `shared` or `global`."""


def reply(data: object, /, *, status: int = 200, headers: collections.Mapping[str, str] | None = None) -> web.Response:
    """Answer with a JSON document."""
    return web.Response(status=status, body=orjson.dumps(data), content_type="application/json", headers=headers)


def unknown(what: str, code: int, /) -> forms.ApiError:
    """Make the error for something that does not exist."""
    return forms.ApiError(404, code, f"Unknown {what}")


class Rest:
    """The REST side of a loopback Discord.

    Parameters
    ----------
    world
        What is true.
    token
        The token that bots have to use.
    shards
        The number of shards that bots are told to start.
    """

    def __init__(self, world: World, /, *, token: str, shards: int) -> None:
        self.world = world
        self.gateway_url = ""
        self.requests: list[Request] = []
        self.refusal: Refusal | None = None
        self.application = world.payloads.application(
            id=world.me["id"],
            bot={key: world.me[key] for key in ("id", "username", "discriminator", "avatar", "bot")},
            approximate_guild_count=len(world.guilds),
        )
        self._token = token
        self._shards = shards
        self._commands: dict[str | None, list[Payload]] = {}

    def routes(self) -> list[web.RouteDef]:
        """List what can be asked."""
        return [
            web.get(f"{PREFIX}/gateway/bot", self._get_gateway),
            web.get(f"{PREFIX}/users/@me", self._get_me),
            web.get(f"{PREFIX}/users/{{user}}", self._get_user),
            web.get(f"{PREFIX}/oauth2/applications/@me", self._get_application),
            web.get(f"{PREFIX}/applications/@me", self._get_application),
            web.get(f"{PREFIX}/applications/{{application}}/commands", self._get_commands),
            web.put(f"{PREFIX}/applications/{{application}}/commands", self._put_commands),
            web.post(f"{PREFIX}/applications/{{application}}/commands", self._post_command),
            web.get(f"{PREFIX}/applications/{{application}}/guilds/{{guild}}/commands", self._get_commands),
            web.put(f"{PREFIX}/applications/{{application}}/guilds/{{guild}}/commands", self._put_commands),
            web.post(f"{PREFIX}/applications/{{application}}/guilds/{{guild}}/commands", self._post_command),
            web.get(f"{PREFIX}/guilds/{{guild}}", self._get_guild),
            web.get(f"{PREFIX}/guilds/{{guild}}/channels", self._list_channels),
            web.get(f"{PREFIX}/guilds/{{guild}}/roles", self._list_children),
            web.get(f"{PREFIX}/guilds/{{guild}}/roles/{{id}}", self._get_role),
            web.get(f"{PREFIX}/guilds/{{guild}}/emojis", self._list_children),
            web.get(f"{PREFIX}/guilds/{{guild}}/emojis/{{id}}", self._get_emoji),
            web.get(f"{PREFIX}/guilds/{{guild}}/stickers", self._list_children),
            web.get(f"{PREFIX}/guilds/{{guild}}/members", self._list_members),
            web.get(f"{PREFIX}/guilds/{{guild}}/members/search", self._search_members),
            web.get(f"{PREFIX}/guilds/{{guild}}/members/{{user}}", self._get_member),
            web.get(f"{PREFIX}/channels/{{channel}}", self._get_channel),
            web.get(f"{PREFIX}/invites/{{code}}", self._get_invite),
            web.post(f"{PREFIX}/users/@me/channels", self._post_direct_channel),
        ]

    def served(self) -> list[web.RouteDef]:
        """List what the server has to do: to answer every route, and to say of all others that they are missing."""
        missing = web.route("*", f"{PREFIX}/{{path:.*}}", self._refuse_missing)
        return [
            web.route(route.method, route.path, self._answering(route.handler)) for route in (*self.routes(), missing)
        ]

    # aiohttp keeps middlewares, and the handlers that they are laid around, for as long as the process lives.
    def _answering(self, handler: _Handler, /) -> _Handler:
        """Record a request, let it pass if it may, and turn errors into answers."""

        async def answer(request: web.Request, /) -> web.StreamResponse:
            path = request.path.removeprefix(PREFIX)
            try:
                body = await read_body(request)
                self.requests.append(Request(request.method, path, body, dict(request.query)))
                if (refusal := self._refuse(path)) is not None:
                    return _refused(refusal, request)

                self._check(request, path)
                return await handler(request)
            except forms.ApiError as error:
                details = {} if error.errors is None else {"errors": error.errors}
                return reply({"code": error.code, "message": error.message, **details}, status=error.status)
            except web.HTTPException as error:
                return reply({"code": 0, "message": f"{error.status}: {error.reason}"}, status=error.status)

        return answer

    def _refuse(self, path: str, /) -> Refusal | None:
        refusal = self.refusal
        if refusal is None or path == "/gateway/bot":
            return None

        if refusal.times is not None:
            refusal.times -= 1
            if not refusal.times:
                self.refusal = None

        return refusal

    def _check(self, request: web.Request, path: str, /) -> None:
        carries_own_token = path.startswith(("/interactions/", "/webhooks/"))
        if not carries_own_token and request.headers.get("Authorization") != f"Bot {self._token}":
            raise forms.ApiError(401, 0, "401: Unauthorized")

        for name, value in request.match_info.items():
            if name in _IDS and value != _ORIGINAL:
                forms.check_snowflake(value, f"{name}_id")

    async def _refuse_missing(self, request: web.Request, /) -> web.StreamResponse:
        asked = f"{request.method} {request.path.removeprefix(PREFIX)}"
        raise forms.ApiError(501, 0, f"LoopbackDiscord does not serve {asked}: its `routes` are what it has")

    def find_guild(self, request: web.Request, /) -> WorldGuild:
        """Find the guild that a request names."""
        guild = self.world.guilds.get(request.match_info["guild"])
        if guild is None:
            raise unknown("Guild", 10_004)

        return guild

    def find_channel(self, channel_id: str, /) -> tuple[Payload, WorldGuild | None]:
        """Find a channel or thread, complete with guild id, and the guild it is in."""
        for guild in self.world.guilds.values():
            channel = guild.channels.get(channel_id) or guild.threads.get(channel_id)
            if channel is not None:
                return guild.complete(channel), guild

        if channel_id in self.world.direct_channels:
            return self.world.direct_channels[channel_id], None

        raise unknown("Channel", 10_003)

    async def _get_gateway(self, _: web.Request, /) -> web.Response:
        limit = {
            "total": _SESSION_STARTS,
            "remaining": _SESSION_STARTS,
            "reset_after": 0,
            "max_concurrency": self._shards,
        }
        return reply({"url": self.gateway_url, "shards": self._shards, "session_start_limit": limit})

    async def _get_me(self, _: web.Request, /) -> web.Response:
        return reply(self.world.me)

    async def _get_user(self, request: web.Request, /) -> web.Response:
        user = self.world.users.get(request.match_info["user"])
        if user is None:
            raise unknown("User", 10_013)

        return reply(user)

    async def _get_application(self, _: web.Request, /) -> web.Response:
        return reply(self.application)

    async def _get_commands(self, request: web.Request, /) -> web.Response:
        return reply(self._commands.get(request.match_info.get("guild"), []))

    async def _put_commands(self, request: web.Request, /) -> web.Response:
        body = await read_form(request, forms.check_commands)
        commands = [self._register(request, command) for command in body]
        self._commands[request.match_info.get("guild")] = commands
        return reply(commands)

    async def _post_command(self, request: web.Request, /) -> web.Response:
        command = self._register(request, await read_form(request, forms.check_command))
        registered = self._commands.setdefault(request.match_info.get("guild"), [])
        registered[:] = [other for other in registered if other["name"] != command["name"]]
        registered.append(command)
        return reply(command, status=201)

    def _register(self, request: web.Request, command: Payload, /) -> Payload:
        registered = self.world.payloads.slash_command(application_id=request.match_info["application"])
        registered |= {key: value for key, value in command.items() if value is not None}
        if "guild" in request.match_info:
            registered["guild_id"] = request.match_info["guild"]

        return registered

    async def _get_guild(self, request: web.Request, /) -> web.Response:
        guild = self.find_guild(request)
        payload = self.world.guild_update(guild.id)
        if request.query.get("with_counts", "").lower() == "true":
            counts = {"member": len(guild.members), "presence": len(guild.presences)}
            payload |= {f"approximate_{what}_count": count for what, count in counts.items()}

        return reply(payload)

    async def _list_channels(self, request: web.Request, /) -> web.Response:
        guild = self.find_guild(request)
        return reply([guild.complete(channel) for channel in guild.channels.values()])

    async def _list_children(self, request: web.Request, /) -> web.Response:
        guild = self.find_guild(request)
        tables = {"roles": guild.roles, "emojis": guild.emojis, "stickers": guild.stickers}
        return reply(list(tables[request.path.rpartition("/")[2]].values()))

    async def _get_role(self, request: web.Request, /) -> web.Response:
        role = self.find_guild(request).roles.get(request.match_info["id"])
        if role is None:
            raise unknown("Role", 10_011)

        return reply(role)

    async def _get_emoji(self, request: web.Request, /) -> web.Response:
        emoji = self.find_guild(request).emojis.get(request.match_info["id"])
        if emoji is None:
            raise unknown("Emoji", 10_014)

        return reply(emoji)

    async def _list_members(self, request: web.Request, /) -> web.Response:
        limit = _read_limit(request)
        after = forms.read_whole(request.query, "after", default=0)
        members = self.find_guild(request).members
        ids = sorted((id_ for id_ in members if int(id_) > after), key=int)[:limit]
        return reply([members[id_] for id_ in ids])

    async def _search_members(self, request: web.Request, /) -> web.Response:
        limit = _read_limit(request)
        beginning = forms.read_text(request.query, "query", most=_MAX_QUERY).lower()
        members = self.find_guild(request).members.values()
        return reply([member for member in members if is_called(member, beginning)][:limit])

    async def _get_member(self, request: web.Request, /) -> web.Response:
        member = self.find_guild(request).members.get(request.match_info["user"])
        if member is None:
            raise unknown("Member", 10_007)

        return reply(member)

    async def _get_channel(self, request: web.Request, /) -> web.Response:
        return reply(self.find_channel(request.match_info["channel"])[0])

    async def _get_invite(self, request: web.Request, /) -> web.Response:
        code = request.match_info["code"]
        for guild in self.world.guilds.values():
            if (invite := guild.invites.get(code)) is not None:
                channel = guild.channels[invite["channel_id"]]
                partial = {key: channel[key] for key in ("id", "name", "type")}
                return reply({**invite, "guild": guild.record, "channel": partial})

        raise unknown("Invite", 10_006)

    async def _post_direct_channel(self, request: web.Request, /) -> web.Response:
        recipient_id = str((await read_form(request, forms.check_direct_channel))["recipient_id"])
        for channel in self.world.direct_channels.values():
            if channel["recipients"][0]["id"] == recipient_id:
                return reply(channel)

        user = self.world.users.get(recipient_id)
        if user is None:
            raise unknown("User", 10_013)

        channel = self.world.payloads.dm_channel(recipient=user)
        self.world.direct_channels[channel["id"]] = channel
        return reply(channel)


def _read_limit(request: web.Request, /) -> int:
    return forms.read_whole(request.query, "limit", default=1, low=1, high=_MAX_MEMBERS)


def _refused(refusal: Refusal, request: web.Request, /) -> web.Response:
    if refusal.status != _LIMITED:
        return reply({"code": 0, "message": "This loopback Discord refuses requests"}, status=refusal.status)

    seconds, is_global = refusal.retry_after, refusal.scope == "global"
    headers = {"Retry-After": str(math.ceil(seconds)), "X-RateLimit-Scope": refusal.scope}
    if is_global:
        headers["X-RateLimit-Global"] = "true"
    elif not request.path.startswith(f"{PREFIX}/interactions/"):
        # Answers to interactions have no limit of their own.
        resource = request.match_info.route.resource
        route = f"{request.method} {resource.canonical if resource is not None else request.path}"
        headers |= {
            "X-RateLimit-Bucket": hashlib.sha256(route.encode()).hexdigest()[:32],
            "X-RateLimit-Limit": "1",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": f"{time.time() + seconds:.3f}",
            "X-RateLimit-Reset-After": f"{seconds:.3f}",
        }

    body = {"message": "You are being rate limited.", "retry_after": seconds, "global": is_global}
    return reply(body, status=_LIMITED, headers=headers)


async def read_form(request: web.Request, check: collections.Callable[[object, str], None], /) -> typing.Any:
    """Read the JSON document of a request, where it is one that can be used."""
    body = await read_body(request)
    if body is None:
        body = Payload()

    check(body, "")
    return body


async def read_body(request: web.Request, /) -> typing.Any:
    """Read the JSON document of a request, also of a form, if there is one."""
    try:
        if request.content_type == "multipart/form-data":
            part = (await request.post()).get("payload_json")
            data = None if isinstance(part, web.FileField) else part
        else:
            data = await request.read() if request.content_type == "application/json" else None

        return orjson.loads(data) if data else None
    except (AssertionError, ValueError) as error:
        # aiohttp asserts what a form looks like.
        raise forms.ApiError(400, 50_109, "The request body contains invalid JSON.") from error
