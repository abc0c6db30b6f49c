# SPDX-License-Identifier: BSD-3-Clause
"""What a client did, in numbers."""

from __future__ import annotations

__all__ = ["Statistics"]

import dataclasses
import typing


class _Waiting(typing.Protocol):
    """What waits to be written now."""

    @property
    def age(self) -> float: ...

    @property
    def is_away(self) -> bool: ...

    @property
    def size(self) -> int: ...


@dataclasses.dataclass(slots=True, repr=False)
class Statistics:
    """What a client did since it was made, and how it is now.

    `backlog`, `lag` and `is_away` are looked up at the moment they are asked for, `last_lag` is the last batch's; all
    other numbers only grow.
    """

    events: int = 0
    """Gateway events that changed something."""

    skipped: int = 0
    """Payloads that could not be used, or parts of them: each was logged with its event and guild, or its key."""

    batches: int = 0
    """Batches written."""

    failures: int = 0
    """Attempts to write that failed because the server was away."""

    failed_reads: int = 0
    """Look-ups and windows of iterators that failed because the server could not be asked."""

    dropped: int = 0
    """Changes given up: `backlog_limit` was passed, or the client was closed before they were written."""

    rewinds: int = 0
    """How often the server had forgotten something: it was started again, or another took its place."""

    last_lag: float = 0.0
    """Seconds from the oldest change of the last batch until all of the batch was written."""

    _waiting: _Waiting | None = dataclasses.field(default=None, compare=False)

    def __repr__(self) -> str:
        counted = (field.name for field in dataclasses.fields(self) if not field.name.startswith("_"))
        numbers = ", ".join(f"{name}={getattr(self, name)!r}" for name in (*counted, "backlog", "lag", "is_away"))
        return f"{type(self).__name__}({numbers})"

    @property
    def backlog(self) -> int:
        """Bytes of memory, about, that wait to be written now."""
        return 0 if self._waiting is None else self._waiting.size

    @property
    def lag(self) -> float:
        """Seconds for which the oldest change that waits has waited, or the last batch's if that was longer."""
        return max(self.last_lag, 0.0 if self._waiting is None else self._waiting.age)

    @property
    def is_away(self) -> bool:
        """Whether the server did not take the last batch, or is taking more than a second over this one."""
        return self._waiting is not None and self._waiting.is_away

    def watch(self, waiting: _Waiting, /) -> None:
        """Tell of what waits there from now on."""
        self._waiting = waiting
