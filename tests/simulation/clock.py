# SPDX-License-Identifier: BSD-3-Clause
"""Virtual time, and the modules that are told it instead of the real one."""

from __future__ import annotations

import contextlib
import datetime
import random
import sys
import time
import types
import typing
from collections import abc as collections

START: typing.Final = 1_780_000_000.0
"""When every story begins, in seconds since 1970: some day in 2026."""

_TOLD: typing.Final = ("_support.", "fakeredis.", "sake.", "simulation.")
"""The modules whose `time` and `datetime` are virtual. Other libraries ask the event loop, or do not ask."""

_MOST_WORK: typing.Final = 0.000_4
"""Seconds that pass at most between two looks at a clock that is there to measure work."""


class Clock:
    """Passes only when it is told to."""

    def __init__(self, chance: random.Random) -> None:
        self.now: float = START
        self._chance = chance

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def monotonic(self) -> float:
        """Return the time, after work of a random length: who looks at this clock measures how long something takes."""
        self.now += self._chance.random() * _MOST_WORK
        return self.now

    @contextlib.contextmanager
    def told(self) -> collections.Iterator[None]:
        """Let the modules under test see this time as long as a block lasts."""
        shims = {"time": self._time_module(), "datetime": self._datetime_module()}
        real = {"time": time, "datetime": datetime}
        changed: list[tuple[types.ModuleType, str]] = []
        try:
            for module_name, module in list(sys.modules.items()):
                if not module_name.startswith(_TOLD) or module_name == __name__:
                    continue
                for name, shim in shims.items():
                    if getattr(module, name, None) is real[name]:
                        setattr(module, name, shim)
                        changed.append((module, name))
            yield
        finally:
            for module, name in changed:
                setattr(module, name, real[name])

    def _time_module(self) -> types.SimpleNamespace:
        own = {
            "time": lambda: self.now,
            "time_ns": lambda: int(self.now * 1e9),
            "monotonic": self.monotonic,
            "perf_counter": self.monotonic,
        }
        return types.SimpleNamespace(**{**vars(time), **own})

    def _datetime_module(self) -> types.SimpleNamespace:
        clock = self

        class _Meta(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, datetime.datetime)

        class _Datetime(datetime.datetime, metaclass=_Meta):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
                return datetime.datetime.fromtimestamp(clock.now, tz)

            @classmethod
            def fromisoformat(cls, text: str) -> datetime.datetime:  # type: ignore[override]
                return datetime.datetime.fromisoformat(text)

            @classmethod
            def fromtimestamp(cls, moment: float, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
                return datetime.datetime.fromtimestamp(moment, tz)

        return types.SimpleNamespace(**{**vars(datetime), "datetime": _Datetime})
