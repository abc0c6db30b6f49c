# SPDX-License-Identifier: BSD-3-Clause
"""Tells a story: everything that there is, and what happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib
import random
import secrets
import traceback
import typing
from collections import abc as collections
from unittest import mock

from _support import adversary
from _support import gateway

import sake
from simulation import actions
from simulation import clients as clients_
from simulation import clock as clock_
from simulation import events as events_
from simulation import expected as expected_
from simulation import faults as faults_
from simulation import invariants
from simulation import odd as odd_
from simulation import sizes
from simulation import stories

_BACKLOG_FACTOR: typing.Final = 2.6
"""How much more than `backlog_limit` there may be: the limit is about right, neither what is on its way nor what is
prepared can be given up, and a quarter of the limit is for what was written and is kept."""


@dataclasses.dataclass(frozen=True)
class Telling:
    """An event on its way to the bots."""

    name: str
    payload: events_.Payload
    shard: gateway.Shard
    beacon: events_.Beacon | None = None
    stamp: str | None = None
    spoil: float | None = None
    """Seconds after which another listener changes the payload."""
    is_odd: bool = False


@dataclasses.dataclass(frozen=True)
class Failure:
    """Something that must not be."""

    kind: str
    what: str
    at: float
    trace: str = ""
    """Where the exception was raised, if it is one."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} (at {self.at:.3f} s)"


class World:
    """Everything that a story is about."""

    def __init__(self, story: stories.Story, stage: typing.Any) -> None:
        self.story = story
        self.stage = stage
        self.clock = stage.clock
        self.loop = stage.loop
        self.network = stage.network
        self.server = stage.server
        self.trace = stage.trace
        self.server.on_change = self._look_at_server
        self.stream: events_.Stream
        self.expected: expected_.Expected
        self.clients: dict[str, clients_.Client] = {}
        self.failures: list[Failure] = []
        self.kept: typing.Any = {}
        self.writing: dict[events_.Beacon, int] = {}
        self.guild_ids = (*adversary.GUILD_IDS, *events_.SPECIAL)
        self.compared = frozenset({*adversary.GUILD_IDS, events_.SQUARE, events_.TOWER, events_.CROWD})
        """The guilds whose entities are known in every field."""
        self.lists_seen: dict[int, set[str]] = {}
        """Database → the kinds of which it has had entities of the square."""
        self.may_lose_lists = False
        """Whether the server lost data, or somebody cleared what is stored by hand."""
        self.has_killed = False
        """Whether a process was ended in the middle of what it did."""
        self.is_over = False
        """Whether what Python says from now on means nothing."""
        self.ever: set[str | None] = {None}
        """What beacons have ever shown."""
        self.clears: dict[str, int] = {}
        """Kind → how often clearing it by hand began or ended."""
        self.largest_event = 20_000
        """Bytes that one event may take at most, which counts once it is whole."""
        self.odd_events = 0
        self._doubtful: set[events_.Beacon] = set()
        self._active = 0
        self._processes = 0
        self._well_since = -1e9
        self._tasks: set[asyncio.Task[typing.Any]] = set()
        self._given_up: list[asyncio.Task[typing.Any]] = []
        self.is_slow = story.setup.width is not None

    # What others ask.

    @property
    def patience(self) -> float:
        """Seconds within which others see what was received, once everything is well."""
        return typing.cast("float", self.stage.patience(is_slow=self.is_slow))

    @property
    def is_rolling(self) -> bool:
        """Whether there are two processes with the same shards, of which the later one has them."""
        return self.story.setup.is_rolling and self.story.setup.fillers > 1

    @property
    def may_miss_changes(self) -> bool:
        """Whether some were given up (a close had no time), or what was stored was lost or cleared by hand."""
        return self.expected.is_lossy or self._dropped() > 0

    def is_well(self, grace: float) -> bool:
        """Return whether nothing has been wrong for so many seconds."""
        is_fast = self.network.width is None and self._active == 0
        return is_fast and self.server.is_well and self.loop.time() - self._well_since >= grace

    def fail(self, kind: str, what: str, cause: BaseException | None = None) -> None:
        """Take note of something that must not be."""
        if not any(known.kind == kind for known in self.failures):
            # The exception itself would keep alive what must be gone.
            raised = "".join(traceback.format_exception(cause)) if cause is not None else ""
            self.failures.append(Failure(kind, what, self.clock.now - clock_.START, raised))
            self.trace.note("FAILS", kind, what)

    def lost(self, why: str) -> None:
        """Take note that something was lost, as is promised in such a case."""
        if not self.expected.is_lossy:
            self.trace.note("lossy", why)
        self.expected.is_lossy = True

    def emptied(self, why: str) -> None:
        """Take note that what is stored may go, all of it."""
        self.lost(why)
        self.may_lose_lists = True

    def doubt(self, key: events_.Beacon) -> None:
        """Take note that something written by hand may come late."""
        self._doubtful.add(key)

    def doubtful(self, key: events_.Beacon) -> bool:
        """Return whether something that was written by hand may still come."""
        return key in self._doubtful

    def is_by_hand(self, kind: str, key: typing.Any) -> bool:
        """Return whether an entity is written by hand."""
        return kind == "messages" and int(key) >> 22 == int(events_.HAND) >> 22

    def number_of_processes(self) -> int:
        """Count one process more."""
        self._processes += 1
        return self._processes

    def give_up(self, task: asyncio.Task[typing.Any]) -> None:
        """Stop to wait for a call."""
        task.cancel()
        self._given_up.append(task)

    def check_square(self, where: str, stamps: list[str]) -> None:
        """Look at a list of the square that somebody read."""
        if wrong := invariants.torn(stamps, may_be_empty=True):
            self.fail("half a guild", f"{where} {wrong}")

    def told(self, client: clients_.Client, telling: Telling, payload: events_.Payload) -> None:
        """Take note that a bot has received an event."""
        self.trace.note(client.name, "receives", telling.name)
        if client is self.clients["filler0"] and not telling.is_odd:
            self.expected.feed(telling.name, telling.payload, telling.shard)
            if telling.beacon is not None:
                self.expected.show(telling.beacon, telling.stamp, changes=telling.name == "MESSAGE_UPDATE")
        if telling.spoil is not None:
            self.loop.call_later(telling.spoil, events_.spoil, payload, context=client.context)

    # How it is told.

    def begin(self) -> None:
        """Make what is made in the story's own time."""
        self.stream = events_.Stream()
        self.expected = expected_.Expected(self.loop.time)
        self.loop.set_exception_handler(self._complain)

    def _complain(self, _: object, context: dict[str, typing.Any]) -> None:
        text = f"{context['message']}: {context.get('exception')!r}"
        if not self.is_no_fault(text):
            self.fail("asyncio complains", text, context.get("exception"))

    def is_no_fault(self, complaint: str) -> bool:
        """Return whether something is only hikari's word for what it cannot use, or of iterators of a killed bot."""
        return self.is_over or "conduit" in complaint or (self.has_killed and "asynchronous generator" in complaint)

    async def tell(self) -> None:
        """Tell the story from the beginning to the end."""
        self._make_clients()
        await self._open_all()
        if self.story.setup.is_cluster and not self.clients["filler0"].is_open:
            return

        base = self.loop.time()
        for step in self.story.steps:
            await asyncio.sleep(max(0.0, base + step.at - self.loop.time()))
            began = self.loop.time()
            await self._act(step)
            base += self.loop.time() - began
            self._check_memory()
        await self._finish()

    def _look_at_server(self, touched: bytes) -> None:
        if events_.SQUARE.encode() in touched:
            invariants.check_server(self, self.server)

    def _make_clients(self) -> None:
        setup = self.story.setup
        cls = clients_.cache_class(stories.CLASSES[setup.classes])
        for number in range(setup.fillers):
            lag = setup.lag if number else 0.0
            self.clients[f"filler{number}"] = clients_.Client(self, f"filler{number}", cls, is_fed=True, lag=lag)
        self.clients["reader"] = clients_.Client(self, "reader", cls, is_fed=False)
        if setup.has_hand:
            self.clients["hand"] = clients_.Client(self, "hand", cls, is_fed=False)

    async def _open_all(self) -> None:
        for client in self.clients.values():
            if self.story.setup.is_cluster:
                with contextlib.suppress(sake.BackendError, clients_.CallCancelled):
                    await client.call("open", "open", lambda cache: cache.open())
                    client.is_open = True
            else:
                await client.open()

    async def _act(self, step: stories.Step) -> None:
        self.trace.note("step", step.who, step.act, *step.args)
        client = self.clients.get(step.who)
        act = getattr(self, f"_do_{step.act}")
        if step.who and step.who != "server":
            if client is not None and (client.is_open or client.is_busy):
                await act(client, *step.args)
        else:
            await act(*step.args)

    def _spawn(self, work: collections.Coroutine[typing.Any, typing.Any, None]) -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self.fail("the simulator is wrong", repr(exc), exc)

    def _tell_all(self, telling: Telling) -> None:
        for client in self.clients.values():
            if client.is_fed:
                client.receive(telling)

    async def _do_adversary(self, number: int) -> None:
        self._tell_all(Telling(*self.stream.adversary(number)))

    async def _do_ready(self) -> None:
        for event in self.stream.ready():
            self._tell_all(Telling(*event))

    async def _do_square(self, number: int, weight: int) -> None:
        self.largest_event = max(self.largest_event, 20_000 + 150 * weight)
        self._tell_all(Telling(*self.stream.square(number, weight=weight)))

    async def _do_beacon(self, place: int, act: str, spoil: float | None) -> None:
        event, beacon, stamp = self.stream.beacon(place, act)
        self.ever.add(stamp)
        self._tell_all(Telling(*event, beacon=beacon, stamp=stamp, spoil=spoil))

    async def _do_crowd(self, act: str, number: int) -> None:
        self._tell_all(Telling(*self.stream.crowd_event(act, number)))

    async def _do_nothing(self, number: int) -> None:
        self._tell_all(Telling(*self.stream.nothing(number)))

    async def _do_odd(self, number: int) -> None:
        self.odd_events += 1
        self._tell_all(Telling(*odd_.event(number, self.stream), is_odd=True))

    async def _do_read(self, client: clients_.Client, what: str, number: int, cancel: float | None) -> None:
        self._spawn(actions.read(self, client, what, number, cancel))

    async def _do_write(self, client: clients_.Client, what: str, number: int, cancel: float | None) -> None:
        self._spawn(actions.write(self, client, what, number, cancel))

    async def _do_foreign(self, client: clients_.Client, *_: object) -> None:
        if client.is_open:
            actions.read_elsewhere(self, client)

    async def _do_flush(self, client: clients_.Client, cancel: float | None, _: float) -> None:
        async def flush() -> None:
            with contextlib.suppress(sake.SakeException, clients_.CallCancelled):
                await client.call("flush", "flush", lambda cache: cache.flush(), cancel=cancel)

        self._spawn(flush())

    async def _do_close(self, client: clients_.Client, cancel: float | None, pause: float) -> None:
        async def reopen() -> None:
            await client.close(cancel)
            await asyncio.sleep(pause)
            await client.open()

        self._spawn(reopen())

    async def _do_kill(self, client: clients_.Client, _: float | None, pause: float) -> None:
        async def start_anew() -> None:
            await asyncio.sleep(pause)
            self.clients[client.name] = anew = client.again()
            await anew.open()

        if not self.stage.is_real:
            client.kill()
            self.has_killed = True
            if client.is_fed:
                self.lost(f"{client.name} was killed")
            self._spawn(start_anew())

    async def _do_keep(self) -> None:
        self.kept = self.server.snapshot()

    async def _do_fault(self, name: str, args: faults_.Args, duration: float) -> None:
        fault = faults_.FAULTS[name]
        fault.begin(self, args)
        self._well_since = self.loop.time()
        if name in {"slow", "far"}:
            self.is_slow = True
        if fault.end is not None:
            self._active += 1
            self.loop.call_later(duration, self._end_fault, fault, args)

    def _end_fault(self, fault: faults_.Fault, args: faults_.Args) -> None:
        assert fault.end is not None
        fault.end(self, args)
        self._active -= 1
        self._well_since = self.loop.time()
        self.trace.note("well", self._active)

    async def _do_calm(self) -> None:
        await self._rest()
        self._check_losses()
        if not self.expected.is_lossy:
            await self._compare("reader")
        self.network.width = self.story.setup.width

    async def _rest(self) -> None:
        await self._until(lambda: not (self._active or self._tasks))
        for client in self.clients.values():
            await client.open()
        await self._until(lambda: not any(client.is_behind for client in self.clients.values()))
        await asyncio.sleep(self.patience)
        self._check_statistics()

    async def _until(self, condition: collections.Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - the time is not real
            await asyncio.sleep(0.1)

    async def _finish(self) -> None:
        self.server.doom = None
        await self._rest()
        self._check_losses()
        if not self.failures and self.expected.is_lossy:
            self.network.width = None
            for event in (*self.stream.ready(), *self.stream.heal()):
                self._tell_all(Telling(*event))
                await asyncio.sleep(0.05)
            await self._rest()
        if not self.failures:
            await self._compare("reader")
        for client in self.clients.values():
            await client.close()
        await asyncio.sleep(1.0)
        self._check_left()

    async def _compare(self, name: str) -> None:
        client = self.clients[name]
        # Whatever is stored has to be read in a second.
        self.network.width = None
        try:
            differences = await invariants.compare(self, client)
            if differences:
                more = f" … {len(differences)} in all" if len(differences) > 4 else ""
                self.fail("liveness", f"{'; '.join(differences[:4])}{more}")
            await invariants.check_complete(self, client)
            invariants.check_server(self, self.server)
        except (sake.SakeException, clients_.CallCancelled) as exc:
            self.fail("cannot be read", f"{name}: {exc!r}", exc)

    # What is looked at in between.

    def _dropped(self) -> int:
        return sum(client.cache.statistics.dropped for client in self.clients.values())

    def _check_losses(self) -> None:
        if self._dropped():
            self.lost("changes were given up, and counted")
        skipped = sum(client.cache.statistics.skipped for client in self.clients.values())
        if skipped and not self.odd_events:
            self.fail("skips what is sound", f"{skipped} events or entries")

    def _check_statistics(self) -> None:
        for name, client in self.clients.items():
            statistics = client.cache.statistics
            if client.is_open and (statistics.is_away or statistics.backlog):
                what = f"{name}: is_away={statistics.is_away}, backlog={statistics.backlog} though the server is well"
                self.fail("statistics are not true", what)

    def _check_memory(self) -> None:
        limit = self.story.setup.backlog_limit
        if limit is None or self.is_well(1.0):
            return
        for client in self.clients.values():
            size = max(client.cache.statistics.backlog, sizes.of_backlog(client.cache))
            if size > limit * _BACKLOG_FACTOR + self.largest_event:
                self.fail("memory", f"{client.name}: {size} bytes wait, where {limit} may")

    def living(self) -> set[asyncio.Task[typing.Any]]:
        """Return the tasks that are not done, and of a process that was not killed."""
        return asyncio.all_tasks(self.loop) if self.stage.is_real else self.loop.living()

    def _check_left(self) -> None:
        tasks = self.living() - self._tasks - {asyncio.current_task(self.loop)}
        for task in tasks - set(self._given_up):
            self.fail("a task is left", repr(task))
        for link, owner in self.network.links.items():
            if owner != "nobody":
                self.fail("a connection is left", f"#{link.number} of {owner}")


def tuned(story: stories.Story) -> contextlib.ExitStack:
    """Return a context in which the bounds are those of a story, and what is drawn by lot is drawn from its seed."""
    stack = contextlib.ExitStack()
    drawn = random.Random(story.seed)
    stack.enter_context(mock.patch.object(secrets, "token_hex", lambda size: drawn.randbytes(size).hex()))
    bounds = stories.SCALED | (stories.TINY if story.setup.is_tiny else {})
    for name, value in bounds.items():
        module, _, constant = name.rpartition(".")
        stack.enter_context(mock.patch.object(importlib.import_module(f"sake.redis.{module}"), constant, value))
    return stack
