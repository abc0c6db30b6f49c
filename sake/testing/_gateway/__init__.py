# SPDX-License-Identifier: BSD-3-Clause
"""The gateway: sessions, what bots ask for over it, and what a test does to them."""
