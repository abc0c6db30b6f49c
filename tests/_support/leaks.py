# SPDX-License-Identifier: BSD-3-Clause
"""What must not be there any more when a cache is closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections import abc as collections

import pytest


@contextlib.asynccontextmanager
async def none(caplog: pytest.LogCaptureFixture) -> collections.AsyncIterator[None]:
    """Let no task be left, and no exception be lost, when a test and its fixtures are done."""
    before = asyncio.all_tasks()
    yield
    gc.collect()
    # Iterators that were given up are closed by tasks of the event loop's own.
    for _ in range(10):
        await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert not left, left
    lost = [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"]
    # What hikari itself cannot read of a payload is logged there too.
    assert not [text for text in lost if "conduit" not in text], lost
