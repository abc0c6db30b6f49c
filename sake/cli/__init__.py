# SPDX-License-Identifier: BSD-3-Clause
"""The command line: `sake`, or `python -m sake`. It needs the `cli` extra."""

from __future__ import annotations

__all__ = ["main"]

import importlib.util
import sys
import typing

_NEEDED: typing.Final = ("rich", "typer")


def main() -> int:
    """Run the command line with the arguments of this process.

    Returns
    -------
    int
        The exit code: 0 if all went well, 1 if not, 2 if the arguments cannot be used, 130 after Ctrl-C.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        print('The command line is an extra. Install it: pip install "sake-cache[cli]"', file=sys.stderr)
        return 1

    from sake.cli import _app

    return _app.run()
