# SPDX-License-Identifier: BSD-3-Clause
"""A made-up Discord: what is true in it, and what happens to that."""
