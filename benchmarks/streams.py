# SPDX-License-Identifier: BSD-3-Clause
"""The event streams, made once and read by every worker: lines of an event's name, a space and its payload in JSON."""

from __future__ import annotations

__all__ = ["Sizes", "Streams"]

import dataclasses
import pathlib
import typing
from collections import abc as collections

import hikari
import orjson
from contenders import OWN_ID

import sake.testing

Payload: typing.TypeAlias = dict[str, typing.Any]
Event: typing.TypeAlias = tuple[str, Payload]

_SEED: typing.Final = 20
_SPREAD_USERS: typing.Final = 100_000
_SMALL_CHANNELS: typing.Final = 9
_SMALL_MEMBERS: typing.Final = 5
_SMALL_ROLES: typing.Final = 9


@dataclasses.dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything is measured."""

    events: int = 100_000
    """Events of the steady mix for whoever is fast."""

    slow_events: int = 20_000
    """Events of the steady mix for whoever is slow."""

    warm_up: int = 2_000
    """Events before the clock starts."""

    paced_events: int = 6_000
    """Events of the paced mix."""

    spread_events: int = 30_000
    """Events that are spread over guilds."""

    large_guilds: int = 12
    """Guilds of 1,000 members and presences."""

    listed_members: int = 10_000
    """Members of the guild that is read."""

    reads: int = 5_000
    """Members that are read one by one."""

    iterations: int = 3
    """Times that the guild is iterated."""

    burst_guilds: int = 6_000
    """Guilds that arrive at once."""

    @classmethod
    def quick(cls) -> Sizes:
        """Return sizes for a glance, which show whether it runs rather than how fast."""
        return cls(
            events=10_000,
            slow_events=3_000,
            warm_up=500,
            paced_events=1_000,
            spread_events=5_000,
            large_guilds=4,
            listed_members=2_000,
            reads=1_000,
            iterations=1,
            burst_guilds=600,
        )


class Streams:
    """Writes streams into a folder, each the first time it is asked for.

    Parameters
    ----------
    folder
        Where to.
    sizes
        How much of everything.
    """

    def __init__(self, folder: pathlib.Path, sizes: Sizes, /) -> None:
        self._folder = folder
        self._sizes = sizes
        self._makers: dict[str, collections.Callable[[], tuple[list[Event], collections.Iterable[Event]]]] = {
            "burst": self._make_burst,
            "large": self._make_large,
            "listed": self._make_listed,
            "members": self._make_members,
            "world": self._make_world,
        }

    def write(self, name: str, /) -> tuple[pathlib.Path, pathlib.Path]:
        """Write a stream, unless it is there.

        Parameters
        ----------
        name
            `burst`, `large`, `listed`, `members`, `world`, or `spread-N` for N guilds.

        Returns
        -------
        tuple[pathlib.Path, pathlib.Path]
            The events which come before the measurement, and those to measure.

        Raises
        ------
        KeyError
            If there is no such stream.
        """
        setup, events = self._folder / f"{name}.setup", self._folder / f"{name}.events"
        if not events.exists():
            kind, _, count = name.partition("-")
            before, measured = self._make_spread(int(count)) if kind == "spread" else self._makers[name]()
            _write(setup, before)
            _write(events, measured)

        return setup, events

    def _make_world(self) -> tuple[list[Event], collections.Iterable[Event]]:
        # Whole guilds have a row of their own: one in a thousand events would weigh as much as all the others.
        world = sake.testing.World(seed=_SEED, weights={"GUILD_DELETE": 0})
        before = [_ready(world.payloads, world.guilds)]
        before += [("GUILD_CREATE", world.guild_create(guild_id)) for guild_id in world.guilds]
        return before, world.steps(self._sizes.warm_up + self._sizes.events)

    def _make_large(self) -> tuple[list[Event], collections.Iterable[Event]]:
        payloads = sake.testing.Payloads(_SEED)
        guilds = [_guild(payloads, 1_000, presences=True) for _ in range(self._sizes.large_guilds + 1)]
        events = [("GUILD_CREATE", guild) for guild in guilds]
        return [_ready(payloads, [guild["id"] for guild in guilds]), events[0]], events[1:]

    def _make_listed(self) -> tuple[list[Event], collections.Iterable[Event]]:
        payloads = sake.testing.Payloads(_SEED)
        guild = _guild(payloads, self._sizes.listed_members)
        return [_ready(payloads, [guild["id"]]), ("GUILD_CREATE", guild)], []

    def _make_members(self) -> tuple[list[Event], collections.Iterable[Event]]:
        payloads = sake.testing.Payloads(_SEED)
        guilds = [_guild(payloads, 1_000) for _ in range(20)]
        before = [_ready(payloads, [guild["id"] for guild in guilds])]
        before += [("GUILD_CREATE", {**guild, "members": guild["members"][:1]}) for guild in guilds]
        return before, [("GUILD_CREATE", guild) for guild in guilds]

    def _make_burst(self) -> tuple[list[Event], collections.Iterable[Event]]:
        payloads = sake.testing.Payloads(_SEED)
        guilds = [_small_guild(payloads) for _ in range(self._sizes.burst_guilds)]
        return [_ready(payloads, [guild["id"] for guild in guilds])], [("GUILD_CREATE", guild) for guild in guilds]

    def _make_spread(self, guilds: int, /) -> tuple[list[Event], collections.Iterable[Event]]:
        """Make events of the same 100,000 users, whichever number of guilds they are in."""
        payloads = sake.testing.Payloads(_SEED)
        guild_ids = [payloads.snowflake(within_days=1_500) for _ in range(guilds)]
        users = [payloads.user() for _ in range(_SPREAD_USERS)]
        channel_ids = [payloads.snowflake(within_days=1_000) for _ in range(guilds)]
        return [_ready(payloads, guild_ids)], (
            _spread_event(payloads, users, guild_ids, channel_ids)
            for _ in range(self._sizes.warm_up + self._sizes.spread_events)
        )


def _spread_event(
    payloads: sake.testing.Payloads, users: list[Payload], guild_ids: list[str], channel_ids: list[str], /
) -> Event:
    number = payloads.whole(0, len(users) - 1)
    user, guild_id = users[number], guild_ids[number % len(guild_ids)]
    draw = payloads.random.random()
    if draw < 0.55:
        return "PRESENCE_UPDATE", payloads.presence(user_id=user["id"], guild_id=guild_id)

    if draw < 0.85:
        member, channel_id = payloads.member(user=user), channel_ids[number % len(guild_ids)]
        return "MESSAGE_CREATE", payloads.message(member=member, channel_id=channel_id, guild_id=guild_id)

    return "GUILD_MEMBER_UPDATE", payloads.member(user=user, guild_id=guild_id)


def _ready(payloads: sake.testing.Payloads, guild_ids: collections.Iterable[str], /) -> Event:
    return "READY", {
        "v": 10,
        "user": payloads.own_user(id=str(OWN_ID)),
        "guilds": [payloads.unavailable_guild(id=guild_id) for guild_id in guild_ids],
        "session_id": "0123456789abcdef",
        "resume_gateway_url": "ws://127.0.0.1",
        "shard": [0, 1],
        "application": {"id": str(OWN_ID), "flags": 0},
    }


def _guild(payloads: sake.testing.Payloads, members: int, /, *, presences: bool = False) -> Payload:
    guild = payloads.guild(members=[payloads.member() for _ in range(members)], large=True)
    role_ids = [role["id"] for role in guild["roles"][1:]]
    for member in guild["members"]:
        member["roles"] = [role_id for role_id in role_ids if payloads.chance(0.6)]
        if presences:
            guild["presences"].append(payloads.presence(user_id=member["user"]["id"]))

    return guild


def _small_guild(payloads: sake.testing.Payloads, /) -> Payload:
    guild = payloads.guild(members=[payloads.member() for _ in range(_SMALL_MEMBERS)])
    types = [hikari.ChannelType.GUILD_CATEGORY, *[hikari.ChannelType.GUILD_TEXT] * _SMALL_CHANNELS]
    guild["channels"] = [payloads.channel(type=kind) for kind in types]
    guild["roles"] = [payloads.everyone_role(guild["id"]), *(payloads.role() for _ in range(_SMALL_ROLES))]
    return guild


def _write(path: pathlib.Path, events: collections.Iterable[Event], /) -> None:
    with path.open("wb") as file:
        for name, payload in events:
            file.write(b"%b %b\n" % (name.encode(), orjson.dumps(payload)))
