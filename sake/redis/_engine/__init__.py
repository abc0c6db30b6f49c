# SPDX-License-Identifier: BSD-3-Clause
"""Reads and writes: sends what the model says, and hears what the server says to it."""
