# SPDX-License-Identifier: BSD-3-Clause
"""Runs the command line: `python -m sake`."""

from __future__ import annotations

import sys

from sake import cli

if __name__ == "__main__":
    sys.exit(cli.main())
