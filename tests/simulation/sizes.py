# SPDX-License-Identifier: BSD-3-Clause
"""How much memory waits to be written, whatever the client thinks."""

from __future__ import annotations

import sys
import typing
from collections import deque

_OWN: typing.Final = (
    "sake.redis._engine.writer",
    "sake.redis._model.changes",
    "sake.redis._model.delta",
    "sake.redis._model.plan",
)


def of_backlog(cache: typing.Any) -> int:
    """Return how many bytes everything takes that a cache has described and not written."""
    # Several parts of a client know the same one.
    return sum(map(_deep, {id(writer): writer for writer in _writers(cache, 3)}.values()))


def _writers(item: object, depth: int) -> list[object]:
    """Find the writer, wherever a client keeps it."""
    if type(item).__name__ == "Writer":
        return [item]
    if depth == 0 or not type(item).__module__.startswith(("sake.", "simulation.")):
        return []
    return [writer for part in _parts_of(item) for writer in _writers(part, depth - 1)]


def _deep(root: object) -> int:
    seen: set[int] = set()
    waiting: list[object] = [root]
    size = 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            waiting += (*item.keys(), *item.values())
        elif isinstance(item, (list, tuple, set, frozenset, deque)):
            waiting += item
        elif type(item).__module__.startswith(_OWN):
            waiting += _parts_of(item)
        elif not isinstance(item, (bytes, bytearray, str, int, float)):
            continue
        size += sys.getsizeof(item)
    return size


def _parts_of(item: object) -> list[object]:
    names = [name for cls in type(item).__mro__ for name in getattr(cls, "__slots__", ())]
    return [*getattr(item, "__dict__", {}).values(), *(getattr(item, name) for name in names if hasattr(item, name))]
