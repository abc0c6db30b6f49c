# SPDX-License-Identifier: BSD-3-Clause
"""Stories that once failed, as short as they could be made: they go on being told, whatever else is drawn."""

from __future__ import annotations

import typing

import pytest

from simulation import run
from simulation import stories

Setup, Step = stories.Setup, stories.Step

FOUND: typing.Final[dict[str, tuple[Setup, tuple[Step, ...]]]] = {
    "a question that takes two": (
        Setup(),
        (
            Step(2.0205, "fault", "server", ("way cut", (), 0.6033)),
            Step(2.0205, "read", "reader", ("available", 361, None)),
            Step(2.6251, "fault", "server", ("way cut", (), 1.3407)),
        ),
    ),
    "a full server, and nothing to remove": (
        Setup(),
        (Step(0.0135, "fault", "server", ("full", (), 0.8549)), Step(0.02, "beacon", "", (0, "set", None))),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_is_not_found_again(name: str) -> None:
    setup, steps = FOUND[name]
    result = run.tell(stories.Story(1, setup, steps))
    assert not result.failures, run.report(result)
