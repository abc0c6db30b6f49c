# SPDX-License-Identifier: BSD-3-Clause
"""The command line: `sake`, or `python -m sake`. It needs the `cli` extra."""

from __future__ import annotations

__all__ = ["main"]

import contextlib
import importlib.util
import os
import sys
import typing

from sake import _about

_NEEDED: typing.Final = ("rich", "typer")


def main() -> int:
    """Run the command line with the arguments of this process.

    Returns
    -------
    int
        The exit code: 0 if all went well, 1 if not, 2 if the arguments cannot be used, 130 after Ctrl-C.
    """
    _open_closed_streams()
    try:
        code = _run()
        sys.stdout.flush()
    except OSError as error:
        # What Python flushes when it ends must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with contextlib.suppress(OSError):
            if not isinstance(error, BrokenPipeError):
                print(f"sake: {error}", file=sys.stderr, flush=True)

        return 1

    return code


def _open_closed_streams() -> None:
    """Open what the shell has closed, or connections and pipes take its place, and get what is written there."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is what it gets.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def _run() -> int:
    if sys.argv[1:2] == ["--version"]:
        print(f"sake {_about.__version__}")
        return 0

    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        print('The command line is an extra. Install it: pip install "sake-cache[cli]"', file=sys.stderr)
        return 1

    from sake.cli import _app

    return _app.run()
