# SPDX-License-Identifier: BSD-3-Clause
"""Draws a story from a number. It is plain data: it can be printed, cut, and told again."""

from __future__ import annotations

import dataclasses
import random
import typing

from simulation import events as events_
from simulation import faults as faults_

Args = tuple[typing.Any, ...]

CLASSES: typing.Final = {
    "everything": ("RedisCache",),
    "members, guilds and roles": ("MemberCache", "GuildCache", "RoleCache"),
    "people": ("MemberCache", "UserCache", "PresenceCache", "VoiceStateCache"),
    "places": ("GuildCache", "GuildChannelCache", "ThreadCache", "InviteCache"),
    "words": ("MessageCache", "RoleCache", "EmojiCache", "StickerCache"),
}
"""What caches are made of."""

TINY: typing.Final = {
    "_model.plan._PART_BYTES": 300,
    "_model.plan._STAGED_BYTES": 2_000,
    "_model.plan._TRANSACTION_BYTES": 6_000,
    "_model.plan._TRANSACTION_ENTRIES": 5,
    "_model.changes._PIECE_BYTES": 4_000,
    "_model.changes._PIECE_ENTRIES": 10,
    "_engine.database._PIECE_BYTES": 500,
    "_model.plan._READ_ENTRIES": 3,
    "_model.plan._SMALL": 12,
    "_model.plan._SMALL_BYTES": 12_000,
    "_engine.scans._GUILDS_AT_ONCE": 2,
    "_model.transaction._MANY": 2,
    "_engine.backlog._ALONE_BYTES": 8_000,
    "_engine.backlog._BATCH_BYTES": 4_000,
    "_engine.backlog._EXCHANGE_BYTES": 16_000,
}
"""Bounds that are passed once in a bot's life, made so small that they are passed all the time."""

SCALED: typing.Final = {
    "_engine.database._PIECE_BYTES": 4_096,
    "_model.member_lists._MOST_MEMBERS_OF_A_QUERY": events_.QUERY,
}
"""Bounds that fit into the small world of a story: its links are narrow, its guilds have a dozen members."""


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a story begins with."""

    classes: str = "everything"
    database: int | None = 0
    overrides: tuple[tuple[str, int], ...] = ()
    fillers: int = 1
    lag: float = 0.0
    """Seconds by which the second filler is behind."""
    is_rolling: bool = False
    """Whether the second filler is another process, which connects later than the first one: not a client beside it."""
    has_hand: bool = False
    backlog_limit: int | None = None
    connections: int = 5
    is_tiny: bool = False
    has_msetex: bool = True
    is_cluster: bool = False
    width: int | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that happens."""

    at: float
    act: str
    who: str = ""
    args: Args = ()

    def __str__(self) -> str:
        return f"{self.at:9.4f}  {self.who:8} {self.act} {' '.join(map(repr, self.args))}".rstrip()


@dataclasses.dataclass(frozen=True)
class Story:
    """A seed, what there is in the beginning, and what happens."""

    seed: int
    setup: Setup
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        default = Setup()
        unusual = {
            field.name: getattr(self.setup, field.name)
            for field in dataclasses.fields(Setup)
            if getattr(self.setup, field.name) != getattr(default, field.name)
        }
        lines = [f"  with {unusual or 'nothing unusual'}", *(f"  {step}" for step in self.steps)]
        return "\n".join(lines)


def draw(seed: int) -> Story:
    """Draw a story."""
    return _Author(seed).write()


class _Author:
    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"story {seed}")
        self._now = 0.0
        self._seed = seed
        self._setup = self._draw_setup()
        self._steps: list[Step] = []
        self._is_quiet_until = 0.0

    def _odds(self, part: float) -> bool:
        return self._chance.random() < part

    def _draw_setup(self) -> Setup:
        chance = self._chance
        overrides: tuple[tuple[str, int], ...] = ()
        database = chance.choice((0, 0, None, 3))
        if self._odds(0.2):
            names = ("ROLE", "MEMBER", "GUILD", "MESSAGE", "CHANNEL", "VOICE_STATE")
            overrides = tuple((name, chance.randrange(3)) for name in names)
        return Setup(
            classes=chance.choice(("everything", "everything", *CLASSES)),
            database=database,
            overrides=overrides,
            fillers=chance.choice((1, 1, 2)),
            lag=chance.choice((0.0, 0.01, 0.3)),
            # Drawn apart, so that the stories of all seeds stay what they are.
            is_rolling=random.Random(f"rolling {self._seed}").random() < 0.5,
            has_hand=self._odds(0.4),
            backlog_limit=chance.choice((None, None, 60_000)),
            connections=chance.choice((1, 2, 5)),
            is_tiny=self._odds(0.4),
            has_msetex=self._odds(0.7),
            is_cluster=self._odds(0.02),
            width=chance.choice((None,) * 11 + (8_000,)),
        )

    def write(self) -> Story:
        """Write the whole story: bursts, and what happens in between."""
        self._add("ready")
        self._add("square", "", self._number(), 0)
        scenes = {
            self._burst: 6,
            self._beacons: 5,
            self._squares: 4,
            self._crowd: 2,
            self._readers: 5,
            self._writers: 2 if self._setup.has_hand else 0,
            self._fault: 4,
            self._race: 1,
            self._edits: 2,
            self._nothing: 1,
            self._odd: 1,
            self._life: 1,
            self._pause: 1,
        }
        for _ in range(self._chance.randint(5, 14)):
            (scene,) = self._chance.choices(list(scenes), weights=list(scenes.values()))
            scene()
            self._now += self._chance.choice((0.0, 0.001, 0.003, 0.05, 0.5, 2.0)) * self._chance.random()
        if self._setup.width:
            self._add("square", "", self._number(), 1_200)
        return Story(self._seed, self._setup, tuple(sorted(self._steps, key=lambda step: step.at)))

    def _add(self, act: str, who: str = "", *args: typing.Any, after: float = 0.0) -> None:
        self._steps.append(Step(round(self._now + after, 6), act, who, args))

    def _number(self) -> int:
        return self._chance.randrange(2**31)

    def _tick(self) -> None:
        self._now += self._chance.choice((0.0, 0.000_3, 0.002, 0.01, 0.05)) * self._chance.random()

    def _anyone(self) -> str:
        fillers = [f"filler{number}" for number in range(self._setup.fillers)]
        return self._chance.choice(["reader", *fillers, *(["hand"] if self._setup.has_hand else [])])

    def _anyone_fed(self) -> str:
        return f"filler{self._chance.randrange(self._setup.fillers)}"

    def _cancel(self) -> float | None:
        """Draw when a call is cancelled, if it is."""
        return self._chance.choice((0.0005, 0.002, 0.02, 0.5)) * self._chance.random() if self._odds(0.15) else None

    def _burst(self) -> None:
        for _ in range(self._chance.choice((1, 2, 5, 12))):
            self._add("nothing" if self._odds(0.15) else "adversary", "", self._number())
            self._tick()

    def _beacons(self) -> None:
        for _ in range(self._chance.choice((1, 2, 4, 8))):
            place = self._chance.randrange(len(events_.BEACONS))
            act = self._chance.choice(("set", "set", "change", "delete"))
            spoilt = self._chance.choice((None, None, 0.0, 0.001))
            self._add("beacon", "", place, act, spoilt)
            if self._odds(0.4):
                self._add("read", self._anyone(), "beacon", place, self._cancel(), after=self._chance.random() * 0.004)
            if self._odds(0.2):
                self._add("write", "filler0", "update", place, self._cancel(), after=-self._chance.random() * 0.003)
            self._tick()

    def _squares(self) -> None:
        for _ in range(self._chance.choice((1, 1, 2, 4))):
            self._add("square", "", self._number(), 0)
            if self._odds(0.5):
                self._look_at_square()
            self._tick()

    def _look_at_square(self) -> None:
        for _ in range(self._chance.choice((1, 3))):
            kind = self._chance.randrange(len(events_.SQUARE_LISTS))
            after = self._chance.random() * 0.01
            self._add("read", self._anyone(), "square", kind, self._cancel(), after=after)

    def _crowd(self) -> None:
        if self._odds(0.6):
            self._add("crowd", "", "create", 0)
        acts = [("chunk", 0), ("chunk", 1), ("chunk", 2), ("query", self._chance.randrange(9))]
        acts += [("change", self._number()), ("chunk", self._chance.randrange(3))]
        for act, number in acts:
            if self._odds(0.7):
                self._add("crowd", "", act, number)
                self._tick()

    def _readers(self) -> None:
        for _ in range(self._chance.choice((1, 2, 6))):
            what = self._chance.choice(("beacon", "all", "length", "complete", "available", "many", "odd"))
            self._add("read", self._anyone(), what, self._number() % 1_000, self._cancel())
            self._tick()
        if self._odds(0.3):
            self._look_at_square()

    def _writers(self) -> None:
        for _ in range(self._chance.choice((1, 3))):
            what = self._chance.choice(("set", "set", "delete", "clear"))
            self._add("write", "hand", what, self._number() % 1_000, self._cancel())
            self._tick()

    def _edits(self) -> None:
        """Change a message by hand while Discord does."""
        places = [place for place, (kind, _) in enumerate(events_.BEACONS) if kind == "message"]
        which = self._chance.randrange(len(places))
        self._add("beacon", "", places[which], "set", None)
        self._now += 0.02 + self._chance.random() * 0.05
        self._add("write", self._anyone_fed(), "update", which, None)
        act = self._chance.choice(("change", "delete"))
        self._add("beacon", "", places[which], act, None, after=self._chance.random() * 0.003)
        self._now += 0.01

    def _race(self) -> None:
        """Clear everything of a kind by hand while it arrives."""
        what = self._chance.choice(("clear_members", "clear_guilds"))
        self._add("write", "filler0", what, 0, self._cancel())
        for _ in range(3):
            self._add("square", "", self._number(), 0, after=self._chance.random() * 0.006)
            self._add("adversary", "", self._number(), after=self._chance.random() * 0.006)

    def _fault(self) -> None:
        name = self._chance.choice(list(faults_.FAULTS))
        fault = faults_.FAULTS[name]
        args = fault.draw(self._chance)
        if args == ("older",):
            self._add("keep")
            self._now += self._chance.random()
        if fault.end is None:
            self._add("fault", "server", name, args, 0.0)
            return
        if self._now < self._is_quiet_until:
            return
        duration = round(self._chance.choice((0.01, 0.3, 2.0, 15.0)) * self._chance.random(), 4)
        self._add("fault", "server", name, args, duration)
        self._is_quiet_until = self._now + duration + 0.001
        self._readers()
        for scene in self._chance.choices((self._burst, self._beacons, self._squares, self._readers, self._odd), k=3):
            scene()
        if self._odds(0.3):
            self._add("ready")
        if self._odds(0.5):
            self._now = max(self._now, self._is_quiet_until)

    def _nothing(self) -> None:
        self._add("nothing", "", self._number())

    def _odd(self) -> None:
        for _ in range(self._chance.choice((1, 1, 3))):
            self._add("odd", "", self._number())

    def _life(self) -> None:
        what, who = self._chance.choice(("flush", "close", "close", "foreign", "kill")), self._anyone()
        pause = round(self._chance.choice((0.001, 1.0)) * self._chance.random(), 5)
        self._add(what, who, self._cancel(), pause)
        if what == "close":
            for _ in range(self._chance.choice((0, 1, 3))):
                act = self._chance.choice(("set", "delete", "clear", "update"))
                self._add("write", who, act, self._number() % 1_000, None, after=self._chance.uniform(-0.002, 0.000_5))

    def _pause(self) -> None:
        self._add("calm")
        self._now += 1.0
