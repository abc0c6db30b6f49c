# SPDX-License-Identifier: BSD-3-Clause
"""Why several tests do not run on every server."""

from __future__ import annotations

import typing

import pytest

needs_statistics: typing.Final = pytest.mark.not_on("fakeredis", reason="it counts neither commands nor connections")
needs_closed_connections: typing.Final = pytest.mark.not_on("fakeredis", reason="it lists closed connections too")
