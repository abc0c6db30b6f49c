# SPDX-License-Identifier: BSD-3-Clause
"""A Discord on this machine."""

from __future__ import annotations

__all__ = ["LoopbackDiscord"]

import asyncio
import base64
import contextlib
import math
import typing
from collections import abc as collections

import hikari
from aiohttp import web

from ._gateway.control import GatewayControl
from ._gateway.gateway import Gateway
from ._rest.messages import MessageRest
from ._rest.rest import PREFIX
from ._rest.rest import Refusal
from ._rest.rest import Request
from ._world.world import World

if typing.TYPE_CHECKING:
    import types

    import typing_extensions

_HOST: typing.Final = "127.0.0.1"
_FORBIDDEN: typing.Final = 403
_ERROR_STATUSES: typing.Final = range(400, 600)
_MAX_BODY: typing.Final = 64 * 1024 * 1024
_SCOPES: typing.Final = ("user", "shared", "global")


class LoopbackDiscord(GatewayControl):
    """A Discord on this machine, which an unmodified bot connects to.

    It serves REST and the gateway on a free port of 127.0.0.1: hello, identify, resume, heartbeats, several shards,
    zlib and zstd streams, member requests. What it serves is a [sake.testing.World][]. There are no rate limits but
    those you ask for, and of the intents those decide that say which events arrive; MESSAGE_CONTENT does not empty
    messages. Of REST it serves `routes`; everything else is answered with 501, which hikari raises as
    [hikari.InternalServerError][]. Requests that make no sense are refused with 400, as Discord does.

    It belongs to the event loop that it is started in. Bots may run in other threads.

    ```py
    async with sake.testing.LoopbackDiscord() as discord:
        bot = discord.bot()
        bot.subscribe(hikari.GuildMessageCreateEvent, answer)
        async with discord.running(bot):
            await discord.play(count=100)
            await discord.settle()

        assert discord.requests[-1].path.endswith("/messages")
    ```

    Parameters
    ----------
    world
        What the bot gets to see; a small world with the given number of shards when not given.
    shards
        The number of shards that bots are told to start.
    token
        The token that bots have to identify with. Its first part has to be a user id in base 64, as hikari reads it
        from there; the world's own user's when not given.
    large_threshold
        Guilds with more members than this are large: GUILD_CREATE leaves out who is offline, and bots request the
        members. What the bot asks for when not given.
    heartbeat_interval
        Seconds between a bot's heartbeats.
    replay_limit
        Number of events that each session keeps for RESUME.

    Raises
    ------
    ValueError
        If `shards` or `replay_limit` is less than 1, or `heartbeat_interval` is not positive.
    """

    __slots__ = ("_rest", "_runner", "_token", "_url")

    def __init__(
        self,
        world: World | None = None,
        /,
        *,
        shards: int = 1,
        token: str | None = None,
        large_threshold: int | None = None,
        heartbeat_interval: float = 41.25,
        replay_limit: int = 20_000,
    ) -> None:
        if shards < 1 or replay_limit < 1:
            raise ValueError(f"shards and replay_limit must be at least 1: {shards}, {replay_limit}")

        if not heartbeat_interval > 0:
            raise ValueError(f"heartbeat_interval must be positive: {heartbeat_interval}")

        if world is None:
            world = World(guilds=max(3, shards), members=30 * max(3, shards), shard_count=shards)

        self._token = token if token is not None else _make_token(world.me["id"])
        gateway = Gateway(
            world,
            token=self._token,
            large_threshold=large_threshold,
            heartbeat_interval=heartbeat_interval,
            replay_limit=replay_limit,
        )
        super().__init__(world, gateway, shards)
        self._rest = MessageRest(
            world, token=self._token, shards=shards, interactions=self._interactions, publish=self.dispatch
        )
        self._runner: web.AppRunner | None = None
        self._url = ""

    async def __aenter__(self) -> typing_extensions.Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: types.TracebackType | None,
        /,
    ) -> None:
        await self.close()

    @property
    def token(self) -> str:
        """The token that bots have to use."""
        return self._token

    @property
    def rest_url(self) -> str:
        """The URL to give to a bot as `rest_url`.

        Raises
        ------
        RuntimeError
            If it is not running.
        """
        return f"http://{self._address}{PREFIX}"

    @property
    def gateway_url(self) -> str:
        """The URL of the gateway; bots learn it from REST.

        Raises
        ------
        RuntimeError
            If it is not running.
        """
        return f"ws://{self._address}"

    @property
    def _address(self) -> str:
        if not self._url:
            raise RuntimeError("this loopback Discord is not running")

        self._check_is_served()
        return self._url

    @property
    def requests(self) -> list[Request]:
        """The REST requests that bots have made, oldest first. The list may be cleared."""
        return self._rest.requests

    @property
    def routes(self) -> list[str]:
        """What REST serves, such as `GET /guilds/{guild}`, ordered by path. It answers everything else with 501."""
        served = {(route.path.removeprefix(PREFIX), route.method) for route in self._rest.routes()}
        return [f"{method} {path}" for path, method in sorted(served)]

    async def start(self) -> None:
        """Start to listen.

        Raises
        ------
        RuntimeError
            If it is running already.
        """
        if self._runner is not None:
            raise RuntimeError("this loopback Discord is running already")

        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=_MAX_BODY)
        app.add_routes([web.get("/", self._gateway.serve), *self._rest.served()])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, 0).start()
        port: int = self._runner.addresses[0][1]
        self._url = f"{_HOST}:{port}"
        self._gateway.url = self._rest.gateway_url = self.gateway_url

    async def close(self) -> None:
        """End all connections and sessions, and stop listening. Close the bots first, or they try to reconnect."""
        self._check_loop()
        runner, self._runner, self._url, self._loop = self._runner, None, "", None
        if runner is None:
            return

        for connection in list(self._gateway.connections):
            connection.cut()

        await runner.cleanup()
        self._gateway.sessions.clear()

    def bot(self, **overrides: typing.Any) -> hikari.GatewayBot:
        """Make a bot that connects to this Discord.

        Parameters
        ----------
        **overrides
            Options of [hikari.GatewayBot][]; by default it declares all intents, and has neither banner nor logs.

        Returns
        -------
        hikari.GatewayBot
            The bot. Start it with `running`, or with `await bot.start(check_for_updates=False)`.

        Raises
        ------
        RuntimeError
            If this Discord is not running.
        """
        options: dict[str, typing.Any] = {
            "token": self._token,
            "rest_url": self.rest_url,
            "banner": None,
            "logs": None,
            "suppress_optimization_warning": True,
            "intents": hikari.Intents.ALL,
            **overrides,
        }
        return hikari.GatewayBot(**options)

    @contextlib.asynccontextmanager
    async def running(
        self, bot: hikari.GatewayBot | None = None, /, **options: typing.Any
    ) -> collections.AsyncGenerator[hikari.GatewayBot, None]:
        """Run a bot while a `with` block lasts.

        Parameters
        ----------
        bot
            The bot; what `bot()` makes when not given.
        **options
            Options of [hikari.GatewayBot.start][].

        Yields
        ------
        hikari.GatewayBot
            The bot, after it has received everything that follows READY.
        """
        self._check_loop()
        bot = bot if bot is not None else self.bot()
        try:
            await bot.start(check_for_updates=False, **options)
            await self.settle()
            yield bot
        finally:
            if bot.is_alive:
                await bot.close()

    def refuse_rest(
        self,
        status: int = _FORBIDDEN,
        /,
        *,
        times: int | None = None,
        retry_after: float = 1.0,
        scope: typing.Literal["user", "shared", "global"] = "user",
    ) -> None:
        """Let REST refuse everything but `GET /gateway/bot` from now on.

        Parameters
        ----------
        status
            The HTTP status of the answers. Bots repeat requests that fail with 429, 500, 502, 503 or 504. 429 is a rate
            limit, and comes with the headers of one.
        times
            The number of requests that are refused. Without it all are, until `allow_rest`.
        retry_after
            Seconds after which a bot may ask again when the status is 429.
        scope
            Whom a rate limit is for: this bot, everybody who uses what was asked for, or all that this bot asks for.

        Raises
        ------
        ValueError
            If `status` is not that of an error, `times` is less than 1, `retry_after` is negative or not finite, or
            there is no such `scope`.
        """
        if status not in _ERROR_STATUSES:
            raise ValueError(f"status must be that of an error: {status}")

        if times is not None and times < 1:
            raise ValueError(f"times must be at least 1: {times}")

        if not 0 <= retry_after < math.inf:
            raise ValueError(f"retry_after must be finite and not negative: {retry_after}")

        if scope not in _SCOPES:
            raise ValueError(f"scope must be one of {', '.join(_SCOPES)}: {scope!r}")

        self._rest.refusal = Refusal(status, times, retry_after, scope)

    def allow_rest(self) -> None:
        """Let REST answer again."""
        self._rest.refusal = None


def _make_token(user_id: str, /) -> str:
    return f"{base64.urlsafe_b64encode(user_id.encode()).decode().rstrip('=')}.loop.back"
