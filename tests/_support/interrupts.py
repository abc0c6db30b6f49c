# SPDX-License-Identifier: BSD-3-Clause
"""Lets Ctrl-C reach what a test runs, also where the tests ignore it, as jobs in the background of a script do."""

from __future__ import annotations

import contextlib
import signal
from collections import abc as collections


@contextlib.contextmanager
def heeded() -> collections.Iterator[None]:
    """Heed Ctrl-C while a block lasts, and in all processes that are started in it: they inherit what is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
