# SPDX-License-Identifier: BSD-3-Clause
"""What the distribution says of itself."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "2.0.0.dev0"
