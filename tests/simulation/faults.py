# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong: each fault begins, and most of them end."""

from __future__ import annotations

import random
import typing
from collections import abc as collections

if typing.TYPE_CHECKING:
    from simulation import world as world_

Args = tuple[typing.Any, ...]


class Fault(typing.NamedTuple):
    """How a fault begins and ends; one without an end is over at once."""

    begin: collections.Callable[[world_.World, Args], None]
    end: collections.Callable[[world_.World, Args], None] | None
    draw: collections.Callable[[random.Random], Args]
    """Draws what `begin` and `end` are told besides."""


def _nothing(_: random.Random) -> Args:
    return ()


def _doom(world: world_.World, args: Args) -> None:
    world.server.doom = args[0]


def _kill(world: world_.World, args: Args) -> None:
    world.server.kill_all()


def _freeze(world: world_.World, _: Args) -> None:
    world.server.freeze()


def _thaw(world: world_.World, _: Args) -> None:
    world.server.thaw()


def _cut(world: world_.World, _: Args) -> None:
    world.network.cut()


def _mend(world: world_.World, _: Args) -> None:
    world.network.mend()


def _stop(world: world_.World, _: Args) -> None:
    world.server.stop()


def _start(world: world_.World, args: Args) -> None:
    data = {"kept": None, "older": world.kept, "empty": {}}[args[0]]
    if args[0] != "kept":
        world.emptied("the server came back with other data")
    world.server.start(data)


def _state(name: str) -> tuple[collections.Callable[[world_.World, Args], None], ...]:
    def begin(world: world_.World, _: Args) -> None:
        setattr(world.server, name, True)

    def end(world: world_.World, _: Args) -> None:
        setattr(world.server, name, False)

    return begin, end


def _evict(world: world_.World, args: Args) -> None:
    chance = random.Random(args[0])
    world.expected.evicted = True
    world.server.evict(lambda keys: [key for key in keys if chance.random() < 0.5])


def _slow(world: world_.World, args: Args) -> None:
    world.network.width = args[0]


def _wide(world: world_.World, _: Args) -> None:
    world.network.width = None


def _far(world: world_.World, args: Args) -> None:
    world.network.latency = (args[0] / 2, args[0])


def _near(world: world_.World, _: Args) -> None:
    world.network.latency = (0.000_05, 0.000_4)


FAULTS: typing.Final[dict[str, Fault]] = {
    "connection lost": Fault(_doom, None, lambda chance: (chance.choice(("before", "after", "within")),)),
    "all connections lost": Fault(_kill, None, _nothing),
    "eviction": Fault(_evict, None, lambda chance: (chance.randrange(1_000),)),
    "frozen": Fault(_freeze, _thaw, _nothing),
    "way cut": Fault(_cut, _mend, _nothing),
    "restart": Fault(_stop, _start, lambda chance: (chance.choice(("kept", "kept", "kept", "older", "empty")),)),
    "full": Fault(*_state("is_full"), _nothing),
    "read only": Fault(*_state("is_replica"), _nothing),
    "loading": Fault(*_state("is_loading"), _nothing),
    "slow": Fault(_slow, _wide, lambda chance: (chance.choice((8_000, 20_000)),)),
    "far": Fault(_far, _near, lambda chance: (chance.choice((0.05, 0.2)),)),
}
