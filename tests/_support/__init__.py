# SPDX-License-Identifier: BSD-3-Clause
"""What the tests have in common."""
