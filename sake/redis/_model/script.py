# SPDX-License-Identifier: BSD-3-Clause
"""The one script: what few fields are changed by, and what depends on what is stored. Pure."""

from __future__ import annotations

__all__ = ["SOURCE"]

import pathlib
import typing


def _without_comments(source: str, /) -> str:
    # It is sent with every transaction.
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))


SOURCE: typing.Final = _without_comments(pathlib.Path(__file__).with_suffix(".lua").read_text(encoding="utf-8"))
"""See `script.lua` for what it does."""
