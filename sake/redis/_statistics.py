# SPDX-License-Identifier: BSD-3-Clause
"""What a client did, in numbers."""

from __future__ import annotations

__all__ = ["Statistics"]

import dataclasses


@dataclasses.dataclass(slots=True)
class Statistics:
    """What a client did since it was made. All numbers but the last three only grow."""

    events: int = 0
    """Gateway events that changed something."""

    skipped: int = 0
    """Payloads that could not be used: each was logged with its event and guild, or its key."""

    batches: int = 0
    """Batches written."""

    failures: int = 0
    """Attempts to write that failed because the server was away."""

    dropped: int = 0
    """Entries given up: `backlog_limit` was passed, or the client was closed while the server was away."""

    backlog: int = 0
    """Bytes of memory, about, that wait to be written now."""

    lag: float = 0.0
    """Seconds from the oldest change of the last batch until all of the batch was written."""

    is_away: bool = False
    """Whether the last attempt to write failed."""
