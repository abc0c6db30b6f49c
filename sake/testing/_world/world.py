# SPDX-License-Identifier: BSD-3-Clause
"""A made-up Discord which knows what is true."""

from __future__ import annotations

__all__ = ["World"]

import bisect
import collections as collections_
import itertools
import typing
from collections import abc as collections

import hikari

from .._payloads.source import Payload
from . import guild_steps
from . import message_steps
from . import people_steps
from .build import build_guild
from .build import spread
from .guild import WorldGuild
from .state import WorldState
from .steps import Draw
from .steps import Event

if typing.TYPE_CHECKING:
    import datetime

_STEPS: typing.Final = {**guild_steps.STEPS, **message_steps.STEPS, **people_steps.STEPS}
# A guild's shard is the millisecond of its creation modulo the number of shards. Counting guilds up in steps that every
# number of shards up to ten divides spreads them evenly whatever that number is.
_SHARD_CYCLE: typing.Final = 2_520
_FIRST_GUILD_MS: typing.Final = 300_000_000_000 - 300_000_000_000 % _SHARD_CYCLE
_SESSION_ID: typing.Final = "0123456789abcdef"


class World(WorldState):
    """A made-up Discord which knows what is true.

    It holds guilds with everything in them as payloads, and lets random things happen to them one gateway event at a
    time. After every event the dicts are what a cache that has followed all events holds. Nothing is sent anywhere:
    feed the events to whatever is tested, or give the world to a [sake.testing.LoopbackDiscord][]. Its payloads are
    for reading: an event shares them with the dicts.

    ```py
    world = sake.testing.World(seed=1, guilds=2, members=50)
    for guild_id in world.guilds:
        cache.consume("GUILD_CREATE", world.guild_create(guild_id))

    for name, payload in world.steps(1_000):
        cache.consume(name, payload)
    ```

    What "right" means where one could argue: CHANNEL_DELETE takes the channel's threads, invites, voice states and
    messages along, THREAD_DELETE the thread's messages, GUILD_MEMBER_REMOVE the presence and the voice state; a guild
    in an outage keeps everything, a guild which the bot has left is gone from `guilds`; MESSAGE_UPDATE and GUILD_UPDATE
    are merged over what is there; THREAD_UPDATE keeps the bot's own `member`; a deleted role stays in its members'
    `roles`; messages and invites are known from the moment that the gateway tells of them.

    Parameters
    ----------
    seed
        Two worlds with the same parameters, the same seed and the same `now` have the same history.
    guilds
        Number of guilds.
    members
        Number of members of all guilds together, the bot's own included, spread unevenly: the first guild is the
        largest. At least two for each guild.
    shard_count
        Number of shards that `ready` and `shard_of` use when not told otherwise.
    large_threshold
        A guild with more members than this is `large` in GUILD_CREATE.
    weights
        How often which event happens, by name, laid over `World.default_weights()`. `0` means never.
    now
        The instant the world's clock starts at; the present when not given.

    Raises
    ------
    ValueError
        If a number is out of its range or a weight is negative or of an unknown event.
    """

    __slots__ = ("_away", "_cumulative_sizes", "_cumulative_weights", "_draws", "_present", "_steps_taken")

    def __init__(
        self,
        *,
        seed: int = 0,
        guilds: int = 25,
        members: int = 25_000,
        shard_count: int = 1,
        large_threshold: int = 250,
        weights: collections.Mapping[str, float] | None = None,
        now: datetime.datetime | None = None,
    ) -> None:
        _check_sizes(guilds=guilds, members=members, shard_count=shard_count)
        super().__init__(seed=seed, shard_count=shard_count, large_threshold=large_threshold, now=now)
        self._away: collections_.deque[tuple[int, WorldGuild]] = collections_.deque()
        self._steps_taken = 0
        for index, size in enumerate(spread(members, guilds)):
            created_at = _FIRST_GUILD_MS + self.payloads.whole(0, 1_000_000) * _SHARD_CYCLE + index
            guild_id = str(created_at << 22 | index)
            self.guilds[guild_id] = build_guild(self, guild_id, size)

        self._present: list[WorldGuild] = []
        self._cumulative_sizes: list[int] = []
        self._weigh_guilds()
        self._draws, self._cumulative_weights = _weigh({**self.default_weights(), **(weights or {})})

    @staticmethod
    def default_weights() -> dict[str, float]:
        """Tell how often which event happens by default.

        Returns
        -------
        dict[str, float]
            Weights by event name. They sum up to about 100, so they read as percent: 45 % PRESENCE_UPDATE, 25 %
            MESSAGE_CREATE, 10 % edits and deletions, 11 % changes of members, and a little of everything else.
            `GUILD_DELETE` stands for outages and for leaving; each is followed by a GUILD_CREATE some events later.
        """
        return {name: entry.weight for name, entry in sorted(_STEPS.items())}

    def step(self) -> Event:
        """Let the next random thing happen.

        Returns
        -------
        tuple[str, dict]
            The name and the payload of the event that tells of it, as the gateway sends them.
        """
        self._steps_taken += 1
        if self._away and self._away[0][0] <= self._steps_taken:
            return self._come_back(self._away.popleft()[1])

        random = self.payloads.random.random
        weights, sizes = self._cumulative_weights, self._cumulative_sizes
        while True:
            draw = self._draws[bisect.bisect(weights, random() * weights[-1], 0, len(weights) - 1)]
            guild = self._present[bisect.bisect(sizes, random() * sizes[-1], 0, len(sizes) - 1)]
            if (event := draw(self, guild)) is not None:
                return event

    def steps(self, count: int, /) -> collections.Iterator[Event]:
        """Let random things happen, each when its turn comes.

        Parameters
        ----------
        count
            How many.

        Yields
        ------
        tuple[str, dict]
            What `step` returns.
        """
        for _ in range(count):
            yield self.step()

    def ready(
        self,
        shard_id: int = 0,
        /,
        *,
        shard_count: int | None = None,
        session_id: str = _SESSION_ID,
        resume_gateway_url: str = "ws://127.0.0.1",
    ) -> Payload:
        """Build a shard's READY.

        Parameters
        ----------
        shard_id
            The shard.
        shard_count
            How many shards there are; the world's `shard_count` when not given.
        session_id
            The session.
        resume_gateway_url
            Where to resume it.

        Returns
        -------
        dict
            The own user and the stubs of all guilds of that shard, including those in an outage.
        """
        count = shard_count if shard_count is not None else self.shard_count
        mine = (guild_id for guild_id in self.guilds if self.shard_of(guild_id, shard_count=count) == shard_id)
        return {
            "v": 10,
            "user": self.me,
            "guilds": [self.payloads.unavailable_guild(id=guild_id) for guild_id in mine],
            "session_id": session_id,
            "session_type": "normal",
            "resume_gateway_url": resume_gateway_url,
            "shard": [shard_id, count],
            "application": {"id": self.me["id"], "flags": 8_953_856},
            "private_channels": [],
            "relationships": [],
        }

    def shard_of(self, guild_id: str, /, *, shard_count: int | None = None) -> int:
        """Tell which shard a guild's events arrive on.

        Parameters
        ----------
        guild_id
            The guild.
        shard_count
            How many shards there are; the world's `shard_count` when not given.

        Returns
        -------
        int
            Number of the shard.
        """
        count = shard_count if shard_count is not None else self.shard_count
        return hikari.snowflakes.calculate_shard_id(count, int(guild_id))

    def send_away(self, guild: WorldGuild, /, *, outage: bool) -> Event | None:
        """Let a guild become unavailable, or let the bot leave it; a later step brings it back.

        Parameters
        ----------
        guild
            The guild.
        outage
            Whether it is an outage.

        Returns
        -------
        tuple[str, dict] | None
            The GUILD_DELETE, or `None` when too few guilds would be left to let things happen in.
        """
        if len(self._present) * 4 <= len(self.guilds) * 3 or len(self._present) == 1:
            return None

        back_at = self._steps_taken + self.payloads.whole(50, 500)
        bisect.insort(self._away, (back_at, guild), key=lambda entry: entry[0])
        guild.available = False
        payload = {"id": guild.id}
        if outage:
            payload = self.payloads.unavailable_guild(id=guild.id)
        else:
            del self.guilds[guild.id]
            guild.messages.clear()
            guild.invites.clear()

        self._weigh_guilds()
        return "GUILD_DELETE", payload

    def _come_back(self, guild: WorldGuild, /) -> Event:
        left = guild.id not in self.guilds
        self.guilds[guild.id] = guild
        guild.available = True
        self._weigh_guilds()
        self._pass_time(guild)
        if not left:
            return "GUILD_CREATE", self.guild_create(guild.id)

        guild.record = {**guild.record, "joined_at": self.payloads.timestamp()}
        payload = self.guild_create(guild.id)
        del payload["unavailable"]
        return "GUILD_CREATE", payload

    def _pass_time(self, guild: WorldGuild, /) -> None:
        """Change what only the next GUILD_CREATE will tell of."""
        role = self.payloads.role(id=self.payloads.snowflake())
        guild.roles[role["id"]] = role
        self.remove_someone(guild)
        for table in (guild.presences, guild.voice_states):
            for user_id in list(table)[::2]:
                del table[user_id]

    def _weigh_guilds(self) -> None:
        self._present = [guild for guild in self.guilds.values() if guild.available]
        self._cumulative_sizes = list(itertools.accumulate(len(guild.members) for guild in self._present))


def _weigh(weights: collections.Mapping[str, float], /) -> tuple[list[Draw], list[float]]:
    for name, weight in weights.items():
        if name not in _STEPS or not weight >= 0:
            raise ValueError(f"weights[{name!r}] must be of a known event and not negative: {weight}")

    drawn = [(weight, _STEPS[name].draw) for name, weight in sorted(weights.items()) if weight]
    if not drawn:
        raise ValueError("weights must let at least one event happen")

    return [draw for _, draw in drawn], list(itertools.accumulate(weight for weight, _ in drawn))


def _check_sizes(*, guilds: int, members: int, shard_count: int) -> None:
    if guilds < 1:
        raise ValueError(f"guilds must be at least 1: {guilds}")

    if members < 2 * guilds:
        raise ValueError(f"members must be at least two for each guild: {members} for {guilds} guilds")

    if shard_count < 1:
        raise ValueError(f"shard_count must be at least 1: {shard_count}")
