# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures for testing bots with pytest.

Opt in with a line in `conftest.py`:

```py
pytest_plugins = ["sake.testing.pytest_plugin"]
```
"""

from __future__ import annotations

__all__ = ["loopback_discord", "payloads"]

from collections import abc as collections

import pytest
import pytest_asyncio

from sake import testing


@pytest_asyncio.fixture
async def loopback_discord() -> collections.AsyncGenerator[testing.LoopbackDiscord, None]:
    """Run a [sake.testing.LoopbackDiscord][] with a small world while the test lasts.

    Yields
    ------
    sake.testing.LoopbackDiscord
        A Discord with three guilds, listening.
    """
    async with testing.LoopbackDiscord() as discord:
        yield discord


@pytest.fixture
def payloads() -> testing.Payloads:
    """Make a builder of payloads.

    Returns
    -------
    sake.testing.Payloads
        A builder with the seed 0.
    """
    return testing.Payloads()
