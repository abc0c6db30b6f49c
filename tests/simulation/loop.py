# SPDX-License-Identifier: BSD-3-Clause
"""An event loop in virtual time, which decides by a seed what asyncio leaves open.

What is shuffled, and why that is fair:

* **Between processes, everything.** Every callback belongs to a *host* (by its context). Those of one host run in the
  order in which they became ready; those of different hosts, which are processes of their own, in any.
* **When a turn of the loop is over.** Every turn takes a random time, so a reply, a timer or a cancellation falls
  between any two turns of what else is going on.
* **Timers of one moment**, and replies of several connections: asyncio promises no order.

What is not: callbacks of one host. asyncio runs what is ready first in, first out; hikari starts the listeners of
events one after the other and says that they begin in that order; sake is built on it. Shuffling these, as general
simulators do, reports faults that cannot happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import random
import typing
from collections import abc as collections
from collections import deque

from simulation import clock as clock_
from simulation import network as network_

HOST: typing.Final = contextvars.ContextVar("host", default="")
"""The process that a callback belongs to."""

_MOST_TURN: typing.Final = 0.000_15
"""Seconds that a turn of the loop takes at most."""

_TIE: typing.Final = 0.000_001
"""Seconds by which a timer may be late, which decides between those of one moment."""


class StuckError(Exception):
    """Nobody will ever do anything again."""


class _Task(asyncio.Task[typing.Any]):
    """A task whose place in a set does not depend on its address."""

    _numbers = itertools.count()

    def __init__(self, *args: typing.Any, **options: typing.Any) -> None:
        self._number = next(self._numbers)
        self.host = (options.get("context") or contextvars.copy_context()).get(HOST, "")
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self._number


class Loop(asyncio.BaseEventLoop):
    """Runs callbacks of many hosts in virtual time."""

    def __init__(self, clock: clock_.Clock, chance: random.Random, network: network_.Network) -> None:
        super().__init__()
        self.clock = clock
        self.network = network
        self._chance = chance
        # The base class waits by asking a selector: so this waits without waiting.
        self._selector = self
        self._clock_resolution = 1e-9
        self._killed: set[str] = set()
        self.turns = 0
        self.set_task_factory(self._make_task)
        _Task._numbers = itertools.count()

    def time(self) -> float:
        return self.clock.now

    def select(self, timeout: float | None) -> collections.Sequence[typing.Any]:
        """Let time pass until something is due."""
        if timeout is None:
            error_message = "nothing is ready, and nothing ever will be"
            raise StuckError(error_message)

        self.turns += 1
        if timeout:
            self.clock.advance(timeout)
        else:
            self.clock.advance(self._chance.random() * _MOST_TURN)
            if len(self._ready) > 1:
                self._interleave()
        return ()

    def kill(self, host: str) -> None:
        """Let nothing of a host ever run again: no task goes on, no `finally`."""
        self._killed.add(host)
        for handle in (*self._ready, *self._scheduled):
            if handle._context.get(HOST, "") == host:
                handle.cancel()
        for task in self.tasks_of(host):
            task._log_destroy_pending = False

    def bury(self) -> None:
        """Throw away what killed hosts were about to do, while nobody listens to what Python says of that."""
        for host in self._killed:
            for task in self.tasks_of(host):
                with contextlib.suppress(BaseException):
                    task.get_coro().close()

    def tasks_of(self, host: str) -> list[_Task]:
        """Return the tasks of a host that are not done."""
        return [task for task in asyncio.all_tasks(self) if isinstance(task, _Task) and task.host == host]

    def living(self) -> set[asyncio.Task[typing.Any]]:
        """Return the tasks that are not done, and of a host that was not killed."""
        return {task for task in asyncio.all_tasks(self) if getattr(task, "host", "") not in self._killed}

    def call_soon(
        self,
        callback: collections.Callable[..., object],
        *args: typing.Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        if self._killed and handle._context.get(HOST, "") in self._killed:
            handle.cancel()
        return handle

    def call_at(
        self,
        when: float,
        callback: collections.Callable[..., object],
        *args: typing.Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = super().call_at(when + self._chance.random() * _TIE, callback, *args, context=context)
        if self._killed and handle._context.get(HOST, "") in self._killed:
            handle.cancel()
        return handle

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: collections.Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **_: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        return await self.network.connect(self, protocol_factory, (str(host), int(port or 0)))

    def _interleave(self) -> None:
        ready: deque[asyncio.Handle] = self._ready
        queues: dict[str, deque[asyncio.Handle]] = {}
        for handle in ready:
            queues.setdefault(handle._context.get(HOST, ""), deque()).append(handle)
        if len(queues) < 2:
            return

        ready.clear()
        waiting = list(queues.values())
        while waiting:
            place = int(self._chance.random() * len(waiting))
            ready.append(waiting[place].popleft())
            if not waiting[place]:
                del waiting[place]

    @staticmethod
    def _make_task(
        loop: asyncio.AbstractEventLoop, work: typing.Any, **options: typing.Any
    ) -> asyncio.Task[typing.Any]:
        return _Task(work, loop=loop, **options)

    def _process_events(self, event_list: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def on_host(name: str) -> contextvars.Context:
    """Return a context in which callbacks belong to a host."""
    context = contextvars.copy_context()
    context.run(HOST.set, name)
    return context
