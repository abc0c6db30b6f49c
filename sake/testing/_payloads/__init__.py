# SPDX-License-Identifier: BSD-3-Clause
"""Builders for every payload of the gateway, and the seeded randomness that they draw from."""
