# SPDX-License-Identifier: BSD-3-Clause
"""Makes a story shorter while it still fails in the same way."""

from __future__ import annotations

import dataclasses
import typing
from collections import abc as collections

from simulation import stories

_MOST_TELLINGS: typing.Final = 200

if typing.TYPE_CHECKING:
    from simulation import run as run_


def shrink(story: stories.Story, kind: str, tell: collections.Callable[[stories.Story], run_.Result]) -> stories.Story:
    """Return the shortest story found that fails as this one does."""
    budget = _MOST_TELLINGS

    def fails(candidate: stories.Story) -> bool:
        nonlocal budget
        budget -= 1
        return any(failure.kind == kind for failure in tell(candidate).failures)

    size = max(1, len(story.steps) // 2)
    while budget > 0:
        before = len(story.steps)
        start = 0
        while start < len(story.steps) and budget > 0:
            shorter = dataclasses.replace(story, steps=story.steps[:start] + story.steps[start + size :])
            if fails(shorter):
                story = shorter
            else:
                start += size
        if size == 1 and len(story.steps) == before:
            break
        size = max(1, size // 2)

    return _plainer(story, fails)


def _plainer(story: stories.Story, fails: collections.Callable[[stories.Story], bool]) -> stories.Story:
    default = stories.Setup()
    for field in dataclasses.fields(default):
        setup = dataclasses.replace(story.setup, **{field.name: getattr(default, field.name)})
        if setup != story.setup:
            plainer = dataclasses.replace(story, setup=setup)
            if fails(plainer):
                story = plainer
    return story
