# SPDX-License-Identifier: BSD-3-Clause
"""Lets Ctrl-C and Ctrl-\\ reach what a test runs, also where it ignores them, as background jobs of scripts do."""

from __future__ import annotations

import contextlib
import signal
import typing
from collections import abc as collections

_HANDLERS: typing.Final = {signal.SIGINT: signal.default_int_handler, signal.SIGQUIT: signal.SIG_DFL}


@contextlib.contextmanager
def heeded() -> collections.Iterator[None]:
    """Heed them while a block lasts, and in all processes that are started in it: they inherit what is ignored."""
    before = {number: signal.signal(number, handler) for number, handler in _HANDLERS.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
