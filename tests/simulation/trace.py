# SPDX-License-Identifier: BSD-3-Clause
"""What happened in a story, line by line, and the hash of it."""

from __future__ import annotations

import hashlib
import typing

from simulation import clock as clock_


class Trace:
    """Takes lines; two stories that went the same way have the same hash."""

    def __init__(self, clock: clock_.Clock, *, keep: bool = False) -> None:
        self.lines: list[str] = []
        self._clock = clock
        self._hash = hashlib.blake2b(digest_size=16)
        self._keep = keep

    def note(self, *words: typing.Any) -> None:
        """Add a line."""
        line = f"{self._clock.now - clock_.START:10.6f} {' '.join(map(str, words))}"
        self._hash.update(line.encode(errors="backslashreplace"))
        if self._keep:
            self.lines.append(line)

    def digest(self) -> str:
        """Return the hash of all lines so far."""
        return self._hash.hexdigest()
