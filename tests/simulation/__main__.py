# SPDX-License-Identifier: BSD-3-Clause
"""The command line: `python -m simulation`."""

import sys

from simulation import run

run._with_fixed_hashes()
sys.exit(run.main())
